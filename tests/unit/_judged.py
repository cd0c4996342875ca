"""A small world of free-text answers, judged by judges made of code."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from rung.config import Config, parse_config

WORDS = """amber basil cedar delta ember fjord grove heron indigo jetty krill lemon mango nickel onion pearl quartz raven
saffron thyme umbra violet walnut xenon yeast zephyr acorn birch coral dune elm fern""".split()


def rows(n: int, seed: int = 3) -> list[dict[str, str]]:
    draw = random.Random(seed)
    return [
        {
            "id": f"r{i:04d}",
            "question": " ".join(draw.choice(WORDS) for _ in range(10)),
            "answer": " ".join(draw.sample(WORDS, 6)),
            "customer": f"c{i // 4}",
        }
        for i in range(n)
    ]


def judged_world(root: Path, n: int = 300, *, judge: str = "fair", model: dict[str, Any] | None = None,
                 metric: dict[str, Any] | None = None, judge_model: dict[str, Any] | None = None,
                 task: dict[str, Any] | None = None, **changes: Any) -> Config:  # fmt: skip
    """Write rows below `root` and return a climb whose deciding metric is a judge of `rung.testing.judges`."""
    root.mkdir(parents=True, exist_ok=True)
    made = rows(n)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    answers = {r["question"]: r["answer"] for r in made}
    prices = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    raw = {
        "task": {
            "name": "letters", "kind": "generation", "instruction": "Answer in six words.", "inputs": ["question"],
            "target": "answer", "metrics": [{"judge": {"rubric": "Says what is expected.", **(metric or {})}}],
            "goal": 0.8, "min_gain": 0.05, "tolerance": 0.05, **(task or {}),
        },
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {
            "main": {"provider": "fake", "answers": answers, "abilities": {"base": 0.95}, **prices, **(model or {})},
            "judge": {"provider": "python", "function": f"rung.testing.judges:{judge}", **prices, **(judge_model or {})},
        },
        "ladder": [{"prompt": {"rewrites": False}}],
        "split": {"test": 0.5, "dev": 0.2},
        **changes,
    }  # fmt: skip
    return parse_config(raw, root)
