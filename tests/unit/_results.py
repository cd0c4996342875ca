"""Measured rungs made from plain right/wrong lists, for tests of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rung.evaluate.measure import as_served, summarise
from rung.types import (
    Answer,
    Candidate,
    Completion,
    Failure,
    FailureCause,
    Limits,
    MetricSpec,
    Outcome,
    Profile,
    PromptLearned,
    Result,
    Score,
    Service,
    Task,
)


def task(goal: float = 0.9, **changes: object) -> Task:
    settings = {
        "name": "routing",
        "instruction": "Route it.",
        "inputs": ("text",),
        "target": "team",
        "kind": "classification",
        "metrics": (MetricSpec("normalized_match"),),
        "goal": goal,
        "limits": Limits(),
        **changes,
    }
    return Task(**settings)  # type: ignore[arg-type]


def outcome(
    index: int,
    value: float | None,
    *,
    usd: float | None = 0.001,
    seconds: float = 0.5,
    cause: FailureCause = "timeout",
) -> Outcome:
    """A scored example, or one that failed by `cause` where `value` is None."""
    call = Completion("x", "toy", 10, 2, seconds, usd, price_note=None if usd is not None else "no price for toy")
    if value is None:
        return Outcome(f"r{index}", f"r{index}", None, None, Failure(cause, "no answer in 60 s"))
    return Outcome(f"r{index}", f"r{index}", Answer("x", (call,)), {"normalized_match": Score(value, adheres=True)})


def result(
    values: Sequence[float | None],
    for_task: Task,
    planned: int = 3,
    served: Sequence[float | None] | None = None,
    **outcome_settings: float | str | None,
) -> Result:
    """Return a measured rung. `served`: seconds of the requests that judge a latency limit; None: not asked."""
    rows = tuple(outcome(i, v, **outcome_settings) for i, v in enumerate(values))  # type: ignore[arg-type]
    measured = summarise(
        Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), "main"),
        rows,
        for_task,
        planned,
        test_sha256="t" * 64,
    )
    made = replace(measured, load=64)
    return made if served is None else as_served(made, for_task, planned, taken(served))


def taken(seconds: Sequence[float | None], concurrency: int = 1) -> Profile:
    return Profile("x", len(seconds), None, None, None, seconds=tuple(seconds), concurrency=concurrency)


def rented(measured: Result, for_task: Task, usd_per_hour: float) -> Result:
    """The same on a machine of that rent: what its answers cost is the share of it that they kept busy."""
    cost = replace(measured.cost, usd_per_hour=usd_per_hour)
    return replace(measured, cost=cost, cost_per_1k_usd=cost.per_1k_usd(for_task.service.requests_per_month))


def at_volume(requests_per_month: int | None) -> Service:
    return Service(requests_per_month)


def share(right: int, n: int, *, shift: int = 0) -> list[float | None]:
    """`right` ones and the rest zeros, rotated by `shift` so that two rungs differ on rows."""
    values: list[float | None] = [1.0] * right + [0.0] * (n - right)
    return values[shift:] + values[:shift]
