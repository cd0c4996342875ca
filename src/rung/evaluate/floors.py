"""Floors judged: each is one more claim, by the three-way rule and at the level of the approach's quality. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rung.evaluate.averages import Average, average_of, judged_average
from rung.evaluate.estimating import Bounded, claim_of, estimate_of, samples
from rung.stats.estimate import Sample
from rung.types import AVERAGES, FORMAT, LABEL_F, Floor, FloorResult, MetricSpec, Outcome, Quality, Task


def judged_floors(
    outcomes: Sequence[Outcome], task: Task, divisor: float, stopped_early: bool
) -> tuple[FloorResult, ...]:
    """Judge the task's floors on the outcomes of one approach."""
    return tuple(_judged(floor, outcomes, task, divisor, stopped_early) for floor in task.floors)


def sample_of(floor: Floor, outcomes: Sequence[Outcome], task: Task) -> Sample | None:
    """Return what a floor is about as a sample, what is unknown counted as wrong; None where no outcome shows it."""
    if _is_average(floor):
        found = _average(floor, outcomes, task, False)
        return None if found is None else found.worst
    rows = rows_of(floor, outcomes, task)
    return samples(rows)[0] if rows else None


def rows_of(floor: Floor, outcomes: Sequence[Outcome], task: Task) -> Bounded:
    """Return the outcomes that a floor is about, with the least and the greatest score of each."""
    there = [o for o in outcomes if floor.covers(o.slices)]
    if floor.measure == "precision":
        return [(o, _given(o, floor.label)) for o in there if o.said == floor.label or o.unanswered or o.unjudged]
    if floor.metric == FORMAT:
        forms = [(o, o.adheres(task.metrics[0].name)) for o in there]
        return [(o, (0.0, 1.0) if o.unanswered else (float(a), float(a))) for o, a in forms if a is not None]
    metric = floor.metric or task.metrics[0].name
    named = [o for o in there if floor.label is None or o.label == floor.label]
    return [(o, b) for o in named if (b := _bounds(o, metric, task)) is not None]


def _bounds(outcome: Outcome, metric: str, task: Task) -> tuple[float, float] | None:
    """Return the bounds of one score; of a metric that does not decide and could not judge the answer, it is unknown."""
    if outcome.scores is not None and metric in outcome.unscored:
        return 0.0, 1.0
    return outcome.bounds(metric, task.failure_score)


def _given(outcome: Outcome, label: str | None) -> tuple[float, float]:
    """Return whether an answer that gives the label is right; one that is not known may be a wrong or a right one."""
    if outcome.unanswered or outcome.unjudged:
        return 0.0, 1.0
    right = float(outcome.label == label)
    return right, right


def _judged(floor: Floor, outcomes: Sequence[Outcome], task: Task, divisor: float, stopped_early: bool) -> FloorResult:
    if _is_average(floor):
        return _averaged(floor, outcomes, task, divisor, stopped_early)
    rows = rows_of(floor, outcomes, task)
    if not rows:
        nothing = f"no answer gives {floor.label!r}" if floor.measure == "precision" else "no test example shows it"
        return FloorResult(floor, Quality("inconclusive", 0.0, 1.0, 0.0, None, nothing), None)
    quality = claim_of(rows, floor.at_least, floor.tolerance, task.alpha, divisor)
    needed = quality.examples_needed
    in_all = None if needed is None else math.ceil(needed * len(outcomes) / len(rows))
    return FloorResult(floor, quality, estimate_of(rows, stopped_early), in_all)


def _averaged(
    floor: Floor, outcomes: Sequence[Outcome], task: Task, divisor: float, stopped_early: bool
) -> FloorResult:
    """Judge a floor on what is no mean of example scores (`rung.stats.aggregate`)."""
    found = _average(floor, outcomes, task, stopped_early)
    quality = judged_average(found, floor.at_least, floor.tolerance, task.alpha, divisor)
    needed = quality.examples_needed
    in_all = None if found is None or needed is None else math.ceil(needed * len(outcomes) / found.worst.n)
    return FloorResult(floor, quality, found.estimate if found is not None else None, in_all)


def _is_average(floor: Floor) -> bool:
    return floor.measure == "f1" or floor.metric in AVERAGES


def _average(floor: Floor, outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Average | None:
    """Return what is no mean of example scores (`rung.stats.aggregate`)."""
    spec = MetricSpec(LABEL_F, {"label": floor.label}) if floor.metric is None else MetricSpec(floor.metric)
    return average_of(spec, [o for o in outcomes if floor.covers(o.slices)], task, stopped_early)
