"""Floors in words: what they show, what keeps an approach from being good enough beside the goal, and what would change that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rung.decide.wording import SMALLEST_GOAL, mark, percent, percent_range
from rung.types import Comparison, FloorResult, Loss, Reason, Result, Task, rate
from rung.usual_names import shown_name


def floor_reasons(task: Task, label: str, result: Result) -> Iterator[Reason]:
    """Yield one reason a floor, by the rule that judged it."""
    for index, found in enumerate(result.floors):
        q, floor = found.quality, found.floor
        keys = tuple(f"{label}/result#floors.{index}.quality.{part}" for part in ("status", "lower", "upper"))
        if q.status == "meets":
            claim = f"{shown_name(label)} meets the floor: the lower bound {q.lower:.3f} of {floor.name} is not below {mark(floor.at_least - floor.tolerance)}"
            rule = "one-sided lower bound at the level of the approach's quality: all claims must hold, so none is corrected"
        elif q.status == "misses":
            claim = f"{shown_name(label)} misses the floor: the upper bound {q.upper:.3f} of {floor.name} is below {mark(floor.at_least)}"
            rule = f"one-sided upper bound at alpha {task.alpha:g}"
        else:
            why = f" ({q.advice})" if found.estimate is None and q.advice else ""
            claim = f"{shown_name(label)} is inconclusive on the floor: bounds {q.lower:.3f} to {q.upper:.3f} of {floor.name} leave both open{why}"
            rule = "neither bound decides"
        yield Reason(claim, rule, keys)


def loss_reasons(comparisons: Sequence[Comparison]) -> Iterator[Reason]:
    """Yield a reason for each label or slice that an approach with the higher score makes significantly worse."""
    for index, c in enumerate(comparisons):
        for at, loss in enumerate(c.worse):
            rule = f"{loss.method} on these examples, Holm over {loss.of} labels and slices"
            yield Reason(loss_line(c, loss), rule, (f"comparisons#{index}.worse.{at}.p_adjusted",))


def loss_line(pair: Comparison, loss: Loss) -> str:
    """Say what an approach makes worse although it gains in all."""
    return (
        f"{shown_name(pair.upper)} gains {pair.gain:+.3f} over {shown_name(pair.lower)} and is significantly worse on {loss.name}: {rate(loss.after)} after "
        f"{rate(loss.before)} on {loss.n:,} test examples (adjusted p = {loss.p_adjusted:.2g})"
    )


def fails_a_floor(results: Mapping[str, Result]) -> str | None:
    """Return the approach that comes nearest of those that meet the goal and miss a floor: the fewest missed, then the least."""
    missing = {k: r for k, r in results.items() if r.quality.status == "meets" and r.missed_floors}
    return min(missing, key=lambda k: (len(missing[k].missed_floors), _lack(missing[k])), default=None)


def first_fault(result: Result) -> FloorResult | None:
    """Return the floor that is told first: the one missed by most, else the first open one."""
    return max(result.missed_floors, key=_short_by, default=next(iter(result.open_floors), None))


def _short_by(found: FloorResult) -> float:
    return found.floor.at_least - (found.estimate.point if found.estimate is not None else 0.0)


def _lack(result: Result) -> float:
    return max(map(_short_by, result.missed_floors))


def missed_headline(who: str, result: Result) -> str:
    """Say that an approach meets the goal and misses a floor."""
    found = first_fault(result)
    if found is None or found.estimate is None:
        return f"Not yet: {who} meets the goal and misses a floor."
    e = found.estimate
    reached = (
        f"at most {rate(e.high)}" if e.mean is None else rate(e.mean)
    )  # an approach that stopped early has a bound and no mean
    return f"Not yet: {who} meets the goal, but {found.floor.name} is {reached} (floor {mark(found.floor.at_least)})."


def open_headline(who: str, result: Result, n: int) -> str:
    """Say that an approach meets the goal and that a floor is open, and how many examples would settle it."""
    found = first_fault(result)
    if found is None:
        return f"Inconclusive: {who} meets the goal, and a floor is open."
    start = f"Inconclusive: {who} meets the goal, but {found.floor.name} is not settled"
    if found.examples_needed is not None:
        return f"{start}; about {max(found.examples_needed - n, 1):,} more test examples would decide."
    if found.estimate is None:
        return f"{start}: {found.quality.advice}."
    return f"{start}, and no practical number of test examples would decide."


def evidence_of(found: FloorResult) -> str:
    """Say in one sentence what was measured of a floor."""
    name = found.floor.name[:1].upper() + found.floor.name[1:]
    goal = f"floor {100 * found.floor.at_least:.4g} %"
    e = found.estimate
    if e is None:
        return f"{name}: {found.quality.advice} ({goal})."
    span = percent_range(e.low, e.high)
    if e.mean is None:
        return f"{name}: {span} on {e.n:,} test examples, where it stopped early ({goal})."
    return f"{name}: {percent(e.mean)} of {e.n:,} (95 % CI {span}; {goal})."


def examples_needed(result: Result) -> int | None:
    """Return how many test examples would settle every open claim of an approach; None where that is unknown or none is open."""
    wanted = [result.quality.examples_needed] if result.quality.status == "inconclusive" else []
    wanted += [f.examples_needed for f in result.open_floors]
    known = [w for w in wanted if w is not None]
    return max(known) if known and len(known) == len(wanted) else None


def floor_counterfactuals(winner: str | None, results: Mapping[str, Result], n: int) -> Iterator[str]:
    """Say what another floor, or more examples, would change."""
    for label, result in results.items():
        if label == winner:
            yield from (
                f"With a floor above {_carried(found)} on {found.floor.name}, {shown_name(label)} would no longer meet it."
                for found in result.floors
                if float(_carried(found)) < 1
            )
            return
        if result.quality.status != "meets" or result.limits_held is False:
            continue
        missed, still_open = result.missed_floors, result.open_floors
        if len(missed) == 1 and not still_open:
            found = missed[0]
            lower = f", or with one of {_carried(found)} or less," if float(_carried(found)) >= SMALLEST_GOAL else ","
            yield f"Without the floor on {found.floor.name}{lower} {shown_name(label)} would be good enough."
        elif missed and not still_open:
            names = " and ".join(f.floor.name for f in missed)
            yield f"Without the floors on {names}, {shown_name(label)} would be good enough."
        elif not missed:
            for found in still_open:
                if found.examples_needed is not None:
                    rows = found.estimate.n if found.estimate is not None else 0
                    yield (
                        f"About {found.examples_needed:,} test examples would settle {found.floor.name} for {shown_name(label)} (now {n:,}, of "
                        f"which {rows:,} count)."
                    )


def _carried(found: FloorResult) -> str:
    """Return the highest floor that was met, rounded so that it never promises too much."""
    return mark(min(math.floor(1000 * (found.quality.lower + found.floor.tolerance)) / 1000, 1.0), down=True)
