"""Macro F1, balanced accuracy and the F1 of a label: does the interval hold the truth, and how often do the decision bounds err?"""

from __future__ import annotations

import numpy as np

from bench.statistics.table import Table, percent
from rung.stats.aggregate import aggregate_sample
from rung.stats.distribution import FloatArray
from rung.stats.estimate import interval_sample, sample_lower, sample_upper

# labels, share of each against the next rarer one, mean recall, and how far recalls of neighbours are apart
WORLDS = ((2, 1.0, 0.9, 0.0), (2, 9.0, 0.9, 0.05), (5, 1.0, 0.85, 0.1), (5, 2.0, 0.9, 0.05), (10, 1.4, 0.8, 0.1))
KINDS = ("macro_f1", "balanced_accuracy", "f1")  # the last one of the rarest label


def tables(quick: bool) -> list[Table]:
    return [averages(100 if quick else 1000)]


def averages(runs: int) -> Table:
    """Coverage at nominal 95 % and one-sided errors at nominal 5 %; test sets that lack a label are drawn again."""
    lines = []
    for n in (100, 300, 1000):
        for labels, imbalance, recall, apart in WORLDS:
            shares, answers = _world(labels, imbalance, recall, apart)
            rng = np.random.default_rng(61)
            seen = {kind: np.zeros(4) for kind in KINDS}
            for _ in range(runs):
                expected, said = _drawn(rng, shares, answers, n)
                for kind in KINDS:
                    truth = _truth(kind, shares, answers)
                    sample = aggregate_sample(kind, expected, said, None, f"l{labels - 1}")
                    span = interval_sample(sample)
                    seen[kind] += [
                        span.low <= truth <= span.high, sample_lower(sample, 0.05) > truth,
                        sample_upper(sample, 0.05) < truth, sample.n_eff / n,
                    ]  # fmt: skip
            for kind in KINDS:
                covers, lower, upper, size = seen[kind] / runs
                truth = round(_truth(kind, shares, answers), 3)
                lines.append(
                    (
                        f"{labels}, {imbalance:g}",
                        n,
                        kind,
                        truth,
                        percent(covers),
                        percent(lower),
                        percent(upper),
                        round(size, 2),
                    )
                )
    columns = (
        "labels, imbalance",
        "n",
        "measure",
        "truth",
        "interval covers %",
        "lower .05 errs %",
        "upper .05 errs %",
        "n_eff / n",
    )
    return Table("Averages over labels, by the delta method", columns, tuple(lines), runs)


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
    rng: np.random.Generator, shares: FloatArray, answers: FloatArray, n: int
) -> tuple[list[str], list[str | None]]:
    names: list[str | None] = [*(f"l{k}" for k in range(shares.size)), None]
    while True:
        expected = rng.choice(shares.size, n, p=shares)
        if np.unique(expected).size == shares.size:
            break
    said = (rng.random(n)[:, None] > np.cumsum(answers[expected], axis=1)).sum(axis=1).clip(max=shares.size)
    return [f"l{k}" for k in expected], [names[k] for k in said]
