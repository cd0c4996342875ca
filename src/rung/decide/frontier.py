"""`objective: frontier`: the approaches that nothing measured beats on quality for at most their cost, with paired differences along them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from rung.decide.compare import adjust, compare, neighbours, pairs_planned
from rung.decide.economics import Offer, efficient
from rung.decide.wording import bound, money
from rung.types import Comparison, Reason, Result, Task, rate
from rung.usual_names import shown_name

RULE = "Pareto-optimal by point estimates and cost; a paired test, Holm over {pairs} pairs, since which are compared is seen on these examples"


def compared(task: Task, results: Mapping[str, Result], planned: int, seed: int) -> tuple[Comparison, ...]:
    """Return the paired comparisons of a run, corrected: along the frontier, beside what runs now, or of neighbours in the ladder.

    `planned`: how many approaches were planned.
    """
    along = _pairs(task, results) if task.objective == "frontier" and task.as_good_as is None else []
    if not along:
        return adjust(neighbours(results, task, seed), planned)
    found = [compare((lower, results[lower]), (upper, results[upper]), task, seed) for lower, upper in along]
    return adjust([pair for pair in found if pair is not None], pairs_planned(task, planned) + 1)


def pareto(task: Task, results: Mapping[str, Result]) -> tuple[str, ...]:
    """Return the Pareto-optimal approaches, the cheapest first; those of unknown cost are left out."""
    metric = task.metrics[0].name
    offers = [Offer(k, r.estimates[metric], r.cost, r.cost_per_1k_usd) for k, r in results.items()]
    return tuple(
        sorted(efficient(offers), key=lambda k: (results[k].cost_per_1k_usd or 0.0, -_score(task, results[k])))
    )


def _pairs(task: Task, results: Mapping[str, Result]) -> list[tuple[str, str]]:
    """Return what is compared: each step along the frontier, and each other approach with the best of those that cost no more."""
    best = pareto(task, results)
    found = list(pairwise(best))
    for label, result in results.items():
        if label not in best and best:
            usd = result.cost_per_1k_usd
            for_less = [k for k in best if usd is None or (results[k].cost_per_1k_usd or 0.0) <= usd]
            found.append((for_less[-1], label))
    return found


def _score(task: Task, result: Result) -> float:
    return result.estimates[task.metrics[0].name].point


def frontier_lines(
    task: Task, results: Mapping[str, Result], comparisons: Sequence[Comparison]
) -> Iterator[tuple[str, str]]:
    """Yield a label and a sentence for each approach: the frontier from cheap to dear, then what is beaten."""
    if task.objective != "frontier":
        return
    best = pareto(task, results)
    for label in (*best, *(k for k in results if k not in best)):
        result = results[label]
        pair = next((c for c in comparisons if c.upper == label), None)
        at = f"{shown_name(label)}: {rate(_score(task, result))} at {money(result.cost_per_1k_usd)} per 1,000 requests"
        if label in best:
            yield label, f"{at}, Pareto-optimal{_difference(pair)}."
        elif result.cost_per_1k_usd is None:
            yield label, f"{at}, so its place is unknown{_difference(pair)}."
        else:
            yield label, f"{at}, beaten{_difference(pair)}."


def _difference(pair: Comparison | None) -> str:
    if pair is None:
        return ""
    span = f"95 % CI {bound(pair.low)} to {bound(pair.high)}; adjusted p = {pair.p_adjusted:.2g}"
    return f"; {pair.gain:+.3f} against {shown_name(pair.lower)} ({span})"


def frontier_reasons(
    task: Task, results: Mapping[str, Result], comparisons: Sequence[Comparison], planned: int
) -> Iterator[Reason]:
    """Say of each approach where it stands on quality and cost."""
    for label, claim in frontier_lines(task, results, comparisons):
        keys = tuple(f"{label}/result#{key}" for key in ("estimates", "cost_per_1k_usd"))
        yield Reason(claim.removesuffix("."), RULE.format(pairs=pairs_planned(task, planned)), keys)
