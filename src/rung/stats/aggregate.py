"""Quality that is no mean of example scores: macro F1, balanced accuracy, F-beta of a label. By the delta method, as a `Sample`.

Each is a smooth function of counts, so that it moves with one example by that example's influence, and its variance is that
of the mean of influences, by group where there are groups. The rest is the picture of `rung.stats.estimate`: n examples are worth `n_eff`
yes/no ones. docs/statistics.md has the formulas; `bench.statistics` measures the coverage.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rung.stats.distribution import FloatArray, student_cdf, student_quantile
from rung.stats.estimate import TINY, Sample, assumed_design, cluster_variance, group_numbers, mean_group_size
from rung.stats.paired import NonInferiority, PairedTest

Labels = Sequence[str | None]
_Measured = tuple[float, FloatArray, float, float]  # the measure, influences, what they are worth at most, the heaviest


def aggregate_sample(
    kind: str,
    expected: Sequence[str],
    said: Labels,
    groups: Sequence[str] | None = None,
    label: str | None = None,
    beta: float = 1.0,
) -> Sample:
    """Return macro F1, balanced accuracy (both over the labels that are expected) or the F-beta of `label` with its effective size.

    n_eff is theta (1 - theta) / v, and at most what the labels' sizes allow if all were equally hard: K^2 / sum(1 / n_k) for the
    averages, the mean of expected (beta^2 times) and given for one label. So a rare label without an error yet hides none. `said`: None
    is no label. Raises ValueError for no examples, or a label that is neither expected nor given.
    """
    value, influence, most, _ = _measured(kind, expected, said, label, beta)
    numbers = group_numbers(groups, len(expected))
    design = assumed_design(groups or ())
    variance = cluster_variance(influence, numbers)
    spread = value * (1.0 - value)
    effective, cautious = (
        min(spread / v, most / design.effect) if v > TINY and spread > 0.0 else most / design.effect
        for v in (variance.value, variance.value + variance.error)
    )
    n_groups = None if numbers is None else int(numbers.max()) + 1
    m = 1.0 if numbers is None else mean_group_size(numbers)
    return Sample(value, len(expected), effective, cautious, n_groups, max(0.0, most / m - 1.0), "wilson n_eff, delta")


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each example adds: the measure is the mean of `values`, which may lie outside [0, 1], and moves with one example as its value does.

    `heaviest`: how much one answer more or less can change a value. `size`: examples that these are worth at most.
    """

    values: FloatArray
    heaviest: float
    size: float


def contributions(
    kind: str, expected: Sequence[str], said: Labels, label: str | None = None, beta: float = 1.0
) -> Contributions:
    """Return what each example adds: the measure plus the example's influence. Raises ValueError as `aggregate_sample` does."""
    value, influence, most, heaviest = _measured(kind, expected, said, label, beta)
    return Contributions(value + influence, heaviest, most)


def compare_contributions(
    first: Contributions, second: Contributions, groups: Sequence[str] | None = None, level: float = 0.95
) -> PairedTest:
    """Compare a measure with itself on the same rows, second minus first, by Student's t on the differences of contributions.

    One answer more that differs, of the heaviest example, is added to the variance: rare labels without a difference yet show none. Sign
    flips, which need no such thing for means, err in 4 to 10 % of nominal 5 here (docs/log.md). `wins` and `losses` are left at 0.
    """
    gain, error, df = _change(first, second, groups)
    n = first.values.size
    method = "Student's t on contributions, delta method"
    if df <= 0.0:
        return PairedTest(gain, -1.0, 1.0, 1.0, 0, 0, n, n, method)
    reach = student_quantile((1.0 + level) / 2.0, df) * error
    p_value = 2.0 * student_cdf(-abs(gain) / error, df)
    return PairedTest(gain, max(gain - reach, -1.0), min(gain + reach, 1.0), p_value, 0, 0, n, n, method)


def non_inferior_contributions(
    first: Contributions, second: Contributions, groups: Sequence[str] | None, margin: float, alpha: float
) -> NonInferiority:
    """Test whether the second is not worse than the first by more than `margin`, as `compare_contributions` compares them."""
    gain, error, df = _change(first, second, groups)
    if df <= 0.0:
        return NonInferiority(False, -1.0, 1.0)
    p_value = student_cdf(-(gain + margin) / error, df)
    return NonInferiority(p_value < alpha, gain - student_quantile(1.0 - alpha, df) * error, p_value)


def _change(first: Contributions, second: Contributions, groups: Sequence[str] | None) -> tuple[float, float, float]:
    """Return the mean of the differences, its standard error, and the degrees of freedom."""
    changes = second.values - first.values
    numbers = group_numbers(groups, changes.size)
    one_more = max(first.heaviest, second.heaviest) / changes.size
    error = math.sqrt(cluster_variance(changes, numbers).value + one_more**2)
    m = 1.0 if numbers is None else mean_group_size(numbers)
    return float(changes.mean()), error, min(first.size, second.size) / m - 1.0


def _measured(kind: str, expected: Sequence[str], said: Labels, label: str | None, beta: float) -> _Measured:
    if not expected or len(expected) != len(said):
        raise ValueError(f"{len(expected)} expected labels came with {len(said)} answers; give one answer an example")
    codes = {name: code for code, name in enumerate(dict.fromkeys([*expected, *(s for s in said if s is not None)]))}
    truth, answer = np.array([codes[e] for e in expected]), np.array([-1 if s is None else codes[s] for s in said])
    if kind == "f1" and label not in codes:
        raise ValueError(f"no example has the label {label!r}, and no answer gives it")
    return _KINDS[kind](truth, answer, codes.get(str(label), -1), beta)


def _f1(truth: np.ndarray, answer: np.ndarray, label: int, beta: float) -> _Measured:
    """Return F = (1 + b^2) TP / (b^2 expected + given) of one label, with the influence of each example."""
    wanted, given, b2 = (truth == label).astype(float), (answer == label).astype(float), beta * beta
    total = float((b2 * wanted + given).sum())
    value = (1.0 + b2) * float((wanted * given).sum()) / total
    influence = ((1.0 + b2) * wanted * given - value * (b2 * wanted + given)) * truth.size / total
    size = total / (1.0 + b2)
    return value, influence, size, truth.size / size


def _macro_f1(truth: np.ndarray, answer: np.ndarray, label: int, beta: float) -> _Measured:
    parts = [_f1(truth, answer, name, beta) for name in _names(truth)]
    return float(np.mean([p[0] for p in parts])), np.mean([p[1] for p in parts], axis=0), *_even(truth)


def _balanced(truth: np.ndarray, answer: np.ndarray, label: int, beta: float) -> _Measured:
    values, influences = [], []
    for name in _names(truth):
        wanted, right = (truth == name).astype(float), ((truth == name) & (answer == name)).astype(float)
        share = float(right.sum() / wanted.sum())
        values.append(share)
        influences.append((right - share * wanted) * truth.size / wanted.sum())
    return float(np.mean(values)), np.mean(influences, axis=0), *_even(truth)


def _names(truth: np.ndarray) -> list[int]:
    return sorted(set(truth.tolist()))


def _even(truth: np.ndarray) -> tuple[float, float]:
    """Return what an average over labels is worth, and the weight of an example of the rarest."""
    sizes = Counter(truth.tolist()).values()
    return even_size(truth.tolist()), truth.size / (len(sizes) * min(sizes))


def even_size(labels: Sequence[object]) -> float:
    """Return K^2 / sum(1 / n_k): how many examples an average over labels is worth where all are equally hard."""
    sizes = Counter(labels).values()
    return float(len(sizes) ** 2 / sum(1.0 / size for size in sizes))


_KINDS: Mapping[str, Callable[[np.ndarray, np.ndarray, int, float], _Measured]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced,
    "f1": _f1,
}
