"""Is a challenger better than, as good as, or worse than the champion? A test in service that may be looked at after every label.

Blocks of a fixed number of scores from either side are bets against a null hypothesis about the two means. A block's e-variable is the
likelihood ratio of the means as estimated from the blocks before it, against the nearest means of the null (Turner, Ly and Gruenwald
2024, JSPI 230:106116, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping"; nulls with a
margin: Turner and Gruenwald 2023, Statistics and Probability Letters 198:109835). Each factor is linear in its score, so that what
holds for 0 and 1 holds for independent scores in [0, 1] with such means. The product exceeds 1 / alpha with probability at most
alpha while the null is true, whenever one looks (Ville 1939). `bench/trial` measures it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
PRIOR = 1.0  # scores of either kind that an estimate begins with
_STEPS, _EDGE = 45, 1e-6


def block_sizes(share: float) -> tuple[int, int]:
    """Return how many scores of challenger and champion make a block, where the challenger answers `share` of the requests, in (0, 1)."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"a share of requests lies between 0 and 1, and is no {share}")
    odds = share / (1.0 - share)
    return (1, max(1, round(1.0 / odds))) if odds <= 1.0 else (max(1, round(odds)), 1)


def above(a: ArrayLike, b: ArrayLike, margin: float = 0.0) -> Floats:
    """Return the wealth after each block against "the mean of `a` is at most that of `b` less `margin`".

    `a`: scores in [0, 1], of shape (..., blocks, scores of a block), `b` likewise with its own number a block; `margin` in [0, 1).
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    p, q = _estimates(x), _estimates(y)
    bets = p > q - margin + _EDGE
    null_p = _nearest(p, q, x.shape[-1], y.shape[-1], margin)
    null_q = null_p + margin
    grown = _ratio(x, p, null_p) + _ratio(y, q, null_q)
    wealth: Floats = np.exp(np.minimum(np.cumsum(np.where(bets, grown, 0.0), axis=-1), 700.0))
    return wealth


def _estimates(scores: Floats) -> Floats:
    """Return the mean as known before each block: of the scores of the blocks before it, and of PRIOR ones of either kind."""
    summed, each = scores.sum(axis=-1), scores.shape[-1]
    before = np.cumsum(summed, axis=-1) - summed
    count = np.arange(scores.shape[-2]) * each
    found: Floats = (before + PRIOR) / (count + 2.0 * PRIOR)
    return found


def _ratio(scores: Floats, estimate: Floats, null: Floats) -> Floats:
    """Return the logarithm of a block's likelihood ratio, linear in each score."""
    slope = (estimate - null) / (null * (1.0 - null))
    found: Floats = np.log1p(slope[..., None] * (scores - null[..., None])).sum(axis=-1)
    return found


def _nearest(p: Floats, q: Floats, n: int, m: int, margin: float) -> Floats:
    """Return x, so that means x and x + margin lie nearest to p and q: the least n KL(p, x) + m KL(q, x + margin), which is convex."""
    low, high = np.full(p.shape, _EDGE), np.full(p.shape, 1.0 - margin - _EDGE)
    for _ in range(_STEPS):
        x = (low + high) / 2.0
        z = x + margin
        rises = n * (x - p) / (x * (1.0 - x)) + m * (z - q) / (z * (1.0 - z)) > 0.0
        low, high = np.where(rises, low, x), np.where(rises, x, high)
    found: Floats = (low + high) / 2.0
    return found
