"""One rung against another on the same rows: exact tests, intervals for the gain, "not worse", many pairs at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rung.stats.distribution import (
    FloatArray,
    at_least,
    check_alpha,
    normal_cdf,
    normal_quantile,
    student_cdf,
    student_quantile,
)
from rung.stats.estimate import (
    TINY,
    Interval,
    as_scores,
    assumed_design,
    cluster_variance,
    graded_size,
    group_numbers,
    grouped_size,
    is_binary,
    mean_group_size,
    wilson,
)

BOOTSTRAP = 4_000
BLOCK = 2_000_000  # random numbers drawn at once: bounds the memory of resampling
SIDE = 1e-6  # a bound that lies on one side of 0
WIDEST_EXACT = 400_000  # largest sum of group differences for which the exact distribution is built


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The second rung against the first on the same `n` rows. `gain`: mean of the second minus mean of the first.

    The p-value (two-sided, gain = 0) decides; low and high may disagree with it near the edge, but for `agreeing`.
    """

    gain: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    ties: int
    n: int
    method: str


def sign_test(wins: int, losses: int) -> float:
    """Return the one-sided p-value of so many wins or more where a win is as likely as a loss: exact, ties left out beforehand."""
    return float(at_least(wins, wins + losses, 0.5))


def agreeing(found: PairedTest, alpha: float) -> PairedTest:
    """Return the test with an interval that says of 0 what its p-value says at `alpha`, and that holds the gain.

    The two are computed in different ways (exact McNemar beside Newcombe, sign flips beside a bootstrap) and may differ near
    the edge. A gain of 0 that the test does not reject belongs into the interval, which can only widen; one that it rejects does not:
    for a true gain of 0 the interval then fails exactly as often as the test.
    """
    low, high = min(found.low, found.gain), max(found.high, found.gain)
    if found.p_value >= alpha or found.gain == 0:
        return replace(found, low=min(low, 0.0), high=max(high, 0.0))
    if found.gain > 0:
        return replace(found, low=max(low, min(SIDE, found.gain)), high=high)
    return replace(found, low=low, high=min(high, max(-SIDE, found.gain)))


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether the second rung is shown to be not worse than the first by more than the margin.

    `lower`: one-sided lower bound of the gain; `shown` exactly when it lies above -margin, and when p_value < alpha.
    """

    shown: bool
    lower: float
    p_value: float


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided exact McNemar p-value: twice the smaller binomial tail of `wins` of the discordant rows.

    McNemar 1947, Psychometrika 12:153, in its exact conditional form. No discordant row gives 1.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"wins ({wins}) and losses ({losses}) are counts of examples; neither may be below 0")
    tail = float(at_least(max(wins, losses), wins + losses, 0.5))
    return min(1.0, 2.0 * tail)


def sign_flip(diff: ArrayLike, groups: Sequence[str] | None = None, *, seed: int, resamples: int = 10_000) -> float:
    """Return the two-sided p-value of the sign-flip permutation test of mean(diff) = 0, flipping whole groups.

    `diff`: one difference a row. Exact where group sums are whole numbers (as for 0/1 scores) or 2^G is at most
    `resamples`; otherwise (1 + hits) / (1 + resamples) with that many random flips (Phipson and Smyth 2010).
    Groups whose differences cancel do not matter. Raises ValueError for no rows.
    """
    values = _finite(diff)
    sums = _group_sums(values, group_numbers(groups, values.size))
    sums = sums[np.abs(sums) > 1e-12]
    if sums.size == 0:
        return 1.0
    whole = np.round(sums)
    if np.all(np.abs(sums - whole) < 1e-9) and np.abs(whole).sum() * sums.size <= WIDEST_EXACT * 500:
        return _flip_whole(whole.astype(np.int64))
    if sums.size <= math.log2(resamples):
        return _flip_all(sums)
    return _flip_some(sums, seed, resamples)


def _flip_whole(sums: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Build the exact distribution of the sum of randomly signed whole numbers, one group after the other."""
    sizes = np.abs(sums)
    reach = int(sizes.sum())
    mass = np.zeros(2 * reach + 1)
    mass[reach] = 1.0
    done = 0
    for size in sizes:
        low, high = reach - done, reach + done + 1
        step = int(size)
        part = mass[low:high].copy() / 2.0
        mass[low:high] = 0.0
        mass[low - step : high - step] += part
        mass[low + step : high + step] += part
        done += step
    seen = abs(int(sums.sum()))
    return min(1.0, float(mass[: reach - seen + 1].sum() + mass[reach + seen :].sum())) if seen else 1.0


def _flip_all(sums: FloatArray) -> float:
    """Go through all 2^G sign patterns."""
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    seen = abs(float(sums.sum()))
    return float(np.mean(np.abs(totals) >= seen - 1e-9 * (1.0 + seen)))


def _flip_some(sums: FloatArray, seed: int, resamples: int) -> float:
    """Draw `resamples` random sign patterns."""
    rng = np.random.default_rng(seed)
    seen, hits, left = abs(float(sums.sum())), 0, resamples
    while left:
        take = min(left, max(1, BLOCK // sums.size))
        signs = rng.integers(0, 2, (take, sums.size), dtype=np.int8).astype(float)
        totals = 2.0 * (signs @ sums) - sums.sum()
        hits += int(np.sum(np.abs(totals) >= seen - 1e-9 * (1.0 + seen)))
        left -= take
    return (1 + hits) / (1 + resamples)


def holm(p_values: Sequence[float], planned: int) -> tuple[float, ...]:
    """Return Holm's adjusted p-values (Holm 1979, Scand. J. Statist. 6:65), in the order given.

    `planned` pairs were announced before the test part was opened; those never performed count as p = 1. Raises
    ValueError for fewer planned than performed pairs or p-values outside [0, 1].
    """
    if planned < len(p_values):
        raise ValueError(f"{len(p_values)} p-values but only {planned} planned comparisons; plan them all beforehand")
    if any(not 0.0 <= p <= 1.0 for p in p_values):
        raise ValueError(f"p-values {list(p_values)} must all lie between 0 and 1")
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (planned - rank) * p_values[i]))
        adjusted[i] = highest
    return tuple(adjusted)


def newcombe(both: int, first: int, second: int, neither: int, level: float = 0.95) -> Interval:
    """Return Newcombe's interval for P(second right) - P(first right) on the same rows.

    Rows by who was right: `both`, `first` only, `second` only, `neither`. Method 10 of Newcombe 1998 (Statist. Med.
    17:2635): Wilson intervals of both rates, squared and added, with the continuity-corrected correlation.
    """
    n = both + first + second + neither
    a, b = both + second, both + first  # right answers of the second and of the first
    p, q = a / n, b / n
    mine, other = wilson(a, n, level), wilson(b, n, level)
    product = float(a) * (n - a) * b * (n - b)
    cross = float(both) * neither - float(first) * second
    cross = max(cross - n / 2.0, 0.0) if cross > 0 else cross
    phi = cross / math.sqrt(product) if product > 0.0 else 0.0

    def side(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2.0 * phi * x * y + y * y, 0.0))

    low = p - q - side(p - mine.low, other.high - q)
    high = p - q + side(mine.high - p, q - other.low)
    return Interval(max(low, -1.0), min(high, 1.0))


def paired_interval(
    a: ArrayLike, b: ArrayLike, groups: Sequence[str] | None = None, level: float = 0.95, *, seed: int = 0
) -> Interval:
    """Return a two-sided interval for mean(b) - mean(a), scores in [0, 1] on the same rows.

    0/1 without groups: Newcombe's paired interval. Otherwise a bootstrap over groups (rows where there are none) with
    percentiles widened for few groups (Hesterberg 2015, Am. Stat. 69:371); where all groups agree exactly, so that a bootstrap
    would have no width, Tango's score interval with one row a group.
    """
    first, second = _same_rows(a, b)
    numbers = group_numbers(groups, first.size)
    if numbers is None and is_binary(first) and is_binary(second):
        table = [int(np.sum((first == x) & (second == y))) for x, y in ((1, 1), (1, 0), (0, 1), (0, 0))]
        return newcombe(table[0], table[1], table[2], table[3], level)
    change = difference(first, second, groups)
    if change.df <= 0.0:
        return Interval(-1.0, 1.0)
    if change.variance <= TINY:
        q = student_quantile((1.0 + level) / 2.0, change.df)
        return Interval(_tango_bound(change, q), -_tango_bound(change.reversed, q))
    return _bootstrap(second - first, numbers, level, seed)


def _bootstrap(
    diff: FloatArray, numbers: np.ndarray[tuple[int], np.dtype[np.intp]] | None, level: float, seed: int
) -> Interval:
    """Resample groups with replacement; percentiles at the level that makes a mean's interval as wide as Student's."""
    sums = _group_sums(diff, numbers)
    sizes = np.ones(sums.size) if numbers is None else np.bincount(numbers).astype(float)
    count = sums.size
    rng = np.random.default_rng(seed)
    means = np.empty(BOOTSTRAP)
    done = 0
    while done < BOOTSTRAP:
        take = min(BOOTSTRAP - done, max(1, BLOCK // count))
        drawn = rng.integers(0, count, (take, count))
        means[done : done + take] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        done += take
    wide = math.sqrt(count / (count - 1)) * student_quantile((1.0 + level) / 2.0, count - 1.0)
    tail = normal_cdf(-wide)
    low, high = np.quantile(means, [tail, 1.0 - tail])
    gain = float(diff.mean())
    return Interval(min(float(low), gain), max(float(high), gain))


def compare_paired(
    a: ArrayLike, b: ArrayLike, groups: Sequence[str] | None = None, *, seed: int = 0, level: float = 0.95
) -> PairedTest:
    """Compare scores `b` with scores `a` of the same rows, both in [0, 1]; positive gain: b is better.

    0/1 without groups: exact McNemar; otherwise sign-flip by group. Raises ValueError for no rows, scores outside
    [0, 1], or lengths that differ.
    """
    first, second = _same_rows(a, b)
    wins, losses = int(np.sum(second > first)), int(np.sum(second < first))
    ungrouped = group_numbers(groups, first.size) is None
    diff = second - first
    if ungrouped and is_binary(first) and is_binary(second):
        p_value, method = mcnemar_exact(wins, losses), "McNemar exact, Newcombe interval"
    else:
        p_value = sign_flip(diff, groups, seed=seed)
        unit = "examples" if ungrouped else "groups"
        method = f"sign-flip over {unit}, bootstrap interval over {unit}"
    span = paired_interval(first, second, groups, level, seed=seed)
    ties = first.size - wins - losses
    return PairedTest(float(diff.mean()), span.low, span.high, p_value, wins, losses, ties, first.size, method)


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference as `n_eff` rows with shares `up` (b better) and `down` (a better); graded rows count in parts."""

    up: float
    down: float
    n_eff: float
    df: float  # math.inf: normal quantile
    variance: float

    @property
    def reversed(self) -> Difference:
        """The same rows with the rungs exchanged."""
        return Difference(self.down, self.up, self.n_eff, self.df, self.variance)


def difference(first: FloatArray, second: FloatArray, groups: Sequence[str] | None) -> Difference:
    """Return the paired difference second - first as an effective table, as `estimate.summarise` does for one mean."""
    return effective(second - first, groups)


def effective(diff: FloatArray, groups: Sequence[str] | None) -> Difference:
    """Return differences in [-1, 1], one a row, as an effective table."""
    n = diff.size
    up, down = float(np.maximum(diff, 0.0).mean()), float(np.maximum(-diff, 0.0).mean())
    spread = max(up + down - (up - down) ** 2, 0.0)  # variance of a row, were it -1, 0 or 1 with these shares
    binary = is_binary(np.abs(diff))
    numbers = group_numbers(groups, n)
    single = cluster_variance(diff, None).value
    alone = float(n) if binary else graded_size(spread, single, n)
    if numbers is None:
        return Difference(up, down, alone, math.inf if binary else n - 1.0, single)
    m, n_groups = mean_group_size(numbers), int(numbers.max()) + 1
    variance = cluster_variance(diff, numbers).value
    return Difference(
        up,
        down,
        grouped_size(spread, variance, n_groups, alone, assumed_design(groups or ()).effect),
        n / m - 1.0,
        variance,
    )


def smoothed(seen: Difference) -> tuple[float, float]:
    """Return the gain with half a win and half a loss added, and the variance of a row's difference."""
    up, down = ((share * seen.n_eff + 0.5) / (seen.n_eff + 1.0) for share in (seen.up, seen.down))
    return up - down, up + down - (up - down) ** 2


def tango(change: Difference, gain: float) -> float:
    """Return Tango's score statistic for the hypothesis that the true gain is `gain`, in (-1, 1).

    (up - down - gain) over its standard error under the hypothesis, with the share of losses at its constrained maximum
    likelihood (Tango 1998, Statist. Med. 17:891). Falls as `gain` rises.
    """
    linear = -(change.up + change.down) + (2.0 - change.up + change.down) * gain
    constant = -change.down * gain * (1.0 - gain)
    losses = (math.sqrt(max(linear * linear - 8.0 * constant, 0.0)) - linear) / 4.0
    variance = max(2.0 * losses + gain * (1.0 - gain), 0.0) / change.n_eff
    distance = change.up - change.down - gain
    if variance <= 0.0:
        return 0.0 if abs(distance) < 1e-12 else math.copysign(1e9, distance)
    return distance / math.sqrt(variance)


def _tango_bound(change: Difference, quantile: float) -> float:
    """Return the gain at which Tango's statistic equals `quantile`: the lower end of the score interval."""
    low, high = -1.0, change.up - change.down
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tango(change, middle) > quantile else (low, middle)
    return low


def non_inferior(
    a: ArrayLike, b: ArrayLike, groups: Sequence[str] | None, margin: float, alpha: float
) -> NonInferiority:
    """Test whether `b` is not worse than `a` by more than `margin` (scores in [0, 1] on the same rows).

    Tango's score test of gain <= -margin at one-sided error `alpha`; groups and graded scores enter through the effective
    size with a Student quantile. Deterministic. One group shows nothing: lower = -1, p = 1.
    Raises ValueError for no rows, scores outside [0, 1], lengths that differ, or a margin outside (0, 1).
    """
    return non_inferior_of(paired_difference(a, b, groups), margin, alpha)


def paired_difference(a: ArrayLike, b: ArrayLike, groups: Sequence[str] | None) -> Difference:
    """Return b - a of the same rows as an effective table. Raises ValueError for no rows, scores outside [0, 1], or lengths that differ."""
    return difference(*_same_rows(a, b), groups)


def non_inferior_of(change: Difference, margin: float, alpha: float) -> NonInferiority:
    """Test a paired difference as `non_inferior` does."""
    check_alpha(alpha)
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin is {margin}; it must lie between 0 and 1, for example 0.02")
    if change.df <= 0.0:
        return NonInferiority(False, -1.0, 1.0)
    normal = math.isinf(change.df)
    z = tango(change, -margin)
    p_value = normal_cdf(-z) if normal else student_cdf(-z, change.df)
    q = normal_quantile(1.0 - alpha) if normal else student_quantile(1.0 - alpha, change.df)
    return NonInferiority(p_value < alpha, _tango_bound(change, q), p_value)


def _same_rows(a: ArrayLike, b: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = as_scores(a), as_scores(b)
    if first.size != second.size:
        raise ValueError(
            f"{first.size} scores against {second.size}; a paired comparison needs the same examples in both"
        )
    return first, second


def _finite(diff: ArrayLike) -> FloatArray:
    values = np.asarray(diff, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError("differences must be a flat list of at least one finite number, one an example")
    return values


def _group_sums(values: FloatArray, numbers: np.ndarray[tuple[int], np.dtype[np.intp]] | None) -> FloatArray:
    return values if numbers is None else np.bincount(numbers, weights=values).astype(np.float64)
