"""ExperimentBudget of scores in [0, 1] with intervals, and the one-sided bounds that decisions use. Rows may come in groups.

Everything rests on one picture: n rows carry as much information as `n_eff` independent yes/no rows. For 0/1 scores without
groups n_eff = n; groups make it smaller, scores between 0 and 1 usually make it larger. docs/statistics.md has the
formulas, their sources and the measured coverage.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rung.stats.distribution import FloatArray, beta_quantile, check_alpha, normal_quantile, student_quantile
from rung.types import TWINS

FEWEST_GROUPS = 8  # below this no rung is called good enough: the variance between groups is a guess
SMALL_SAMPLE = 100  # below this graded scores may not count for more than yes/no ones
MOST_WORTH = 4.0  # yes/no rows that one graded row may count for: rare zeros hide in a sample that looks smooth
LEAST_CORRELATION = 0.05  # assumed within groups even where the sample shows less
TWINS_CORRELATION = 1.0  # assumed among near-duplicates: clusters that were all answered right show no variance at all
TINY = 1e-15  # a variance below this is none: rounding


@dataclass(frozen=True, slots=True)
class Interval:
    """A range for a rate, or for a difference of rates."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What scores say about their mean: `n` rows worth `n_eff` independent yes/no rows.

    `n_cautious` <= n_eff allows for the error of the estimated variance itself; "goal met" rests on it.
    `df`: degrees of freedom of the Student quantile; None for the normal one. `n_groups` is None for ungrouped rows.
    """

    mean: float
    n: int
    n_eff: float
    n_cautious: float
    n_groups: int | None
    df: float | None
    method: str

    @property
    def hits(self) -> float:
        """Effective number of right answers."""
        return self.mean * self.n_eff

    def quantile(self, probability: float) -> float | None:
        """Return the quantile that widens an interval; None where the rows say nothing (one group, one graded row)."""
        if self.df is None:
            return normal_quantile(probability)
        if self.df <= 0.0:
            return None
        value = student_quantile(probability, self.df)
        return value if math.isfinite(value) and value < 1e6 else None


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its two-sided interval, its size, and how it was found (`method`)."""

    mean: float
    low: float
    high: float
    n: int
    n_eff: float
    n_groups: int | None
    method: str


@dataclass(frozen=True, slots=True)
class Variance:
    """The variance of a mean, and the standard error of that variance."""

    value: float
    error: float


def as_scores(scores: ArrayLike) -> FloatArray:
    """Return `scores` as a one-dimensional float array; raise ValueError unless it has rows, all in [0, 1]."""
    values = np.asarray(scores, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"scores have {values.ndim} dimensions; give one score an example, as a flat list")
    if values.size == 0:
        raise ValueError("there are no scores; an interval needs at least one scored example")
    wrong = ~((values >= 0.0) & (values <= 1.0))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"score {values[at]} of example {at} is outside [0, 1]; turn losses over and scale scores first"
        )
    return values


def group_numbers(groups: Sequence[str] | None, n: int) -> np.ndarray[tuple[int], np.dtype[np.intp]] | None:
    """Return the group of each row as 0, 1, ...; None where rows are ungrouped (no groups given, or each row its own).

    Raises ValueError when there is not one group name for each of the `n` rows.
    """
    if groups is None:
        return None
    if len(groups) != n:
        raise ValueError(
            f"{n} scores came with {len(groups)} group names; give one group name an example, or none at all"
        )
    names: dict[str, int] = {}
    numbers = np.array([names.setdefault(g, len(names)) for g in groups], dtype=np.intp)
    return None if len(names) == n and n > 1 else numbers


def is_binary(values: FloatArray) -> bool:
    """Return whether every score is 0 or 1."""
    return bool(np.all((values == 0.0) | (values == 1.0)))


def cluster_variance(
    values: FloatArray, numbers: np.ndarray[tuple[int], np.dtype[np.intp]] | None, *, within_known: bool = False
) -> Variance:
    """Return the CR1 variance of the mean of `values`, rows in groups (Liang and Zeger 1986; Miller 2024, arXiv 2411.00640).

    v = G / (G - 1) * sum over groups of (sum of residuals)^2 / n^2; without groups each row is one and v = s^2 / n.
    Its own standard error comes from the spread of the squared sums; of their part beyond that of single rows, where the
    variance of these is known (`within_known`: 0/1 scores). One group has no variance: both are 0.
    """
    residuals = values - values.mean()
    squares = (residuals if numbers is None else np.bincount(numbers, weights=residuals)) ** 2
    count, n = squares.size, values.size
    if count < 2:
        return Variance(0.0, 0.0)
    known = np.bincount(numbers, weights=residuals**2) if within_known and numbers is not None else 0.0
    error = float((squares - known).std(ddof=1)) * math.sqrt(count)
    return Variance(float(count / (count - 1) * squares.sum()) / n**2, error / n**2)


def mean_group_size(numbers: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    """Return the size-weighted mean group size, sum of squared sizes / n: the size of the group a row finds itself in."""
    sizes = np.bincount(numbers)
    return float(np.sum(sizes.astype(float) ** 2) / numbers.size)


def summarise(scores: ArrayLike, groups: Sequence[str] | None = None) -> Sample:
    """Return mean, effective size and degrees of freedom of `scores` in [0, 1] (docs/statistics.md, "Intervals").

    Raises ValueError for no scores, scores outside [0, 1], or groups of another length.
    """
    values = as_scores(scores)
    n, mean = values.size, min(max(float(values.mean()), 0.0), 1.0)
    numbers = group_numbers(groups, n)
    binary = is_binary(values)
    design = assumed_design(groups or ())
    if numbers is None and binary:
        return Sample(mean, n, float(n), float(n), None, None, "wilson")
    spread = mean * (1.0 - mean)
    variance = cluster_variance(values, numbers, within_known=binary and design.twins_alone)
    cautious = variance.value + variance.error
    if numbers is None:
        sizes = [graded_size(spread, v, n) for v in (variance.value, cautious)]
        return Sample(mean, n, sizes[0], sizes[1], None, n - 1.0, "wilson n_eff")
    m, n_groups = mean_group_size(numbers), int(numbers.max()) + 1
    alone = float(n) if binary else graded_size(spread, cluster_variance(values, None).value, n)
    sizes = [grouped_size(spread, v, n_groups, alone, design.effect) for v in (variance.value, cautious)]
    return Sample(mean, n, sizes[0], sizes[1], n_groups, n / m - 1.0, "wilson n_eff, grouped")


def graded_size(spread: float, variance: float, n: int) -> float:
    """Return how many yes/no rows `n` graded rows are worth: p (1 - p) / v, at most n below 100 rows, else at most 4 n."""
    most = float(n) if n < SMALL_SAMPLE else MOST_WORTH * n
    return min(spread / variance, most) if variance > TINY else float(n)


def grouped_size(spread: float, variance: float, n_groups: int, alone: float, effect: float) -> float:
    """Return how many yes/no rows grouped rows are worth: p (1 - p) / v, but at most what `alone` (the same rows without
    groups) would be worth under the design effect that is assumed at least. No variance seen: at most one row a group.
    """
    between = spread / variance if variance > TINY and spread > 0.0 else float(n_groups)
    return min(between, alone / effect)


@dataclass(frozen=True, slots=True)
class Design:
    """What groups are assumed to cost at least: rows are worth n / `effect`. `twins_alone`: near-duplicates make all groups."""

    effect: float
    twins_alone: bool


def assumed_design(groups: Sequence[str]) -> Design:
    """Return 1 + sum over groups of r m (m - 1) / n, for m rows each: r is 0.05, and 1 for near-duplicates (Kish 1965).

    Near-duplicates are right or wrong together, and where none was wrong the sample cannot show it: with a correlation of 0.05
    a wrong "meets" came in up to 27 % of simulated tests at nominal 5 (half of 400 rows in clusters of 20), with 1 in at most 3.
    """
    sizes = Counter(groups)
    several = {name: m for name, m in sizes.items() if m > 1}
    more = sum(
        (TWINS_CORRELATION if name.startswith(TWINS) else LEAST_CORRELATION) * m * (m - 1)
        for name, m in several.items()
    )
    return Design(1.0 + more / max(1, len(groups)), all(name.startswith(TWINS) for name in several))


def wilson(hits: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's two-sided score interval for a rate (Wilson 1927, JASA 22:209). Fractions are allowed.

    Raises ValueError unless 0 <= hits <= n, n > 0 and 0 < level < 1.
    """
    _check_counts(hits, n)
    _check_level(level)
    return _score_interval(hits / n, n, normal_quantile((1.0 + level) / 2.0))


def _score_interval(p: float, n: float, q: float) -> Interval:
    """Return the score interval around rate p, worth n rows, for quantile q; it always holds p."""
    shrink = 1.0 + q * q / n
    centre = (p + q * q / (2.0 * n)) / shrink
    half = q / shrink * math.sqrt(p * (1.0 - p) / n + q * q / (4.0 * n * n))
    return Interval(min(max(centre - half, 0.0), p), max(min(centre + half, 1.0), p))


def clopper_pearson_lower(k: float, n: float, alpha: float) -> float:
    """Return the one-sided exact lower bound of a rate at error `alpha` (Clopper and Pearson 1934). k may be a fraction."""
    _check_counts(k, n)
    check_alpha(alpha)
    return 0.0 if k <= 0.0 else beta_quantile(k, n - k + 1.0, alpha)


def clopper_pearson_upper(k: float, n: float, alpha: float) -> float:
    """Return the one-sided exact upper bound of a rate at error `alpha` (Clopper and Pearson 1934). k may be a fraction."""
    return 1.0 - clopper_pearson_lower(n - k, n, alpha)


def interval_mean(scores: ArrayLike, groups: Sequence[str] | None = None, level: float = 0.95) -> MeanInterval:
    """Return the mean of `scores` in [0, 1] with a two-sided interval, for display (decisions use the bounds below).

    0/1 without groups: Wilson. Otherwise Wilson with the effective size and a Student quantile: n / m - 1 degrees of
    freedom for groups (m: size-weighted mean group size), n - 1 for graded scores. One group, or one graded row, gives [0, 1].
    Raises ValueError for no scores, scores outside [0, 1], groups of another length, or a level outside (0, 1).
    """
    return interval_sample(summarise(scores, groups), level)


def interval_sample(sample: Sample, level: float = 0.95) -> MeanInterval:
    """Return `interval_mean` of rows that are summarised already."""
    _check_level(level)
    q = sample.quantile((1.0 + level) / 2.0)
    span = Interval(0.0, 1.0) if q is None else _score_interval(sample.mean, sample.n_eff, q)
    return MeanInterval(sample.mean, span.low, span.high, sample.n, sample.n_eff, sample.n_groups, sample.method)


def sample_lower(sample: Sample, alpha: float) -> float:
    """Return the one-sided lower bound of the mean at error `alpha`: what "goal met" rests on.

    0/1 without groups: Clopper-Pearson. Otherwise Clopper-Pearson with the effective size, made smaller by
    (normal / Student quantile)^2 (Korn and Graubard 1998, Survey Methodology 24:193), its variance taken one standard
    error higher: where rows look good by luck, their variance looks small by the same luck. One group gives 0.
    """
    n = _decision_size(sample, sample.n_cautious, alpha)
    return 0.0 if n <= 0.0 else min(clopper_pearson_lower(sample.mean * n, n, alpha), sample.mean)


def sample_upper(sample: Sample, alpha: float) -> float:
    """Return the one-sided upper bound of the mean at error `alpha`: what "not met" rests on.

    The mirror image of `sample_lower`, with the plain variance: misses by luck make the variance look large.
    """
    n = _decision_size(sample, sample.n_eff, alpha)
    return 1.0 if n <= 0.0 else max(clopper_pearson_upper(sample.mean * n, n, alpha), sample.mean)


def _decision_size(sample: Sample, size: float, alpha: float) -> float:
    """Return the effective size after paying for an estimated variance: 0 where the rows say nothing."""
    check_alpha(alpha)
    if sample.df is None:
        return size
    q = sample.quantile(1.0 - alpha)
    return 0.0 if q is None else size * (normal_quantile(1.0 - alpha) / q) ** 2


def can_claim_met(n_groups: int | None) -> bool:
    """Return whether rows in so many groups (None: ungrouped) may carry the claim "goal met": from 8 groups on."""
    return n_groups is None or n_groups >= FEWEST_GROUPS


def _check_counts(hits: float, n: float) -> None:
    if not (n > 0 and 0 <= hits <= n):
        raise ValueError(
            f"{hits} hits of {n} examples is no rate; examples must be above 0 and hits between 0 and the examples"
        )


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; it must lie between 0 and 1, for example 0.95")
