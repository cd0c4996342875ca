"""Many judged rows and a few that people labelled: the mean that people would have given, by prediction-powered inference.

A judge's scores alone decide nothing: its mean is the judge's opinion. HumanLabels label a random part of the rows, and the
judge's error there corrects its mean everywhere (Angelopoulos et al. 2023, Science 382:669; PPI++, arXiv 2311.01453).
A good judge makes the labels worth more rows than they are, a useless one leaves them what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rung.stats.distribution import FloatArray, student_cdf, student_quantile
from rung.stats.estimate import (
    TINY,
    Sample,
    as_scores,
    assumed_design,
    cluster_variance,
    group_numbers,
    summarise,
)
from rung.stats.paired import Difference, NonInferiority, PairedTest, effective, non_inferior_of

FEWEST_LABELS = 100  # fewer leave the verdict provisional: the correction itself is then a guess
PROVISIONAL_LABELS = 50  # from here on a provisional verdict is corrected by them; with fewer it is the judge's own


class Differences(NamedTuple):
    """Differences of two rungs' scores in [-1, 1]: by people and by the judge on the rows that people labelled for both, by the judge on the others."""

    labels: Sequence[float]
    judged: Sequence[float]
    others: Sequence[float]
    groups: Sequence[str] | None = None
    other_groups: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Rectified:
    """The corrected mean as a sample: `sample` goes where `rung.stats.estimate.summarise` would.

    `weight` in [0, 1] is how much the judge counts (lambda of PPI++): 0 means that the labels stand alone. `alone` is the
    labels' own sample. `correction`: how far people are above (+) or below (-) the judge on the labelled rows.
    """

    sample: Sample
    alone: Sample
    weight: float
    labelled: int
    correction: float

    @property
    def worth(self) -> float:
        """How many labels it would take to know as much without the judge."""
        return self.labelled * self.sample.n_eff / self.alone.n_eff


def rectify(
    labels: ArrayLike,
    judged: ArrayLike,
    others: ArrayLike,
    groups: Sequence[str] | None = None,
    other_groups: Sequence[str] | None = None,
) -> Rectified:
    """Return the mean of people's scores over all rows, from a random part of them that people labelled.

    `labels` and `judged`: people's and the judge's scores of the labelled rows; `others`: the judge's scores of the other
    rows; all in [0, 1]. Groups: one name a row, drawn whole. mean = mean(labels) + w (mean(others) - mean(judged)) with
    the w that gives the least variance (PPI++, section 6). The variance counts one more labelled row on which judge and
    people are fully apart: with 100 labels and no such row, three in a hundred may well be.
    Raises ValueError for no labels, scores outside [0, 1], or lengths that do not fit.
    """
    y, f = as_scores(labels), as_scores(judged)
    if y.size != f.size:
        raise ValueError(f"{y.size} labels came with {f.size} judged scores; give both for each labelled example")
    alone, correction = summarise(y, groups), float(y.mean() - f.mean())
    rest = np.asarray(others, dtype=float)
    if rest.size == 0:
        return Rectified(alone, alone, 0.0, y.size, correction)
    rest = as_scores(rest)
    numbers, other_numbers = group_numbers(groups, y.size), group_numbers(other_groups, rest.size)
    weight = _weight(y, f, rest, numbers, other_numbers)
    if weight <= 0.0:
        return Rectified(alone, alone, 0.0, y.size, correction)
    mean = min(max(float(y.mean() + weight * (rest.mean() - f.mean())), 0.0), 1.0)
    errors, spread = cluster_variance(y - weight * f, numbers), cluster_variance(rest, other_numbers)
    variance = errors.value + 1.0 / y.size**2 + weight**2 * spread.value
    cautious = variance + errors.error + weight**2 * spread.error
    most = _most(y.size + rest.size, groups, other_groups)
    sizes = [_size(mean, v, alone.n_eff, most) for v in (variance, cautious)]
    df = alone.df if alone.df is not None else y.size - 1.0
    name = "ppi" if alone.n_groups is None else "ppi, grouped"
    sample = Sample(mean, y.size + rest.size, sizes[0], sizes[1], alone.n_groups, df, name)
    return Rectified(sample, alone, weight, y.size, correction)


def rectified_gain(
    labels: ArrayLike,
    judged: ArrayLike,
    others: ArrayLike,
    groups: Sequence[str] | None = None,
    other_groups: Sequence[str] | None = None,
) -> PairedTest:
    """Test whether one rung beats another, from differences (second minus first) of people's and the judge's scores.

    As `rectify`, with differences in [-1, 1]; wins, losses and ties are those that people saw. Student's t with m - 1
    degrees of freedom (groups - 1 where the labelled rows come in groups).
    """
    y, f, rest = (np.asarray(values, dtype=float) for values in (labels, judged, others))
    numbers = group_numbers(groups, y.size)
    other_numbers = group_numbers(other_groups, rest.size) if rest.size else None
    weight = _weight(y, f, rest, numbers, other_numbers) if rest.size else 0.0
    gain = float(y.mean() + (weight * (rest.mean() - f.mean()) if weight else 0.0))
    variance = cluster_variance(y - weight * f, numbers).value + 1.0 / y.size**2
    variance += weight**2 * cluster_variance(rest, other_numbers).value if weight else 0.0
    error, free = math.sqrt(variance), float(y.size if numbers is None else numbers.max() + 1) - 1.0
    p_value = 2.0 * student_cdf(-abs(gain) / error, free) if free > 0 else 1.0
    half = student_quantile(0.975, free) * error if free > 0 else 2.0
    wins, losses = int((y > 0).sum()), int((y < 0).sum())
    return PairedTest(
        gain=gain,
        low=max(gain - half, -1.0),
        high=min(gain + half, 1.0),
        p_value=min(p_value, 1.0),
        wins=wins,
        losses=losses,
        ties=y.size - wins - losses,
        n=y.size + rest.size,
        method=f"prediction-powered t, {y.size} labelled examples",
    )


def rectified_difference(
    labels: ArrayLike,
    judged: ArrayLike,
    others: ArrayLike,
    groups: Sequence[str] | None = None,
    other_groups: Sequence[str] | None = None,
) -> Difference:
    """Return the corrected paired difference as an effective table, which `rung.stats.paired.non_inferior_of` tests by Tango's score.

    Arguments as for `rectified_gain`. Wins and losses are corrected each by itself, with one weight, so that they differ by the corrected gain. The
    effective size follows from the variance, one standard error higher and with one more labelled row on which judge and people are fully apart: not less
    than the labels alone, not more than all rows labelled. Student's t in its place is too sure where hardly any difference is seen (docs/log.md).
    """
    y, f, rest = (np.asarray(values, dtype=float) for values in (labels, judged, others))
    alone = effective(y, groups)
    numbers = group_numbers(groups, y.size)
    other_numbers = group_numbers(other_groups, rest.size) if rest.size else None
    weight = _weight(y, f, rest, numbers, other_numbers) if rest.size else 0.0
    if weight <= 0.0 or alone.df <= 0.0:
        return alone
    up, down = (
        float(np.maximum(sign * y, 0.0).mean())
        + weight * float(np.maximum(sign * rest, 0.0).mean() - np.maximum(sign * f, 0.0).mean())
        for sign in (1.0, -1.0)
    )
    gain = min(max(up - down, -1.0), 1.0)
    up = min(max(up, gain, 0.0), (1.0 + gain) / 2.0)  # both are shares, of one sum at most
    down = up - gain
    errors, spread = cluster_variance(y - weight * f, numbers), cluster_variance(rest, other_numbers)
    variance = errors.value + errors.error + 1.0 / y.size**2 + weight**2 * (spread.value + spread.error)
    most = max(_most(y.size + rest.size, groups, other_groups), alone.n_eff)
    n_eff = min(max((up + down - gain**2) / variance, alone.n_eff), most)
    return Difference(up, down, n_eff, min(alone.df, y.size - 1.0), variance)


def rectified_non_inferior(
    labels: ArrayLike,
    judged: ArrayLike,
    others: ArrayLike,
    groups: Sequence[str] | None = None,
    other_groups: Sequence[str] | None = None,
    *,
    margin: float,
    alpha: float,
) -> NonInferiority:
    """Test whether the second rung is at most `margin` worse than the first; differences as for `rectified_gain`."""
    return non_inferior_of(rectified_difference(labels, judged, others, groups, other_groups), margin, alpha)


def _weight(y: FloatArray, f: FloatArray, rest: FloatArray, numbers: Any, other_numbers: Any) -> float:
    """Return the w of least variance: Cov(mean y, mean f) / (Var(mean f) + Var(mean rest)), held in [0, 1]."""
    labelled = cluster_variance(f, numbers).value
    both = labelled + cluster_variance(rest, other_numbers).value
    if labelled <= TINY or both <= TINY:  # a judge that gives one score to all says nothing
        return 0.0
    # Cov(y, f) = (Var(y + f) - Var(y - f)) / 4, which holds for the variances of groups too.
    covariance = (cluster_variance(y + f, numbers).value - cluster_variance(y - f, numbers).value) / 4.0
    return min(max(covariance / both, 0.0), 1.0)


def _size(mean: float, variance: float, least: float, most: float) -> float:
    """Return how many yes/no rows the corrected mean is worth: not less than the labels, not more than all rows labelled."""
    return min(max(mean * (1.0 - mean) / variance, least), max(most, least))


def _most(n: int, groups: Sequence[str] | None, other_groups: Sequence[str] | None) -> float:
    if groups is None or other_groups is None:
        return float(n)
    numbers = group_numbers([*groups, *other_groups], n)
    return float(n) if numbers is None else n / assumed_design([*groups, *other_groups]).effect
