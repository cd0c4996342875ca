"""The goal of being as good as what runs now: a paired claim about each other approach, and the verdict on it in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rung.decide.averages import contributed, deciding_sample, told
from rung.decide.compare import cheaper, differences
from rung.decide.wording import money, percent, quality_keys
from rung.errors import RungError
from rung.stats.aggregate import Contributions
from rung.stats.paired import paired_difference
from rung.stats.ppi import rectified_difference
from rung.stats.rerun import difference_chances
from rung.stats.threeway import Pairs, judge_contributions, judge_difference, judge_rectified
from rung.types import Comparison, Outcome, Quality, Reason, Result, Task, groups_of
from rung.usual_names import shown_name

MOST_FAILED = 0.1  # of the examples: what fails on more says little of what runs now
NOTHING_SHARED = "no example has a score of both what runs now and this approach, so they cannot be compared; look at why they fail with `rung climb --quick`"


def goal_of(task: Task, outcomes: Sequence[Outcome]) -> float:
    """Return what the approach that runs now scored, which others are to be as good as."""
    if task.metrics[0].average is not None:
        sample = deciding_sample(outcomes, task)
        return 0.0 if sample is None else sample.mean
    values = [v for o in outcomes if (v := o.value(task.metrics[0].name, task.failure_score)) is not None]
    return math.fsum(values) / len(values) if values else 0.0


def anchored(task: Task, outcomes: Sequence[Outcome]) -> Task:
    """Return the task with its goal as a number: what the approach that runs now scored on these examples."""
    return replace(task, goal=goal_of(task, outcomes))


def as_people_see(task: Task, current: Result | None) -> Task:
    """Return the task with its goal as what runs now scored by a judge that people's labels correct; unchanged where nothing is corrected."""
    if current is None or not current.labels:
        return task
    return replace(task, goal=current.estimates[task.metrics[0].name].point)


def must_answer(task: Task, outcomes: Sequence[Outcome], part: str) -> None:
    """Raise RungError where what runs now failed on more than a tenth of the examples: being as good as that says nothing."""
    failed = [o.failure.cause for o in outcomes if o.failure is not None]
    if not goal_of(task, outcomes):
        raise RungError(
            f"{task.as_good_as} is right on none of {len(outcomes)} {part} examples: name what runs now, or set a number as task.goal"
        )
    if len(failed) <= MOST_FAILED * len(outcomes):
        return
    counts = ", ".join(f"{failed.count(cause)} {cause}" for cause in sorted(set(failed)))
    raise RungError(
        f"{task.as_good_as} failed on {len(failed)} of {len(outcomes)} {part} examples ({counts}), so that being as good as it would say "
        "little: fix it and run the same command again, or set a number as task.goal"
    )


def claim_beside(task: Task, current: Result, result: Result, divisor: float, looks: int = 1) -> Quality:
    """Judge whether an approach is at most `task.tolerance` worse than what runs now, on the examples that both visited.

    Where people labelled answers of both, their labels correct the judge's scores; `looks`: how often labels were asked for after a verdict.
    """
    at, outcomes = as_people_see(anchored(task, current.outcomes), current).goal, result.outcomes
    if current.labels and result.labels:
        worst, best = differences(current, result, task), differences(result, current, task)
        return judge_rectified(worst, best, task.tolerance, task.alpha / looks, divisor, at)
    if task.metrics[0].average is not None:
        unlucky, lucky, groups = _of_averages(task, current, outcomes)
        return judge_contributions(unlucky, lucky, groups, task.tolerance, task.alpha, divisor, at)
    unlucky_pairs, lucky_pairs, groups = _pairs(task, current, outcomes)
    return judge_difference(unlucky_pairs, lucky_pairs, groups, task.tolerance, task.alpha, divisor, at)


def chances_beside(task: Task, current: Result, result: Result, divisor: float) -> tuple[float, float] | None:
    """Return how likely fresh examples show an approach as good as what runs now again, and worse; None for averages over labels."""
    if task.metrics[0].average is not None:
        return None
    if current.labels and result.labels:
        seen = rectified_difference(*differences(current, result, task))
        return difference_chances(seen, task.tolerance, task.alpha, divisor)
    worst, _, groups = _pairs(task, current, result.outcomes)
    a, b = zip(*worst, strict=True)
    return difference_chances(paired_difference(a, b, groups), task.tolerance, task.alpha, divisor)


def _pairs(task: Task, current: Result, outcomes: Sequence[Outcome]) -> tuple[Pairs, Pairs, Sequence[str] | None]:
    """Return the scores of both on the examples that both visited, with their groups.

    What got no answer is unknown: in the first list it counts against the approach, in the second for it. Raises RungError where
    they share none.
    """
    metric = task.metrics[0].name
    before = {o.example_id: o.bounds(metric, task.failure_score) for o in current.outcomes}
    rows = [(o, before.get(o.example_id), o.bounds(metric, task.failure_score)) for o in outcomes]
    pairs = [(o, a, b) for o, a, b in rows if a is not None and b is not None]
    if not pairs:
        raise RungError(NOTHING_SHARED)
    worst, best = [(a[1], b[0]) for _, a, b in pairs], [(a[0], b[1]) for _, a, b in pairs]
    return worst, best, groups_of([o for o, _, _ in pairs])


_Both = tuple[Contributions, Contributions]


def _of_averages(task: Task, current: Result, outcomes: Sequence[Outcome]) -> tuple[_Both, _Both, Sequence[str] | None]:
    """Return what each example adds to the averages of both, what got no answer counted against the approach, and for it; with the groups."""
    before = {o.example_id: o for o in told(current.outcomes, task)}
    rows = [o for o in told(outcomes, task) if o.example_id in before]
    if not rows:
        raise RungError(NOTHING_SHARED)
    spec, same = task.metrics[0], [before[o.example_id] for o in rows]
    unlucky, lucky = ((contributed(spec, same, not right), contributed(spec, rows, right)) for right in (False, True))
    return unlucky, lucky, groups_of(rows)


def saves(task: Task, current: Result, result: Result) -> bool | None:
    """Whether an approach that is as good is worth the change: shown better, or costing less, or keeping limits that what runs now breaks.

    None: the cost of either is unknown.
    """
    scored = as_people_see(anchored(task, current.outcomes), current).goal
    if current.limits_held is False or result.quality.lower > scored:
        return True
    if current.cost_per_1k_usd is None or result.cost_per_1k_usd is None:
        return None
    p = cheaper(current, result, 0, task.service.requests_per_month)
    return p is not None and p < task.alpha


def same_for_less(task: Task, who: str, result: Result, share: str | None) -> str:
    """Say that an approach may take the place of what runs now. `share`: of its cost, in words."""
    better = result.quality.lower > task.goal
    quality = "is better" if better else "is as good"
    floors = " and meets every floor" if result.floors else ""
    if share is not None:
        cost = f"at {share} of the cost" if result.cost_per_1k_usd else "and its requests cost nothing"
        return f"Replace what runs now: {who} {quality}{floors}, {cost}."
    if result.saves is None:
        return f"Replace what runs now: {who} {quality}{floors}; give prices to compare the costs."
    return f"Replace what runs now: {who} {quality}{floors}."


def keep(results: Mapping[str, Result]) -> str:
    """Say that nothing measured may take the place of what runs now."""
    if not results:
        return "Keep what runs now: no other approach could be measured."
    dearer = any(r.status == "meets" and r.saves is False for r in results.values())
    return (
        "Keep what runs now: what is as good costs no less."
        if dearer
        else "Keep what runs now: nothing else measured is as good."
    )


def beside_line(task: Task, pair: Comparison | None, quality: Quality) -> str:
    """Say in one sentence how an approach stands to what runs now, and by which bound where the interval alone would not tell why; empty where they
    were not compared."""
    if pair is None:
        return ""
    span = f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}"
    if quality.status == "inconclusive" and pair.low > -task.tolerance:
        span += f", and {100 * (quality.lower - task.goal):+.1f} by the bound that decides"
    return (
        f" {shown_name(pair.lower)}, which runs now: {percent(task.goal)}; difference {100 * pair.gain:+.1f} points on the same examples "
        f"(95 % CI {span}; up to {100 * task.tolerance:g} worse is as good)."
    )


def _bound(task: Task, result: Result) -> str:
    if task.metrics[0].average is not None:
        return "bound of the difference of averages (delta method)"
    labelled = f", corrected by labels of {len(result.labels):,} examples" if result.labels else ""
    return f"score bound (Tango){labelled}"


def _claim(task: Task, label: str, result: Result) -> tuple[str, str]:
    """Return what is shown of an approach beside what runs now, and by which rule."""
    q, now = result.quality, shown_name(task.as_good_as or "")
    low, high = q.lower - task.goal, q.upper - task.goal
    if q.provisional is not None:
        return f"{shown_name(label)} {q.provisional}", "a judge's opinion decides only beside labels (docs/judge.md)"
    if q.status == "meets":
        level = "" if result.level is None else f" at {result.level:.3g}, its share of alpha {task.alpha:g} by dev"
        return (
            f"{shown_name(label)} is as good as {now}: the lower bound {low:+.3f} of the paired difference is above -{task.tolerance:g}",
            f"paired non-inferiority by a one-sided {_bound(task, result)}{level}",
        )
    if q.status == "misses":
        return (
            f"{shown_name(label)} is worse than {now}: the upper bound {high:+.3f} of the paired difference is below 0",
            f"one-sided {_bound(task, result)} at alpha {task.alpha:g}",
        )
    return (
        f"{shown_name(label)} is inconclusive: bounds {low:+.3f} to {high:+.3f} of the difference to {now} leave both open; as good with "
        f"probability {q.probability_good:.2f}",
        "neither bound decides",
    )


def beside_reasons(task: Task, current: Result | None, results: Mapping[str, Result]) -> Iterator[Reason]:
    """Say of each approach how it stands to what runs now, and of one that is as good whether it is worth the change."""
    if current is None:
        return
    for label, result in results.items():
        yield Reason(*_claim(task, label, result), quality_keys(label))
        if result.status != "meets" or result.limits_held is False:
            continue
        cost = f"{money(result.cost_per_1k_usd)} against {money(current.cost_per_1k_usd)} per 1,000 requests"
        worth = "is worth the change" if result.saves else "is not worth the change: neither shown better nor cheaper"
        yield Reason(
            f"{shown_name(label)}: what it saves is unknown ({cost})"
            if result.saves is None
            else f"{shown_name(label)} {worth} ({cost})",
            "shown better than what runs now, or cheaper example by example, or within a limit that what runs now breaks",
            tuple(f"{k}/result#cost_per_1k_usd" for k in (task.as_good_as or label, label)),
        )


def other_margins(task: Task, winner: str | None, results: Mapping[str, Result]) -> Iterator[str]:
    """Say what another margin, or more examples, would change."""
    metric = task.metrics[0].name
    for label, result in results.items():
        lack = math.ceil(1000 * (task.goal - result.quality.lower) - 1e-9) / 1000
        if label == winner:
            if lack > 0.0:
                yield f"With a margin below {lack:g}, {shown_name(label)} would no longer be shown as good as what runs now."
            return
        q = result.quality
        if q.status == "inconclusive" and q.examples_needed is not None:
            yield f"About {q.examples_needed:,} test examples would settle {shown_name(label)} (now {result.estimates[metric].n:,})."
        if q.status != "meets" and lack < 0.5 * task.goal and lack <= 0.15:
            yield f"With a margin of {lack:g} instead of {task.tolerance:g}, {shown_name(label)} would be as good as what runs now."
