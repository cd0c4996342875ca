"""Is a rate in service higher than it was? Tests by betting that stay valid however often one looks in a year.

Wealth that grows by 1 + stake (mean - bound) from block to block is a nonnegative supermartingale, so an e-process, while each
block's expected mean is at most the bound, whatever ties the requests of one block (Waudby-Smith and Ramdas 2023, JRSS B
86:1, "Estimating means of bounded random variables by betting"). It reaches 1 / alpha with probability at most alpha, whenever
one looks (Ville 1939). Averages of e-processes are e-processes (Vovk and Wang 2021, Annals of Statistics 49:1736): over
stakes, over the day on which the betting begins (so that a shift after a quiet time is not paid out of wealth that was lost
then), over a quick and a steady process, and over all watched signals. So one bound holds for them together. `bench/drift`
measures it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALPHA, OF_BASELINE = 0.04, 0.01  # together 5 %: of a year's looks, and of the bounds of all baselines
OF_ASKED = 0.01  # of examples that are asked again, where they are; the looks then have so much less
STAKES = (0.15, 0.45, 0.9)  # of what one may lose in a block
TOLERANCE = 0.02  # a rate that is so much higher is no news
TIMES, MORE = 1.5, 0.03  # the quick process asks whether a rate is beyond so many times the bound, and so much more
WEEK, YEAR = 7, 364  # days; each year has a budget of its own

Floats = NDArray[np.float64]


def steady(hits: ArrayLike, sizes: ArrayLike, bound: float) -> Floats:
    """Return the wealth after each day, of shape (..., days), at most a year: bets by day, settled at the end of each whole week.

    Stakes stay the same within a week and follow the traffic of the week before, weekday by weekday. So the product over a week is at
    most 1 in expectation where the week's rate is at most the bound, however its days differ (the logarithm is concave). The
    first week sets the stakes. Days without requests bet nothing.
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    days = n.shape[-1]
    wealth = np.ones(n.shape)
    weeks = days // WEEK
    if weeks < 2:
        return wealth
    by_week = (*n.shape[:-1], weeks, WEEK)
    k, whole = k[..., : weeks * WEEK].reshape(by_week), n[..., : weeks * WEEK].reshape(by_week)
    before = whole[..., :-1, :]
    share = before / np.maximum(before.max(axis=-1, keepdims=True), 1.0)
    gain = np.where(whole > 0, k / np.maximum(whole, 1.0) - bound, 0.0)[..., 1:, :] * share
    grown = np.log1p(_stakes(bound) * gain[..., None]).sum(axis=-2)  # (..., weeks - 1, stakes)
    settled = _invested(grown, np.full(weeks - 1, 1.0 / (YEAR // WEEK)))
    wealth[..., 2 * WEEK - 1 :] = np.repeat(settled, WEEK, axis=-1)[..., : days - 2 * WEEK + 1]
    return wealth


def quick(means: ArrayLike, days: ArrayLike, bound: float) -> Floats:
    """Return the wealth after each block of requests, of shape (..., blocks), against a rate beyond `quick_bound(bound)`.

    `days`: the day of each block, ascending, of shape (blocks,), within a year.
    """
    limit = quick_bound(bound)
    gain = np.asarray(means, dtype=np.float64) - limit
    day = np.asarray(days, dtype=np.int64)
    passed = np.diff(day, prepend=-1)  # a day without a block leaves its share to the next one
    return _invested(np.log1p(_stakes(limit) * gain[..., None]), passed / YEAR)


def quick_bound(bound: float) -> float:
    """Return the rate that no hour of a usual week exceeds, as the quick process takes it."""
    return min(1.0, TIMES * bound + MORE)


def _invested(grown: Floats, shares: Floats) -> Floats:
    """Return the wealth after each bet where a share of the cash is put in before it. `grown`: logarithms, (..., bets, stakes)."""
    logs = np.cumsum(grown, axis=-2)
    with np.errstate(divide="ignore"):
        put_in = np.log(shares)[:, None] - (logs - grown)
    held = np.exp(np.minimum(logs + np.logaddexp.accumulate(put_in, axis=-2), 700.0)).mean(axis=-1)
    cash = np.maximum(1.0 - np.cumsum(shares), 0.0)
    wealth: Floats = held + cash
    return wealth


def _stakes(bound: float) -> Floats:
    return np.array(STAKES) / max(bound, 1e-6)
