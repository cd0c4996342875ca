"""The verdict in words beyond its headline: numbers, reasons with evidence keys, and what would change the answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rung.decide.averages import deciding_sample
from rung.decide.compare import pairs_planned
from rung.decide.limits import held_back, latency, limits_broken, limits_open
from rung.stats.threeway import judge_sample
from rung.types import Comparison, EarlierUse, Finding, Quality, Reason, Result, Skipped, Task, rate, widest_tolerance
from rung.usual_names import shown_name

SMALLEST_GOAL = 0.05  # a lower bound below this makes no goal that anybody would set
WIDEST_TOLERANCE = 0.15


def money(usd: float | None, note: str | None = None) -> str:
    """Write an amount of dollars with two significant places, or why it is unknown."""
    if usd is None:
        return f"unknown ({note})" if note else "unknown"
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if usd >= 0.1 else f"${usd:.2g}"


def per_1k(result: Result) -> str:
    """Write what 1,000 requests cost, for the middle of a sentence."""
    if result.cost_per_1k_usd is None:
        why = f" ({result.cost_note.split(':')[0]})" if result.cost_note else ""
        return f"at an unknown cost{why}"
    return f"at {money(result.cost_per_1k_usd)} per 1,000 requests{_full_load(result)}"


def _full_load(result: Result) -> str:
    """Say that a rent is shared among all requests that the machine can serve; with a stated volume the cost holds its own."""
    full = result.cost.per_1k_usd(None) == result.cost_per_1k_usd
    return " on a machine that is always busy" if result.cost.usd_per_hour and full else ""


def mark(value: float, *, down: bool = False) -> str:
    """Write a goal or a floor: two places, three where two would change it; `down` never promises too much."""
    if down:
        value = math.floor(100 * value + 1e-9) / 100
    return f"{value:.2f}" if abs(value - round(value, 2)) < 1e-9 else f"{value:.3f}"


def bound(value: float) -> str:
    """Write a bound of a difference; one that lies on one side of 0 says so, however near it is."""
    if value and abs(value) < 0.0005:
        return "above 0" if value > 0 else "below 0"
    return f"{value:+.3f}"


def difference(pair: Comparison, alpha: float) -> str:
    """Say what a comparison shows: by its own p-value, as its interval does, and by the one that counts all pairs compared."""
    if pair.p_value >= alpha or pair.gain == 0:
        return "no significant difference"
    word = "better" if pair.gain > 0 else "worse"
    return (
        f"significantly {word}" if pair.p_adjusted < alpha else f"{word} as a single pair, not among all pairs compared"
    )


def tally(wins: int, losses: int) -> str:
    """Write wins and losses as words."""
    return f"{wins:,} {'win' if wins == 1 else 'wins'}, {losses:,} {'loss' if losses == 1 else 'losses'}"


def percent(value: float) -> str:
    """Write a score as a percentage, rounded as `rate` rounds it."""
    return f"{_points(value)} %"


def percent_range(low: float, high: float) -> str:
    """Write an interval of scores as percentages."""
    return f"{_points(low)} to {_points(high)} %"


def _points(value: float) -> str:
    return f"{100 * float(rate(value)):.4g}"


def caveats(revealed: bool, earlier: EarlierUse | None) -> Iterator[str]:
    """Yield what keeps a verdict from being a first, sealed test; the same sentences for every reader.

    `revealed`: people had seen test examples, or another candidate of the run was measured on them.
    """
    if revealed:
        yield (
            "Exploratory: people had seen test examples, or another candidate of this run was measured on them, so its bounds no longer hold. Fresh "
            "examples would confirm it."
        )
    if earlier is not None and earlier.other_candidates:
        runs = "an earlier run" if earlier.runs <= 1 else f"{earlier.runs} earlier runs"
        part = "these" if earlier.share >= 1.0 else f"{earlier.share:.0%} of these"
        yield (
            f"Exploratory: {part} test examples decided {runs} with other approaches, settings or examples, so its bounds no "
            f"longer hold as promised. About {earlier.examples} test examples that no run has used would confirm it: name them "
            "as data.test and your other examples as data.train."
        )
    if earlier is not None and earlier.other_goal:
        yield (
            "Goal chosen after the result: the same approaches were measured on these test examples under another goal before."
        )


def reasons(
    task: Task,
    winner: str | None,
    results: Mapping[str, Result],
    comparisons: Sequence[Comparison],
    skipped: Sequence[Skipped],
    planned_rungs: int,
) -> Iterator[Reason]:
    """List one reason a rung, one a comparison, one a rung left out."""
    for label, result in results.items():
        if task.as_good_as is None:  # else `rung.decide.current` says how it stands to what runs now
            claim, rule = _claim(task, label, result, planned_rungs)
            yield Reason(claim, rule, quality_keys(label))
        yield from _limits(task, label, result)
    for index, c in enumerate(comparisons):
        word = (
            "is significantly better than"
            if c.p_adjusted < task.alpha and c.gain > 0
            else "is not significantly better than"
        )
        if c.p_adjusted < task.alpha and c.gain < 0:
            word = "is significantly worse than"
        yield Reason(
            f"{shown_name(c.upper)} {word} {shown_name(c.lower)}: {c.gain:+.3f} ({tally(c.wins, c.losses)}, adjusted p = {c.p_adjusted:.2g})",
            f"{c.method}, Holm over {pairs_planned(task, planned_rungs)} planned pairs",
            (f"comparisons#{index}.gain", f"comparisons#{index}.p_adjusted"),
        )
    for index, left_out in enumerate(skipped):
        state = "waits for its model, which is tuned elsewhere" if left_out.awaited else "was not run"
        yield Reason(f"{shown_name(left_out.what)} {state}", left_out.reason, (f"skipped#{index}.reason",))


def quality_keys(label: str) -> tuple[str, ...]:
    """Return the keys that prove a claim about an approach's quality."""
    return tuple(f"{label}/result#quality.{part}" for part in ("status", "lower", "upper"))


def _claim(task: Task, label: str, result: Result, planned_rungs: int) -> tuple[str, str]:
    """Return what is shown of an approach's quality, and by which rule."""
    q = result.quality
    if q.provisional is not None:
        return f"{shown_name(label)} {q.provisional}", "a judge's opinion decides only beside labels (docs/judge.md)"
    if q.status == "meets":
        floor = mark(task.goal - task.tolerance)
        claim = f"{shown_name(label)} meets the goal: its lower bound {q.lower:.3f} is not below {floor}{_probable(q)}"
        return claim, _level(task, result, planned_rungs)
    if q.status == "misses":
        claim = f"{shown_name(label)} misses the goal: its upper bound {q.upper:.3f} is below {mark(task.goal)}"
        return claim, f"one-sided upper bound at alpha {task.alpha:g}"
    if q.advice is not None and held_back(task, result):
        claim = f"{shown_name(label)} is inconclusive although its lower bound {q.lower:.3f} is not below {mark(task.goal - task.tolerance)}: {q.advice}"
        return claim, _level(task, result, planned_rungs)
    claim = f"{shown_name(label)} is inconclusive: bounds {q.lower:.3f} to {q.upper:.3f} leave both open{_probable(q)}"
    return claim, "neither bound decides; probability from Beta(k + 1/2, n - k + 1/2)"


def _level(task: Task, result: Result, planned_rungs: int) -> str:
    """Say at which level the lower bound stands, and why there."""
    if result.level is None:
        return f"one-sided lower bound at alpha {task.alpha:g} / {planned_rungs} approaches = {task.alpha / planned_rungs:.4g}"
    return (
        f"one-sided lower bound at {result.level:.3g}, its share of alpha {task.alpha:g} among {planned_rungs} approaches by dev, fixed "
        "before its test examples were read"
    )


def _probable(q: Quality) -> str:
    """Say how likely an approach is good enough, and how likely it reaches the goal itself, without the tolerance."""
    at_goal = q.probability_at_goal
    apart = f", and at the goal itself with {at_goal:.2f}" if at_goal is not None else ""
    return f"; good enough with probability {q.probability_good:.2f}{apart}"


def _limits(task: Task, label: str, result: Result) -> Iterator[Reason]:
    """Say how an approach stands to the limits, where that could matter: its quality does not miss the goal already."""
    if result.status == "misses" and result.limits_held is None:
        return
    if result.limits_held is not True:
        broken = result.limits_held is False
        state = f"breaks a limit on {limits_broken(task, result)}" if broken else limits_open(task, result)
        evidence = tuple(f"{label}/result#{k}" for k in ("cost_per_1k_usd", "served"))
        yield Reason(
            f"{shown_name(label)} {state}" if broken else f"{shown_name(label)}: {state}",
            "an approach is good enough only within the limits of the task",
            evidence,
        )
    elif task.limits.p95_latency_s is not None:
        yield Reason(
            f"{shown_name(label)} keeps the latency limit of {task.limits.p95_latency_s:g} s: {latency(result)}",
            "an upper bound of the 95th percentile by order statistics, at the level of the quality; what was measured under our "
            "own load decides nothing",
            (f"{label}/result#served.high_s",),
        )


def counterfactuals(
    task: Task,
    winner: str | None,
    results: Mapping[str, Result],
    requests_per_month: int | None,
) -> Iterator[str]:
    """List what would change the answer."""
    if winner is not None:
        result = results[winner]
        carried = mark(_carried(result, task), down=True)
        if float(carried) < 1:
            yield f"With a goal above {carried}, {shown_name(winner)} would no longer meet the goal."
        for label, lower in results.items():
            if label == winner:
                break
            yield from _if_lower_were_enough(task, label, lower)
        if result.cost_per_1k_usd is not None and result.cost_per_1k_usd > 0 and requests_per_month is None:
            yield "Give volume.requests_per_month to see the monthly bill and from which volume a cheaper approach pays."
        return
    for label, result in results.items():
        q = result.quality
        yield from _if_limits_were_wider(task, label, result)
        if q.status == "inconclusive" and q.examples_needed is not None:
            yield f"About {q.examples_needed:,} test examples would settle {shown_name(label)} (now {result.estimates[task.metrics[0].name].n:,})."
    open_ = {label: r for label, r in results.items() if r.quality.status != "meets" and not r.missed_floors}
    short = {label: r for label, r in open_.items() if not held_back(task, r)}  # else no other goal would help
    best = max(short, key=lambda k: short[k].quality.lower, default=None)
    if best is None or short[best].quality.lower < SMALLEST_GOAL:
        return
    wider = math.ceil(1000 * (task.goal - short[best].quality.lower) - 1e-9) / 1000
    yield f"With a goal of {mark(_carried(short[best], task), down=True)} or less, {shown_name(best)} would meet the goal."
    if task.tolerance < wider <= min(WIDEST_TOLERANCE, widest_tolerance(task.goal)):
        yield f"With a tolerance of {wider:g} instead of {task.tolerance:g}, {shown_name(best)} would meet the goal."


def failures_counted(
    task: Task, winner: str | None, results: Mapping[str, Result], planned_rungs: int
) -> Iterator[str]:
    """Say what the winner would be with its failures counted as wrong, where they are left out: difficult examples fail more often."""
    if winner is None or task.failure_score is not None or task.as_good_as is not None:
        return
    result, strict = results[winner], replace(task, failure_score=0.0)
    failed = sum(o.failure is not None and not o.unanswered and not o.unjudged for o in result.outcomes)
    sample = deciding_sample(result.outcomes, strict)
    if not failed or sample is None:
        return
    divisor = planned_rungs if result.level is None else task.alpha / result.level
    status = judge_sample(sample, task.goal, task.tolerance, task.alpha, divisor).status
    would = {"meets": "still meet the goal", "misses": "miss the goal", "inconclusive": "be inconclusive"}[status]
    yield (
        f"{failed:,} of {len(result.outcomes):,} test examples failed with {shown_name(winner)} and are left out of its score. With failure_score 0 instead of "
        f"null it would score {rate(sample.mean)} and {would}."
    )


def label_counterfactuals(task: Task, findings: Sequence[Finding], winner: str | None) -> list[str]:
    """Say that the labels may hold every rung down, where none is good enough and the goal is above what they allow."""
    if winner is not None:
        return []
    return [
        f"{f.number('wrong_share'):.0%} of the expected outputs seem wrong. A system that is always right would "
        f"score about {mark(round(f.number('ceiling'), 2))} here ({f.number('low'):.2f} to {f.number('high'):.2f}), below the "
        f"goal of {mark(task.goal)}: with fixed test examples, or a goal of {mark(f.number('ceiling'), down=True)} or less, the "
        "answer may be another."
        for f in findings
        if f.check == "ceiling" and task.goal > f.number("ceiling")
    ]


def _if_lower_were_enough(task: Task, label: str, lower: Result) -> Iterator[str]:
    if lower.missed_floors:
        return
    if lower.quality.status == "inconclusive":
        rows = lower.quality.examples_needed
        more = f"; about {rows:,} test examples would tell" if rows else ""
        yield f"{shown_name(label)} may be enough already (probability {lower.quality.probability_good:.2f}){more}."
    elif lower.quality.status == "misses" and lower.quality.lower >= SMALLEST_GOAL:
        yield f"With a goal of {mark(_carried(lower, task), down=True)} or less, {shown_name(label)} would do."


def _if_limits_were_wider(task: Task, label: str, result: Result) -> Iterator[str]:
    if result.status != "meets" or result.limits_held is not False:
        return
    wanted = []
    priced, limit = result.priced, task.limits.cost_per_1k_usd
    if priced is not None and priced.status == "misses" and limit is not None:
        wanted.append(f"{money(priced.high_usd)} per 1,000 requests instead of {money(limit)}")
    served, limit = result.served, task.limits.p95_latency_s
    if served is not None and served.status == "misses" and served.p95_s is not None:
        wanted.append(f"a p95 latency of {(served.high_s or served.p95_s):.2g} s instead of {limit:g} s")
    if wanted:
        yield f"With limits of {' and '.join(wanted)}, {shown_name(label)} would be good enough."


def _carried(result: Result, task: Task) -> float:
    """Return the highest goal that the result is shown to meet at the task's tolerance."""
    return min(result.quality.lower + task.tolerance, 1.0)


def _listed(words: Sequence[str]) -> str:
    quoted = [repr(w) for w in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]
