"""Learning curves: what more training rows would bring, with its uncertainty.

The error falls as a power of the rows, error = a * rows^-b (Hestness et al. 2017, arXiv 1712.00409, section 2). With
three points no third parameter (a floor) can be told apart, so a floor shows as a small b. Uncertainty: scores are drawn
anew from Beta(k + 1/2, n - k + 1/2) at every point and the law is fitted to each draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
SEED = 20251125
LEVEL = 0.8
FURTHEST = 10.0  # rows beyond so many times those at hand are not forecast
STEEPEST = 2.0  # no curve of this kind falls faster; keeps a lucky draw from promising the impossible


@dataclass(frozen=True, slots=True)
class Forecast:
    """What more rows would bring. Rows are totals, not additions; None: not within ten times the rows at hand.

    `doubling` is the expected gain from twice the rows, with its 80 % interval; `reach` the probability that the goal is
    reached within ten times the rows.
    """

    rows: int
    goal: float
    examples_needed: int | None
    low: int | None
    high: int | None
    doubling: float
    doubling_low: float
    doubling_high: float
    reach: float
    exponent: float
    sentence: str


def forecast(points: Sequence[tuple[int, float, int]], goal: float, min_gain: float) -> Forecast:
    """Fit (rows, mean score, dev rows) points, fewest rows first, and say what more rows would bring.

    Raises ValueError for fewer than two points with different rows.
    """
    if len({rows for rows, _, _ in points}) < 2:
        raise ValueError("a learning curve needs scores at two or more numbers of examples")
    rows = max(r for r, _, _ in points)
    log_a, b = _fits(points)
    now, twice = _error(log_a, b, rows), _error(log_a, b, 2 * rows)
    gains = now - twice
    miss = max(1.0 - goal, 1e-3)
    needed = np.full(len(b), np.inf)
    falling = b > 1e-6
    with np.errstate(over="ignore"):
        needed[falling] = np.exp((log_a[falling] - math.log(miss)) / b[falling])
    reach = float(np.mean(needed <= FURTHEST * rows))
    low, middle, high = (_within(float(np.quantile(needed, q, method="nearest")), rows) for q in _LEVELS)
    doubling = tuple(float(x) for x in np.quantile(gains, _LEVELS))
    measured = next(score for r, score, _ in reversed(points) if r == rows)
    return Forecast(
        rows=rows,
        goal=goal,
        examples_needed=middle,
        low=low,
        high=high,
        doubling=doubling[1],
        doubling_low=doubling[0],
        doubling_high=doubling[2],
        reach=reach,
        exponent=float(np.median(b)),
        sentence=_sentence(rows, measured, goal, min_gain, (low, middle, high), doubling),
    )


_LEVELS = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)


def _fits(points: Sequence[tuple[int, float, int]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log a and b of every draw, by weighted least squares on the logarithms."""
    rng = np.random.default_rng(SEED)
    sizes = np.log([float(r) for r, _, _ in points])
    errors, weights = [], []
    for _, score, n in points:
        k = score * n
        errors.append(1.0 - rng.beta(k + 0.5, n - k + 0.5, DRAWS))
        e = (n - k + 0.5) / (n + 1)
        weights.append(n * e / (1 - e))  # inverse variance of log error, by the delta method
    y, w = np.log(np.clip(np.array(errors), 1e-9, 1.0)), np.array(weights)
    x_mean = float(np.average(sizes, weights=w))
    y_mean = np.average(y, axis=0, weights=w)
    spread = float(np.sum(w * (sizes - x_mean) ** 2))
    slope = np.sum(w[:, None] * (sizes - x_mean)[:, None] * (y - y_mean), axis=0) / spread
    b = np.clip(-slope, 0.0, STEEPEST)
    return y_mean + b * x_mean, b


def _error(log_a: NDArray[np.float64], b: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
    return np.minimum(1.0, np.exp(log_a - b * math.log(rows)))


def _within(rows: float, at_hand: int) -> int | None:
    return None if not math.isfinite(rows) or rows > FURTHEST * at_hand else math.ceil(rows)


def _sentence(
    rows: int,
    measured: float,
    goal: float,
    min_gain: float,
    needed: tuple[int | None, int | None, int | None],
    doubling: tuple[float, ...],
) -> str:
    low, middle, high = needed
    twice = f"twice the examples would bring about {doubling[1]:+.3f} on dev ({doubling[0]:+.3f} to {doubling[2]:+.3f})"
    if measured >= goal:
        more = "more examples will hardly help" if doubling[1] < min_gain else "more examples would still help"
        return f"the goal of {goal:g} is reached on dev with {rows:,} examples; {more}: {twice}"
    if middle is not None and middle > rows:
        above = (
            f"{_rounded(high - rows):,}" if high is not None else f"more than {_rounded(int(FURTHEST - 1) * rows):,}"
        )
        below = f"{_rounded(max(0, (low or rows) - rows)):,}"
        return f"about {_rounded(middle - rows):,} more examples for {goal:g} on dev (between {below} and {above}); {twice}"
    if doubling[2] < min_gain or doubling[1] < min_gain / 2:
        return f"more examples will not help: {twice}, and {goal:g} is not in sight within {int(FURTHEST)} times the examples"
    return f"more examples would help, but {goal:g} is not in sight within {int(FURTHEST)} times the examples: {twice}"


def _rounded(rows: int) -> int:
    """Round to two leading digits: a forecast knows no more."""
    if rows < 100:
        return rows
    digits = 10.0 ** (len(str(rows)) - 2)
    return int(round(rows / digits) * digits)
