"""Turn the answers of one rung into what a report says of it. Pure: recomputable from stored outcomes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from rung.errors import RungError
from rung.evaluate.answering import TRANSPORT
from rung.evaluate.labels import People, corrected, provisional
from rung.stats.estimate import interval_mean
from rung.stats.sequential import LOOKS
from rung.stats.threeway import judge
from rung.types import Candidate, Estimate, Outcome, Result, Task

ALONE = "alone"  # "<metric>:alone" in Result.estimates: the judge's own mean, which labels corrected
FORMAT = "format"  # key of the format-adherence estimate in Result.estimates


def groups_of(outcomes: Sequence[Outcome]) -> list[str] | None:
    """Return the group of each row, or None when every row is a group of its own."""
    names = [o.group for o in outcomes]
    return None if len(set(names)) == len(names) else names


def unanswered(outcomes: Sequence[Outcome]) -> int:
    """Return how many rows got no answer by transport trouble: they are asked again when the climb is resumed."""
    return sum(o.failure is not None and o.failure.cause in TRANSPORT for o in outcomes)


def abstentions(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count the rows where the answer or the expected output declines to answer: right, wrong, missed."""
    return dict(sorted(Counter(o.abstained for o in outcomes if o.abstained is not None).items()))


def scored(outcomes: Sequence[Outcome], metric: str, on_failure: float | None) -> list[tuple[Outcome, float]]:
    """Return the rows that have a value under `metric`, with it."""
    pairs = [(o, o.value(metric, on_failure)) for o in outcomes]
    return [(o, v) for o, v in pairs if v is not None]


def summarise(
    candidate: Candidate,
    outcomes: tuple[Outcome, ...],
    task: Task,
    planned_rungs: int,
    *,
    test_sha256: str = "",
    stopped_at: int | None = None,
    people: People | None = None,
) -> Result:
    """Return everything a report says of one measured rung; recomputable from the stored outcomes and labels alone.

    `people`: the labels, where the deciding metric is an opinion; without enough of them the quality is provisional.
    """
    deciding = task.metrics[0].name
    rows = scored(outcomes, deciding, task.on_failure)
    if not rows:
        raise RungError(
            "no row has a score: every row failed, and task.on_failure: null leaves failed rows out; set it to 0 to count "
            "them as wrong, or look at why they fail with `rung climb --quick`"
        )
    groups = groups_of([o for o, _ in rows])
    quality = judge([v for _, v in rows], groups, task.goal, task.tolerance, task.alpha, planned_rungs)
    estimates = _estimates(outcomes, task, stopped_at is not None)
    labels: Mapping[str, float | None] = {}
    if people is not None:
        found = corrected(outcomes, rows, people, planned_rungs)
        quality = provisional(quality, outcomes, people) if found is None else found.quality
        if found is not None:
            estimates = {**estimates, deciding: found.estimate, f"{deciding}:{ALONE}": estimates[deciding]}
            labels = found.labels
    cost, note = _cost_per_1k(outcomes)
    latencies = [o.answer.seconds for o in outcomes if o.answer is not None]
    p95 = float(np.quantile(latencies, 0.95)) if latencies else None
    return Result(
        candidate=candidate,
        test_sha256=test_sha256,
        outcomes=outcomes,
        estimates=estimates,
        quality=quality,
        cost_per_1k_usd=cost,
        cost_note=note,
        p50_latency_s=float(np.quantile(latencies, 0.5)) if latencies else None,
        p95_latency_s=p95,
        failures=dict(sorted(Counter(o.failure.cause for o in outcomes if o.failure is not None).items())),
        limits_held=_limits_held(task, cost, p95),
        stopped_early_at=stopped_at,
        tokens_per_request=_tokens_per_request(outcomes),
        abstentions=abstentions(outcomes),
        labels=labels,
    )


def _estimates(outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Mapping[str, Estimate]:
    found: dict[str, Estimate] = {}
    for spec in task.metrics:
        rows = scored(outcomes, spec.name, task.on_failure)
        if rows:
            found[spec.name] = _estimate([v for _, v in rows], groups_of([o for o, _ in rows]), stopped_early)
    forms = [(o, o.adheres(task.metrics[0].name)) for o in outcomes]
    known = [(o, float(adheres)) for o, adheres in forms if adheres is not None]
    if known and any(o.failure is None for o, _ in known):
        found[FORMAT] = _estimate([v for _, v in known], groups_of([o for o, _ in known]), stopped_early)
    return found


def _estimate(values: Sequence[float], groups: Sequence[str] | None, stopped_early: bool) -> Estimate:
    # An interval taken at whichever of ten looks stopped the rung misses too often (9 % of nominal 5): divide the error.
    interval = interval_mean(values, groups, 1.0 - 0.05 / LOOKS if stopped_early else 0.95)
    return Estimate(
        mean=None if stopped_early else interval.mean,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        method=interval.method,
        n_effective=interval.n_eff,
    )


def _cost_per_1k(outcomes: Sequence[Outcome]) -> tuple[float | None, str | None]:
    answers = [o.answer for o in outcomes if o.answer is not None]
    if not answers:
        return None, "no row was answered"
    costs = [a.cost_usd for a in answers]
    known = [c for c in costs if c is not None]
    if len(known) < len(costs):
        notes = [c.price_note for a in answers for c in a.calls if c.price_note]
        return None, notes[0] if notes else "the price of this model is unknown"
    return 1000 * sum(known) / len(known), None


def _tokens_per_request(outcomes: Sequence[Outcome]) -> float | None:
    counts = [[c.input_tokens for c in o.answer.calls] for o in outcomes if o.answer is not None and o.answer.calls]
    sums = [sum(t for t in tokens if t is not None) for tokens in counts if None not in tokens]
    return sum(sums) / len(sums) if sums and len(sums) == len(counts) else None


def _limits_held(task: Task, cost: float | None, p95: float | None) -> bool | None:
    limits = [(task.limits.cost_per_1k_usd, cost), (task.limits.p95_latency_s, p95)]
    held = [None if seen is None else seen <= limit for limit, seen in limits if limit is not None]
    return False if False in held else None if None in held else True
