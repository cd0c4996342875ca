"""Early stop: rows saved and verdicts changed by curtailment, and the exact group-sequential rule beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.statistics.table import Table, percent, run_script
from rung.stats.distribution import FloatArray, binomial_mass
from rung.stats.estimate import wilson
from rung.stats.sequential import LOOKS, Curtailment
from rung.types import Status

RULE = (0.9, 0.02, 0.05, 5)
RATES = (0.70, 0.80, 0.85, 0.88, 0.90, 0.93, 0.96)
CODES = {"meets": 1, "misses": -1, "inconclusive": 0, None: 9}

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class GroupSequential:
    """The exact group-sequential form of the three-way rule: ten looks, error spent as alpha * t^2 (t: share of rows seen).

    *met* errs at most alpha / planned_rungs for any rate up to goal - tolerance, *not met* at most alpha from the goal
    up, over all looks together; boundaries come from the exact binomial path distribution, each computed as if the
    other did not exist. (Lan and DeMets 1983, Biometrika 70:659; power family of Kim and DeMets 1987.)
    """

    of: Curtailment  # the rule on all rows, whose settings and looks these are

    @property
    def n(self) -> int:
        return self.of.n

    @property
    def looks(self) -> tuple[int, ...]:
        """Row counts at which `decide` may answer."""
        return self.of.looks

    @cached_property
    def met_from(self) -> tuple[int, ...]:
        """Fewest hits that make *met*, for each look; above the rows seen where none do."""
        floor = self.of.goal - self.of.tolerance
        return _spend(self.looks, floor, self.of.alpha / self.of.planned_rungs)

    @cached_property
    def not_met_to(self) -> tuple[int, ...]:
        """Most hits that make *not met*, for each look; -1 or below where none do."""
        misses = _spend(self.looks, 1.0 - self.of.goal, self.of.alpha)
        return tuple(seen - m for seen, m in zip(self.looks, misses, strict=True))

    def decide(self, hits: int, seen: int) -> Status | None:
        """Return the status after `hits` of the first `seen` rows, None to go on; at `n` always a status."""
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


def decisions(rule: Curtailment | GroupSequential) -> IntArray:
    """Return what the rule says for [look, hits]: 1 met, -1 not met, 0 inconclusive, 9 go on."""
    table = np.full((len(rule.looks), rule.n + 1), 9)
    for i, seen in enumerate(rule.looks):
        for hits in range(seen + 1):
            table[i, hits] = CODES[rule.decide(hits, seen)]
    return table


def simulate(
    rule: Curtailment | GroupSequential, rate: float, runs: int, seed: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return for each run: the answer, the rows used, the hits among them."""
    rng = np.random.default_rng(seed)
    steps = np.diff((0, *rule.looks))
    hits = np.cumsum(rng.binomial(steps, rate, (runs, steps.size)), axis=1)
    says = decisions(rule)[np.arange(steps.size), hits]
    first = (says != 9).argmax(axis=1)
    at = np.arange(runs)
    return says[at, first], np.asarray(rule.looks)[first], hits[at, first]


def curtailment(runs: int) -> Table:
    """Same verdict, share of rows used, and what the intervals of stopped rungs cover."""
    lines = []
    for n in (200, 400, 1000):
        rule = Curtailment(n, *RULE)
        for rate in RATES:
            rng = np.random.default_rng(31)
            steps = np.diff((0, *rule.looks))
            hits = np.cumsum(rng.binomial(steps, rate, (runs, steps.size)), axis=1)
            says = decisions(rule)[np.arange(steps.size), hits]
            first = (says != 9).argmax(axis=1)
            answer, used = says[np.arange(runs), first], np.asarray(rule.looks)[first]
            stopped_hits = hits[np.arange(runs), first]
            same = answer == says[:, -1]
            early = used < n
            plain, wide = _covered(rate, used, stopped_hits)
            mean = float((stopped_hits / used)[early].mean()) if early.any() else None
            lines.append(
                (
                    n, rate, percent(float(same.mean()), 2), round(float((used / n).mean()), 2),
                    percent(float((answer == 1).mean())), percent(float((says[:, -1] == 1).mean())),
                    percent(float((answer == -1).mean())), percent(float((says[:, -1] == -1).mean())),
                    None if mean is None else round(mean, 3), percent(plain), percent(wide),
                )
            )  # fmt: skip
    columns = (
        "n", "true rate", "same verdict %", "rows used", "met %", "met, all rows %", "not met %", "not met, all rows %",
        "mean at early stops", "Wilson covers %", "reported bounds cover %",
    )  # fmt: skip
    return Table("Curtailment of the fixed-n verdict, g = 0.9", columns, tuple(lines), runs)


def _covered(rate: float, used: IntArray, hits: IntArray) -> tuple[float, float]:
    pairs, counts = np.unique(np.stack([hits, used]), axis=1, return_counts=True)
    plain = wide = 0
    for (k, seen), count in zip(pairs.T, counts, strict=True):
        span, bounds = wilson(int(k), int(seen)), wilson(int(k), int(seen), 1.0 - 0.05 / LOOKS)
        plain += count * (span.low <= rate <= span.high)
        wide += count * (bounds.low <= rate <= bounds.high)
    return plain / counts.sum(), wide / counts.sum()


def group_sequential(runs: int) -> Table:
    """The proven alternative on the same runs."""
    lines = []
    for n in (200, 400, 1000):
        for rate in RATES:
            answer, used, _ = simulate(GroupSequential(Curtailment(n, *RULE)), rate, runs, 32)
            row = (float((answer == 1).mean()), float((answer == -1).mean()))
            lines.append((n, rate, round(float((used / n).mean()), 2), *(percent(x) for x in row)))
    return Table(
        "Exact group-sequential rule, ten looks, g = 0.9",
        ("n", "true rate", "rows used", "met %", "not met %"),
        tuple(lines),
        runs,
    )


def tables(quick: bool) -> list[Table]:
    """Return all tables of this script."""
    runs = 4_000 if quick else 40_000
    return [curtailment(runs), group_sequential(runs)]


if __name__ == "__main__":
    run_script("early_stop", tables)
