"""Many climbs of one world in memory, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.decisions.memory import Climbed, climb, config_of, every_call, label_of, let_in, named_rows, remembering
from bench.decisions.worlds import NO_RUNG, WITHIN, World
from rung.config import Config

DEV_SHARE, TRAIN_SHARE = (
    0.15 / 0.4,
    0.45 / 0.4,
)  # rows of dev and train for each test row: the split where an approach is tuned
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What one climb said, sorted by what is true of the world."""

    what: str  # right, too far, too early, inconclusive
    tentative_pick: str  # "", right, lower, higher: of inconclusive climbs
    false_tuning: bool  # tuning is named although a lower rung is good, or although it is not good itself
    wrong_met: bool  # a rung at or below goal - tolerance is called good enough
    chosen_best: bool  # the right rung chose its best candidate
    calls: int
    every_call: int


def draw(world: World, rows: int, rng: np.random.Generator) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return who is right on which row: Gaussian copula over rungs and candidates, exact marginal rates."""
    return {key: hidden < ndtri(rate) for key, rate, hidden in hidden_levels(world, rows, rng)}


def hidden_levels(world: World, rows: int, rng: np.random.Generator) -> Iterator[tuple[tuple[str, str], float, Matrix]]:
    """Yield of each candidate its rung's label and its name, its rate, and how hard it finds each row: right below the rate's quantile."""
    within = WITHIN if world.latent <= 1 - WITHIN else 1 - world.latent
    common = rng.standard_normal(rows) * np.sqrt(world.latent)
    own = np.sqrt(max(0.0, 1.0 - world.latent - within))
    for rung in world.ladder:
        level = common + rng.standard_normal(rows) * np.sqrt(within)
        for name, rate in rung.rates.items():
            yield (label_of(rung), name), rate, level + own * rng.standard_normal(rows)


@lru_cache(maxsize=64)
def _config(world_key: tuple[str, float, int]) -> Config:
    return config_of(_WORLDS[world_key[0], world_key[1]], split={"seed": world_key[2]})


_WORLDS: dict[tuple[str, float], World] = {}


def climbs(world: World, n: int, seeds: Sequence[int]) -> list[Seen]:
    """Climb with `n` nominal test rows, once a seed."""
    let_in()
    test = max(10, round(world.test_share * n))
    dev, train = max(8, round(DEV_SHARE * test)), round(TRAIN_SHARE * test)
    _WORLDS[world.kind, world.margin] = world
    config = _config((world.kind, world.margin, 7))
    dev_rows, test_rows = named_rows("d", dev), named_rows("t", test)
    names = [e.id for e in (*dev_rows, *test_rows)]

    async def one(seed: int) -> Seen:
        rng = np.random.default_rng([seed, n, round(1000 * world.margin), *world.kind.encode()])
        drawn = draw(world, dev + test, rng)
        rights: Mapping[tuple[str, str], Mapping[str, bool]] = {
            key: dict(zip(names, row.tolist(), strict=True)) for key, row in drawn.items()
        }
        climbed = await climb(world, config, rights, (dev_rows, test_rows), train)
        return sort(world, climbed, every_call(world, dev, test))

    async def every() -> list[Seen]:
        return [await one(seed) for seed in seeds]

    with remembering():
        return asyncio.run(every())


def sort(world: World, climbed: Climbed, calls: int) -> Seen:
    """Say what a verdict is in a world whose truth is known."""
    labels = {label_of(r): r.label for r in world.ladder}
    order = [r.label for r in world.ladder]
    verdict = climbed.verdict
    winner = labels.get(verdict.winner or "")
    tentative_pick = labels.get(verdict.tentative_pick or "")
    tuned = [r.label for r in world.ladder if r.kind == "tuned"]
    return Seen(
        what=_what(world, verdict.decision, winner, order),
        tentative_pick=_where(world, tentative_pick, order)
        if verdict.decision == "inconclusive" and tentative_pick
        else "",
        false_tuning=winner in tuned and winner not in world.right,
        wrong_met=winner is not None and winner not in world.good,
        chosen_best=all(
            climbed.chosen.get(label) == world.best_candidate for label in world.right if world.best_candidate
        ),
        calls=climbed.calls,
        every_call=calls,
    )


def _what(world: World, decision: str, winner: str | None, order: Sequence[str]) -> str:
    if winner is not None:
        return {"right": "right", "lower": "too early", "higher": "too far"}[_where(world, winner, order)]
    if decision == "inconclusive":
        return "right" if world.undecided_is_right else "inconclusive"
    return "right" if NO_RUNG in world.right else "too far"  # exhausted: climbed past the right rung


def _where(world: World, label: str, order: Sequence[str]) -> str:
    """Where a rung stands against the right one; where none is right, every rung is too low."""
    if label in world.right:
        return "right"
    places = [order.index(r) for r in world.right if r != NO_RUNG]
    if not places:
        return "lower"
    if world.objective == "cheapest":
        return "lower"  # the large model was kept: the climb stopped looking too early
    return "lower" if order.index(label) < min(places) else "higher"
