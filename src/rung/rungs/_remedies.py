"""Tuned weights that forget are mended where that is possible: less of the change, rehearsal, a gentler recipe; all measured.

In this order, because each is dearer than the one before: the dial costs no training, replay and the gentler recipe cost
one run each. The first that forgets nothing and still answers well ends it; what was tried is kept as a curve.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from rung.rungs._forgetting import compare_kept
from rung.rungs._race import mean_score
from rung.rungs._tuning import Place, Tuned, candidate_of, tune
from rung.types import Remedy, Weights

Scores = Mapping[str, Mapping[str, float]]
DIAL = (0.75, 0.5, 0.25)  # shares of the change
REHEARSED = (
    0.25  # rows of kept tasks beside the training rows; 1 % was enough for Scialom et al. 2022 (arXiv 2205.12393)
)


@dataclass(frozen=True)
class Mended:
    """The weights that go on, the try that they came from, and everything measured. `veto`: what they still forget."""

    winner: Tuned
    remedies: tuple[Remedy, ...]
    veto: str | None


async def keep_abilities(winner: Tuned, at: Place) -> Mended:
    """Compare the tuned weights with their base on what must be kept, and mend them where they are shown to forget."""
    before = await at.shop.keeper.scores(at.shop.base.role)
    first = await _look("as tuned", winner, winner.weights, winner.dev, before, at)
    if not first.forgetting.vetoed:
        return Mended(winner, (replace(first, chosen=True),), None)
    at.kit.say(f"finetune: {first.forgetting.sentence} Remedies are tried.")
    tried: list[tuple[Tuned, Remedy]] = [(winner, first)]
    wanted = min(at.task.goal, winner.dev) - at.task.worth_it  # a remedy may not cost the very thing that tuning is for
    async for step in _steps(winner, at, before):
        tried.append(step)
        if not step[1].forgetting.vetoed and step[1].dev >= wanted:
            break
    keeping = [entry for entry in tried if not entry[1].forgetting.vetoed]
    source, best = max(keeping or tried[:1], key=lambda entry: entry[1].dev)
    at.kit.say(f"finetune: {best.name} is kept, dev {best.dev:.3f}; {best.forgetting.sentence}")
    remedies = tuple(replace(r, chosen=r is best) for _, r in tried)
    chosen = replace(source, weights=best.weights)
    return Mended(chosen, remedies, best.forgetting.sentence if best.forgetting.vetoed else None)


async def _steps(winner: Tuned, at: Place, before: Scores) -> AsyncIterator[tuple[Tuned, Remedy]]:
    for share in DIAL:
        weights = at.shop.scaled(winner.tried.tuner, winner.weights, share)
        dev = await _dev(winner, weights, at)
        word = "adapter scale" if weights.form == "adapter" else "share of the change"
        yield winner, await _look(f"{word} {share:g}", winner, weights, dev, before, at)
    rehearsal = at.shop.keeper.replay(max(1, math.ceil(REHEARSED * len(winner.tried.rows))))
    if rehearsal:
        mixed = await tune(replace(winner.tried, replay=rehearsal), at)
        yield mixed, await _look(f"replay of {len(rehearsal)} rows", mixed, mixed.weights, mixed.dev, before, at)
    recipe = winner.tried.tuner.gentler()
    if recipe is not None:
        soft = await tune(replace(winner.tried, tuner=recipe, replay=rehearsal), at)
        yield soft, await _look(f"gentler: {recipe.title}", soft, soft.weights, soft.dev, before, at)


async def _look(name: str, tuned: Tuned, weights: Weights, dev: float, before: Scores, at: Place) -> Remedy:
    after = await at.shop.keeper.scores(at.shop.role(weights))
    found = compare_kept(before, after, alpha=at.task.alpha, margin=at.task.worth_it, seed=at.seed)
    return Remedy(name, dev, tuned.judged, found, weights)


async def _dev(tuned: Tuned, weights: Weights, at: Place) -> float:
    outcomes = await at.kit.run(candidate_of(tuned.tried, weights, at.shop.base.role), at.dev)
    return mean_score(outcomes, at.task) or 0.0
