"""8.7: further test examples after a verdict that left the question open. python -m bench.decisions.looks [--climbs 4000].

A prompt (five candidates), examples (three) and passages, goal .9, nothing tuned, 50 dev and 160 test examples, of which as many again are added
wherever no approach meets the goal. Ways: one look alone; a free second look at all examples; alpha shared by the looks (`kept`), all examples
decide at the second, by the exact boundary of both looks or by the union bound; half or thrice as many added wherever the first look leaves the
most or the least to decide; no alpha kept, and the added examples alone decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.decisions.kept import keep
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper, summarise
from rung.stats.sequential import second_level
from rung.stats.wealth import share, weight

GOAL, TOLERANCE, ALPHA, DEV, TEST = 0.9, 0.02, 0.05, 50, 160
Pair = tuple[int, int]  # hits and examples


@dataclass(frozen=True)
class Way:
    """What the looks may spend of alpha, and what decides at the second: all examples or the added ones; by the exact boundary of both looks or not."""

    first: float
    second: float | None = None  # None: there is none
    together: bool = True
    exact: bool = False
    chosen: bool = False  # half as many are added where the first look was near, thrice as many where it was far


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield what a climb says at its end, by truth and way; at .88, the edge, every *meets* is wrong, and at .90 every *misses*."""
    ways = {
        "one look": Way(1.0),
        "first look, kept 0.2": Way(0.8),
        "first look, kept 0.5": Way(0.5),
        "free second look": Way(1.0, 1.0),
        "kept 0.2, union bound": Way(0.8, 0.2),
        "kept 0.5, union bound": Way(0.5, 0.5),
        "kept 0.2": Way(0.8, 0.2, exact=True),
        "kept 0.5": Way(0.5, 0.5, exact=True),
        "kept 0.2, size by the first look": Way(0.8, 0.2, exact=True, chosen=True),
        "added alone": Way(1.0, 1.0, together=False),
    }
    for truth in (0.88, 0.90, 0.92, 0.93, 0.95):
        for name, way in ways.items():
            said = [_climb(truth, way, seed) for seed in range(climbs)]
            yield {"truth": f"{truth:.2f}", "way": name, "climbs": climbs} | {
                what: round(said.count(what) / climbs, 4) for what in ("meets", "misses", "inconclusive")
            }


def _climb(truth: float, way: Way, seed: int) -> str:
    """Return what one climb says."""
    draw = np.random.default_rng([seed, round(1000 * truth)])
    low = truth if truth <= GOAL else truth - 0.03
    rates = [[truth] + [low] * 4, [truth] + [low] * 2, [truth]]
    dev, chosen = [], []
    for each in rates:
        seen = draw.binomial(DEV, each)
        dev.append(int(seen.max()))
        chosen.append(each[int(seen.argmax())])
    first = [int(draw.binomial(TEST, rate)) for rate in chosen]
    levels = _levels(tuple(dev), way.first * ALPHA)
    said = _said([(k, TEST) for k in first], levels, way.first * ALPHA)
    if said == "meets" or way.second is None:
        return said
    added = TEST if not way.chosen else TEST // 2 if max(first) >= 0.9 * TEST else 3 * TEST
    further = [int(draw.binomial(added, rate)) for rate in chosen]
    left = [level * way.second / way.first for level in levels]
    if way.exact:
        left = [_exact(k, added, a, a + b) for k, a, b in zip(first, levels, left, strict=True)]
    both = [(a + b, TEST + added) if way.together else (b, added) for a, b in zip(first, further, strict=True)]
    return _said(both, left, way.second * ALPHA)


def _said(results: Sequence[Pair], levels: Sequence[float], alpha: float) -> str:
    misses = []
    for (k, n), level in zip(results, levels, strict=True):
        if clopper_pearson_lower(k, n, level) >= GOAL - TOLERANCE:
            return "meets"
        misses.append(clopper_pearson_upper(k, n, alpha) < GOAL)
    return "misses" if all(misses) else "inconclusive"


@lru_cache
def _levels(dev: tuple[int, ...], alpha: float) -> list[float]:
    levels: list[float] = []
    for at, seen in enumerate(dev):
        levels.append(share(alpha - sum(levels), _weight(seen), len(dev) - 1 - at))
    return levels


_exact = lru_cache(maxsize=None)(
    lambda k, added, spent, both: second_level(k, TEST, added, GOAL - TOLERANCE, spent, both)
)


@lru_cache
def _weight(hits: int) -> float:
    return weight(summarise([1.0] * hits + [0.0] * (DEV - hits)), GOAL - TOLERANCE)


if __name__ == "__main__":
    keep("looks", __doc__, 4000, cells)
