"""The few distribution functions that the rest needs: typed, vectorised, from `scipy.special` alone.

`scipy.stats` is never imported: it costs half a second at start. `scipy.special` is loaded with the first number: the main
path imports this file, and that package brings numpy's compiler and test tools along, a third of the time of the whole path.
"""

from __future__ import annotations

import importlib
import math
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@cache
def _special() -> ModuleType:
    return importlib.import_module("scipy.special")


def normal_quantile(probability: float) -> float:
    """Return the standard normal quantile of `probability`, which lies in (0, 1)."""
    return float(_special().ndtri(probability))


def normal_cdf(z: float) -> float:
    """Return P(Z <= z) for a standard normal Z."""
    return float(_special().ndtr(z))


def student_quantile(probability: float, df: float) -> float:
    """Return the Student quantile of `probability` with `df` > 0 degrees of freedom (fractions allowed)."""
    return float(_special().stdtrit(df, probability))


def student_cdf(t: float, df: float) -> float:
    """Return P(T <= t) for Student's T with `df` > 0 degrees of freedom."""
    return float(_special().stdtr(df, t))


def beta_quantile(a: float, b: float, probability: float) -> float:
    """Return the quantile of Beta(a, b), a and b > 0."""
    return float(_special().betaincinv(a, b, probability))


def beta_above(a: float, b: float, x: float) -> float:
    """Return P(p > x) for p from Beta(a, b); x outside [0, 1] is allowed."""
    return 1.0 - float(_special().betainc(a, b, min(max(x, 0.0), 1.0)))


def beta_below(a: Any, b: Any, x: float) -> FloatArray:
    """Return P(p <= x) for p from Beta(a, b), element by element; x lies in [0, 1]."""
    below: FloatArray = _special().betainc(a, b, x)
    return below


def beta_binomial_mass(n: int, a: float, b: float) -> FloatArray:
    """Return P(X = 0), ..., P(X = n) for X from Binomial(n, p) with p from Beta(a, b): an array of n + 1 numbers that sum to 1."""
    special, k = _special(), np.arange(n + 1, dtype=float)
    logs = (
        special.betaln(k + a, n - k + b) - special.betaln(a, b) - special.betaln(k + 1.0, n - k + 1.0) - math.log(n + 1)
    )
    mass: FloatArray = np.exp(logs)
    return mass


def at_least(hits: Any, n: Any, p: Any) -> FloatArray:
    """Return P(X >= hits) for X from Binomial(n, p), element by element (arguments broadcast).

    Exact through the regularised incomplete beta function: P(X >= k) = I_p(k, n - k + 1).
    """
    k, size, rate = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float), np.asarray(p, float))
    inside = (k > 0) & (k <= size)
    tail: FloatArray = _special().betainc(np.where(inside, k, 1.0), np.where(inside, size - k + 1.0, 1.0), rate)
    return np.where(inside, tail, np.where(k <= 0, 1.0, 0.0))


def at_most(hits: Any, n: Any, p: Any) -> FloatArray:
    """Return P(X <= hits) for X from Binomial(n, p), element by element; computed from its own small tail."""
    misses = np.asarray(n, float) - np.asarray(hits, float)
    return at_least(misses, n, 1.0 - np.asarray(p, float))


def binomial_mass(n: int, p: float) -> FloatArray:
    """Return P(X = 0), ..., P(X = n) for X from Binomial(n, p): an array of n + 1 numbers that sum to 1."""
    below: FloatArray = _special().bdtr(np.arange(n + 1, dtype=float), n, p)
    mass = np.diff(below, prepend=0.0)
    return np.maximum(mass, 0.0)


def smallest_hits(n: Any, p: float, alpha: float) -> IntArray:
    """Return for every size the smallest k with P(X >= k) <= alpha, X from Binomial(n, p); n + 1 where none is.

    `n`: integer or array of integers >= 0. Starts at the normal approximation and walks to the exact answer.
    """
    size = np.atleast_1d(np.asarray(n, dtype=np.int64))
    z = normal_quantile(1.0 - alpha)
    guess = size * p + z * np.sqrt(size * p * (1.0 - p))
    k: IntArray = np.clip(np.ceil(guess), 0, size + 1).astype(np.int64)
    while True:
        high = (k > 0) & (at_least(k - 1, size, p) <= alpha)
        if not high.any():
            break
        k = k - high
    while True:
        low = at_least(k, size, p) > alpha
        if not low.any():
            return k
        k = k + low


def check_alpha(alpha: float) -> None:
    """Raise ValueError unless 0 < alpha < 0.5."""
    if not (math.isfinite(alpha) and 0.0 < alpha < 0.5):
        raise ValueError(f"alpha is {alpha}; it must lie between 0 and 0.5, for example 0.05")
