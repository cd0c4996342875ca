"""`objective: frontier` through the ladder's own code: how often any approach wrongly meets the goal, or equals seem to differ, when all are measured.

python -m bench.decisions.frontier [--climbs 200]
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.decisions.beside import DEV
from bench.decisions.kept import keep
from bench.decisions.memory import climb, config_of, let_in, named_rows, remembering
from bench.decisions.simulate import draw
from bench.decisions.worlds import ALPHA, GOAL, TOLERANCE, Rung, World


def equals(rate: float) -> World:
    """Return five approaches of one quality at rising cost, the first without a model."""
    ladder = (
        Rung("baseline", {"linear": rate}, "no model", tokens=0.0),
        Rung("now", {"as-is": rate}),
        Rung("prompt", {"as-is": rate, "a": rate, "b": rate}, tokens=0.4),
        Rung("examples", {"k=1": rate, "k=3": rate}, knee=True, tokens=0.8),
        Rung("passages", {"k=4": rate}, tokens=1.5),
    )
    return World(f"five at {rate:g}", 0.0, ladder, ())


def outcomes(which: World, n: int, objective: str, climbs: int) -> dict[str, float]:
    """Climb so often; return the shares of climbs that say *meets* of any approach, and *better* or *worse* of any pair."""
    let_in()
    dev_rows, test_rows = named_rows("d", round(DEV * n)), named_rows("t", n)
    names = [e.id for e in (*dev_rows, *test_rows)]
    config = config_of(replace(which, objective=objective), stop_early=False)
    counts = {"meets": 0, "differ": 0, "calls": 0}

    async def one(seed: int) -> None:
        drawn = draw(which, len(names), np.random.default_rng([seed, n, *which.kind.encode()]))
        rights = {key: dict(zip(names, row.tolist(), strict=True)) for key, row in drawn.items()}
        found = await climb(which, config, rights, (dev_rows, test_rows), 20)
        said = [reason.claim for reason in found.verdict.reasons]
        counts["meets"] += any(" meets the goal: " in claim for claim in said)
        counts["differ"] += any("is significantly" in claim for claim in said)
        counts["calls"] += found.calls

    async def every() -> None:
        for seed in range(climbs):
            await one(seed)

    with remembering():
        asyncio.run(every())
    return {what: count / climbs for what, count in counts.items()}


def figures(climbs: int) -> Iterator[dict[str, object]]:
    """Yield a line for each quality, number of test examples and objective."""
    for rate in (GOAL - TOLERANCE, GOAL + 2 * TOLERANCE):
        for n in (200, 400):
            for objective in ("good_enough", "frontier"):
                found = outcomes(equals(rate), n, objective, climbs)
                yield {
                    "world": equals(rate).kind,
                    "n": n,
                    "objective": objective,
                    "alpha": ALPHA,
                    "climbs": climbs,
                    **found,
                }


if __name__ == "__main__":
    keep("frontier", __doc__, 200, figures)
