"""Exact power of *not met*, which only published figures ask for; the product asks for *met* and for either answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rung.stats.distribution import at_most
from rung.stats.power import check_rule, first_size, hits_for_met, hits_for_not_met

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def power_not_met(truth: float, n: int, goal: float, tolerance: float, alpha: float, planned_rungs: int) -> float:
    """Return the probability that a system with hit rate `truth` is called *not met* on `n` independent 0/1 rows."""
    sizes = np.array([n], dtype=np.int64)
    return float(_power(sizes, truth, goal, tolerance, alpha, planned_rungs)[0])


def rows_for_not_met(
    truth: float, goal: float, tolerance: float, alpha: float, planned_rungs: int, power: float = 0.8
) -> int | None:
    """Return the fewest rows from which on a system of rate `truth` is called *not met* with probability `power`.

    None where truth >= goal, or more than 100,000 rows are needed.
    """
    check_rule(goal, tolerance, alpha, planned_rungs)
    if truth >= goal:
        return None
    return first_size(lambda sizes: _power(sizes, truth, goal, tolerance, alpha, planned_rungs), truth, power)


def _power(
    sizes: IntArray, truth: float, goal: float, tolerance: float, alpha: float, planned_rungs: int
) -> FloatArray:
    """*met* takes precedence, so hits that satisfy both bounds do not count here."""
    low = hits_for_not_met(sizes, goal, alpha)
    high = hits_for_met(sizes, goal, tolerance, alpha, planned_rungs)
    return at_most(np.minimum(low, high - 1), sizes, truth)
