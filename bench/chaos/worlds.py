"""The projects that are climbed: tickets behind an endpoint, questions about documents, replies by a tuned bundled model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.chaos.stub import USD_PER_TOKEN

CONCURRENCY = 8
AT_WORK = 9  # requests in flight, and those whose answer is not yet on the disk: an eighth more (docs/log.md)
TEAMS = ("billing", "delivery", "returns")
WORDS = """amber basil cedar delta ember fjord grove heron indigo jetty krill lemon mango nickel onion pearl quartz raven saffron thyme
umbra violet walnut xenon yeast zephyr acorn birch coral dune elm fern gorse hazel iris jade kelp lilac moss nettle olive pine quill reed
sage teal urchin vine willow yarrow""".split()
ABSENT = "I do not know."


@dataclass(frozen=True)
class World:
    """A project on disk. `answering`: what its endpoint says; None: nothing is asked over the network."""

    name: str
    answering: Callable[[str], str] | None
    folder: str = "runs/chaos"


def _tickets(n: int) -> list[dict[str, str]]:
    draw = random.Random(11)
    return [
        {"id": f"r{i:04}", "text": " ".join(draw.choice(WORDS) for _ in range(12)), "team": draw.choice(TEAMS)}
        for i in range(n)
    ]


def _answering_tickets(rows: list[dict[str, str]]) -> Callable[[str], str]:
    """Say the right team to nine texts of ten, whatever stands around them, and always the same."""
    said = {r["text"]: r["team"] if i % 10 else TEAMS[(TEAMS.index(r["team"]) + 1) % 3] for i, r in enumerate(rows)}

    def answer(asked: str) -> str:
        last = max(said, key=asked.rfind)
        return said[last] if last in asked else TEAMS[0]

    return answer


def _facts(n: int) -> list[dict[str, str]]:
    draw = random.Random(12)
    places = [f"{a}{b}" for a in WORDS for b in ("ton", "ville")]
    return [{"id": f"q{i:03}", "question": f"How high is the tower of {place}?", "answer": f"{draw.randint(100, 900)} metres"}
            for i, place in enumerate(draw.sample(places, n))]  # fmt: skip


def _answering_facts(rows: list[dict[str, str]]) -> Callable[[str], str]:
    """Say what the passages of the prompt say, nothing else."""
    told = {r["question"]: (r["question"].split()[-1].rstrip("?"), r["answer"]) for r in rows}

    def answer(asked: str) -> str:
        last = max(told, key=asked.rfind)
        place, height = told[last]
        return height if f"{place} has a tower of {height}" in asked else ABSENT

    return answer


def _settings(port: int) -> dict[str, Any]:
    price = USD_PER_TOKEN * 1e6
    return {"provider": "openai", "name": "stub", "base_url": f"http://127.0.0.1:{port}/v1", "concurrency": CONCURRENCY, "max_tokens": 40,
            "input_usd_per_mtok": price, "output_usd_per_mtok": price}  # fmt: skip


def tickets(root: Path, port: int, n: int = 80) -> World:
    """Write a project of `n` tickets with three teams; no model beats nine of ten."""
    rows = _tickets(n)
    _rows(root, rows)
    task = {"name": "chaos", "kind": "classification", "instruction": "Which team takes the ticket?", "inputs": ["text"], "target": "team",
            "metrics": ["normalized_match"], "goal": 0.97}  # fmt: skip
    _write(root, {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "models": {"main": _settings(port)}, "ladder": ["prompt", "fewshot"],
                  "diagnosis": {"calls": 0}})  # fmt: skip
    return World("tickets", _answering_tickets(rows))


def documents(root: Path, port: int, n: int = 60) -> World:
    """Write a project of `n` questions, each answered by one of as many documents."""
    rows = _facts(n)
    _rows(root, rows)
    (root / "pages").mkdir(parents=True, exist_ok=True)
    for row in rows:
        place = row["question"].split()[-1].rstrip("?")
        (root / "pages" / f"{place}.md").write_text(
            f"# {place}\n\nThe town of {place} has a tower of {row['answer']}.\n"
        )
    task = {"name": "chaos", "kind": "knowledge", "instruction": "Answer the question.", "inputs": ["question"], "target": "answer",
            "metrics": ["normalized_match"], "goal": 0.9}  # fmt: skip
    _write(root, {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "models": {"main": _settings(port)}, "documents": {"path": "pages"},
                  "ladder": ["prompt", {"rag": {"stuff_tokens": 0}}], "diagnosis": {"calls": 0}})  # fmt: skip
    return World("documents", _answering_facts(rows))


def tuned(root: Path, port: int, n: int = 48) -> World:
    """Write a project whose last rung tunes the bundled model on some dozen replies."""
    from rung_nano import EXAMPLES

    lines = (EXAMPLES / "brand-voice" / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:n]
    _rows(root, [json.loads(line) for line in lines])
    task = {"name": "chaos", "kind": "style", "instruction": "Reply to the customer.", "inputs": ["message"], "target": "reply",
            "metrics": ["lines"], "goal": 0.9}  # fmt: skip
    recipe = {"search": False, "epochs": 2, "batch_rows": 8, "threads": 1}
    _write(root, {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.3, "dev": 0.2, "seed": 7},
                  "models": {"main": {"provider": "nano", "threads": 1, "max_tokens": 30, "usd_per_hour": 0.1}},
                  "ladder": ["baseline", {"finetune": {"tuner": {"lora": recipe}, "force": True}}], "diagnosis": {"calls": 0}})  # fmt: skip
    return World("tuned", None)


def _rows(root: Path, rows: list[dict[str, Any]]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def _write(root: Path, settings: dict[str, Any]) -> None:
    (root / "rung.yaml").write_text(yaml.safe_dump({"version": 1, **settings}), encoding="utf-8")
