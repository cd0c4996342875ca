"""Stopping a rung early without changing its verdict; for 0/1 scores of ungrouped rows in one fixed random order.

`Curtailment` asks at ten looks whether the verdict on all rows is already as good as certain. `GroupSequential` is the
proven alternative: exact error spending over the same looks. Betting confidence sequences are not here on purpose:
docs/statistics.md, "Stopping a rung early".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rung.stats.distribution import FloatArray, at_least, at_most, binomial_mass
from rung.stats.estimate import wilson
from rung.stats.power import check_rule, hits_for_met, hits_for_not_met
from rung.types import Status

LOOKS = 10
CERTAIN = 0.99


def look_sizes(n: int, looks: int = LOOKS) -> tuple[int, ...]:
    """Return the row counts at which a rung may stop: each tenth of `n` rows, rounded up; the last is `n`."""
    return tuple(sorted({math.ceil(n * i / looks) for i in range(1, looks + 1)}))


@dataclass(frozen=True)
class Curtailment:
    """The three-way verdict on all `n` rows, foreseen: stop when it is certain enough, never judge by another rule.

    `planned_rungs`: rungs in the ladder. Raises ValueError for settings that make no sense.
    """

    n: int
    goal: float
    tolerance: float
    alpha: float
    planned_rungs: float

    def __post_init__(self) -> None:
        _check_rows(self.n)
        check_rule(self.goal, self.tolerance, self.alpha, self.planned_rungs)

    @cached_property
    def looks(self) -> tuple[int, ...]:
        """Row counts at which `decide` may answer."""
        return look_sizes(self.n)

    @cached_property
    def met_from(self) -> int:
        """Fewest hits on all rows that make *met*; n + 1 where none do."""
        return int(hits_for_met(self.n, self.goal, self.tolerance, self.alpha, self.planned_rungs)[0])

    @cached_property
    def not_met_to(self) -> int:
        """Most hits on all rows that make *not met*; -1 where none do."""
        return min(int(hits_for_not_met(self.n, self.goal, self.alpha)[0]), self.met_from - 1)

    def verdict(self, hits: int) -> Status:
        """Return the three-way status of `hits` on all `n` rows."""
        if hits >= self.met_from:
            return "meets"
        return "misses" if hits <= self.not_met_to else "inconclusive"

    def chances(self, hits: int, seen: int, rate: float) -> dict[Status, float]:
        """Return the probability of each final verdict, given `hits` of `seen` rows and true rate `rate` for the rest."""
        left = self.n - seen
        met = float(at_least(self.met_from - hits, left, rate))
        misses = float(at_most(self.not_met_to - hits, left, rate))
        return {"meets": met, "misses": misses, "inconclusive": max(0.0, 1.0 - met - misses)}

    def decide(self, hits: int, seen: int) -> Status | None:
        """Return the final status if it is certain enough after `hits` of the first `seen` rows; None: go on.

        Answers only when `seen` is one of `looks`: the same status must have probability >= 0.99 if the rest of the rows
        have the rate seen so far, and also at both ends of its 90 % Wilson interval. At `n` it is the verdict itself.
        """
        if not 0 <= hits <= seen <= self.n:
            raise ValueError(f"{hits} hits of {seen} examples out of {self.n} cannot be; hits <= seen <= n must hold")
        if seen == self.n:
            return self.verdict(hits)
        if seen not in self.looks:
            return None
        span = wilson(hits, seen, 0.90)
        foreseen = [self.chances(hits, seen, rate) for rate in (span.low, hits / seen, span.high)]
        statuses: tuple[Status, ...] = ("meets", "misses", "inconclusive")
        return next((s for s in statuses if all(c[s] >= CERTAIN for c in foreseen)), None)


@dataclass(frozen=True)
class GroupSequential:
    """The exact group-sequential form of the three-way rule: ten looks, error spent as alpha * t^2 (t: share of rows seen).

    *met* errs at most alpha / planned_rungs for any rate up to goal - tolerance, *not met* at most alpha from the goal
    up, over all looks together; boundaries come from the exact binomial path distribution, each computed as if the
    other did not exist. (Lan and DeMets 1983, Biometrika 70:659; power family of Kim and DeMets 1987.)
    """

    n: int
    goal: float
    tolerance: float
    alpha: float
    planned_rungs: float

    def __post_init__(self) -> None:
        _check_rows(self.n)
        check_rule(self.goal, self.tolerance, self.alpha, self.planned_rungs)

    @cached_property
    def looks(self) -> tuple[int, ...]:
        """Row counts at which `decide` may answer."""
        return look_sizes(self.n)

    @cached_property
    def met_from(self) -> tuple[int, ...]:
        """Fewest hits that make *met*, for each look; above the rows seen where none do."""
        floor = self.goal - self.tolerance
        return _spend(self.looks, floor, self.alpha / self.planned_rungs)

    @cached_property
    def not_met_to(self) -> tuple[int, ...]:
        """Most hits that make *not met*, for each look; -1 or below where none do."""
        misses = _spend(self.looks, 1.0 - self.goal, self.alpha)
        return tuple(seen - m for seen, m in zip(self.looks, misses, strict=True))

    def decide(self, hits: int, seen: int) -> Status | None:
        """Return the status after `hits` of the first `seen` rows, None to go on; at `n` always a status."""
        if not 0 <= hits <= seen <= self.n:
            raise ValueError(f"{hits} hits of {seen} examples out of {self.n} cannot be; hits <= seen <= n must hold")
        if seen not in self.looks:
            return None
        at = self.looks.index(seen)
        if hits >= self.met_from[at]:
            return "meets"
        if hits <= self.not_met_to[at]:
            return "misses"
        return "inconclusive" if seen == self.n else None


def _spend(looks: tuple[int, ...], rate: float, alpha: float) -> tuple[int, ...]:
    """Return for each look the fewest hits such that P(any crossing so far) <= alpha * t^2 at `rate`."""
    n = looks[-1]
    mass: FloatArray = np.ones(1)  # distribution of hits among paths that have not crossed
    spent, before = 0.0, 0
    boundary: list[int] = []
    for seen in looks:
        mass = np.convolve(mass, binomial_mass(seen - before, rate))
        allowed = alpha * (seen / n) ** 2 - spent
        tail = np.cumsum(mass[::-1])[::-1]
        inside = np.flatnonzero(tail <= allowed)
        first = int(inside[0]) if inside.size else mass.size
        spent += float(mass[first:].sum())
        boundary.append(first if first < mass.size else seen + 1)
        mass = mass[:first]
        before = seen
    return tuple(boundary)


def _check_rows(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; the test set needs at least 1 example")
