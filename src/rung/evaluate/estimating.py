"""Means of known and unknown scores with their interval, and the judgement of one claim about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rung.decide.averages import deciding_sample
from rung.stats.estimate import Sample, interval_sample
from rung.stats.estimate import summarise as sample_of
from rung.stats.sequential import LOOKS
from rung.stats.threeway import fallen, judge_sample
from rung.types import Estimate, Outcome, Quality, Task, groups_of

Bounded = Sequence[tuple[Outcome, tuple[float, float]]]  # the least and the greatest score that each may have


def estimate_of(rows: Bounded, stopped_early: bool) -> Estimate:
    """Return the mean of what is known; the interval holds wherever the unknown lies between its bounds."""
    known = [low for _, (low, high) in rows if low == high]
    return interval_of(*samples(rows), float(np.mean(known)) if known else None, stopped_early)


def interval_of(worst: Sample, best: Sample, mean: float | None, stopped_early: bool) -> Estimate:
    """Return the mean with the interval from the low end of the one sample to the high end of the other."""
    # An interval taken at whichever of ten looks stopped the rung misses too often (9 % of nominal 5): divide the error.
    level = 1.0 - 0.05 / LOOKS if stopped_early else 0.95
    low, high = interval_sample(worst, level), interval_sample(best, level)
    return Estimate(
        mean=None if stopped_early else mean,
        low=low.low,
        high=high.high,
        n=low.n,
        method=low.method,
        n_effective=low.n_eff,
    )


def claim_of(rows: Bounded, goal: float, tolerance: float, alpha: float, divisor: float) -> Quality:
    """Judge the claim that the mean is at least `goal`: what is unknown is wrong for *meets* and right for *misses*."""
    worst, best = samples(rows)
    return judge_sample(worst, goal, tolerance, alpha, divisor, best=best)


def still_so(quality: Quality, outcomes: Sequence[Outcome], task: Task, latest: frozenset[str]) -> Quality:
    """Return a quality as it holds today: *meets* is left open where the `latest` test examples, by id, are shown worse than the earlier ones.

    An average over time is no claim about the time to come. The price is an honest *meets* in twenty.
    """
    if quality.status != "meets" or not latest:
        return quality
    before = deciding_sample([o for o in outcomes if o.example_id not in latest], task)
    now = deciding_sample([o for o in outcomes if o.example_id in latest], task)
    if before is None or now is None or not fallen(before, now):
        return quality
    advice = f"the latest third of the test examples scores {now.mean:.2f}, the earlier ones {before.mean:.2f}: find out what changed, or test on newer examples"
    return replace(quality, status="inconclusive", examples_needed=None, advice=advice)


def samples(rows: Bounded) -> tuple[Sample, Sample]:
    """Return the least and the greatest scores as samples."""
    groups = groups_of([o for o, _ in rows])
    return sample_of([b[0] for _, b in rows], groups), sample_of([b[1] for _, b in rows], groups)
