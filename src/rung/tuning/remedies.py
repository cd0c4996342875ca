"""Tuned weights that forget a task of the user are fixed where that is possible: less of the change, rehearsal, a gentler recipe.

In this order, because each is dearer than the one before: the dial costs no training, replay and the gentler recipe cost
one run each. The first that is shown to keep what was forgotten, and costs neither the goal nor what tuning gained, takes the place
of the weights as tuned; without one they stay as they are, and may not win. What was tried is kept as a curve. General abilities
that fall are told and change nothing.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from rung.prompts.race import mean_score
from rung.protocols import RegressionSuite
from rung.tuning.forgetting import compare_kept
from rung.tuning.search import Tuned, TuningPlace, candidate_of, tune
from rung.types import Remedy, TuningRow, Weights

Scores = Mapping[str, Mapping[str, float]]
DIAL = (0.75, 0.5, 0.25)  # shares of the change
REHEARSED = (
    0.25  # rows of kept tasks beside the training rows; 1 % was enough for Scialom et al. 2022 (arXiv 2205.12393)
)


@dataclass(frozen=True)
class Mended:
    """The weights that go on with their dev score, the try that they came from, and everything measured. `veto`: what they still
    forget; `trained`: what was tuned as a remedy."""

    winner: Tuned
    dev: float
    remedies: tuple[Remedy, ...]
    veto: str | None
    trained: tuple[Tuned, ...] = ()


async def keep_abilities(winner: Tuned, at: TuningPlace) -> Mended:
    """Compare the tuned weights with their base on what must be kept, and mend them where they are shown to forget a task."""
    before = await at.space.regression_suite.scores(at.space.base.role)
    first = await _look("as tuned", winner, winner.weights, winner.dev, before, at)
    if not first.forgetting.vetoed:
        if first.forgetting.forgotten:
            at.kit.say(f"finetune: {first.forgetting.sentence}")
        return Mended(winner, winner.dev, (replace(first, chosen=True),), None)
    at.kit.say(f"finetune: {first.forgetting.sentence} Remedies are tried.")
    tried: list[tuple[Tuned, Remedy]] = [(winner, first)]
    lost = [k.name for k in first.forgetting.forgotten if not k.general]
    # A remedy may not cost the very thing that tuning is for.
    wanted = at.task.goal if winner.dev >= at.task.goal else winner.dev - at.task.min_gain
    source, best = tried[0]
    async for step in _steps(winner, at, before):
        tried.append(step)
        if not step[1].forgetting.vetoed and step[1].forgetting.shows_kept(lost) and step[1].dev >= wanted:
            source, best = step
            break
    at.kit.say(f"finetune: {best.name} is kept, dev {best.dev:.3f}; {best.forgetting.sentence}")
    remedies = tuple(replace(r, chosen=r is best) for _, r in tried)
    chosen = replace(source, weights=best.weights or source.weights)
    veto = best.forgetting.sentence if best.forgetting.vetoed else None
    return Mended(chosen, best.dev, remedies, veto, tuple(t for t, _ in tried if t is not winner))


async def _steps(winner: Tuned, at: TuningPlace, before: Scores) -> AsyncIterator[tuple[Tuned, Remedy]]:
    for share in DIAL:
        weights = at.space.scaled(winner.tried.tuner, winner.weights, share)
        dev = await _dev(winner, weights, at)
        word = "adapter scale" if weights.form == "adapter" else "share of the change"
        yield winner, await _look(f"{word} {share:g}", winner, weights, dev, before, at)
    rehearsal = rehearsed(at.space.regression_suite, len(winner.tried.rows))
    if rehearsal:
        mixed = await tune(replace(winner.tried, replay=rehearsal), at)
        yield mixed, await _look(f"replay of {len(rehearsal)} examples", mixed, mixed.weights, mixed.dev, before, at)
    recipe = winner.tried.tuner.gentler()
    if recipe is not None:
        soft = await tune(replace(winner.tried, tuner=recipe, replay=rehearsal), at)
        yield soft, await _look(f"gentler: {recipe.title}", soft, soft.weights, soft.dev, before, at)


def rehearsed(suite: RegressionSuite, rows: int) -> tuple[TuningRow, ...]:
    """Return the rows of kept tasks that a remedy is tuned on beside `rows` training examples."""
    return suite.replay(max(1, math.ceil(REHEARSED * rows)))


async def _look(name: str, tuned: Tuned, weights: Weights, dev: float, before: Scores, at: TuningPlace) -> Remedy:
    after = await at.space.regression_suite.scores(at.space.role(weights))
    found = compare_kept(before, after, alpha=at.task.alpha, margin=at.task.min_gain, seed=at.seed)
    return Remedy(name, dev, tuned.judged, found, weights)


async def _dev(tuned: Tuned, weights: Weights, at: TuningPlace) -> float:
    outcomes = await at.kit.run(candidate_of(tuned.tried, weights, at.space.base.role), at.dev)
    return mean_score(outcomes, at.task) or 0.0
