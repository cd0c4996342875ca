"""The second door: a rung that is not worse than the winner, and cheaper or faster. What was looked at, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rung.config import Config
from rung.decide.compare import cheaper, shown_not_worse
from rung.decide.economics import BreakEven, Offer, break_even, break_even_sentence, one_off, rent_of
from rung.decide.wording import money, per_1k
from rung.evaluate.profile import Profile
from rung.stats.latency import FEWEST, Faster, faster
from rung.stats.paired import NonInferiority
from rung.store.folder import RunFolder
from rung.types import Reason, Result, Task

RULE = (
    "seek: cheapest; not worse by `worth_it` on the same test rows, and cheaper row by row or faster at the 95th percentile "
    f"of at least {FEWEST} uncached requests, made one after the other"
)


@dataclass(frozen=True, slots=True)
class Use:
    """What a rung's use takes beside its answers.

    `usd_per_hour`: rent of the machine that its model runs on, where it is priced so. `one_off_usd`: what tuning cost; 0
    where there was none, None where that is unknown, with a note. `unloaded_s`: seconds of uncached requests made one
    after the other, the same dev rows in the same order at every rung; None where a request got no answer.
    """

    usd_per_hour: float | None = None
    one_off_usd: float | None = 0.0
    one_off_note: str | None = None
    unloaded_s: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Door:
    """A rung held against the one that would win without it. None: not shown, or too little is known to say."""

    reference: str
    label: str
    not_worse: NonInferiority | None
    cheaper_p: float | None
    faster: Faster | None

    def opens(self, alpha: float) -> bool:
        """Whether the rung takes the other's place."""
        spares = [self.cheaper_p, self.faster.p_value if self.faster else None]
        return bool(self.not_worse and self.not_worse.shown and any(p is not None and p < alpha for p in spares))


def uses(folder: RunFolder, config: Config, results: Mapping[str, Result]) -> dict[str, Use]:
    """Return what the use of each measured rung takes, from the run folder and the configured prices."""
    found: dict[str, Use] = {}
    for label, result in results.items():
        rent = rent_of(config.models, result.candidate.model)
        fit = folder.read(f"rungs/{label}/fit.json") if folder.has(f"rungs/{label}/fit.json") else {}
        name = f"rungs/{label}/profile.json"
        alone = folder.load(name, Profile).seconds if folder.has(name) else ()
        tuning = fit.get("tuning")
        once = one_off(tuning["seconds"], tuning.get("lesson_usd"), rent) if tuning else (0.0, None)
        found[label] = Use(rent, *once, alone)
    return found


def second_door(
    task: Task, first: str, others: Collection[str], results: Mapping[str, Result], known: Mapping[str, Use], seed: int
) -> tuple[str, tuple[Door, ...]]:
    """Return the rung that wins when each of `others`, in ladder order, may take the place of the winner so far."""
    winner, doors = first, []
    for label in others:
        before, after = known.get(winner, Use()), known.get(label, Use())
        door = Door(
            winner,
            label,
            shown_not_worse(results[winner], results[label], task),
            cheaper(results[winner], results[label], seed),
            faster(before.unloaded_s, after.unloaded_s, seed=seed),
        )
        doors.append(door)
        winner = label if door.opens(task.alpha) else winner
    return winner, tuple(doors)


def door_reasons(task: Task, doors: Collection[Door], results: Mapping[str, Result]) -> Iterator[Reason]:
    """Say of each rung held against the winner what is shown: quality, cost, latency."""
    for door in doors:
        word = "takes the place of" if door.opens(task.alpha) else "does not take the place of"
        parts = [_quality(door, task), _cost(door, task, results), _latency(door, task)]
        keys = [f"rungs/{k}/result.json#cost_per_1k_usd" for k in (door.reference, door.label)]
        if door.faster is not None:
            keys += [f"rungs/{k}/profile.json#p95_s" for k in (door.reference, door.label)]
        yield Reason(f"{door.label} {word} {door.reference}: {', '.join(parts)}", RULE, tuple(keys))


def offer(task: Task, label: str, result: Result, known: Mapping[str, Use]) -> Offer:
    """Return what a rung offers for what price, rent and one-off cost included."""
    use = known.get(label, Use())
    return Offer(
        label,
        result.estimates[task.metrics[0].name],
        result.cost_per_1k_usd,
        usd_per_hour=use.usd_per_hour,
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
            yield f"Of {lower!r} and {upper!r}, both good enough, {break_even_sentence(pair)}{_hosting(pair, offers)}."


def _hosting(pair: BreakEven, offers: Mapping[str, Offer]) -> str:
    rented = [n for n in (pair.lower, pair.upper) if offers[n].machine_month_usd]
    if not rented:
        return ""
    return f" (a machine for {' and '.join(f'{n}: {money(offers[n].machine_month_usd)} a month' for n in rented)})"


def _quality(door: Door, task: Task) -> str:
    if door.not_worse is None:
        return "no row was scored at both"
    word = "shown" if door.not_worse.shown else "not shown"
    most = f"{-door.not_worse.lower:.3f} worse at most" if door.not_worse.lower < 0 else "better, if anything"
    return f"{word} to be not worse ({most}, margin {task.worth_it:g}, p = {door.not_worse.p_value:.2g})"


def _cost(door: Door, task: Task, results: Mapping[str, Result]) -> str:
    a, b = results[door.reference], results[door.label]
    if door.cheaper_p is None:
        unknown = [k for k, r in ((door.reference, a), (door.label, b)) if r.cost_per_1k_usd is None]
        return f"cost unknown at {' and '.join(unknown)}" if unknown else "not cheaper"
    word = "cheaper" if door.cheaper_p < task.alpha else "not shown to be cheaper"
    return f"{word} ({per_1k(b).removeprefix('at ')}, against {money(a.cost_per_1k_usd)}; p = {door.cheaper_p:.2g})"


def _latency(door: Door, task: Task) -> str:
    found = door.faster
    if found is None:
        return f"latency not compared (fewer than {FEWEST} unloaded requests at both)"
    word = "faster" if found.p_value < task.alpha else "not shown to be faster"
    return f"{word} (p95 {found.after_s:.3g} s against {found.before_s:.3g} s, n = {found.n}; p = {found.p_value:.2g})"
