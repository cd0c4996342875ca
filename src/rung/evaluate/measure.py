"""Turn the answers of one rung into what a report says of it. Pure: recomputable from stored outcomes alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rung.decide.current import claim_beside, goal_of, saves
from rung.errors import RungError
from rung.evaluate.averages import average_of, judged_average
from rung.evaluate.estimating import claim_of, estimate_of, still_so
from rung.evaluate.floors import judged_floors
from rung.evaluate.tables import tables_of
from rung.judging.human_labels import HumanLabels, corrected, provisional
from rung.stats.distribution import student_quantile
from rung.stats.estimate import cluster_variance, group_numbers, mean_group_size
from rung.stats.latency import TAIL, lower_bound, requests_for_bound, requests_to_settle, upper_bound
from rung.types import (
    FORMAT,
    Candidate,
    Estimate,
    Outcome,
    Priced,
    Profile,
    Quality,
    RequestCost,
    Result,
    Served,
    Status,
    Task,
    groups_of,
)

ALONE = "alone"  # "<metric>:alone" in Result.estimates: the judge's own mean, which labels corrected
NO_SCORE = (
    "no example has a score: every example failed, and neither examples that the metric could not judge nor those that task.failure_score: null "
    "leaves out have one; look at why they fail with `rung climb --quick`"
)
ROUNDING = 1e-9  # a relative difference of dollars that is none


def unanswered(outcomes: Sequence[Outcome]) -> int:
    """Return how many rows got no answer by transport trouble: they are asked again when the climb is resumed."""
    return sum(o.unanswered for o in outcomes) - unrecorded(outcomes)


def unrecorded(outcomes: Sequence[Outcome]) -> int:
    """Return how many rows have no stored answer where an approach consists of these: unknown, and nobody can be asked."""
    return sum(o.failure is not None and o.failure.cause == "unrecorded" for o in outcomes)


def abstentions(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Count the rows where the answer or the expected output declines to answer: right, wrong, missed."""
    return dict(sorted(Counter(o.abstained for o in outcomes if o.abstained is not None).items()))


def scored(outcomes: Sequence[Outcome], metric: str, failure_score: float | None) -> list[tuple[Outcome, float]]:
    """Return the rows that have a value under `metric`, with it."""
    pairs = [(o, o.value(metric, failure_score)) for o in outcomes]
    return [(o, v) for o, v in pairs if v is not None]


def summarise(
    candidate: Candidate,
    outcomes: tuple[Outcome, ...],
    task: Task,
    planned_rungs: int,
    *,
    test_sha256: str = "",
    stopped_at: int | None = None,
    people: HumanLabels | None = None,
    level: float | None = None,
) -> Result:
    """Return everything a report says of one measured rung; recomputable from the stored outcomes and labels alone.

    `people`: the labels, where the deciding metric is an opinion; without enough of them the quality is provisional.
    `level`: the approach's own share of alpha; None: alpha is divided equally. A latency limit waits for `as_served`.
    """
    deciding = task.metrics[0].name
    rows = scored(outcomes, deciding, task.failure_score)
    if not rows:
        raise RungError(NO_SCORE)
    divisor = planned_rungs if level is None else task.alpha / level
    quality = _quality(outcomes, task, divisor)
    estimates = _estimates(outcomes, task, stopped_at is not None)
    labels: Mapping[str, float | None] = {}
    if people is not None:
        # People may have labelled what the judge could not: whatever is put for its word, their labels correct it.
        guessed = [*rows, *((o, 0.0) for o in outcomes if o.unjudged)]
        found = corrected(outcomes, guessed, people, divisor)
        if task.as_good_as is None:  # else `held_beside` judges
            quality = provisional(quality, outcomes, people) if found is None else found.quality
        if found is not None:
            estimates = {**estimates, deciding: found.estimate, f"{deciding}:{ALONE}": estimates[deciding]}
            labels = found.labels
    cost = RequestCost.measured(outcomes, task.service, candidate.model)
    per_1k = cost.per_1k_usd(task.service.requests_per_month)
    priced = _priced(outcomes, cost, task, task.alpha / divisor)
    p50, p95 = _latency_quantiles(outcomes)
    return Result(
        candidate=candidate,
        test_sha256=test_sha256,
        outcomes=outcomes,
        estimates=estimates,
        quality=quality,
        cost_per_1k_usd=per_1k,
        cost_note=cost.basis(task.service.requests_per_month),
        p50_latency_s=p50,
        p95_latency_s=p95,
        failures=dict(sorted(Counter(o.failure.cause for o in outcomes if o.failure is not None).items())),
        limits_held=_limits_held(task, priced, None),
        priced=priced,
        cost=cost,
        stopped_early_at=stopped_at,
        tokens_per_request=_tokens_per_request(outcomes),
        abstentions=abstentions(outcomes),
        labels=labels,
        unscored=dict(sorted(Counter(name for o in outcomes for name in o.unscored).items())),
        level=level,
        floors=judged_floors(outcomes, task, divisor, stopped_at is not None),
        tables=tables_of(outcomes, task, stopped_at is not None, fields=people is None),
    )


def _latency_quantiles(outcomes: Sequence[Outcome]) -> tuple[float | None, float | None]:
    """Return median and 95th percentile of the seconds that answers took; None where none was timed."""
    seconds = [s for o in outcomes if o.answer is not None and (s := o.answer.seconds) is not None]
    if not seconds:
        return None, None
    return float(np.quantile(seconds, 0.5)), float(np.quantile(seconds, 0.95))


def _quality(outcomes: Sequence[Outcome], task: Task, planned_rungs: float) -> Quality:
    """Judge one approach. What got no answer, or no judgement, is unknown: wrong for *meets*, right for *misses*.

    Where the goal is to be as good as what runs now, this is what that is of itself; `held_beside` judges the others.
    """
    if task.as_good_as is not None:
        itself = goal_of(task, outcomes)
        return Quality("meets", itself, itself, 1.0, None)
    if task.metrics[0].average is not None:
        average = average_of(task.metrics[0], outcomes, task, False)
        return _settled_by(outcomes, judged_average(average, task.goal, task.tolerance, task.alpha, planned_rungs))
    bounded = [(o, b) for o in outcomes if (b := o.bounds(task.metrics[0].name, task.failure_score)) is not None]
    return _settled_by(outcomes, claim_of(bounded, task.goal, task.tolerance, task.alpha, planned_rungs))


def held_beside(
    result: Result,
    current: Result | None,
    task: Task,
    planned_rungs: int,
    people: HumanLabels | None = None,
    latest: frozenset[str] = frozenset(),
) -> Result:
    """Return a result judged beside what runs now, where the goal is to be as good as that; None: it is that, or the goal is a number.

    A number is to hold today: `latest`, ids of the latest test examples, where examples are divided by time (`still_so`). `people`: the labels, where the deciding metric is an opinion; until they are there for the answers of both, the quality is provisional.
    """
    if current is None:
        by_number = people is None and task.as_good_as is None
        held = still_so(result.quality, result.outcomes, task, latest) if by_number else result.quality
        return replace(result, quality=held)
    divisor = planned_rungs if result.level is None else task.alpha / result.level
    looks = people.looks if people is not None else 1
    quality = _settled_by(result.outcomes, claim_beside(task, current, result, divisor, looks))
    if people is not None and not (people.complete(current.outcomes) and people.complete(result.outcomes)):
        quality = max(
            (provisional(quality, outcomes, people) for outcomes in (current.outcomes, result.outcomes)),
            key=lambda found: found.labels_needed or 0,
        )
    made = replace(result, quality=quality)
    return replace(made, saves=saves(task, current, made))


def _settled_by(outcomes: Sequence[Outcome], quality: Quality) -> Quality:
    """Say of an open question what got no answer or no judgement, which comes before more examples."""
    silent, lacking = unanswered(outcomes), unrecorded(outcomes)
    unjudged = sum(o.unjudged for o in outcomes)
    if quality.status != "inconclusive" or not silent + lacking + unjudged:
        return quality
    advice = f"{silent} of {len(outcomes)} test examples got no answer: the same command asks them again"
    if lacking and not silent:
        advice = (
            f"{lacking} of {len(outcomes)} test examples have no stored answer: add these, or leave such examples out"
        )
    elif not silent:
        advice = f"{unjudged} of {len(outcomes)} test answers could not be judged: see why under failures, and fix the metric"
    return replace(quality, examples_needed=None, advice=advice)


def _estimates(outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Mapping[str, Estimate]:
    found: dict[str, Estimate] = {}
    for spec in task.metrics:
        if spec.average is not None:
            if (average := average_of(spec, outcomes, task, stopped_early)) is not None:
                found[spec.name] = average.estimate
            continue
        rows = [(o, b) for o in outcomes if (b := o.bounds(spec.name, task.failure_score)) is not None]
        judged_none = all(o.scores is None or spec.name in o.unscored for o in outcomes)
        if rows and not (judged_none and any(o.unscored for o in outcomes)):  # failed examples alone are no estimate
            found[spec.name] = estimate_of(rows, stopped_early)
    forms = [(o, o.adheres(task.metrics[0].name)) for o in outcomes]
    known = [(o, (float(adheres), float(adheres))) for o, adheres in forms if adheres is not None]
    if known and any(o.failure is None for o, _ in known):
        found[FORMAT] = estimate_of(known, stopped_early)
    return found


def _tokens_per_request(outcomes: Sequence[Outcome]) -> float | None:
    counts = [[c.input_tokens for c in o.answer.calls] for o in outcomes if o.answer is not None and o.answer.calls]
    sums = [sum(t for t in tokens if t is not None) for tokens in counts if None not in tokens]
    return sum(sums) / len(sums) if sums and len(sums) == len(counts) else None


def as_served(result: Result, task: Task, planned_rungs: int, taken: Profile) -> Result:
    """Return a result with its latency judged on requests that were asked for it (docs/statistics.md).

    *meets*: an upper bound of the 95th percentile, at the level of the quality, is within the limit; *misses*: a lower
    bound at alpha is above it. A request that timed out counts as its time limit, one without an answer as slow for the
    one and as quick for the other.
    """
    limit = task.limits.p95_latency_s
    level = task.alpha / planned_rungs if result.level is None else result.level
    known = [s for s in taken.seconds if s is not None]
    unknown = len(taken.seconds) - len(known)
    high = upper_bound([*known, *[math.inf] * unknown], level)
    high = None if high == math.inf else high
    low = lower_bound([*known, *[0.0] * unknown], task.alpha)
    status: Status | None = None
    advice = None
    if limit is not None:
        status = (
            "meets"
            if high is not None and high <= limit
            else "misses"
            if low is not None and low > limit
            else "inconclusive"
        )
        advice = _latency_advice(taken.seconds, limit, level, task.alpha) if status == "inconclusive" else None
    served = Served(
        concurrency=taken.concurrency,
        n=len(known),
        p50_s=float(np.quantile(known, 0.5)) if known else None,
        p95_s=float(np.quantile(known, TAIL)) if known else None,
        low_s=low,
        high_s=high,
        status=status,
        timed_out=taken.timed_out,
        unknown=unknown,
        advice=advice,
    )
    return replace(result, served=served, limits_held=_limits_held(task, result.priced, served))


def _latency_advice(seconds: Sequence[float | None], limit: float, level: float, alpha: float) -> str:
    """Say what would settle a latency that is neither within its limit nor above it for certain."""
    asked, unknown, needed = len(seconds), seconds.count(None), requests_for_bound(level)
    if unknown:
        return f"{unknown} of {asked} requests got no answer: the same command asks them again"
    if asked < needed:
        return f"the bound takes {needed} requests, and there were {asked}"
    wanted = requests_to_settle(sum(s is not None and s <= limit for s in seconds), asked, level, alpha)
    if wanted is None:
        return "it lies too near the limit to tell"
    more = "1 more request" if wanted == asked + 1 else f"{wanted - asked} more requests"
    return f"about {more} like these would tell (limits.latency_requests: {wanted})"


def _priced(outcomes: Sequence[Outcome], cost: RequestCost, task: Task, level: float) -> Priced | None:
    """Judge the cost by its mean with one-sided bounds: an upper one at `level`, a lower one at alpha.

    None without a limit or a price. A rented machine at a stated volume costs its rent, whatever the answers took.
    """
    limit, requests = task.limits.cost_per_1k_usd, task.service.requests_per_month
    mean = cost.per_1k_usd(requests)
    if limit is None or mean is None:
        return None
    most = limit * (1.0 + ROUNDING)
    each = [
        (o, 1000 * usd) for o in outcomes if o.answer is not None and (usd := cost.of(o.answer, requests)) is not None
    ]
    values = np.array([usd for _, usd in each])
    fixed = bool(cost.usd_per_hour and requests) or (values.size > 1 and float(np.ptp(values)) <= ROUNDING * mean)
    if fixed:
        return Priced(mean, mean, "meets" if mean <= most else "misses")
    if values.size < 2:
        return Priced(None, None, "inconclusive")
    numbers = group_numbers(groups_of([o for o, _ in each]), values.size)
    df = values.size / (1.0 if numbers is None else mean_group_size(numbers)) - 1.0
    error = math.sqrt(cluster_variance(values, numbers).value)
    if df <= 0.0 or error == 0.0:
        return Priced(None, None, "inconclusive")
    low = max(0.0, mean - student_quantile(1.0 - task.alpha, df) * error)
    high = mean + student_quantile(1.0 - level, df) * error
    return Priced(low, high, "meets" if high <= most else "misses" if low > most else "inconclusive")


def _limits_held(task: Task, priced: Priced | None, served: Served | None) -> bool | None:
    judged: list[Status] = []
    if task.limits.cost_per_1k_usd is not None:
        judged.append("inconclusive" if priced is None else priced.status)
    if task.limits.p95_latency_s is not None:
        judged.append((served.status if served is not None else None) or "inconclusive")
    return False if "misses" in judged else None if "inconclusive" in judged else True
