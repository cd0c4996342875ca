"""How good a ranking is, given what is relevant: nDCG, recall, reciprocal rank. Pure functions; all in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], grades: Mapping[str, float], k: int = 10) -> float | None:
    """Return the normalised discounted cumulative gain at `k`: sum of grade / log2(1 + place), over the best possible.

    As trec_eval's ndcg_cut. None where nothing is relevant. Järvelin and Kekäläinen 2002, doi 10.1145/582415.582418.
    """
    ideal = sum(g / math.log2(n + 1) for n, g in enumerate(sorted(grades.values(), reverse=True)[:k], 1) if g > 0)
    if ideal <= 0:
        return None
    return sum(max(grades.get(name, 0.0), 0.0) / math.log2(n + 1) for n, name in enumerate(ranked[:k], 1)) / ideal


def recall(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float | None:
    """Return the share of the relevant that stands among the first `k`; None where nothing is relevant."""
    wanted = {name for name, grade in grades.items() if grade > 0}
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else None


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, float], k: int = 10) -> float | None:
    """Return 1 / place of the first relevant among the first `k`, 0 beyond; None where nothing is relevant."""
    if not any(grade > 0 for grade in grades.values()):
        return None
    return next((1.0 / n for n, name in enumerate(ranked[:k], 1) if grades.get(name, 0.0) > 0), 0.0)
