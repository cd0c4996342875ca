"""What a rung that changed weights must show beyond the goal, and what its tuning says of more rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rung.decide.compare import compare
from rung.decide.form import form_comes_first
from rung.decide.knowledge import asks_for_facts
from rung.decide.limits import limits_open, what_settles
from rung.errors import NotOffered
from rung.types import Comparison, Diagnosis, Reason, Result, Task, Tuning
from rung.usual_names import shown_name


def must_fall_short(
    task: Task,
    role: str | None,
    settings: Mapping[str, Any],
    results: Mapping[str, Result],
    diagnosis: Diagnosis | None = None,
    earlier: Sequence[Diagnosis] = (),
) -> None:
    """Check that a rung may change the weights of `role`: every rung below is shown not good enough, not for want of facts, and
    not for a form of answers that is mended at no cost. `diagnosis`: of the rung measured last; `earlier`: of those before it.

    Seeking the cheapest, a model may be tuned although another one, prompted, is good enough: for a cheaper alternative at equal quality.
    `force: true` opens the gate, and not the verdict: `gate_was_open` asks again. Raises NotOffered with the cheaper way.
    """
    refusal = not_short(task, role, results) or asks_for_facts(diagnosis)
    last = () if diagnosis is None else (diagnosis,)
    refusal = refusal or form_comes_first(task, (*earlier, *last))
    if refusal and settings.get("force") is not True:
        raise NotOffered(refusal)


def not_short(task: Task, model: str | None, below: Mapping[str, Result]) -> str | None:
    """Return which rung below is not shown to miss the goal, with the cheaper way; None when all are."""
    for label, result in below.items():
        status, other = result.status, result.candidate.model
        if status == "misses" or fails_beside_goal(result):
            continue
        if task.objective == "cheapest" and result.good_enough and other not in (None, model):
            continue
        if result.good_enough:
            state, way = "good enough", "ship that one"
        elif status == "meets":
            state, way = f"good enough in quality, and {limits_open(task, result)}", what_settles(task, result)
        else:
            state, way = "inconclusive", "more test examples would tell, and cost less than tuning"
        return f"{shown_name(label)} is {state}: tuning is allowed only when every approach below misses the goal; the cheaper way: {way}"
    return None


def fails_beside_goal(result: Result) -> bool:
    """Whether an approach falls short although its score meets the goal: it misses a floor, breaks a limit, or is as good as what
    runs now and costs no less."""
    beside = result.limits_held is False or bool(result.missed_floors)
    return result.saves is False or (result.quality.status == "meets" and beside)


def below(label: str, results: Mapping[str, Result]) -> dict[str, Result]:
    """Return the rungs measured before one, in ladder order."""
    names = list(results)
    return {name: results[name] for name in names[: names.index(label)]}


def best_below(task: Task, label: str, results: Mapping[str, Result]) -> str | None:
    """Return the rung below with the highest measured quality, of equal ones the lowest; those that fail beside the goal are left aside."""
    lower = {name: result for name, result in below(label, results).items() if not fails_beside_goal(result)}
    metric = task.metrics[0].name
    return max(lower, key=lambda k: lower[k].estimates[metric].point, default=None)


def gain_over_best(task: Task, label: str, results: Mapping[str, Result], seed: int) -> Comparison | None:
    """Compare a tuned rung with the best rung below on the rows that both visited (docs/statistics.md).

    Not corrected: the tuned rung must pass this beside "meets" and every "not met", an intersection-union test.
    """
    best = best_below(task, label, results)
    return None if best is None else compare((best, results[best]), (label, results[label]), task, seed)


def paired_with(task: Task, label: str, results: Mapping[str, Result]) -> tuple[str, ...]:
    """Return the rungs that a winner is compared with row by row: the one below it and the best below it."""
    lower = below(label, results)
    best = best_below(task, label, results)
    return tuple(dict.fromkeys(name for name in (next(reversed(lower), None), best) if name is not None))


def paired_early(task: Task, label: str, results: Mapping[str, Result]) -> str | None:
    """Return a rung that a good enough one is compared with and that stopped early: it must visit all rows first.

    On the few rows that such a rung saw, hardly any gain is significant, so that tuning would not be named where it is due.
    """
    if not results[label].good_enough:
        return None
    return next(
        (name for name in paired_with(task, label, results) if results[name].stopped_early_at is not None), None
    )


def overridden(result: Result) -> tuple[str, ...]:
    """Return the reasons against tuning that `force: true` overrode when the candidate was made."""
    return result.candidate.forced


def vetoed(result: Result) -> str | None:
    """Return what a tuned candidate forgets, where that forbids it to win; None where nothing does."""
    return result.candidate.forgets


def gate_was_open(task: Task, label: str, results: Mapping[str, Result]) -> bool:
    """Whether a tuned rung would have run without force."""
    result = results[label]
    return (
        not overridden(result)
        and not vetoed(result)
        and not_short(task, result.candidate.model, below(label, results)) is None
    )


def worth_tuning(task: Task, label: str, results: Mapping[str, Result], seed: int) -> bool:
    """Whether tuning is shown to gain at least `min_gain` over the best rung below, of those that keep floors and limits.

    Where the goal is to be as good as what runs now, the gate has shown all others worse than that, and nothing more is asked.
    """
    if task.as_good_as is not None:
        return True
    lower = below(label, results)
    if lower and all(fails_beside_goal(result) for result in lower.values()):
        return True
    gain = gain_over_best(task, label, results, seed)
    return gain is not None and gain.p_value < task.alpha and gain.gain >= task.min_gain


def tuned_reasons(task: Task, trained: Collection[str], results: Mapping[str, Result], seed: int) -> Iterator[Reason]:
    """Say of every tuned rung what it gains over the best rung below, and what force has to do with it."""
    for label in (k for k in results if k in trained):
        gain = None if task.as_good_as is not None else gain_over_best(task, label, results, seed)
        if gain is not None:
            enough = gain.p_value < task.alpha and gain.gain >= task.min_gain
            word = "has a significant gain worth tuning" if enough else "has no significant gain worth tuning"
            keys = tuple(f"{name}/result#estimates" for name in (gain.lower, label))
            yield Reason(
                f"{shown_name(label)} {word}: {gain.gain:+.3f} over the best approach below, {shown_name(gain.lower)} (p = {gain.p_value:.2g})",
                f"a significant paired gain of at least {task.min_gain:g} over the best approach below; {gain.method}",
                keys,
            )
        loss = vetoed(results[label])
        if loss is not None:
            yield Reason(
                f"{shown_name(label)} cannot win: {loss}",
                "no task in `regression_tasks` may be shown to fall by `min_gain` or more; Holm over all that is compared",
                (f"{label}/result#candidate.learned.forgets",),
            )
        if loss is not None or gate_was_open(task, label, results):
            continue
        why = list(overridden(results[label]))
        short = not_short(task, results[label].candidate.model, below(label, results))
        yield Reason(
            f"{shown_name(label)} ran by force and cannot win: {'; '.join([*why, *([short] if short else [])])}",
            "`force: true` shows what tuning would bring; it never changes the verdict",
            (f"{label}/result#candidate.learned.forced",),
        )


def forecasts(tunings: Mapping[str, Tuning]) -> dict[str, str]:
    """Return what the learning curve of each tuned rung says of more rows."""
    return {label: tuning.forecast for label, tuning in tunings.items() if tuning.forecast}


def tuned_counterfactuals(task: Task, predicted: Mapping[str, str], results: Mapping[str, Result]) -> Sequence[str]:
    """Say what more training rows would change, where a tuned rung is not good enough."""
    return [
        f"{shown_name(label)}: {text}."
        for label, text in predicted.items()
        if label in results and not results[label].good_enough
    ]
