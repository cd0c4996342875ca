"""A cheaper alternative at equal quality: a rung that is not worse than the winner, and cheaper or faster. What was looked at, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rung.decide.compare import cheaper, compare, shown_not_worse
from rung.decide.economics import BreakEven, Offer, break_even, break_even_sentence, one_off
from rung.decide.limits import at_once
from rung.decide.wording import money, per_1k
from rung.stats.latency import FEWEST, Faster, faster
from rung.stats.paired import NonInferiority
from rung.types import Profile, Reason, Result, Task, Tuning
from rung.usual_names import shown_name

RULE = (
    "objective: cheapest; meets the goal itself, is cheaper example by example, and not shown to be more than `min_gain` worse; or is shown "
    "to be at most `min_gain` worse (as a tuned model must be) and cheaper; or faster at the 95th percentile of at "
    f"least {FEWEST} uncached requests, "
)


@dataclass(frozen=True, slots=True)
class Use:
    """What a rung's use takes beside its answers.

    `one_off_usd`: what tuning cost; 0 where there was none, None where that is unknown, with a note. `served_s`: seconds of uncached requests at
    the concurrency of use, the same dev rows in the same order at every rung; None where a request got no answer.
    """

    one_off_usd: float | None = 0.0
    one_off_note: str | None = None
    served_s: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class CheaperEqual:
    """A rung that meets the goal, held against the one that would win without it. None: not shown, or too little is known to say."""

    reference: str
    label: str
    not_worse: NonInferiority | None
    cheaper_p: float | None
    faster: Faster | None
    worse: bool = (
        True  # shown to be more than `min_gain` worse; True, too, where as much is not known, or weights were changed
    )

    def holds(self, alpha: float) -> bool:
        """Whether the rung takes the other's place: both meet the goal, so that the cheaper one does unless it is shown to be worse."""
        cheaper_, faster_ = (
            p is not None and p < alpha for p in (self.cheaper_p, self.faster.p_value if self.faster else None)
        )
        equal = bool(self.not_worse and self.not_worse.shown)
        return (equal and (cheaper_ or faster_)) or (cheaper_ and not self.worse)


def uses(
    results: Mapping[str, Result], tunings: Mapping[str, Tuning], profiles: Mapping[str, Profile]
) -> dict[str, Use]:
    """Return what the use of each measured rung takes beside its answers."""
    found: dict[str, Use] = {}
    for label, result in results.items():
        tuning = tunings.get(label)
        once = one_off(tuning, result.cost.usd_per_hour or None) if tuning else (0.0, None)
        found[label] = Use(*once, profiles[label].seconds if label in profiles else ())
    return found


def cheaper_equal(
    task: Task,
    first: str,
    others: Collection[str],
    results: Mapping[str, Result],
    known: Mapping[str, Use],
    seed: int,
    trained: Collection[str] = (),
) -> tuple[str, tuple[CheaperEqual, ...]]:
    """Return the rung that wins when each of `others`, in ladder order, may take the place of the winner so far. All meet the goal."""
    winner, alternatives = first, []
    for label in others:
        before, after = known.get(winner, Use()), known.get(label, Use())
        alternative = CheaperEqual(
            winner,
            label,
            shown_not_worse(results[winner], results[label], task),
            cheaper(results[winner], results[label], seed, task.service.requests_per_month),
            faster(before.served_s, after.served_s, seed=seed),
            worse=label in trained or _worse(task, (winner, results[winner]), (label, results[label]), seed),
        )
        alternatives.append(alternative)
        winner = label if alternative.holds(task.alpha) else winner
    return winner, tuple(alternatives)


def _worse(task: Task, before: tuple[str, Result], after: tuple[str, Result], seed: int) -> bool:
    """Whether a rung is shown to be more than `min_gain` worse, by the interval of the paired difference."""
    found = compare(before, after, task, seed)
    return found is None or found.high < -task.min_gain


def cheaper_equal_reasons(
    task: Task, alternatives: Collection[CheaperEqual], results: Mapping[str, Result]
) -> Iterator[Reason]:
    """Say of each rung held against the winner what is shown: quality, cost, latency."""
    for alternative in alternatives:
        word = "takes the place of" if alternative.holds(task.alpha) else "does not take the place of"
        parts = [_quality(alternative, task), _cost(alternative, task, results), _latency(alternative, task)]
        keys = [f"{k}/result#cost_per_1k_usd" for k in (alternative.reference, alternative.label)]
        if alternative.faster is not None:
            keys += [f"{k}/profile#p95_s" for k in (alternative.reference, alternative.label)]
        yield Reason(
            f"{shown_name(alternative.label)} {word} {shown_name(alternative.reference)}: {', '.join(parts)}",
            RULE + at_once(task.limits.concurrency),
            tuple(keys),
        )


def offer(task: Task, label: str, result: Result, known: Mapping[str, Use]) -> Offer:
    """Return what a rung offers for what price, rent and one-off cost included."""
    use = known.get(label, Use())
    return Offer(
        label,
        result.estimates[task.metrics[0].name],
        result.cost,
        result.cost_per_1k_usd,
        one_off_usd=use.one_off_usd,
        one_off_note=use.one_off_note,
    )


def volumes(
    task: Task, winner: str, results: Mapping[str, Result], known: Mapping[str, Use], requests: int | None
) -> Iterator[str]:
    """Say for each other good rung of known cost from which monthly volume it, or the winner, is the cheaper one."""
    offers = {
        label: offer(task, label, result, known)
        for label, result in results.items()
        if label == winner or result.good_enough
    }
    names = list(offers)
    for other in (n for n in names if n != winner):
        lower, upper = sorted((other, winner), key=names.index)
        pair = break_even(offers[lower], offers[upper], requests)
        if pair.when not in ("unknown", "equal") or pair.months is not None:
            yield f"Of {shown_name(lower)} and {shown_name(upper)}, both good enough, {break_even_sentence(pair)}{_hosting(pair, offers)}."


def _hosting(pair: BreakEven, offers: Mapping[str, Offer]) -> str:
    rented = [n for n in (pair.lower, pair.upper) if offers[n].machine_month_usd]
    if not rented:
        return ""
    return f" (a machine for {' and '.join(f'{shown_name(n)}: {money(offers[n].machine_month_usd)} a month' for n in rented)})"


def _quality(alternative: CheaperEqual, task: Task) -> str:
    if alternative.not_worse is None:
        return "no example was scored at both"
    word = "at most" if alternative.not_worse.shown else "perhaps more than"
    most = (
        f"{-alternative.not_worse.lower:.3f} worse at most"
        if alternative.not_worse.lower < 0
        else "better, if anything"
    )
    return f"{word} {task.min_gain:g} worse ({most}, p = {alternative.not_worse.p_value:.2g})"


def _cost(alternative: CheaperEqual, task: Task, results: Mapping[str, Result]) -> str:
    a, b = results[alternative.reference], results[alternative.label]
    if alternative.cheaper_p is None:
        unknown = [k for k, r in ((alternative.reference, a), (alternative.label, b)) if r.cost_per_1k_usd is None]
        return f"cost unknown at {' and '.join(map(shown_name, unknown))}" if unknown else "not cheaper"
    word = "cheaper" if alternative.cheaper_p < task.alpha else "not significantly cheaper"
    return (
        f"{word} ({per_1k(b).removeprefix('at ')}, against {money(a.cost_per_1k_usd)}; p = {alternative.cheaper_p:.2g})"
    )


def _latency(alternative: CheaperEqual, task: Task) -> str:
    found = alternative.faster
    if found is None:
        return f"latency not compared (fewer than {FEWEST} requests of its own at both)"
    word = "faster" if found.p_value < task.alpha else "not significantly faster"
    return f"{word} (p95 {found.after_s:.3g} s against {found.before_s:.3g} s, n = {found.n}; p = {found.p_value:.2g})"
