"""What must hold of the measured figures; each check says what it looked at and whether it held."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.special import bdtrc

from bench.decisions.cells import Cell
from bench.decisions.page import TABLE
from bench.statistics.power import power_not_met
from rung.stats.power import power_met

ALPHA = 0.05
SEPARATED = 0.04
TABLE_RUNS = 1_500  # the fewest runs behind a figure of that table


@dataclass(frozen=True)
class Check:
    """One claim: whether it held, and the figures behind it."""

    claim: str
    held: bool
    figures: str


def checks(
    curves: Sequence[Cell], worst: Sequence[Cell], published: Sequence[Cell], replays: Sequence[bool]
) -> Iterator[Check]:
    """Check everything that the figures are to show."""
    yield _at_most(curves, "false_tuning", "false 'fine-tune'")
    yield _at_most(curves, "wrong_met", "a rung at or below goal - tolerance called good enough")
    if worst:
        yield _at_most(worst, "false_tuning", "false 'fine-tune' in the worst cells")
        yield _at_most(worst, "wrong_met", "a wrong 'good enough' in the worst cells")
    yield from separated(curves)
    if published:
        yield agreement(published)
    if replays:
        yield Check(
            "end to end and in memory come to the same verdict, choices and calls",
            all(replays),
            f"{sum(replays)} of {len(replays)} climbs",
        )


def _at_most(cells: Sequence[Cell], what: str, words: str) -> Check:
    """At most 5 %: no cell is above it by more than chance allows (exact binomial, divided by the number of cells)."""
    top = max(cells, key=lambda c: getattr(c, what))
    beyond = [c for c in cells if _too_many(round(getattr(c, what) * c.climbs), c.climbs, ALPHA / len(cells))]
    where = f"{getattr(top, what):.1%} of {top.climbs:,} at most ({top.kind}, margin {top.margin:g}, n = {top.n})"
    mean = sum(getattr(c, what) for c in cells) / len(cells)
    return Check(f"{words}: at most 5 % in every cell", not beyond, f"{where}; {mean:.2%} on average")


def _too_many(count: int, n: int, level: float) -> bool:
    return count > 0 and float(bdtrc(count - 1, n, ALPHA)) < level


APART = ("small model by the cheaper alternative", "too few rows")  # not about the goal alone; of a tenth of the rows


def separated(curves: Sequence[Cell]) -> Iterator[Check]:
    """6 points below and 4 above the goal, n >= 400: right in at least 95 % on average, and no kind significantly below.

    Where tuning must win, the rule itself allows less at n = 400: it must show the best lower rung to miss and the tuned
    one to meet, so that the exact power of both bounds it.
    """
    kinds = [c for c in curves if c.margin == SEPARATED and c.n >= 400 and c.kind not in APART]
    for n in sorted({c.n for c in kinds}):
        of_size = [c for c in kinds if c.n == n]
        mean = sum(c.shares["right"] for c in of_size) / len(of_size)
        wrong = {c.kind: round((1 - c.shares["right"]) * c.climbs) for c in of_size}
        below = [c for c in of_size if _too_many(wrong[c.kind], c.climbs, ALPHA / len(of_size))]
        named = ", ".join(f"{c.kind} {c.shares['right']:.1%}" for c in of_size if c.shares["right"] < 0.95)
        met, missed = (
            f(p, n, 0.9, 0.02, 0.05, 5) for f, p in ((power_met, 0.9 + SEPARATED), (power_not_met, 0.9 - 0.06))
        )
        yield Check(
            f"well separated, n = {n:,}: right in at least 95 % on average, no kind significantly below",
            mean >= 0.95 and not below,
            f"{mean:.1%} over {len(of_size)} kinds{'; below 95 %: ' + named if named else ''}; exact power of 'meets' 4 points above "
            f"{met:.1%}, of 'not met' 6 points below {missed:.1%}",
        )


def agreement(published: Sequence[Cell]) -> Check:
    """The specification's table, whose alpha is divided equally: no figure is worse by more than three standard errors of the difference."""
    off, count = [], 0
    for (kind, what), row in TABLE.items():
        cells = sorted((c for c in published if c.kind == kind), key=lambda c: c.n)
        for c, expected in zip(cells, row, strict=True):
            got = {"wrong met": c.wrong_met, "false tuning": c.false_tuning}.get(what, c.shares.get(what, 0.0))
            p = (100 * got * c.climbs + expected * TABLE_RUNS) / (100 * (c.climbs + TABLE_RUNS))
            error = math.sqrt(max(p * (1 - p), 0.002) * (1 / c.climbs + 1 / TABLE_RUNS)) + 0.005  # it rounds to points
            count += 1
            worse = expected / 100 - got if what == "right" else got - expected / 100
            if worse > 3 * error:
                off.append(f"{kind}, {what}, n = {c.n}: {100 * got:.1f} against {expected}")
    said = f"{count - len(off)} of {count} figures, {published[0].climbs:,} climbs a cell"
    return Check("no worse than the design's table", not off, f"{said}{': off ' + '; '.join(off) if off else ''}")
