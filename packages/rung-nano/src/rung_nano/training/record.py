"""What a training run leaves behind beside the weights: seed, settings, versions, hashes, tokens, time, and its curve."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from rung_nano._scratch.loop import Settings

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
POINTS = 40
NAME = "training.json"


@dataclass(frozen=True)
class Run:
    """A run: its folder, what it began with, and its settings."""

    folder: Path
    origin: str
    settings: Settings


def record(run: Run, tokenizer: Path) -> dict[str, object]:
    """Return the record of a finished run, ready for JSON."""
    state = json.loads((run.folder / "state" / "state.json").read_text())
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return {
        "origin": run.origin,
        "threads": torch.get_num_threads(),
        "settings": asdict(run.settings),
        "tokens": state["tokens"],
        "steps": state["step"],
        "wall_minutes": round(state["seconds"] / 60, 1),
        "data_sha256": state["data_sha256"],
        "tokenizer_sha256": hashlib.sha256(tokenizer.read_bytes()).hexdigest(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "curve": [
            {
                "tokens": row["tokens"],
                "minutes": round(row["seconds"] / 60, 1),
                "loss": row["loss"],
                "answer_accuracy": row["answer_accuracy"],
            }
            for row in thinned(rows)
        ],
    }


def thinned(rows: list[dict[str, float]], points: int = POINTS) -> list[dict[str, float]]:
    """Return about `points` rows, each the mean of a stretch of the log; tokens and seconds are those at its end."""
    size = max(1, len(rows) // points)
    out = list[dict[str, float]]()
    for begin in range(0, len(rows), size):
        stretch = rows[begin : begin + size]
        mean = {key: round(sum(r[key] for r in stretch) / len(stretch), 4) for key in ("loss", "answer_accuracy")}
        out.append({"tokens": stretch[-1]["tokens"], "seconds": stretch[-1]["seconds"], **mean})
    return out


def write(run: Run, tokenizer: Path, folder: Path, before: Path | None = None) -> None:
    """Write the stages of a training into a folder of weights: those of the record `before`, if there is one, and this run."""
    stages = json.loads(before.read_text(encoding="utf-8"))["stages"] if before and before.is_file() else []
    text = json.dumps({"stages": [*stages, record(run, tokenizer)]}, indent=1)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
