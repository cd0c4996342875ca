"""Rung 5: a model from nothing. Almost never right, so it explains itself; really done only when asked for, and tiny."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung import plugins
from rung.config.price import believable
from rung.contracts import held_tuner
from rung.errors import MissingExtra, NotOffered, TuningError
from rung.protocols import AnsweringKit, Kit, System, Tuner
from rung.rungs.tuning_prompts import bare
from rung.tuning.scratch_estimate import USD_PER_GPU_HOUR, why_not
from rung.tuning.search import Try, TuningPlace, candidate_of, tune, tuned_system, tuning_rows
from rung.types import (
    Candidate,
    Example,
    FitInput,
    Fitted,
    Learned,
    RungPlan,
    Task,
    Trial,
    TunedLearned,
    Tuning,
    TuningNeed,
)


class ScratchRung(BaseModel):
    """Say what a model from nothing would take, or with `train: true` make a tiny one from the training examples.

    It runs only when everything below, tuning included, is shown to fall short.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    learned: ClassVar[type[Learned]] = TunedLearned
    title: ClassVar[str] = "from scratch"
    trains: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("model",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("very high", "months")
    said_to_fix: ClassVar[float | None] = None

    model: str = Field("main", min_length=1, description="the role whose provider serves it (nano or local)")
    train: bool = Field(False, description="really train a tiny model on the examples; false: the estimate alone")
    recipe: Mapping[str, Any] = Field(
        default_factory=dict, description="settings of the tuner `scratch` (package rung-nano)"
    )
    parameters: float = Field(0.6e9, gt=0, description="size of the model in the estimate")
    usd_per_gpu_hour: float = Field(USD_PER_GPU_HOUR, gt=0, description="rent of one H100 in the estimate")
    force: bool = Field(False, description="train although an approach below is enough; never changes the verdict")

    _believable = field_validator("usd_per_gpu_hour")(believable)

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Train the tiny model, its checkpoints chosen by generated dev answers.

        Raises NotOffered with the estimate unless `train` is set, and TuningError where it cannot be done here.
        """
        task, dev = given.task, given.dev
        rows, tuner = self._rows(given.train), self._tuner()
        space, prompt = kit.tuning_space(self.model), bare(task)
        at = TuningPlace.of(task, kit, space, dev)
        sealed = space.sealed(rows)
        if sealed:
            raise TuningError(f"{len(sealed)} training examples stand in the dev or test set too: remove them")
        try:
            checked = await asyncio.to_thread(
                tuner.preflight, space.base, tuning_rows(prompt, rows), space.sent, at.seed
            )
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        if checked.failed:
            raise TuningError("preflight: " + "; ".join(f"{c.what}: {c.found}" for c in checked.failed))
        found = await tune(Try(tuner, prompt, rows, 1.0), at)
        made = candidate_of(found.tried, found.weights, self.model, tuner.title)
        candidate = replace(made, rung="scratch")
        outcomes = await kit.run(candidate, dev)
        tuning = Tuning(
            base="nothing",
            preflight=checked,
            trials=(found.trial,),
            curve=(),
            forecast=None,
            seconds=found.trial.seconds,
            tokens=found.trial.tokens,
        )
        looks = len(found.trial.checkpoints)
        trial = Trial(candidate, found.judged, found.trial.best_dev, True, looks * found.judged)
        return Fitted(candidate, outcomes, (trial,), tuning=tuning)

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate the training; raises NotOffered like `fit`."""
        rows, prompt, tuner = self._rows(given.train), bare(given.task), self._tuner()
        space = kit.tuning_space(self.model)
        need: TuningNeed = tuner.need(
            space.base,
            tuning_rows(prompt, rows),
            lambda row: (sum(len(m.content) for m in row.messages) + len(row.answer)) // 3,
        )
        chats = tuple(prompt.chat(e) for e in given.dev[:20])
        return RungPlan(1, 4 * min(len(given.dev), 150) + len(given.dev), chats, None, need)

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system that asks the trained weights as a role of their own."""
        return tuned_system(candidate, kit)

    def _rows(self, train: Sequence[Example]) -> tuple[Example, ...]:
        rows = tuple(e for e in train if e.target.strip())
        if not self.train or not rows:
            more = "; `train: true` makes a tiny model of the examples all the same" if rows else ""
            raise NotOffered(why_not(rows, self.parameters, self.usd_per_gpu_hour) + more)
        return rows

    def _tuner(self) -> Tuner:
        try:
            found = held_tuner("scratch", plugins.make("tuners", "scratch", **self.recipe))
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        return found
