"""Choosing among the candidates of one rung on dev with few calls: successive halving on shared rows. No I/O.

The same rows, in the same order, are asked of every candidate still in the race, so all comparisons are paired
(Karnin, Koren and Somekh 2013; Jamieson and Talwalkar 2016 for successive halving; Maron and Moore 1994 for races).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rung.stats.distribution import normal_quantile

FEWEST_ROWS = 20  # a first round below this decides by luck
CLEARLY_WORSE = 0.01  # one-sided error of dropping a candidate ahead of schedule


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a race: every candidate left is asked the first `rows` dev rows, then at most `keep` stay."""

    rows: int
    keep: int


def halving(candidates: int, rows: int, eta: float = 2.0, first: int | None = None) -> tuple[Round, ...]:
    """Return the rounds of a race among `candidates` over `rows` dev rows.

    Each round keeps about 1 / eta of the candidates (at least one) and then multiplies the rows seen by about eta, so that
    rounds cost alike; the last round sees all rows and keeps one, since the winner's dev rows are what the diagnosis
    reads. `first`: rows of the first round; default rows / eta^(rounds - 1), at least 20.
    Two candidates get a look at half of the rows, where one that is clearly worse may go.
    """
    if candidates < 1 or rows < 1:
        raise ValueError(f"{candidates} candidates over {rows} dev examples is no race; both must be at least 1")
    if eta <= 1.0:
        raise ValueError(f"eta is {eta}; it must be above 1: the factor by which candidates become fewer")
    if candidates == 2 and rows >= 2 * FEWEST_ROWS:
        return (Round(first or math.ceil(rows / 2), 2), Round(rows, 1))
    keeps = [candidates]
    while keeps[-1] > 1:
        keeps.append(max(1, math.ceil(keeps[-1] / eta) if keeps[-1] > 2 else 1))
    eliminations = keeps[1:] or [1]
    count = len(eliminations)
    start = first if first is not None else math.ceil(rows / eta ** (count - 1))
    start = min(rows, max(start, min(FEWEST_ROWS, rows)))
    growth = (rows / start) ** (1.0 / (count - 1)) if count > 1 else 1.0
    seen = [min(rows, round(start * growth**i)) for i in range(count - 1)] + [rows]
    return tuple(Round(r, k) for r, k in zip(seen, eliminations, strict=True))


def survivors(scores: Mapping[str, Sequence[float]], keep: int) -> tuple[str, ...]:
    """Return the names that stay in the race, best first: at most `keep`, fewer where some are clearly worse.

    `scores`: name -> scores in [0, 1] on the same rows, in the order in which candidates were proposed; the earlier one
    wins a tie, so that the user's own prompt is only replaced by something better. Clearly worse: the paired
    difference to the leader is below zero by more than the normal quantile of 0.01 times its standard error
    (n - 1 in the variance, one added loss and win each), on at least 20 rows.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least one candidate must stay")
    lengths = {len(s) for s in scores.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"candidates have {sorted(lengths)} scored examples; a race compares the same examples, at least one"
        )
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    order = sorted(scores, key=lambda name: -means[name])  # stable: proposal order breaks ties
    leader = np.asarray(scores[order[0]], dtype=float)
    kept = [order[0]] + [name for name in order[1:keep] if not _clearly_worse(np.asarray(scores[name], float), leader)]
    return tuple(kept)


def _clearly_worse(
    challenger: np.ndarray[tuple[int], np.dtype[np.float64]], leader: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> bool:
    diff = challenger - leader
    n = diff.size
    if n < FEWEST_ROWS:
        return False
    smoothed = np.append(diff, [1.0, -1.0])  # keeps the standard error above zero when all rows agree
    error = math.sqrt(float(smoothed.var(ddof=1)) / n)
    return float(diff.mean()) < normal_quantile(CLEARLY_WORSE) * error


def calls(rounds: Sequence[Round], candidates: int) -> int:
    """Return the most (candidate, row) calls that a race costs: no row is asked twice of the same candidate."""
    total, left, seen = 0, candidates, 0
    for step in rounds:
        total += left * (step.rows - seen)
        left, seen = min(left, step.keep), step.rows
    return total
