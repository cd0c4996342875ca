"""Stopping a rung early without changing its verdict, and going on after it; for 0/1 scores of ungrouped rows in one fixed random order.

`Curtailment` asks at ten looks whether the verdict on all rows is already as good as certain. `second_level` is for rows that are added
after a verdict. Betting confidence sequences are not here on purpose: docs/statistics.md, "Stopping a rung early".
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rung.stats.distribution import at_least, at_most, binomial_mass, smallest_hits
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


def second_level(hits: int, seen: int, added: int, rate: float, spent: float, total: float) -> float:
    """Return the level at which a second look may judge all rows after `hits` of the first `seen`, which were judged at level `spent`.

    The two looks together say "above `rate`" of what is not with probability `total` at most, however many rows were `added` after the first.
    The plan is as many rows again: its boundary is the fewest hits c with P(first crossed, or at least c of 2 seen) <= total, exactly. A run
    that stands at `hits` is left P(at least c - hits of `seen` further), and the rows that were really added may err with that much
    (conditional error: Mueller and Schaefer 2001, Biometrics 57:886). What is returned, at most `total`, is the level of a Clopper-Pearson
    bound on all rows with this boundary; one that no number of hits reaches where the added rows are too few to show anything.
    `rate` in (0, 1), levels in (0, 1). Raises ValueError for numbers that cannot be.
    """
    if not 0 <= hits <= seen or added < 1 or not 0.0 < rate < 1.0 or not 0.0 < spent <= total < 1.0:
        raise ValueError(f"no second look: {hits} hits of {seen}, {added} added, rate {rate}, levels {spent}, {total}")
    first = int(smallest_hits(seen, rate, spent)[0])
    below = np.arange(min(first, seen + 1))
    mass = binomial_mass(seen, rate)[: below.size]
    crossed = float(at_least(first, seen, rate))

    def errs(boundary: int) -> float:
        return crossed + float(mass @ at_least(boundary - below, seen, rate))

    low, high = -1, 2 * seen + 1  # errs(high) is what the first look spent
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if errs(middle) <= total else (middle, high)
    left = float(at_least(high - hits, seen, rate))
    further = int(smallest_hits(added, rate, left)[0]) if 0.0 < left < 1.0 else 0 if left else added + 1
    needed = hits + further if further <= added else seen + added
    level = float(at_least(needed, seen + added, rate))
    return max(min(level, total) if further <= added else level / 2.0, sys.float_info.min)


def _check_rows(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; the test set needs at least 1 example")
