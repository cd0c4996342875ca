"""What comes back from service: the request log, corrections and thumbs as a table, and the files of a folder of generations."""

from __future__ import annotations

import json
from pathlib import Path

from bench.fuzz.target import Target, must, packed, unpacked, writable
from rung.feedback.reading import Source, merged
from rung.report.history import histories
from rung.store.generations import Generations
from rung.types import MetricSpec, Task
from rung.watch.served import Log

TASK = Task(
    "routing", "Route.", ("subject", "text"), "team", "classification", (MetricSpec("normalized_match"),), 0.9, labels=("billing", "returns")
)  # fmt: skip
ASKED = {
    "at": "2026-11-29T10:00:00+00:00",
    "id": "chatcmpl-1",
    "way": "/v1/predict",
    "approach": "prompt",
    "inputs": {"subject": "a", "text": "b"},
}
ANSWERED = {
    **ASKED,
    "seconds": 0.1,
    "status": 200,
    "answer": "billing",
    "confidence": 0.9,
    "tokens": 12,
    "sources": ["a.md"],
}
SHADOW = {"id": "chatcmpl-1", "shadow": "fewshot", "same": False, "answer": "returns", "seconds": 0.2}
STEP = {
    "what": "begun",
    "generation": 1,
    "folder": "../run",
    "approach": "prompt",
    "sha256": "0",
    "by": "ann",
    "why": "w",
    "level": 0.025,
    "at": "2026-11-29",
}


def _log(data: bytes, folder: Path) -> None:
    path = folder / "requests.jsonl"
    path.write_bytes(data)
    log = Log((path,), TASK, "prompt")
    for one in log.read():
        writable(one.id, one.answer or "", *one.inputs.values())
        must(one.tokens is None or one.tokens >= 0, "a negative number of tokens")
    _kept(path)


def _table(suffix: str):  # noqa: ANN202 - a target's function
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"said{suffix}"
        path.write_bytes(data)
        _kept(path)

    return run


def _kept(path: Path) -> None:
    source = Source(path, TASK)
    said = list(source.read())
    items, unknown = merged((), said, TASK)
    must(merged(items, said, TASK)[0] == items, "the same source read twice changes something")
    must(0 <= unknown <= len(said), "more is unknown than was said")
    for item in items:
        writable(item.id, item.answer or "", item.expected or "", item.at, *item.inputs.values(), *item.requests)
    writable(*source.notes)


def _generations(data: bytes, folder: Path) -> None:
    place = Generations(folder / "generations")
    place.path.mkdir(exist_ok=True)
    for name in ("history.jsonl", "champion.json"):
        (place.path / name).unlink(missing_ok=True)
    for name, content in unpacked(data).items():
        if name in ("history.jsonl", "champion.json"):
            (place.path / name).write_bytes(content)
    for _, lines in histories(place.path, 0):
        writable(*lines)
    with place.held():
        must(
            place.champion.get() is not None or not place.steps or all(s.what == "kept" for s in place.steps),
            "no champion follows",
        )


def _lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def targets() -> tuple[Target, ...]:
    words = (*ANSWERED, *SHADOW, "thumb", "correction", "up", "down", "NaN", "1e999")
    history = packed(
        {"history.jsonl": _lines(STEP, {**STEP, "what": "promoted", "generation": 2}), "champion.json": _lines(STEP)}
    )
    return (
        Target(
            "request-log", _log, (_lines(ANSWERED, SHADOW, {**ASKED, "status": 502, "error": "model_error"}),), words
        ),
        Target(
            "feedback-csv",
            _table(".csv"),
            (b"id,thumb\nchatcmpl-1,up\n", b"subject,text,correction\na,b,billing\n"),
            words,
        ),
        Target(
            "feedback-jsonl",
            _table(".jsonl"),
            (_lines({"subject": "a", "text": "b", "thumb": "down", "expected": "x"}),),
            words,
        ),
        Target("generations", _generations, (history,), tuple(STEP)),
    )
