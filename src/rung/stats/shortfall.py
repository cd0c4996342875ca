"""By how much approaches fall short of a goal in expectation, and what more test examples would be worth: a bet, no test.

A rate is seen through Beta(hits + 1/2, n - hits + 1/2) (Jeffreys' prior). Expected value of sample information: Raiffa and Schlaifer 1961,
Applied Statistical Decision Theory, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rung.stats.distribution import FloatArray, beta_below, beta_binomial_mass


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one rate: `hits` right ones of `n` rows, both effective."""

    hits: float
    n: float


def expected_shortfall(seen: Seen, goal: float) -> float:
    """Return E[max(0, goal - rate)], in [0, 1]. Raises ValueError unless 0 <= hits <= n and the goal lies in [0, 1]."""
    if not 0.0 <= seen.hits <= seen.n or not 0.0 <= goal <= 1.0:
        raise ValueError(f"{seen.hits} hits of {seen.n} against the goal {goal} are no rate and no goal")
    return float(_shortfall(np.asarray(seen.hits), np.asarray(seen.n), goal))


def least_after(seen: Sequence[Seen], more: Sequence[int], goal: float) -> float:
    """Return the expectation of the least expected shortfall after so many more rows of each, one independent of the other.

    Each comes to a number of hits by its beta-binomial; the least of the shortfalls that follow is what one would choose. Never above
    the least one now. Raises ValueError for no rate, or where the lengths differ.
    """
    if not seen or len(seen) != len(more):
        raise ValueError(f"{len(seen)} rates came with {len(more)} numbers of further examples; give one for each")
    found = [_outcomes(one, m, goal) for one, m in zip(seen, more, strict=True)]
    values = np.unique(np.concatenate([short for short, _ in found]))
    at_least = np.ones(values.size)  # P(all shortfalls are at least this one)
    for short, mass in found:
        order = np.argsort(short)
        above = np.append(np.cumsum(mass[order][::-1])[::-1], 0.0)
        at_least *= above[np.searchsorted(short[order], values)]
    return float(values[0] + np.sum(np.diff(values) * at_least[1:]))


def _outcomes(seen: Seen, more: int, goal: float) -> tuple[FloatArray, FloatArray]:
    """Return the expected shortfall after each possible number of further hits, and how likely that number is."""
    hits = np.arange(more + 1, dtype=float)
    mass = beta_binomial_mass(more, seen.hits + 0.5, seen.n - seen.hits + 0.5)
    return _shortfall(seen.hits + hits, np.asarray(seen.n + more), goal), mass


def _shortfall(hits: FloatArray, n: FloatArray, goal: float) -> FloatArray:
    """goal I_goal(a, b) - a / (a + b) I_goal(a + 1, b), with I the distribution function of the beta distribution."""
    a, b = hits + 0.5, n - hits + 0.5
    short: FloatArray = goal * beta_below(a, b, goal) - a / (a + b) * beta_below(a + 1.0, b, goal)
    return np.maximum(short, 0.0)
