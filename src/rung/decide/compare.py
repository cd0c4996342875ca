"""Compare rungs on the same test rows, corrected over the planned ladder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from rung.decide.averages import contributed, told
from rung.stats.aggregate import Contributions, compare_contributions, non_inferior_contributions
from rung.stats.paired import NonInferiority, PairedTest, agreeing, compare_paired, holm, non_inferior, sign_flip
from rung.stats.ppi import Differences, rectified_gain, rectified_non_inferior
from rung.types import Answer, Comparison, Loss, Outcome, Result, Task, groups_of

_Quantity = Callable[[Answer], float | None]
_Pair = tuple[Outcome, float, float]


def compare(lower: tuple[str, Result], upper: tuple[str, Result], task: Task, seed: int) -> Comparison | None:
    """Return upper against lower on the rows that both visited, or None when no row has a value in both.

    The interval holds 0 exactly where no difference is shown at the task's alpha. `p_adjusted` is still the raw p-value: `adjust` corrects it over the ladder.
    """
    (lower_name, below), (upper_name, above) = lower, upper
    pairs = _paired(below, above, task, gains="upper")
    if not pairs:
        return None
    if _gaining_side(pairs) == "lower":
        pairs = _paired(below, above, task, gains="lower")
        if _gaining_side(pairs) == "upper":  # the unknown decides which side gains: neither does
            pairs = [(o, a, a) for o, a, _ in pairs]
    a, b = [x for _, x, _ in pairs], [y for _, _, y in pairs]
    if task.metrics[0].average is not None:
        moved = [y - x for x, y in zip(a, b, strict=True)]
        wins, losses = sum(m > 0 for m in moved), sum(m < 0 for m in moved)
        test = replace(_of_averages(below, above, task), wins=wins, losses=losses, ties=len(moved) - wins - losses)
    elif below.labels and above.labels:
        test = rectified_gain(*_differences(below, above, pairs))
    else:
        test = compare_paired(a, b, groups_of([o for o, _, _ in pairs]), seed=seed)
    test = agreeing(test, task.alpha)
    wrong = [(x, y) for x, y in zip(a, b, strict=True) if x < 1]
    return Comparison(
        lower=lower_name,
        upper=upper_name,
        metric=task.metrics[0].name,
        gain=test.gain,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        p_adjusted=test.p_value,
        wins=test.wins,
        losses=test.losses,
        ties=test.ties,
        n=len(pairs),
        method=test.method,
        fixed_share=sum(y >= 1 for _, y in wrong) / len(wrong) if wrong else None,
        worse=_losses(below, above, task, seed) if test.gain > 0 else (),
    )


def _of_averages(below: Result, above: Result, task: Task) -> PairedTest:
    """Compare the averages over labels of two rungs; what got no answer counts against the side that would gain."""
    rows, before, after = _contributions(below, above, task, gains="upper")
    found = compare_contributions(before, after, groups_of(rows))
    if found.gain > 0:
        return found
    rows, before, after = _contributions(below, above, task, gains="lower")
    found = compare_contributions(before, after, groups_of(rows))
    return found if found.gain <= 0 else compare_contributions(before, before, groups_of(rows))


def _contributions(
    lower: Result, upper: Result, task: Task, *, gains: Literal["upper", "lower"]
) -> tuple[list[Outcome], Contributions, Contributions]:
    """Return the outcomes of `upper` on the rows that both visited, and what each row adds to the average of either."""
    before = {o.example_id: o for o in told(lower.outcomes, task)}
    rows = [o for o in told(upper.outcomes, task) if o.example_id in before]
    spec = task.metrics[0]
    first = contributed(spec, [before[o.example_id] for o in rows], gains == "upper")
    return rows, first, contributed(spec, rows, gains == "lower")


def _losses(below: Result, above: Result, task: Task, seed: int) -> tuple[Loss, ...]:
    """Return the labels and slices that `above` makes significantly worse: a paired test of each, by Holm over all of them.

    What got no answer counts as wrong for `below` and as right for `above`.
    """
    pairs = _paired(below, above, task, gains="lower")
    parts: dict[str, list[_Pair]] = {}
    for pair in pairs:
        label, slices = pair[0].label, pair[0].slices
        names = [f"label {label!r}"] if label is not None else []
        for name in [*names, *(f"{column} {value!r}" for column, value in slices.items())]:
            parts.setdefault(name, []).append(pair)
    raw = [_loss(rows, seed) for rows in parts.values()]
    adjusted = holm([p for p, _ in raw], len(raw))
    found = []
    for (name, rows), p, (_, method) in zip(parts.items(), adjusted, raw, strict=True):
        before, after = sum(x for _, x, _ in rows) / len(rows), sum(y for _, _, y in rows) / len(rows)
        if p < task.alpha and after < before:
            found.append(Loss(name, before, after, len(rows), float(p), len(raw), method))
    return tuple(found)


def _loss(rows: Sequence[_Pair], seed: int) -> tuple[float, str]:
    differences = [b - a for _, a, b in rows]
    groups = groups_of([o for o, _, _ in rows])
    binary = all(d in (-1.0, 0.0, 1.0) for d in differences)
    method = "sign flip by group" if groups is not None else "exact McNemar" if binary else "sign flip"
    return sign_flip(differences, groups, seed=seed), method


def neighbours(results: Mapping[str, Result], task: Task, seed: int) -> tuple[Comparison, ...]:
    """Compare each measured rung with the one measured before it, or each with what runs now; p-values are not yet corrected."""
    pairs: Iterable[tuple[tuple[str, Result], tuple[str, Result]]] = pairwise(results.items())
    if task.as_good_as is not None:
        now = [(label, result) for label, result in results.items() if label == task.as_good_as]
        pairs = [(one, other) for one in now for other in results.items() if other != one]
    found = [compare(lower, upper, task, seed) for lower, upper in pairs]
    return tuple(pair for pair in found if pair is not None)


def pairs_planned(task: Task, planned_rungs: int) -> int:
    """Return over how many pairs p-values are corrected: neighbours, or all pairs where the frontier says which are compared."""
    if task.objective == "frontier" and task.as_good_as is None:
        return max(1, planned_rungs * (planned_rungs - 1) // 2)
    return max(1, planned_rungs - 1)


def adjust(comparisons: Sequence[Comparison], planned_rungs: int) -> tuple[Comparison, ...]:
    """Correct the p-values by Holm over the planned adjacent pairs; a pair never performed counts as p = 1."""
    adjusted = holm([c.p_value for c in comparisons], max(planned_rungs - 1, len(comparisons)))
    return tuple(replace(c, p_adjusted=float(p)) for c, p in zip(comparisons, adjusted, strict=True))


def shown_not_worse(reference: Result, other: Result, task: Task) -> NonInferiority | None:
    """Whether `other` is shown to be at most `min_gain` worse than `reference` on the same rows."""
    pairs = _paired(reference, other, task, gains="upper")
    if not pairs:
        return None
    if task.metrics[0].average is not None:
        rows, before, after = _contributions(reference, other, task, gains="upper")
        return non_inferior_contributions(before, after, groups_of(rows), task.min_gain, task.alpha)
    if reference.labels and other.labels:
        return rectified_non_inferior(*_differences(reference, other, pairs), margin=task.min_gain, alpha=task.alpha)
    a, b = [x for _, x, _ in pairs], [y for _, _, y in pairs]
    return non_inferior(a, b, groups_of([o for o, _, _ in pairs]), task.min_gain, task.alpha)


def shown_cheaper_or_faster(reference: Result, other: Result, task: Task, seed: int) -> str | None:
    """Return "cheaper" or "faster" when `other` is significantly so, row by row; None when neither is shown."""
    p_cheaper = cheaper(reference, other, seed, task.service.requests_per_month)
    for word, p in (("cheaper", p_cheaper), ("faster", _spares(reference, other, (_seconds, _seconds), seed))):
        if p is not None and p < task.alpha:
            return word
    return None


def cheaper(reference: Result, other: Result, seed: int, requests_per_month: int | None = None) -> float | None:
    """Return the p-value of `other` costing less than `reference` in service, row by row; None where it costs no less or a
    price is unknown."""

    def cost_of(result: Result) -> _Quantity:
        return lambda answer: result.cost.of(answer, requests_per_month)

    return _spares(reference, other, (cost_of(reference), cost_of(other)), seed)


def _spares(reference: Result, other: Result, quantity: tuple[_Quantity, _Quantity], seed: int) -> float | None:
    """Return the p-value of `other` taking less of a quantity; None where it takes no less or the quantity is unknown.

    `quantity`: as it is read off an answer of either. Rows without an answer are counted against `other`: where it has none,
    its dearest row stands in; where only the reference has none, the pair is left out.
    """
    of_first, of_other = quantity
    before = {o.example_id: o.answer for o in reference.outcomes}
    rows = [(o, a) for o in other.outcomes if (a := before.get(o.example_id)) is not None]
    mine = [of_other(o.answer) for o in other.outcomes if o.answer is not None]
    first = [of_first(a) for _, a in rows]
    if not mine or not first or None in mine or None in first:
        return None
    worst = max(x for x in mine if x is not None)
    second = [worst if o.answer is None else of_other(o.answer) for o, _ in rows]
    differences = [x - y for x, y in zip(first, second, strict=True) if x is not None and y is not None]
    if sum(differences) <= 0:
        return None
    return sign_flip(differences, groups_of([o for o, _ in rows]), seed=seed)


def _seconds(answer: Answer) -> float | None:
    return answer.seconds


def _paired(lower: Result, upper: Result, task: Task, *, gains: Literal["upper", "lower"]) -> list[_Pair]:
    """Return the examples that both visited, with the score of each.

    What got no answer is unknown and counts against the side that would gain: its example as wrong, the other's as right.
    """
    mine, other = (0, 1) if gains == "upper" else (1, 0)
    metric = task.metrics[0].name
    before = {o.example_id: o.bounds(metric, task.failure_score) for o in lower.outcomes}
    rows = [(o, before.get(o.example_id), o.bounds(metric, task.failure_score)) for o in upper.outcomes]
    return [(o, a[other], b[mine]) for o, a, b in rows if a is not None and b is not None]


def _gaining_side(pairs: Sequence[_Pair]) -> Literal["upper", "lower"]:
    return "upper" if math.fsum(b - a for _, a, b in pairs) > 1e-9 else "lower"


def differences(lower: Result, upper: Result, task: Task) -> Differences:
    """Return upper minus lower as people and as the judge see it; what is unknown, or people could not tell, is the worst for upper."""
    return _differences(lower, upper, _paired(lower, upper, task, gains="upper"))


def _differences(lower: Result, upper: Result, pairs: Sequence[_Pair]) -> Differences:
    def said(row: str) -> float:
        a, b = lower.labels[row], upper.labels[row]
        return (0.0 if b is None else b) - (1.0 if a is None else a)

    labelled = lower.labels.keys() & upper.labels.keys()
    inside = [(o, y - x) for o, x, y in pairs if o.example_id in labelled]
    outside = [(o, y - x) for o, x, y in pairs if o.example_id not in labelled]
    grouped = groups_of([o for o, _, _ in pairs]) is not None
    return Differences(
        [said(o.example_id) for o, _ in inside],
        [d for _, d in inside],
        [d for _, d in outside],
        [o.group for o, _ in inside] if grouped else None,
        [o.group for o, _ in outside] if grouped else None,
    )
