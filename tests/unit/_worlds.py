"""Small known-answer worlds on disk, climbed with the fake model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from rung.config import Config, parse_config

WORDS = """amber basil cedar delta ember fjord grove heron indigo jetty krill lemon mango nickel onion pearl quartz raven
saffron thyme umbra violet walnut xenon yeast zephyr acorn birch coral dune elm fern gorse hazel iris jade kelp lilac moss
nettle olive pine quill reed sage teal urchin vine willow yarrow""".split()
LABELS = ("billing", "delivery", "returns")


def rows(n: int, seed: int = 1, *, informative: bool = False) -> list[dict[str, str]]:
    """`n` different rows of twelve words with a random label; informative rows name a word of their label."""
    draw = random.Random(seed)
    found = []
    for i in range(n):
        label = draw.choice(LABELS)
        words = [draw.choice(WORDS) for _ in range(12)] + ([f"cue{label}"] if informative else [])
        draw.shuffle(words)
        found.append({"id": f"r{i:04d}", "text": " ".join(words), "team": label})
    return found


def world(root: Path, n: int = 300, *, model: dict[str, Any] | None = None, **changes: Any) -> Config:
    """Write the rows below `root` and return a climb over them; `model` holds settings of the fake."""
    root.mkdir(parents=True, exist_ok=True)
    made = rows(n)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    fake = {
        "provider": "fake",
        "answers": {r["text"]: r["team"] for r in made},
        "input_usd_per_mtok": 1.0,
        "output_usd_per_mtok": 2.0,
        **(model or {}),
    }
    task = {
        "name": "routing",
        "kind": "classification",
        "instruction": "Which team takes the ticket?",
        "inputs": ["text"],
        "target": "team",
        "metrics": ["normalized_match"],
        "goal": 0.85,
        **changes.pop("task", {}),
    }
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl", "id": "id"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": fake, **changes.pop("models", {})},
        **changes,
    }
    return parse_config(raw, root)


FORMAT_ONLY = {"abilities": {"base": 0.97}, "format_slip": 0.6, "format_slip_when_told": 0.01}
NEEDS_EXAMPLES = {"abilities": {"base": 0.5, "label_list": 0.1, "examples": {1: 0.02, 5: 0.38}}}
IMPOSSIBLE = {"abilities": {"base": 0.4, "label_list": 0.1}}
