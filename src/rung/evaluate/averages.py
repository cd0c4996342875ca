"""Macro F1, balanced accuracy and the F of a label from outcomes that are told apart: with their interval, and as samples that decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung.decide.averages import average_sample, shows, told, unknown
from rung.evaluate.estimating import interval_of
from rung.stats.estimate import Sample
from rung.stats.threeway import judge_sample
from rung.types import Estimate, MetricSpec, Outcome, Quality, Task

NOT_SHOWN = Quality("inconclusive", 0.0, 1.0, 0.0, None, "no test example shows it")


@dataclass(frozen=True, slots=True)
class Average:
    """One of them: with what is not known answered by no label (`worst`), and by the right one (`best`)."""

    worst: Sample
    best: Sample
    estimate: Estimate


def average_of(spec: MetricSpec, outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Average | None:
    """Return it over these outcomes; None where none has an expected label, or neither shows the one that is asked for."""
    rows = told(outcomes, task)
    if not shows(spec, rows):
        return None
    known = [o for o in rows if not unknown(o)]
    worst = average_sample(spec, rows, False)
    if len(known) == len(rows):
        return Average(worst, worst, interval_of(worst, worst, worst.mean, stopped_early))
    best = average_sample(spec, rows, True)
    mean = average_sample(spec, known, False).mean if shows(spec, known) else None
    return Average(worst, best, interval_of(worst, best, mean, stopped_early))


def judged_average(found: Average | None, goal: float, tolerance: float, alpha: float, divisor: float) -> Quality:
    """Judge the claim that an average is at least `goal`, as `rung.evaluate.estimating.claim_of` does with means."""
    return NOT_SHOWN if found is None else judge_sample(found.worst, goal, tolerance, alpha, divisor, best=found.best)
