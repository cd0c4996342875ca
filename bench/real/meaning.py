"""The baseline with and without vectors on real label sets, through whole climbs: what dev chose, and what it scores on the test set.

    python -m bench.real.meaning [--shared FOLDER] [--models FOLDER] [--sizes 300 900] [--sets banking77 it-tickets]

Embedders: none, the shared static table, and MiniLM in 8 bits (provider: onnx) and as published (provider: sentence). Prints a table; `--save` writes it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.real.__main__ import SETS, rows
from rung.config import parse_config
from rung.ladder import climb
from rung_nano.fetched import Cache

RESULTS = Path(__file__).parent / "results"
TEST = 600
SEED = 7


def one(name: str, shared: Path, learnt: int, embedder: Mapping[str, Any] | None) -> dict[str, Any]:
    """Climb the baseline with so many rows to learn and choose from, and TEST to be measured on."""
    draw = random.Random(SEED)
    given = {part: list(rows(shared / "data" / name, part)) for part in ("train", "test")}
    drawn = [draw.sample(given["train"], learnt), draw.sample(given["test"], TEST)]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        lines = [{"id": f"{k}{i}", "text": r["input"], "label": r["expected"], "part": part}
                 for k, part in enumerate(("learn", "test")) for i, r in enumerate(drawn[k])]  # fmt: skip
        for part in ("learn", "test"):
            kept = [json.dumps(line) + "\n" for line in lines if line["part"] == part]
            (root / f"{part}.jsonl").write_text("".join(kept))
        config = parse_config(
            {
                "version": 1,
                "task": {"name": name, "kind": "classification", "instruction": SETS[name]["instruction"], "inputs": ["text"],
                         "target": "label", "goal": 0.9, "metrics": ["normalized_match"]},
                "data": {"train": "learn.jsonl", "test": "test.jsonl", "id": "id"},
                "split": {"dev": 0.25, "seed": SEED},
                "models": {"main": {"provider": "fake", "answers": {}}, **({"embedder": embedder} if embedder else {})},
                "ladder": ["baseline"],
            },
            root,
        )  # fmt: skip
        began = time.process_time()
        found = climb(config, root / "run").results["baseline"]
        score = found.estimates["normalized_match"]
    return {"set": name, "learnt": learnt, "chosen": found.candidate.name, "score": score.mean, "low": score.low, "high": score.high,
            "n": score.n, "cpu_s": round(time.process_time() - began, 1)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RUNG_SHARED", "../shared")))
    parser.add_argument("--models", type=Path, default=Cache.usual(), help="where fetched weights lie")
    parser.add_argument("--sets", nargs="*", default=["banking77", "it-tickets"])
    parser.add_argument("--sizes", type=int, nargs="*", default=[300, 900])
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    cache = Cache(given.models, say=print)
    embedders: dict[str, Mapping[str, Any] | None] = {
        "none": None,
        "static": {"provider": "static", "folder": str(given.shared.resolve() / "models/potion-base-4m-int8")},
        "onnx": {"provider": "onnx", "folder": str(cache.embedder().resolve())},
        "sentence": {
            "provider": "sentence",
            "name": str(next(cache.wheel("minilm").rglob("modules.json")).parent.resolve()),
        },
    }
    found = []
    print(
        "| set | learnt and chosen on | vectors | chosen | test score (95 % CI) | CPU s |\n|---|--:|---|---|--:|--:|",
        flush=True,
    )
    for name in given.sets:
        for size in given.sizes:
            for kind, embedder in embedders.items():
                row = {"vectors": kind, **one(name, given.shared, size, embedder)}
                found.append(row)
                score = f"{row['score']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
                print(f"| {name} | {size} | {kind} | {row['chosen']} | {score} | {row['cpu_s']} |", flush=True)
    if given.save:
        (RESULTS / "meaning.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
