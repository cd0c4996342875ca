"""Quality that is no mean of example scores: macro F1, balanced accuracy, F1 of a label. By the delta method, as a `Sample`.

Each is a smooth function of counts, so that it moves with one example by that example's influence, and its variance is that
of the mean of influences, by group where there are groups. The rest is the picture of `rung.stats.estimate`: n examples are worth `n_eff`
yes/no ones. docs/statistics.md has the formulas; `bench.statistics` measures the coverage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rung.stats.distribution import FloatArray
from rung.stats.estimate import TINY, Sample, assumed_design, cluster_variance, group_numbers, mean_group_size

Labels = Sequence[str | None]


def aggregate_sample(
    kind: str, expected: Sequence[str], said: Labels, groups: Sequence[str] | None = None, label: str | None = None
) -> Sample:
    """Return macro F1, balanced accuracy (both over the labels that are expected) or the F1 of `label` with its effective size.

    n_eff is theta (1 - theta) / v, and at most what the labels' sizes allow if all were equally hard: K^2 / sum(1 / n_k) for the
    averages, the mean of expected and given for one label. So a rare label without an error yet hides none. `said`: None is no label.
    Raises ValueError for no examples, or a label that is neither expected nor given.
    """
    if not expected or len(expected) != len(said):
        raise ValueError(f"{len(expected)} expected labels came with {len(said)} answers; give one answer an example")
    codes = {name: code for code, name in enumerate(dict.fromkeys([*expected, *(s for s in said if s is not None)]))}
    truth, answer = np.array([codes[e] for e in expected]), np.array([-1 if s is None else codes[s] for s in said])
    if kind == "f1" and label not in codes:
        raise ValueError(f"no example has the label {label!r}, and no answer gives it")
    value, influence, most = _KINDS[kind](truth, answer, codes.get(str(label), -1))
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


def _f1(truth: np.ndarray, answer: np.ndarray, label: int) -> tuple[float, FloatArray, float]:
    """Return F1 = 2 TP / (expected + given) of one label, with the influence of each example."""
    wanted, given = (truth == label).astype(float), (answer == label).astype(float)
    total = float((wanted + given).sum())
    value = 2.0 * float((wanted * given).sum()) / total
    influence = (2.0 * wanted * given - value * (wanted + given)) * truth.size / total
    return value, influence, total / 2.0


def _macro_f1(truth: np.ndarray, answer: np.ndarray, label: int) -> tuple[float, FloatArray, float]:
    parts = [_f1(truth, answer, name) for name in _names(truth)]
    return float(np.mean([v for v, _, _ in parts])), np.mean([i for _, i, _ in parts], axis=0), _even(truth)


def _balanced(truth: np.ndarray, answer: np.ndarray, label: int) -> tuple[float, FloatArray, float]:
    values, influences = [], []
    for name in _names(truth):
        wanted, right = (truth == name).astype(float), ((truth == name) & (answer == name)).astype(float)
        share = float(right.sum() / wanted.sum())
        values.append(share)
        influences.append((right - share * wanted) * truth.size / wanted.sum())
    return float(np.mean(values)), np.mean(influences, axis=0), _even(truth)


def _names(truth: np.ndarray) -> list[int]:
    return sorted(set(truth.tolist()))


def _even(truth: np.ndarray) -> float:
    return even_size(truth.tolist())


def even_size(labels: Sequence[object]) -> float:
    """Return K^2 / sum(1 / n_k): how many examples an average over labels is worth where all are equally hard."""
    sizes = Counter(labels).values()
    return float(len(sizes) ** 2 / sum(1.0 / size for size in sizes))


_KINDS: Mapping[str, Callable[[np.ndarray, np.ndarray, int], tuple[float, FloatArray, float]]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced,
    "f1": _f1,
}
