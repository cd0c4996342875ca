"""Rung 5: a model from nothing. Almost never right, so it explains itself; really done only when asked for, and tiny."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung import plugin as plugins
from rung.errors import MissingExtra, NotOffered, TuningError
from rung.protocols import Kit, System, Tuner
from rung.rungs._prompting import ChatSystem, Template, learned_template, plain_row
from rung.rungs._scratch_estimate import USD_PER_GPU_HOUR, why_not
from rung.rungs._tuning import Place, Try, candidate_of, tune, tuning_rows
from rung.types import (
    Candidate,
    Diagnosis,
    Example,
    Fitted,
    Message,
    RungPlan,
    Task,
    Trial,
    Tuning,
    TuningNeed,
    Weights,
)


class ScratchRung(BaseModel):
    """Say what a model from nothing would take, or with `train: true` make a tiny one from the training rows.

    It runs only when everything below, tuning included, is shown to fall short.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True

    model: str = Field("main", min_length=1, description="the role whose provider serves it (nano or local)")
    train: bool = Field(False, description="really train a tiny model on the rows; false: the estimate alone")
    recipe: Mapping[str, Any] = Field(default_factory=dict, description="settings of the tuner `scratch`")
    parameters: float = Field(0.6e9, gt=0, description="size of the model in the estimate")
    usd_per_gpu_hour: float = Field(USD_PER_GPU_HOUR, gt=0, description="rent of one H100 in the estimate")
    force: bool = Field(False, description="train although a rung below is enough; never changes the verdict")

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Train the tiny model, its checkpoints chosen by generated dev answers.

        Raises NotOffered with the estimate unless `train` is set, and TuningError where it cannot be done here.
        """
        rows = self._rows(train)
        shop, template = kit.workshop(self.model), _bare(task)
        at = Place.of(task, kit, shop, dev)
        sealed = shop.sealed(rows)
        if sealed:
            raise TuningError(f"{len(sealed)} training rows stand in the dev or test part too: remove them")
        tuner = self._tuner()
        try:
            checked = await asyncio.to_thread(
                tuner.preflight, shop.base, tuning_rows(template, rows), shop.sent, at.seed
            )
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        if checked.failed:
            raise TuningError("preflight: " + "; ".join(f"{c.what}: {c.found}" for c in checked.failed))
        found = await tune(Try(tuner, template, "short", rows, 1.0), at)
        made = candidate_of(found.tried, found.weights, self.model, tuner.title)
        candidate = Candidate("scratch", made.name, made.settings, made.learned, made.model, made.trained_on)
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

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate the training; raises NotOffered like `fit`."""
        rows, template = self._rows(train), _bare(task)
        shop = kit.workshop(self.model)
        need: TuningNeed = self._tuner().need(
            shop.base,
            tuning_rows(template, rows),
            lambda row: (sum(len(m.content) for m in row.messages) + len(row.answer)) // 3,
        )
        chats = tuple(template.render(e.inputs) for e in dev[:20])
        return RungPlan(1, 4 * min(len(dev), 150) + len(dev), chats, None, need)

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Return a system that asks the trained weights as a role of their own."""
        role = kit.workshop(candidate.learned["base"]).role(Weights(**candidate.learned["weights"]))
        return ChatSystem(learned_template(candidate), role, lambda _: (), kit)

    def _rows(self, train: Sequence[Example]) -> tuple[Example, ...]:
        rows = tuple(e for e in train if e.target.strip())
        if not self.train or not rows:
            more = "; `train: true` makes a tiny model of the rows all the same" if rows else ""
            raise NotOffered(why_not(rows, self.parameters, self.usd_per_gpu_hour) + more)
        return rows

    def _tuner(self) -> Tuner:
        try:
            found: Tuner = plugins.make("tuners", "scratch", **self.recipe)
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        return found


def _bare(task: Task) -> Template:
    return Template((Message("user", plain_row(task.inputs)),), tuple(task.inputs))


plugin = ScratchRung
