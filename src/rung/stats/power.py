"""What a test size can show, before money is spent: exact binomial power, rows needed, smallest visible gain.

All of it is for 0/1 scores of independent rows; for grouped rows multiply rows by n / n_eff of a pilot.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rung.stats.distribution import (
    FloatArray,
    IntArray,
    at_least,
    at_most,
    binomial_mass,
    check_alpha,
    normal_cdf,
    normal_quantile,
    smallest_hits,
)
from rung.stats.paired import Difference, smoothed

MOST_ROWS = 100_000  # sizes beyond this are answered with None
TOLERANCE_STEP = 0.005
GAIN_STEP = 0.001


def hits_for_met(n: int | IntArray, goal: float, tolerance: float, alpha: float, planned_rungs: float) -> IntArray:
    """Return for each size the fewest hits that make *met*; n + 1 where even all hits do not.

    The one-sided Clopper-Pearson bound of k hits reaches c = goal - tolerance exactly when P(X >= k | c) <= alpha / K.
    """
    check_rule(goal, tolerance, alpha, planned_rungs)
    floor = goal - tolerance
    if floor <= 0.0:
        return np.zeros(np.atleast_1d(n).shape, dtype=np.int64)
    return smallest_hits(n, floor, alpha / planned_rungs)


def hits_for_not_met(n: int | IntArray, goal: float, alpha: float) -> IntArray:
    """Return for each size the most hits that make *not met*; -1 where even no hits do not."""
    check_alpha(alpha)
    sizes = np.atleast_1d(np.asarray(n, dtype=np.int64))
    if goal >= 1.0:
        return sizes - 1  # one miss disproves a rate of 1
    return sizes - smallest_hits(sizes, 1.0 - goal, alpha)


def power_met(truth: float, n: int, goal: float, tolerance: float, alpha: float, planned_rungs: float) -> float:
    """Return the probability that a system with hit rate `truth` is called *met* on `n` independent 0/1 rows. Exact."""
    _check_rate(truth, "truth")
    return float(at_least(hits_for_met(n, goal, tolerance, alpha, planned_rungs), n, truth)[0])


def rows_for_met(
    truth: float, goal: float, tolerance: float, alpha: float, planned_rungs: float, power: float = 0.8
) -> int | None:
    """Return the fewest rows from which on a system of rate `truth` is called *met* with probability `power`.

    None where truth <= goal - tolerance (no size can do it honestly) or more than 100,000 rows are needed.
    """
    check_rule(goal, tolerance, alpha, planned_rungs)
    _check_rate(truth, "truth")
    if truth <= goal - tolerance:
        return None

    def reached(sizes: IntArray) -> FloatArray:
        return at_least(hits_for_met(sizes, goal, tolerance, alpha, planned_rungs), sizes, truth)

    return first_size(reached, truth, power)


def rows_for_answer(
    truth: float,
    goal: float,
    tolerance: float,
    alpha: float,
    planned_rungs: float,
    at_least_rows: int = 1,
    at_most_rows: int = MOST_ROWS,
) -> int | None:
    """Return the fewest rows from which on the answer is *met* or *not met* (either one) with probability 0.8 at `truth`.

    Searches sizes from `at_least_rows` to `at_most_rows`; None where none of them is enough.
    """
    check_rule(goal, tolerance, alpha, planned_rungs)
    _check_rate(truth, "truth")

    def decided(sizes: IntArray) -> FloatArray:
        met = at_least(hits_for_met(sizes, goal, tolerance, alpha, planned_rungs), sizes, truth)
        return met + _not_met_at(sizes, truth, goal, tolerance, alpha, planned_rungs)

    return first_size(decided, truth, 0.8, at_least_rows, at_most_rows)


def _not_met_at(
    sizes: IntArray, truth: float, goal: float, tolerance: float, alpha: float, planned_rungs: float
) -> FloatArray:
    low = hits_for_not_met(sizes, goal, alpha)
    high = hits_for_met(sizes, goal, tolerance, alpha, planned_rungs)
    return at_most(np.minimum(low, high - 1), sizes, truth)


def first_size(
    power_at: Callable[[IntArray], FloatArray], truth: float, power: float, smallest: int = 1, largest: int = MOST_ROWS
) -> int | None:
    """Return the first size from which on `power_at` (vectorised, on rows of rate `truth`) stays at or above `power`.

    Binomial power saws: it falls where one more hit becomes necessary, by about the probability of one exact count. So
    the last size below `power` counts, not the first above. A geometric grid brackets the crossing, a scan finds it.
    None where no size from `smallest` to `largest` is enough.
    """
    if largest < smallest:
        return None
    count = max(2, math.ceil(math.log(largest / smallest, 1.05)) + 1)
    grid = np.unique(np.geomspace(smallest, largest, count).round().astype(np.int64))
    saw = np.clip(1.0 / np.sqrt(grid * max(truth * (1.0 - truth), 1e-4)), 0.01, 0.3)
    doubtful = np.flatnonzero(power_at(grid) < power + saw)
    if not doubtful.size:
        return smallest
    end = int(grid[min(int(doubtful[-1]) + 1, grid.size - 1)])
    while True:
        start = max(smallest, int(end / 1.1) - 32)
        sizes = np.arange(start, end + 1, dtype=np.int64)
        short = np.flatnonzero(power_at(sizes) < power)
        if short.size:
            found = int(sizes[short[-1]]) + 1
            return found if found <= largest else None
        if start == smallest:
            return smallest
        end = start


def minimum_detectable_effect(n: int, discordance: float, alpha: float, power: float = 0.8) -> float | None:
    """Return the smallest paired gain (a rate, in steps of 0.001) that exact McNemar shows with probability `power`.

    `discordance`: share of rows on which the two rungs differ; the gain is (wins - losses) / n in expectation and
    cannot exceed it. None where even the largest gain stays invisible. The number of discordant rows is random, too.
    """
    check_alpha(alpha)
    _check_rate(discordance, "discordance")
    if n < 1:
        raise ValueError(f"n is {n}; give the number of test examples, at least 1")
    if discordance == 0.0:
        return None
    mass = binomial_mass(n, discordance)
    discordant = np.flatnonzero(mass > 1e-12)
    mass = mass[discordant]
    needed = smallest_hits(discordant, 0.5, alpha / 2.0)
    steps = math.floor(discordance / GAIN_STEP + 1e-9)

    def seen(step: int) -> bool:
        share = min((1.0 + step * GAIN_STEP / discordance) / 2.0, 1.0)
        return float(np.sum(mass * at_least(needed, discordant, share))) >= power

    if steps < 1 or not seen(steps):
        return None
    low, high = 0, steps
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high * GAIN_STEP


def rows_for_non_inferiority(margin: float, discordance: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the rows that show "not worse by more than `margin`" when the two rungs are in truth equally good.

    Normal approximation, n = (z_alpha + z_power)^2 * discordance / margin^2 (Nam 1997, Biometrics 53:1422; Liu et al. 2002).
    """
    check_alpha(alpha)
    _check_rate(discordance, "discordance")
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin is {margin}; it must lie between 0 and 1, for example 0.02")
    z = normal_quantile(1.0 - alpha) + normal_quantile(power)
    return max(1, math.ceil(z * z * discordance / margin**2))


def power_of_non_inferiority(n: int, margin: float, discordance: float, alpha: float) -> float:
    """Return the probability that n rows show "not worse by more than `margin`" of two rungs that are equally good (the same approximation)."""
    return normal_cdf(margin * math.sqrt(n / discordance) - normal_quantile(1.0 - alpha))


def rows_for_difference(seen: Difference, rows: int, margin: float, alpha: float, divisor: float) -> int | None:
    """Return how many such rows show, with power 0.8, that the second is at most `margin` worse than the first (at alpha / divisor) or worse (at alpha).

    `seen`: the paired difference on `rows`. Normal approximation at it, half a win and half a loss added. None where it lies at -margin and
    neither can be shown. More than there are now.
    """
    power, wanted = normal_quantile(0.8), []
    gain, spread = smoothed(seen)
    if gain > -margin:
        wanted.append(spread * ((normal_quantile(1.0 - alpha / divisor) + power) / (gain + margin)) ** 2)
    if gain < 0.0:
        wanted.append(spread * ((normal_quantile(1.0 - alpha) + power) / gain) ** 2)
    return max(rows + 1, math.ceil(min(wanted) * rows / seen.n_eff)) if wanted else None


def tolerance_carried(
    n: int, goal: float, alpha: float, planned_rungs: float, truth_margin: float = 0.0, power: float = 0.8
) -> float | None:
    """Return the tolerance that `n` rows can carry: the smallest t, in steps of 0.005, such that a system whose true
    rate is goal + truth_margin is called *met* with probability `power`. None where no t below the goal is enough.
    """
    check_rule(goal, 0.0, alpha, planned_rungs)
    truth = goal + truth_margin
    _check_rate(truth, "goal + truth_margin")
    steps = int(goal / TOLERANCE_STEP)
    for step in range(steps):
        tolerance = round(step * TOLERANCE_STEP, 6)
        if power_met(truth, n, goal, tolerance, alpha, planned_rungs) >= power:
            return tolerance
    return None


def check_rule(goal: float, tolerance: float, alpha: float, planned_rungs: float) -> None:
    """Raise ValueError unless the settings of the three-way rule make sense.

    `planned_rungs` below 1 is a level above alpha: a second look's alpha is what was kept for it, and its exact boundary gives more.
    """
    check_alpha(alpha)
    if not 0.0 < goal <= 1.0:
        raise ValueError(f"goal is {goal}; it must lie above 0 and be at most 1, for example 0.9")
    if not 0.0 <= tolerance < goal:
        raise ValueError(f"tolerance is {tolerance}; it must lie between 0 and the goal ({goal}), for example 0.02")
    if planned_rungs <= 0:
        raise ValueError(f"planned_rungs is {planned_rungs}; count the approaches of the ladder, at least 1")
    check_alpha(alpha / planned_rungs)


def _check_rate(value: float, name: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")
