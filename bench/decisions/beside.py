"""As good as what runs now: climbs through the ladder's own code whose goal is a step of it, and by the score of that step as a number.

python -m bench.decisions.beside [--climbs 200]
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from bench.decisions.kept import keep
from bench.decisions.memory import climb, config_of, label_of, let_in, named_rows, remembering
from bench.decisions.simulate import draw
from bench.decisions.worlds import Rung, World
from rung.config import Config

NOW = 0.9  # the true quality of what runs now
SPREAD = 0.02  # by which other candidates of an approach are worse than its best
MARGINS = (0.05,)
DEV = 0.2 / 0.7  # dev examples for each test example, as where nothing is tuned


def world(below: float, above: float, *, dear: bool = False) -> World:
    """Return what runs now, a prompt of three candidates at `below` of it and examples at `above` of it, both cheaper, or `dear`."""
    price = 9.0 if dear else 0.2
    prompt = {"as-is": NOW + below, "a": NOW + below - SPREAD, "b": NOW + below - SPREAD}
    ladder = (
        Rung("now", {"as-is": NOW}, tokens=4.0),
        Rung("prompt", prompt, tokens=price),
        Rung("examples", {"k=1": NOW + above - SPREAD, "k=3": NOW + above}, knee=True, tokens=2 * price),
    )
    return World(f"prompt {below:+g}, examples {above:+g}{', dearer' if dear else ''}", 0.0, ladder, ())


def cases(margin: float) -> Iterator[tuple[World, str]]:
    """Yield worlds, and what is right to name in each: an approach, or none."""
    yield world(0.0, 0.0), "made-prompt"
    yield world(-0.1, 0.02), "made-examples"
    yield world(-0.1, -0.1), ""
    yield world(-margin, -margin), ""  # the worst case: just too bad
    yield world(0.0, 0.0, dear=True), ""


def _beside(config: Config, margin: float) -> Config:
    plain = config.model_dump()
    return Config.model_validate(
        {**plain, "task": {**plain["task"], "goal": {"as_good_as": "made-now", "margin": margin}}}
    )


def _as_number(config: Config, margin: float, score: float) -> Config:
    """Return what was there before: the score of what runs now, seen on these very test examples, as the goal."""
    plain = config.model_dump()
    task = {**plain["task"], "goal": min(score, 0.999), "tolerance": margin}
    return Config.model_validate(
        {**plain, "task": task, "ladder": [s for s in plain["ladder"] if s["rung"] != "made-now"]}
    )


def outcomes(which: World, right: str, n: int, margin: float, rule: str, climbs: int) -> dict[str, float]:
    """Climb so often; return the shares of climbs that name what is right, name what is too bad or saves nothing, and are inconclusive."""
    let_in()
    dev_rows, test_rows = named_rows("d", round(DEV * n)), named_rows("t", n)
    names = [e.id for e in (*dev_rows, *test_rows)]
    counts = dict.fromkeys(("right", "wrong", "inconclusive"), 0)
    config = config_of(which, stop_early=False)
    allowed = {label_of(r): max(r.rates.values()) > NOW - margin + 1e-9 for r in which.ladder}

    async def one(seed: int) -> None:
        drawn = draw(which, len(names), np.random.default_rng([seed, n, round(100 * margin), *which.kind.encode()]))
        rights: Mapping[tuple[str, str], Mapping[str, bool]] = {
            key: dict(zip(names, row.tolist(), strict=True)) for key, row in drawn.items()
        }
        seen = float(np.mean(drawn["made-now", "as-is"][len(dev_rows) :]))
        asked = _beside(config, margin) if rule == "paired" else _as_number(config, margin, seen)
        found = await climb(which, asked, rights, (dev_rows, test_rows), 20)
        winner = found.verdict.winner or ""
        counts["right"] += winner == right and found.verdict.decision != "inconclusive"
        counts["wrong"] += bool(winner) and (not allowed[winner] or "dearer" in which.kind)
        counts["inconclusive"] += found.verdict.decision == "inconclusive"

    async def every() -> None:
        for seed in range(climbs):
            await one(seed)

    with remembering():
        asyncio.run(every())
    return {what: count / climbs for what, count in counts.items()}


def figures(climbs: int, sizes: tuple[int, ...] = (200, 400)) -> Iterator[dict[str, object]]:
    """Yield a line for each world, margin, number of test examples and rule."""
    for margin in MARGINS:
        for which, right in cases(margin):
            for n in sizes:
                for rule in ("score as the goal", "paired"):
                    found = outcomes(replace(which), right, n, margin, rule, climbs)
                    yield {"world": which.kind, "margin": margin, "n": n, "rule": rule, "climbs": climbs, **found}


if __name__ == "__main__":
    keep("beside", __doc__, 200, figures)
