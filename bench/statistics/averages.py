"""Macro F1, balanced accuracy and the F1 of a label: does the interval hold the truth, and how often do the decision bounds err?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.statistics.table import Table, percent
from rung.stats.aggregate import aggregate_sample, compare_contributions, contributions
from rung.stats.distribution import FloatArray
from rung.stats.estimate import interval_sample, sample_lower, sample_upper
from rung.stats.paired import sign_flip

IntArray = NDArray[np.intp]

# labels, share of each against the next rarer one, mean recall, and how far recalls of neighbours are apart
WORLDS = ((2, 1.0, 0.9, 0.0), (2, 9.0, 0.9, 0.05), (5, 1.0, 0.85, 0.1), (5, 2.0, 0.9, 0.05), (10, 1.4, 0.8, 0.1))
KINDS = ("macro_f1", "balanced_accuracy", "f1")  # the last one of the rarest label


SIZES = (100, 200, 500)
GROUP, TOGETHER = 5, 0.3  # examples a group, and the share of groups whose examples are answered alike


def tables(quick: bool) -> list[Table]:
    runs = 100 if quick else 2000
    return [averages(runs), pairs(runs)]


def averages(runs: int) -> Table:
    """Coverage at nominal 95 % and one-sided errors at nominal 5 and 1 %; test sets that lack a label are drawn again."""
    lines = []
    for n in SIZES:
        for grouped in (False, True):
            for labels, imbalance, recall, apart in WORLDS:
                shares, answers = _world(labels, imbalance, recall, apart)
                rng = np.random.default_rng([61, n, grouped])
                groups = [f"g{i // GROUP}" for i in range(n)] if grouped else None
                seen = {kind: np.zeros(5) for kind in KINDS}
                for _ in range(runs):
                    expected, said = _drawn(rng, shares, answers, n, grouped)
                    for kind in KINDS:
                        truth = _truth(kind, shares, answers)
                        sample = aggregate_sample(kind, expected, said, groups, f"l{labels - 1}")
                        span = interval_sample(sample)
                        seen[kind] += [
                            span.low <= truth <= span.high, sample_lower(sample, 0.05) > truth, sample_lower(sample, 0.01) > truth,
                            sample_upper(sample, 0.05) < truth, sample.n_eff / n,
                        ]  # fmt: skip
                for kind in KINDS:
                    covers, lower, strict, upper, size = seen[kind] / runs
                    lines.append(
                        (f"{labels}, {imbalance:g}{', grouped' if grouped else ''}", n, kind, round(_truth(kind, shares, answers), 3),
                         percent(covers), percent(lower), percent(strict), percent(upper), round(size, 2))
                    )  # fmt: skip
    columns = ("labels, imbalance", "n", "measure", "truth", "interval covers %", "lower .05 errs %", "lower .01 errs %",
               "upper .05 errs %", "n_eff / n")  # fmt: skip
    return Table("Averages over labels, by the delta method", columns, tuple(lines), runs)


def pairs(runs: int) -> Table:
    """Two approaches on the same examples whose average is the same, or differs by five points, though their errors are others."""
    lines = []
    for n in SIZES:
        for labels, imbalance, recall, apart in WORLDS:
            shares, first = _world(labels, imbalance, recall, apart)
            for gain in (0.0, 0.05):
                for kind in ("macro_f1", "balanced_accuracy"):
                    second = _shifted(kind, shares, first, gain)
                    rng = np.random.default_rng([62, n])
                    seen = np.zeros(3)
                    for _ in range(runs // 2):
                        expected, one, other = _drawn_pair(rng, shares, first, second, n)
                        before, after = (contributions(kind, expected, said) for said in (one, other))
                        test = compare_contributions(before, after)
                        flips = sign_flip(after.values - before.values, seed=1, resamples=500)
                        truth = _truth(kind, shares, second) - _truth(kind, shares, first)
                        seen += [test.p_value < 0.05, test.low <= truth <= test.high, flips < 0.05]
                    lines.append((f"{labels}, {imbalance:g}", n, kind, gain, *(percent(x) for x in seen / (runs // 2))))
    columns = (
        "labels, imbalance",
        "n",
        "measure",
        "gain aimed at",
        "significant %",
        "interval covers %",
        "sign flips significant %",
    )
    return Table("Two averages on the same examples", columns, tuple(lines), runs // 2)


def _shifted(kind: str, shares: FloatArray, answers: FloatArray, gain: float) -> FloatArray:
    """Return the chances of an approach worse by three points on the commonest label, whose average is `gain` higher for the rarest."""
    wanted, low, high = _truth(kind, shares, answers) + gain, 0.0, 1.0
    for _ in range(40):
        right = (low + high) / 2.0
        made = answers.copy()
        for row, rate in ((0, answers[0, 0] - 0.03), (-1, right)):
            made[row] = (1.0 - rate) / shares.size
            made[row, row if row == 0 else shares.size - 1] = rate
        low, high = (right, high) if _truth(kind, shares, made) < wanted else (low, right)
    return made


def _drawn_pair(
    rng: np.random.Generator, shares: FloatArray, first: FloatArray, second: FloatArray, n: int
) -> tuple[list[str], list[str | None], list[str | None]]:
    """Draw one label an example and two answers, by the same chance in half of the examples."""
    names: list[str | None] = [*(f"l{k}" for k in range(shares.size)), None]
    expected = _labels(rng, shares, n)
    luck = rng.random(n)
    other = np.where(rng.random(n) < 0.5, luck, rng.random(n))
    said = [_said(chances[expected], u) for chances, u in ((first, luck), (second, other))]
    return [f"l{k}" for k in expected], [names[k] for k in said[0]], [names[k] for k in said[1]]


def _world(labels: int, imbalance: float, recall: float, apart: float) -> tuple[FloatArray, FloatArray]:
    """Return the shares of labels, and for each the chances of every answer; the last one is no label."""
    shares = np.array([imbalance**-k for k in range(labels)])
    answers = np.zeros((labels, labels + 1))
    for k in range(labels):
        right = min(recall + (apart if k % 2 else -apart), 0.995)
        answers[k] = (1.0 - right) / labels
        answers[k, k] = right
    return shares / shares.sum(), answers


def _truth(kind: str, shares: FloatArray, answers: FloatArray) -> float:
    joint = shares[:, None] * answers
    right = np.diag(joint)
    if kind == "balanced_accuracy":
        return float(np.mean(right / shares))
    each = 2.0 * right / (shares + joint[:, :-1].sum(axis=0))
    return float(each.mean() if kind == "macro_f1" else each[-1])


def _drawn(
    rng: np.random.Generator, shares: FloatArray, answers: FloatArray, n: int, grouped: bool
) -> tuple[list[str], list[str | None]]:
    names: list[str | None] = [*(f"l{k}" for k in range(shares.size)), None]
    expected, luck = _labels(rng, shares, n), rng.random(n)
    if grouped:  # in some groups one label and one chance for all
        alike = np.repeat(rng.random(n // GROUP) < TOGETHER, GROUP)
        first = np.arange(n) // GROUP * GROUP
        whole = np.where(alike, expected[first], expected)
        expected = whole if np.unique(whole).size == shares.size else expected
        luck = np.where(alike, luck[first], luck)
    return [f"l{k}" for k in expected], [names[k] for k in _said(answers[expected], luck)]


def _labels(rng: np.random.Generator, shares: FloatArray, n: int) -> IntArray:
    while True:
        expected = rng.choice(shares.size, n, p=shares)
        if np.unique(expected).size == shares.size:
            return expected


def _said(chances: FloatArray, luck: FloatArray) -> IntArray:
    last: int = chances.shape[1] - 1
    return np.asarray((luck[:, None] > np.cumsum(chances, axis=1)).sum(axis=1).clip(max=last), dtype=np.intp)
