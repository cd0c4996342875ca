"""Cells of the operating curves: many climbs of one world at one size, counted; on as many processes as asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from bench.decisions.simulate import climbs
from bench.decisions.worlds import MARGINS, SIZES, Rung, World, worlds
from bench.statistics import ladders

WHATS = ("right", "too far", "too early", "inconclusive")
LABELS = ("baseline", "prompt", "examples", "passages", "tuned")


@dataclass(frozen=True)
class Cell:
    """One world at one size, and what its climbs came to. Shares of `climbs`, but for `leans`."""

    kind: str
    margin: float
    n: int
    climbs: int
    shares: dict[str, float]  # WHATS
    leans: dict[str, float]  # right, lower, higher: shares of all climbs that are inconclusive and lean there
    false_tuning: float
    wrong_met: float
    chosen_best: float
    calls: float  # mean calls of a climb
    share_of_calls: float  # of asking every candidate for every row


def cell(world: World, n: int, seeds: Sequence[int]) -> Cell:
    """Climb one cell."""
    seen = climbs(world, n, seeds)
    what, tentative_pick = Counter(s.what for s in seen), Counter(s.tentative_pick for s in seen if s.tentative_pick)
    return Cell(
        kind=world.kind,
        margin=world.margin,
        n=n,
        climbs=len(seen),
        shares={name: what[name] / len(seen) for name in WHATS},
        leans={name: tentative_pick[name] / len(seen) for name in ("right", "lower", "higher")},
        false_tuning=_mean([s.false_tuning for s in seen]),
        wrong_met=_mean([s.wrong_met for s in seen]),
        chosen_best=_mean([s.chosen_best for s in seen]),
        calls=_mean([s.calls for s in seen]),
        share_of_calls=_mean([s.calls for s in seen]) / _mean([s.every_call for s in seen]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def merged(a: Sequence[Cell], b: Sequence[Cell]) -> list[Cell]:
    """Return the cells of two runs over different seeds as one."""
    return [_merge(x, y) for x, y in zip(a, b, strict=True)] if a else list(b)


def _merge(a: Cell, b: Cell) -> Cell:
    total = a.climbs + b.climbs

    def mean(x: float, y: float) -> float:
        return (x * a.climbs + y * b.climbs) / total

    fields = ("false_tuning", "wrong_met", "chosen_best", "calls", "share_of_calls")
    return replace(
        a,
        climbs=total,
        shares={k: mean(v, b.shares[k]) for k, v in a.shares.items()},
        leans={k: mean(v, b.leans[k]) for k, v in a.leans.items()},
        **{name: mean(getattr(a, name), getattr(b, name)) for name in fields},
    )


def curves(seeds: Sequence[int], processes: int, sizes: Sequence[int] = SIZES) -> list[Cell]:
    """Return all cells: every kind at every margin and size."""
    jobs = [(world, n, seeds) for margin in MARGINS for n in sizes for world in worlds(margin)]
    return _all(jobs, processes)


def worst(seeds: Sequence[int], processes: int) -> list[Cell]:
    """Return the cells in which wrong claims are most likely, with more climbs: margin 0."""
    kinds = ("private knowledge", "convention shown by examples", "noise-capped", "too few rows to tune")
    return _all([(w, n, seeds) for w in worlds(0.0) if w.kind in kinds for n in (200, 400, 1000)], processes)


def specified() -> list[tuple[World, int]]:
    """Return the worlds and sizes of the specification's table, one candidate a rung."""
    found = []
    for known in ladders.WORLDS:
        kinds = ("no model", "asking", "asking", "asking", "tuned")
        ladder = tuple(Rung(*made) for made in zip(LABELS, ({"one": r} for r in known.rates), kinds, strict=True))
        right = ("none",) if known.right is None else (LABELS[known.right],)
        found += [(World(known.name, 0.0, ladder, right), n) for n in ladders.SIZES]
    return found


def published(seeds: Sequence[int], processes: int) -> list[Cell]:
    """Return the cells of the specification's table."""
    return _all([(world, n, seeds) for world, n in specified()], processes)


def _all(jobs: Sequence[tuple[World, int, Sequence[int]]], processes: int) -> list[Cell]:
    if processes == 1:
        return [cell(*job) for job in jobs]
    order = sorted(range(len(jobs)), key=lambda i: -jobs[i][1] * len(jobs[i][2]))  # the long ones first
    with ProcessPoolExecutor(processes) as pool:
        futures = {i: pool.submit(cell, *jobs[i]) for i in order}
        return [futures[i].result() for i in range(len(jobs))]
