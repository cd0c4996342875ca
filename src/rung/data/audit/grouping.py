"""Do rows that share a column fail together? The intra-group correlation of a word model's errors, by column that may group them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rung.data.audit.audit_input import counted
from rung.data.audit.labels import out_of_sample_errors
from rung.types import Example, Finding

FEWEST_REPEATED = 8  # groups of two rows or more, below which nothing is said
FLIPS = 499  # random regroupings that an intra-group correlation must beat
LEVEL = 0.01
WORTH_GROUPING = 0.03  # a lower correlation costs less than intervals assume


@dataclass(frozen=True, slots=True)
class Correlated:
    """The intra-group correlation of scores, and how likely chance alone makes one as high."""

    icc: float
    p_value: float


def intra_group(scores: Sequence[float], groups: Sequence[str], seed: int = 0) -> Correlated | None:
    """Return the one-way ANOVA estimate of the intra-group correlation (Donner 1986, Int. Stat. Rev. 54:67), with the p-value of
    a permutation of the groups; None with too few groups of two rows or more, or scores that do not vary.
    """
    sizes = Counter(groups)
    names = {name: i for i, name in enumerate(sizes)}
    if sum(m > 1 for m in sizes.values()) < FEWEST_REPEATED or len(set(scores)) < 2:
        return None
    numbers = np.array([names[g] for g in groups])
    counts = np.bincount(numbers).astype(float)
    values = np.asarray(scores, dtype=float)

    def estimate(y: NDArray[np.float64]) -> float:
        n, k = y.size, counts.size
        sums = np.bincount(numbers, weights=y)
        between = float((sums**2 / counts).sum() - y.sum() ** 2 / n)
        within = float((y**2).sum() - (sums**2 / counts).sum())
        usual = (n - float((counts**2).sum()) / n) / (k - 1)
        of_groups, of_rows = between / (k - 1), within / max(1, n - k)
        return (of_groups - of_rows) / max(of_groups + (usual - 1.0) * of_rows, 1e-12)

    found = estimate(values)
    draw = np.random.default_rng(seed)
    beaten = sum(estimate(draw.permutation(values)) >= found for _ in range(FLIPS))
    return Correlated(found, (1 + beaten) / (1 + FLIPS))


def grouping_findings(
    visible: Sequence[Example], columns: Mapping[str, Mapping[str, str]], test: int
) -> Iterator[Finding]:
    """Warn of columns whose rows fail together, in rows that people may see. `columns`: column -> row id -> group.

    `test`: test rows, of which the finding says how many independent ones they are worth.
    """
    errors = out_of_sample_errors(visible) if columns else {}
    rows = [e for e in visible if e.id in errors]
    for column, group_of in columns.items():
        groups = [group_of.get(e.id, e.id) for e in rows]
        found = intra_group([errors[e.id] for e in rows], groups)
        if found is None or found.icc < WORTH_GROUPING or found.p_value > LEVEL / len(columns):
            continue
        of_all = Counter(group_of.get(e.id, e.id) for e in visible)
        spread = sum(m * m for m in of_all.values()) / len(visible)
        worth = round(test / (1.0 + found.icc * (spread - 1.0)))
        yield Finding(
            "grouping",
            "warn",
            f"examples with the same {column!r} are wrong together: the intra-group correlation of a word model's errors is "
            f"{found.icc:.2f} over {counted(len(of_all), 'group')}, so that {counted(test, 'test example')} may be worth about {worth:,}.",
            f"Set data.group_by: {column}. Without it intervals are too narrow, and examples of a group stand on both sides of the split.",
            measured={
                "column": column,
                "icc": round(found.icc, 4),
                "p_value": found.p_value,
                "groups": len(of_all),
                "worth": worth,
            },
        )
