"""Measured rungs made from plain right/wrong lists, for tests of decisions."""

from __future__ import annotations

from collections.abc import Sequence

from rung.evaluate.measure import summarise
from rung.types import (
    Answer,
    Candidate,
    Completion,
    Failure,
    Limits,
    MetricSpec,
    Outcome,
    Result,
    Score,
    Task,
)


def task(goal: float = 0.9, **changes: object) -> Task:
    settings = {
        "name": "routing",
        "instruction": "Route it.",
        "inputs": ("text",),
        "target": "team",
        "kind": "classification",
        "metrics": (MetricSpec("exact_match"),),
        "goal": goal,
        "limits": Limits(),
        **changes,
    }
    return Task(**settings)  # type: ignore[arg-type]


def outcome(index: int, value: float | None, *, usd: float | None = 0.001, seconds: float = 0.5) -> Outcome:
    """A scored row, or a timeout where `value` is None."""
    call = Completion("x", "toy", 10, 2, seconds, usd, price_note=None if usd is not None else "no price for toy")
    if value is None:
        return Outcome(f"r{index}", f"r{index}", None, None, Failure("timeout", "no answer in 60 s"))
    return Outcome(f"r{index}", f"r{index}", Answer("x", (call,)), {"exact_match": Score(value, adheres=True)})


def result(
    values: Sequence[float | None], for_task: Task, planned: int = 3, **outcome_settings: float | None
) -> Result:
    rows = tuple(outcome(i, v, **outcome_settings) for i, v in enumerate(values))  # type: ignore[arg-type]
    return summarise(Candidate("prompt", "as-is", {}, {}, "main"), rows, for_task, planned, test_sha256="t" * 64)


def share(right: int, n: int, *, shift: int = 0) -> list[float | None]:
    """`right` ones and the rest zeros, rotated by `shift` so that two rungs differ on rows."""
    values: list[float | None] = [1.0] * right + [0.0] * (n - right)
    return values[shift:] + values[:shift]
