"""The verdict in words: one sentence for a boss, reasons with evidence keys, and what would change the answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rung.types import Comparison, Reason, Result, Skipped, Task

SMALLEST_GOAL = 0.05  # a lower bound below this makes no goal that anybody would set
WIDEST_TOLERANCE = 0.15
IN_WORDS = {
    "prompt": "a better prompt",
    "fewshot": "examples in the prompt",
    "rag": "passages from your documents",
    "baseline": "no language model at all",
    "finetune": "a tuned model",
}


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
    return f"at {money(result.cost_per_1k_usd)} per 1,000 requests"


def mark(value: float, *, down: bool = False) -> str:
    """Write a goal or a floor: two places, three where two would change it; `down` never promises too much."""
    if down:
        value = math.floor(100 * value + 1e-9) / 100
    return f"{value:.2f}" if abs(value - round(value, 2)) < 1e-9 else f"{value:.3f}"


def tally(wins: int, losses: int) -> str:
    """Write wins and losses as words."""
    return f"{wins:,} {'win' if wins == 1 else 'wins'}, {losses:,} {'loss' if losses == 1 else 'losses'}"


def quality(result: Result, task: Task) -> str:
    """Write the deciding metric's estimate."""
    return str(result.estimates[task.metrics[0].name])


def plain(label: str) -> str:
    """Name a rung in words that need no glossary."""
    return IN_WORDS.get(label.split("@")[0], label)


def headline_met(task: Task, winner: str, result: Result, planned: Sequence[str], bill: str) -> str:
    """Say which rung, how sure, what it costs (`bill`: a month of it), what is not needed, and what would change the answer."""
    less = f" less the tolerance of {mark(task.tolerance)}" if task.tolerance else ""
    above = list(planned[planned.index(winner) + 1 :])
    rest = f"; {_listed(above)} {'is' if len(above) == 1 else 'are'} not needed" if above else ""
    carried = mark(_carried(result, task), down=True)
    limit = f"; a goal above {carried} would change this" if float(carried) < 1 else ""
    return (
        f"Yes, at the rung {winner!r} ({plain(winner)}): shown to be at least {mark(task.goal - task.tolerance)}, the goal of "
        f"{mark(task.goal)}{less} (measured {quality(result, task)}), {per_1k(result)}"
        f"{bill}{rest}{limit}."
    )


def headline_undecided(task: Task, label: str, result: Result, lean: str | None) -> str:
    """Say that the rows cannot tell, how many could, and where we lean."""
    rows = result.quality.rows_needed
    need = (
        f"about {rows:,} test rows would tell"
        if rows is not None
        else result.quality.advice
        or "more rows of the same kind would not tell soon: widen the tolerance or change the goal"
    )
    leaning = f"; we lean to {lean!r} ({plain(lean)})" if lean else ""
    return (
        f"Undecided: {label!r} measured {quality(result, task)}, and these rows cannot settle whether that is the goal of "
        f"{mark(task.goal)}; {need}{leaning}; it comes {per_1k(result)}."
    )


def headline_unproven(task: Task, label: str, result: Result, gain: Comparison | None) -> str:
    """Say that a tuned rung is good enough, and that nothing shows that tuning is what it took."""
    reaches = f"No proven gain: {label!r} reaches the goal of {mark(task.goal)} (measured {quality(result, task)})"
    if gain is None:
        return (
            f"{reaches}, but no rung below it was measured, so nothing shows that tuning is needed; climb `prompt` and `fewshot` "
            f"too; it comes {per_1k(result)}."
        )
    return (
        f"{reaches}, but its gain over {gain.lower!r}, the best rung below, is {gain.gain:+.3f} (p = {gain.p_value:.2g}), not a "
        f"significant one of at least {task.worth_it:g}; more test rows would tell; it comes {per_1k(result)}."
    )


def headline_exhausted(task: Task, results: Mapping[str, Result], measured: Mapping[str, Result]) -> str:
    """Say that nothing on this ladder is good enough, and which came nearest. `measured`: those too that may not win."""
    aside = [k for k in measured if k not in results]
    out = f" ({_listed(aside)} cannot win: see the reasons)" if aside else ""
    if not results:
        return (
            f"No: {_listed(aside)} was measured and cannot win: see the reasons."
            if aside
            else "No rung could be measured: see the reasons each was skipped."
        )
    broken = [k for k, r in results.items() if r.quality.status == "met" and r.limits_held is not True]
    if broken:
        return (
            f"No: {_listed(broken)} {'reaches' if len(broken) == 1 else 'reach'} the goal of {mark(task.goal)} but not within "
            f"the limits on cost or latency{out}."
        )
    best = max(results, key=lambda k: results[k].estimates[task.metrics[0].name].point)
    near = quality(results[best], task)
    return (
        f"No: every {'other ' if aside else ''}rung measured is shown to miss the goal of {mark(task.goal)}{out}; {best!r} came nearest"
        f"{', ' if near.startswith('between') else ' with '}{near}, {per_1k(results[best])}."
    )


def headline_stopped(why: str, lean: str | None) -> str:
    """Say why the climb ended before its time."""
    leaning = f" So far we lean to {lean!r} ({plain(lean)})." if lean else ""
    return f"Stopped before an answer: {why}.{leaning}"


def reasons(
    task: Task,
    winner: str | None,
    results: Mapping[str, Result],
    comparisons: Sequence[Comparison],
    skipped: Sequence[Skipped],
    planned_rungs: int,
) -> Iterator[Reason]:
    """List one reason a rung, one a comparison, one a rung left out."""
    floor, level = task.goal - task.tolerance, task.alpha / planned_rungs
    for label, result in results.items():
        keys = tuple(f"rungs/{label}/result.json#quality.{part}" for part in ("status", "lower", "upper"))
        q = result.quality
        if q.provisional is not None:
            claim, rule = f"{label} {q.provisional}", "a judge's opinion decides only beside labels (docs/judge.md)"
        elif q.status == "met":
            claim = f"{label} meets the goal: its lower bound {q.lower:.3f} is not below {mark(floor)}"
            rule = f"one-sided lower bound at alpha {task.alpha:g} / {planned_rungs} rungs = {level:.4g}"
        elif q.status == "not_met":
            claim = f"{label} misses the goal: its upper bound {q.upper:.3f} is below {mark(task.goal)}"
            rule = f"one-sided upper bound at alpha {task.alpha:g}"
        else:
            claim = (
                f"{label} is unclear: bounds {q.lower:.3f} to {q.upper:.3f} leave both open; good enough with probability "
                f"{q.probability_good:.2f}"
            )
            rule = "neither bound decides; probability from Beta(k + 1/2, n - k + 1/2)"
        yield Reason(claim, rule, keys)
        if result.limits_held is not True:
            state = (
                "breaks a limit on cost or latency" if result.limits_held is False else "has an unknown cost or latency"
            )
            evidence = tuple(f"rungs/{label}/result.json#{k}" for k in ("cost_per_1k_usd", "p95_latency_s"))
            yield Reason(f"{label} {state}", "a rung is good enough only within the limits of the task", evidence)
    for index, c in enumerate(comparisons):
        word = "is shown to beat" if c.p_adjusted < task.alpha and c.gain > 0 else "is not shown to beat"
        if c.p_adjusted < task.alpha and c.gain < 0:
            word = "is shown to be worse than"
        yield Reason(
            f"{c.upper} {word} {c.lower}: {c.gain:+.3f} ({tally(c.wins, c.losses)}, adjusted p = {c.p_adjusted:.2g})",
            f"{c.method}, Holm over {max(planned_rungs - 1, 1)} planned pairs",
            (f"comparisons.json#{index}.gain", f"comparisons.json#{index}.p_adjusted"),
        )
    for index, left_out in enumerate(skipped):
        yield Reason(f"{left_out.what} was not run", left_out.reason, (f"skipped.json#{index}.reason",))


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
            yield f"With a goal above {carried}, {winner!r} would no longer be shown to be good enough."
        for label, lower in results.items():
            if label == winner:
                break
            yield from _if_lower_were_enough(task, label, lower)
        if result.cost_per_1k_usd is not None and result.cost_per_1k_usd > 0 and requests_per_month is None:
            yield "Give volume.requests_per_month to see the monthly bill and from which volume a cheaper rung pays."
        return
    for label, result in results.items():
        q = result.quality
        yield from _if_limits_were_wider(task, label, result)
        if q.status == "unclear" and q.rows_needed is not None:
            yield f"About {q.rows_needed:,} test rows would settle {label!r} (now {result.estimates[task.metrics[0].name].n:,})."
    short = {label: r for label, r in results.items() if r.quality.status != "met"}
    best = max(short, key=lambda k: short[k].quality.lower, default=None)
    if best is None or short[best].quality.lower < SMALLEST_GOAL:
        return
    wider = math.ceil(1000 * (task.goal - short[best].quality.lower) - 1e-9) / 1000
    yield f"With a goal of {mark(_carried(short[best], task), down=True)} or less, {best!r} would be shown to be good enough."
    if task.tolerance < wider < WIDEST_TOLERANCE:
        yield f"With a tolerance of {wider:g} instead of {task.tolerance:g}, {best!r} would be shown to be good enough."


def _if_lower_were_enough(task: Task, label: str, lower: Result) -> Iterator[str]:
    if lower.quality.status == "unclear":
        rows = lower.quality.rows_needed
        more = f"; about {rows:,} test rows would tell" if rows else ""
        yield f"{label!r} may be enough already (probability {lower.quality.probability_good:.2f}){more}."
    elif lower.quality.status == "not_met" and lower.quality.lower >= SMALLEST_GOAL:
        yield f"With a goal of {mark(_carried(lower, task), down=True)} or less, {label!r} would do."


def _if_limits_were_wider(task: Task, label: str, result: Result) -> Iterator[str]:
    if result.quality.status != "met" or result.limits_held is not False:
        return
    wanted = []
    cost, limit = result.cost_per_1k_usd, task.limits.cost_per_1k_usd
    if cost is not None and limit is not None and cost > limit:
        wanted.append(f"{money(cost)} per 1,000 requests instead of {money(limit)}")
    slow, limit = result.p95_latency_s, task.limits.p95_latency_s
    if slow is not None and limit is not None and slow > limit:
        wanted.append(f"a p95 latency of {slow:.2g} s instead of {limit:g} s")
    if wanted:
        yield f"With limits of {' and '.join(wanted)}, {label!r} would be good enough."


def _carried(result: Result, task: Task) -> float:
    """Return the highest goal that the result is shown to meet at the task's tolerance."""
    return min(result.quality.lower + task.tolerance, 1.0)


def _listed(words: Sequence[str]) -> str:
    quoted = [repr(w) for w in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]
