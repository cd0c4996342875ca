"""Made-up rows with a known truth: rungs that agree on hard rows, rows in groups, graded scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]

# Share of the latent variance that rows have in common: two rungs at 0.90 then disagree on 13.4 % of rows (18 % if independent).
SHARED = 0.51


def ladder_rows(rng: np.random.Generator, rates: tuple[float, ...], n: int, runs: int) -> FloatArray:
    """Return 0/1 scores [runs, rungs, n]: rung k is right with probability rates[k]; hard rows are hard for all rungs."""
    row = rng.standard_normal((runs, 1, n)) * np.sqrt(SHARED)
    own = rng.standard_normal((runs, len(rates), n)) * np.sqrt(1.0 - SHARED)
    return (row + own < ndtri(np.asarray(rates))[None, :, None]).astype(float)


def grouped_rates(rng: np.random.Generator, rate: float, icc: float, groups: int) -> FloatArray:
    """Return one hit rate a group from the Beta law with mean `rate` and intra-class correlation `icc`."""
    if icc <= 0.0:
        return np.full(groups, rate)
    total = 1.0 / icc - 1.0
    return rng.beta(rate * total, (1.0 - rate) * total, groups)


def grouped_rows(
    rng: np.random.Generator, rate: float, icc: float, sizes: tuple[int, ...]
) -> tuple[FloatArray, list[str]]:
    """Return 0/1 scores and group names; rows of a group share its rate (beta-binomial)."""
    rates = np.repeat(grouped_rates(rng, rate, icc, len(sizes)), sizes)
    names = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    return (rng.random(rates.size) < rates).astype(float), names


def graded_rows(rng: np.random.Generator, law: str, rate: float, n: int) -> FloatArray:
    """Return scores in [0, 1] with mean `rate`.

    `law`: "smooth" (Beta with concentration 6), "partial" (0, 1 or between: token F1 of short answers),
    "catastrophe" (0.95 with a little noise, but 0 for the few rows that bring the mean down to `rate` < 0.95).
    """
    if law == "smooth":
        return rng.beta(6.0 * rate, 6.0 * (1.0 - rate), n)
    if law == "partial":  # half of the rows graded around the rate, the rest all or nothing
        graded = rng.beta(4.0 * rate, 4.0 * (1.0 - rate), n)
        return np.where(rng.random(n) < 0.5, graded, (rng.random(n) < rate).astype(float))
    good = np.clip(0.95 + 0.02 * rng.standard_normal(n), 0.9, 1.0)
    return np.where(rng.random(n) < rate / 0.95, good, 0.0)


def group_sizes(kind: str, groups: int, size: int) -> tuple[int, ...]:
    """Return group sizes: "equal", or "skewed" (a few large groups, many small ones, same total)."""
    if kind == "equal":
        return (size,) * groups
    weights = 1.0 / np.arange(1, groups + 1) ** 0.8
    sizes = np.maximum(1, np.floor(weights / weights.sum() * groups * size)).astype(int)
    return tuple(int(s) for s in sizes)
