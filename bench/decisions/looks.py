"""8.7: further test examples after a verdict that left the question open. python -m bench.decisions.looks [--climbs 4000].

A prompt (five candidates), examples (three) and passages, goal .9, nothing tuned, 50 dev and 160 test examples, of which as many again are added
wherever no approach meets the goal. Ways: one look alone; a free second look at all examples; alpha shared by the looks (`kept`), all examples
decide at the second; no alpha kept, and the added examples alone decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from bench.decisions.kept import keep
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper, summarise
from rung.stats.wealth import share, weight

GOAL, TOLERANCE, ALPHA, DEV, TEST = 0.9, 0.02, 0.05, 50, 160
Pair = tuple[int, int]  # hits and examples


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield what a climb says at its end, by truth and way; at .88, the edge, every *meets* is wrong, and at .90 every *misses*."""
    ways = {
        "one look": (1.0, None, True),
        "first look, kept 0.2": (0.8, None, True),
        "first look, kept 0.5": (0.5, None, True),
        "free second look": (1.0, 1.0, True),
        "kept 0.2": (0.8, 0.2, True),
        "kept 0.5": (0.5, 0.5, True),
        "added alone": (1.0, 1.0, False),
    }
    for truth in (0.88, 0.90, 0.92, 0.93, 0.95):
        for way, (first, second, together) in ways.items():
            said = [_climb(truth, first, second, together, seed) for seed in range(climbs)]
            yield {"truth": f"{truth:.2f}", "way": way, "climbs": climbs} | {
                what: round(said.count(what) / climbs, 4) for what in ("meets", "misses", "inconclusive")
            }


def _climb(truth: float, first: float, second: float | None, together: bool, seed: int) -> str:
    """Return what one climb says."""
    draw = np.random.default_rng([seed, round(1000 * truth)])
    low = truth if truth <= GOAL else truth - 0.03
    rates = [[truth] + [low] * 4, [truth] + [low] * 2, [truth]]
    dev, chosen = [], []
    for each in rates:
        seen = draw.binomial(DEV, each)
        dev.append(int(seen.max()))
        chosen.append(each[int(seen.argmax())])
    looks = [[int(draw.binomial(TEST, rate)) for rate in chosen] for _ in range(2)]
    said = _said([(k, TEST) for k in looks[0]], dev, first * ALPHA)
    if said == "meets" or second is None:
        return said
    added = [(a + b, 2 * TEST) if together else (b, TEST) for a, b in zip(*looks, strict=True)]
    return _said(added, dev, second * ALPHA)


def _said(results: Sequence[Pair], dev: Sequence[int], alpha: float) -> str:
    wealth, misses = alpha, []
    for at, ((k, n), seen) in enumerate(zip(results, dev, strict=True)):
        level = share(wealth, _weight(seen), len(results) - 1 - at)
        wealth -= level
        if clopper_pearson_lower(k, n, level) >= GOAL - TOLERANCE:
            return "meets"
        misses.append(clopper_pearson_upper(k, n, alpha) < GOAL)
    return "misses" if all(misses) else "inconclusive"


@lru_cache
def _weight(hits: int) -> float:
    return weight(summarise([1.0] * hits + [0.0] * (DEV - hits)), GOAL - TOLERANCE)


if __name__ == "__main__":
    keep("looks", __doc__, 4000, cells)
