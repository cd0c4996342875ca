"""Whole climbs under the three-way rule: how often the verdict is right, too far, inconclusive or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.statistics.power import rows_for_not_met
from bench.statistics.rows import FloatArray, ladder_rows
from bench.statistics.table import Table, percent, run_script
from rung.stats.distribution import at_least, beta_above
from rung.stats.power import (
    hits_for_met,
    hits_for_not_met,
    power_met,
    rows_for_met,
    tolerance_carried,
)

GOAL, TOLERANCE, ALPHA, RUNGS = 0.9, 0.02, 0.05, 5
TUNED = RUNGS - 1  # baseline, prompt, few-shot, retrieval, tuned: only the last one trains
SIZES = (200, 400, 1000)


@dataclass(frozen=True)
class World:
    """True rates of the five rungs, and the rung that a perfect climb names (None: exhausted)."""

    name: str
    rates: tuple[float, ...]
    right: int | None


WORLDS = (
    World("prompt at +0.03", (0.60, 0.93, 0.935, 0.935, 0.95), 1),
    World("prompt at +0.01", (0.60, 0.91, 0.914, 0.914, 0.95), 1),
    World("only tuning reaches it (0.94)", (0.55, 0.70, 0.78, 0.82, 0.94), 4),
    World("nothing reaches it", (0.55, 0.70, 0.78, 0.82, 0.84), None),
    World("near miss: best cheap rung at g - 0.03", (0.60, 0.82, 0.85, 0.87, 0.94), 4),
    World("every rung at g - t: wrong met", (0.88,) * 5, None),
    World("retrieval at goal, tuned 0.97: false fine-tune", (0.60, 0.75, 0.80, 0.90, 0.97), 3),
)


def climbs(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return winner and tentative pick of each run, from scores [runs, rungs, n]. Winner: rung, -1 inconclusive, -2 exhausted.

    Lean: the lowest rung with P >= 0.8 in an inconclusive climb, -1 where none. The tuned rung runs only when all below are
    *not met*, and wins only with a significant paired gain of at least 0.02 over the best of them.
    """
    n = scores.shape[2]
    hits = scores.sum(axis=2).astype(int)
    met = hits >= int(hits_for_met(n, GOAL, TOLERANCE, ALPHA, RUNGS)[0])
    misses = ~met & (hits <= int(hits_for_not_met(n, GOAL, ALPHA)[0]))
    below, tuned = scores[:, :TUNED], scores[:, TUNED]
    best = below[np.arange(len(scores)), hits[:, :TUNED].argmax(axis=1)]
    wins, losses = ((tuned > best).sum(axis=1), (tuned < best).sum(axis=1))
    p = np.minimum(1.0, 2.0 * at_least(np.maximum(wins, losses), wins + losses, 0.5))
    gained = (p < ALPHA) & ((wins - losses) / n >= TOLERANCE)
    first = np.where(met[:, :TUNED].any(axis=1), met[:, :TUNED].argmax(axis=1), -1)
    opened = misses[:, :TUNED].all(axis=1)
    winner = np.where(first >= 0, first, np.where(opened & met[:, TUNED] & gained, TUNED, -1))
    winner = np.where((first < 0) & opened & misses[:, TUNED], -2, winner)
    good = np.array([beta_above(k + 0.5, n - k + 0.5, GOAL - TOLERANCE) for k in range(n + 1)]) >= 0.8
    seen = np.concatenate([np.ones((len(scores), TUNED), bool), opened[:, None]], axis=1)
    leaning = good[hits] & seen
    tentative_pick = np.where((winner == -1) & leaning.any(axis=1), leaning.argmax(axis=1), -1)
    return winner, tentative_pick


def worlds(runs: int) -> Table:
    """Simulate the worlds of the specification."""
    rng = np.random.default_rng(20)
    lines = []
    for world in WORLDS:
        for n in SIZES:
            parts = [climbs(ladder_rows(rng, world.rates, n, size)) for size in _batches(runs, n)]
            winner, tentative_pick = (np.concatenate(x) for x in zip(*parts, strict=True))
            right = winner == (-2 if world.right is None else world.right)
            bad = [k for k, rate in enumerate(world.rates) if rate < GOAL - TOLERANCE + 1e-9]
            wrong = np.isin(winner, bad)
            if world.right == 3:
                wrong |= winner == TUNED  # retrieval is at the goal: tuning is not called for
            higher = (winner >= 0) & ~right & ~wrong
            misled = np.isin(tentative_pick, bad)
            inconclusive = np.mean(winner == -1)
            shares = (
                right.mean(),
                higher.mean(),
                inconclusive,
                wrong.mean(),
                np.mean(tentative_pick >= 0),
                misled.mean(),
            )
            lines.append((world.name, n, *(percent(float(x)) for x in shares)))
    return Table(
        "Climbs, g = 0.9, t = 0.02, K = 5",
        ("world", "n", "right %", "good but too high %", "inconclusive %", "wrong %", "leans %", "leans wrongly %"),
        tuple(lines),
        runs,
        "Wrong: a rung at or below g - t is called met, or tuning is called for above a rung that is at the goal. Leans wrongly: "
        "an inconclusive climb leans to a rung at or below g - t. All shares are of all climbs.",
    )


def _batches(runs: int, n: int) -> list[int]:
    most = max(1, 4_000_000 // (n * RUNGS))
    return [most] * (runs // most) + ([runs % most] if runs % most else [])


def sizes() -> Table:
    """Rows for 80 % power, exact."""
    lines = [
        (f"met, truth {truth:.2f}", rows_for_met(truth, GOAL, TOLERANCE, ALPHA, RUNGS)) for truth in (0.90, 0.92, 0.93)
    ]
    lines += [
        (f"not met, truth {truth:.2f}", rows_for_not_met(truth, GOAL, TOLERANCE, ALPHA, RUNGS))
        for truth in (0.87, 0.85, 0.80)
    ]
    return Table("Rows for 80 % power at g = 0.9, t = 0.02, K = 5", ("answer", "rows"), tuple(lines))


def tolerances() -> Table:
    """The tolerance that the rows can carry, exact."""
    lines = []
    for n in (100, 200, 400, 1000, 3000):
        row = [tolerance_carried(n, goal, ALPHA, RUNGS, margin) for goal in (0.8, 0.9, 0.95) for margin in (0.0, 0.02)]
        lines.append((n, *row))
    columns = (
        "n",
        "g .80, truth g",
        "truth g + .02",
        "g .90, truth g",
        "truth g + .02",
        "g .95, truth g",
        "truth g + .02",
    )
    return Table("Tolerance that n rows can carry (80 % power for met)", columns, tuple(lines))


def why_not_the_bound() -> Table:
    """What "lower bound >= goal" would ask for: the true rate that passes with 80 % probability."""
    grid = np.arange(0.8, 0.9996, 0.0005)
    lines = []
    for goal in (0.9, 0.95):
        row: list[float | None] = []
        for n in SIZES:
            passing = [p for p in grid if power_met(float(p), n, goal, 0.0, ALPHA, 1) >= 0.8]
            row.append(round(float(passing[0]), 4) if passing else None)
        lines.append((f"goal {goal}", *row))
    return Table(
        "True rate that passes 'lower 95 % bound >= goal' with 80 % probability", ("", *map(str, SIZES)), tuple(lines)
    )


def tables(quick: bool) -> list[Table]:
    """Return all tables of this script."""
    return [worlds(1500 if quick else 20_000), sizes(), tolerances(), why_not_the_bound()]


if __name__ == "__main__":
    run_script("ladders", tables)
