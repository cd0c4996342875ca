"""Calls to a verdict: racing on dev and curtailment on test against every candidate on every row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.statistics.ladders import ALPHA, GOAL, TOLERANCE
from bench.statistics.rows import FloatArray, ladder_rows
from bench.statistics.table import Table, percent, run_script
from rung.stats.racing import Round, halving, survivors
from rung.stats.sequential import Curtailment

MODEL_RUNGS = 4
Verdict = tuple[str, int]


def world(rng: np.random.Generator, candidates: int, separated: bool) -> FloatArray:
    """Return true rates [rung, candidate]: rungs rise by up to 4 points each, candidates spread by 2 points (sd).

    Separated: levels from .70, .76, .82, .95, .97 and a spread of 1 point, so that no rung is near the goal.
    """
    if separated:
        levels = np.sort(rng.choice([0.70, 0.76, 0.82, 0.95, 0.97], MODEL_RUNGS, replace=False))
    else:
        levels = np.cumsum(np.concatenate([[rng.uniform(0.72, 0.92)], rng.uniform(0.0, 0.04, MODEL_RUNGS - 1)]))
    spread = 0.01 if separated else 0.02
    return np.clip(levels[:, None] + spread * rng.standard_normal((MODEL_RUNGS, candidates)), 0.3, 0.985)


def verdict(status: Callable[[int], str]) -> Verdict:
    """Climb: the first rung that is met, else exhausted when all are not met, else inconclusive."""
    inconclusive = False
    for rung in range(MODEL_RUNGS):
        answer = status(rung)
        if answer == "meets":
            return ("meets", rung)
        inconclusive |= answer == "inconclusive"
    return ("inconclusive" if inconclusive else "misses", -1)


def race(dev: FloatArray, rounds: Sequence[Round]) -> tuple[int, int]:
    """Race candidates [candidate, row] and return the winner and the calls made."""
    left, seen, calls = list(range(len(dev))), 0, 0
    for step in rounds:
        calls += len(left) * (step.rows - seen)
        seen = step.rows
        left = [int(name) for name in survivors({str(c): dev[c, :seen] for c in left}, step.keep)]
    return left[0], calls


def compare(
    candidates: int, dev: int, test: int, separated: bool, runs: int, last: int | None = None
) -> tuple[float, ...]:
    """Return same verdict, agreement of a full evaluation with itself on fresh rows, and the share of calls.

    `last`: rows on which the last two candidates meet (default: all dev rows; then the winner goes on alone).
    """
    rng = np.random.default_rng(71)
    rule = Curtailment(test, GOAL, TOLERANCE, ALPHA, MODEL_RUNGS + 1)
    n, rounds = dev + test, halving(candidates, dev if last is None else last)
    same = fresh = 0
    calls = 0
    for _ in range(runs):
        rates = world(rng, candidates, separated)
        rows = ladder_rows(rng, tuple(rates.ravel()), 2 * n, 1)[0].reshape(MODEL_RUNGS, candidates, -1)

        def everything(start: int, rows: FloatArray = rows) -> Verdict:
            best = rows[:, :, start : start + dev].sum(axis=2).argmax(axis=1)
            return verdict(lambda k: rule.verdict(int(rows[k, best[k], start + dev : start + n].sum())))

        def raced(k: int, rows: FloatArray = rows) -> str:
            nonlocal calls
            winner, spent = race(rows[k, :, :dev], rounds)
            calls += spent + dev - rounds[-1].rows
            hits = np.cumsum(rows[k, winner, dev:n])
            for seen in rule.looks:
                answer = rule.decide(int(hits[seen - 1]), seen)
                if answer is not None:
                    break
            calls += seen
            return str(answer)

        reference = everything(0)
        fresh += everything(n) == reference
        same += verdict(raced) == reference
    return same / runs, fresh / runs, calls / (runs * MODEL_RUNGS * candidates * n)


def tables(quick: bool) -> list[Table]:
    """Return all tables of this script."""
    runs = 60 if quick else 1_000
    lines = []
    for separated in (False, True):
        for candidates, dev, test in ((4, 150, 400), (6, 150, 400), (8, 150, 400), (8, 375, 1000)):
            for last in (None, 30):
                same, fresh, share = compare(candidates, dev, test, separated, runs if test < 1000 else runs // 2, last)
                where = "separated" if separated else "near"
                duel = "all dev rows" if last is None else f"{last} rows"
                lines.append(
                    (where, candidates, f"{dev} / {test}", duel, percent(same), round(share, 3), percent(fresh))
                )
    columns = (
        "worlds",
        "candidates a rung",
        "dev / test",
        "last duel on",
        "same verdict %",
        "share of calls",
        "full against fresh full %",
    )
    note = (
        "Share of calls: of every candidate on every dev and test row. Cells with 1,000 test rows have half the runs."
    )
    return [Table("Racing and curtailment against evaluating everything", columns, tuple(lines), runs, note)]


if __name__ == "__main__":
    run_script("races", tables)
