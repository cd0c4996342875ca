"""What a training run leaves behind beside the weights: seed, settings, versions, hashes, tokens, time, and its curve."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rung.tuners._scratch.loop import Settings

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
POINTS = 40
NAME = "training.json"


@dataclass(frozen=True)
class Run:
    """A run: its folder, how many processes shared it, what it began with, and the settings of each process."""

    folder: Path
    replicas: int
    origin: str
    settings: Settings

    def part(self, rank: int) -> Path:
        """Return the folder of one process."""
        return self.folder / f"replica-{rank}" if rank else self.folder


def record(run: Run, tokenizer: Path) -> dict[str, object]:
    """Return the record of a finished run, ready for JSON; tokens and their rate are those of all processes together."""
    states = [json.loads((run.part(rank) / "state" / "state.json").read_text()) for rank in range(run.replicas)]
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return {
        "origin": run.origin,
        "processes": run.replicas,
        "settings_of_each_process": asdict(run.settings),
        "tokens": sum(s["tokens"] for s in states),
        "steps": states[0]["step"],
        "wall_minutes": round(max(s["seconds"] for s in states) / 60, 1),
        "data_sha256": [s["data_sha256"] for s in states],
        "tokenizer_sha256": hashlib.sha256(tokenizer.read_bytes()).hexdigest(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "curve": [
            {
                "tokens": row["tokens"] * run.replicas,
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
