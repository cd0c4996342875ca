"""Rung 4: open weights are tuned on the training rows, under a short prompt; recipes race, generated dev answers decide."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rung import plugin as plugins
from rung.errors import MissingExtra, NotOffered, TuningError
from rung.protocols import Kit, Rung, System, Tuner, Workshop
from rung.rungs._distil import Lesson, teach
from rung.rungs._gate import against
from rung.rungs._prompting import ChatSystem, Template, as_it_stands, learned_template, plain_row
from rung.rungs._remedies import keep_abilities
from rung.rungs._tuning import SHARES, Found, Place, candidate_of, search, tuning_rows
from rung.stats.learning import forecast
from rung.types import (
    Candidate,
    CurvePoint,
    Diagnosis,
    Example,
    Fitted,
    Message,
    Preflight,
    RungPlan,
    Skipped,
    Task,
    Trial,
    Tuning,
    TuningNeed,
    Weights,
)

SHORT, WHOLE = "short", "whole"
ROWS_PLANNED_WITH = 20


class FineTune(BaseModel):
    """Tune the model in `model` on the training rows, if the data can carry it.

    `learned` holds the chat template and where the tuned weights lie in the run folder, with their hash; they are asked
    through the client of the base.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True

    model: str = Field("main", min_length=1, description="the role whose weights are tuned (provider nano or local)")
    tuner: tuple[tuple[str, Mapping[str, Any]], ...] = Field(
        (("lora", {}),), min_length=1, description="recipes by name, with settings where wanted: lora, full, or both"
    )
    teacher: str | None = Field(
        None,
        min_length=1,
        description="the role of a larger model whose right answers are learnt, under the best prompt",
    )
    mixed: bool = Field(False, description="with a teacher: keep the file's answer where the teacher's is not right")
    force: bool = Field(False, description="tune against the gate's advice; never changes the verdict")

    @field_validator("tuner", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        entries = value if isinstance(value, list | tuple) else [value]
        return tuple(_entry(entry) for entry in entries)

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Pass the gate, check everything, race the recipes, and keep the best weights by generated dev answers.

        Raises NotOffered with the reasons against tuning, and TuningError where it cannot be done here.
        """
        shop = kit.workshop(self.model)
        rows = tuple(e for e in train if e.target.strip())
        reasons = against(task, len(rows), diagnosis)
        if reasons and not self.force:
            raise NotOffered("; ".join(reasons) + " (`force: true` tunes all the same and never changes the verdict)")
        for reason in reasons:
            kit.say(f"finetune: forced, although {reason}")
        _nothing_sealed(shop, rows, dev)
        lesson = await self._taught(task, rows, kit, below)
        rows = rows if lesson is None else lesson.rows
        recipes = self._recipes(shop)
        prompts = _prompts(task, below)
        at = Place.of(task, kit, shop, dev)
        checked, unfit = await self._preflight(recipes[0], prompts, rows, at)
        found = await search(recipes, [p for p in prompts if p[0] not in unfit], rows, at)
        mended = await keep_abilities(found.winner, at)
        winner = mended.winner
        candidate = candidate_of(
            winner.tried, winner.weights, self.model, f"{winner.tried.tuner.title}, {winner.tried.prompt} prompt"
        )
        if reasons:
            candidate = _forced(candidate, reasons)
        if mended.veto:
            candidate = replace(candidate, settings={**candidate.settings, "forgets": mended.veto})
        outcomes = await kit.run(candidate, dev)
        tuning = _account(found, checked, reasons, task, shop, dev, below, kit)
        tuning = replace(tuning, remedies=mended.remedies)
        if lesson is not None:
            tuning = replace(tuning, lesson=lesson.sentence, lesson_usd=lesson.cost_usd)
        kit.say(
            f"finetune: {candidate.name} is chosen, {winner.dev:.3f} on {winner.judged} dev rows; {tuning.forecast}"
        )
        return Fitted(
            candidate,
            outcomes,
            _trials(found, self.model, candidate),
            (*_left_out(checked), *unfit.values()),
            tuning=tuning,
        )

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate rows, tokens, time, memory and calls of the whole race; asks nothing and loads nothing.

        Raises NotOffered like `fit`, as far as it can be known before the rungs below are measured.
        """
        shop = kit.workshop(self.model)
        rows = tuple(e for e in train if e.target.strip())
        reasons = against(task, len(rows), None)
        if reasons and not self.force:
            raise NotOffered("; ".join(reasons))
        template = _prompts(task, None)[0][1]
        recipes = self._recipes(shop)
        chats = tuning_rows(template, rows)
        need = recipes[0].need(
            shop.base, chats, lambda row: (sum(len(m.content) for m in row.messages) + len(row.answer)) // 3
        )
        times = SHARES[0] * len(recipes) + 2 * SHARES[1] + 1.0
        whole = TuningNeed(
            tokens=round(need.tokens * times),
            seconds=None if need.seconds is None else need.seconds * times,
            memory_bytes=need.memory_bytes,
            disk_bytes=need.disk_bytes,
            note=f"{len(recipes)} recipes on a quarter of {len(rows)} rows, 2 prompts on a half, 1 on all; {need.note}",
        )
        runs = len(recipes) + 3
        calls = 4 * runs * min(len(dev), 150) + len(dev)
        sample = tuple(template.render(e.inputs) for e in dev[:ROWS_PLANNED_WITH])
        return RungPlan(runs, calls, sample, None, whole)

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Return a system that asks the tuned weights as a role of their own. Raises IntegrityError if they changed."""
        role = kit.workshop(candidate.learned["base"]).role(Weights(**candidate.learned["weights"]))
        return ChatSystem(learned_template(candidate), role, lambda _: (), kit)

    async def _taught(self, task: Task, rows: Sequence[Example], kit: Kit, below: Candidate | None) -> Lesson | None:
        """Let the teacher answer the training rows under the best prompt so far, or the prompt as it stands."""
        if self.teacher is None:
            return None
        template = as_it_stands(task)
        plain = {"messages": template.as_list(), "columns": list(template.columns), "demonstrations": []}
        best = below if below is not None and "messages" in below.learned and "weights" not in below.learned else None
        asked = replace(best or Candidate("prompt", "as-is", {}, plain, self.teacher), model=self.teacher)
        lesson = await teach(kit, asked, rows, task, mixed=self.mixed)
        kit.say(f"finetune: {lesson.sentence}")
        return lesson

    def _recipes(self, shop: Workshop) -> tuple[Tuner, ...]:
        try:
            named: list[Tuner] = [plugins.make("tuners", name, **settings) for name, settings in self.tuner]
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        return tuple(variant for tuner in named for variant in tuner.variants(shop.base))

    async def _preflight(
        self, recipe: Tuner, prompts: Sequence[tuple[str, Template]], rows: Sequence[Example], at: Place
    ) -> tuple[Preflight, Mapping[str, Skipped]]:
        """Check the rows under every prompt.  A failed check of the short one ends it; a longer one is left out then, by its name."""
        results, unfit = list[Preflight](), dict[str, Skipped]()
        for name, template in prompts:
            chats = tuning_rows(template, rows)
            try:
                found = await asyncio.to_thread(recipe.preflight, at.shop.base, chats, at.shop.sent, at.seed)
                if found.failed:
                    raise TuningError("preflight: " + "; ".join(f"{c.what}: {c.found}" for c in found.failed))
            except MissingExtra as error:
                raise NotOffered(str(error)) from error
            except TuningError as error:
                if not results:
                    raise
                unfit[name] = Skipped(f"finetune, {name} prompt", str(error))
                at.kit.say(f"finetune: not tuned under the {name} prompt: {error}")
                continue
            results.append(found)
        at.kit.say(f"finetune: preflight passed; one row as it is tuned: {results[0].shown!r}")
        need = recipe.need(at.shop.base, tuning_rows(prompts[0][1], rows), lambda row: len(row.answer) // 3 + 40)
        free = at.shop.free_bytes()
        if free is not None and need.disk_bytes is not None and need.disk_bytes > free:
            raise TuningError(
                f"checkpoints of {at.shop.base.name} would take about {need.disk_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are "
                "free on the disk of the run folder: free some space and run the same command again"
            )
        return results[0], unfit


def _entry(entry: Any) -> Any:
    if isinstance(entry, str):
        return (entry, {})
    if isinstance(entry, Mapping) and len(entry) == 1:
        [(name, settings)] = entry.items()
        return (name, dict(settings or {}))
    return entry


def _prompts(task: Task, below: Candidate | None) -> tuple[tuple[str, Template], ...]:
    """Return the prompts to tune under, shortest first: the bare row, and the best prompt so far without examples."""
    bare = Template((Message("user", plain_row(task.inputs)),), tuple(task.inputs))
    whole = learned_template(below) if below is not None and "messages" in below.learned else as_it_stands(task)
    return ((SHORT, bare),) if whole.messages == bare.messages else ((SHORT, bare), (WHOLE, whole))


def _nothing_sealed(shop: Workshop, rows: Sequence[Example], dev: Sequence[Example]) -> None:
    """Refuse to tune on rows of the dev or test part."""
    known = set(shop.sealed(rows))
    seen = {(tuple(sorted(e.inputs.items())), e.target) for e in dev}
    known |= {e.id for e in rows if (tuple(sorted(e.inputs.items())), e.target) in seen}
    if known:
        named = ", ".join(sorted(known)[:5])
        raise TuningError(
            f"{len(known)} training rows stand in the dev or test part too ({named}): tuning on them would make every measure "
            "of it worthless; remove them from the training rows"
        )


def _forced(candidate: Candidate, reasons: Sequence[str]) -> Candidate:
    settings = {**candidate.settings, "forced": list(reasons)}
    return Candidate(candidate.rung, candidate.name, settings, candidate.learned, candidate.model, candidate.trained_on)


def _trials(found: Found, role: str, chosen: Candidate) -> tuple[Trial, ...]:
    trials = []
    for one in found.tried:
        kept = one is found.winner
        candidate = chosen if kept else candidate_of(one.tried, one.weights, role)
        looks = len(one.trial.checkpoints)
        trials.append(Trial(candidate, one.judged, one.trial.best_dev, kept, looks * one.judged))
    return tuple(trials)


def _left_out(checked: Preflight) -> tuple[Skipped, ...]:
    return tuple(Skipped("finetune rows", c.found) for c in checked.checks if "left out whole" in c.found)


def _account(
    found: Found,
    checked: Preflight,
    reasons: Sequence[str],
    task: Task,
    shop: Workshop,
    dev: Sequence[Example],
    below: Candidate | None,
    kit: Kit,
) -> Tuning:
    """Return how the candidate came about, for the report."""
    curve = tuple(CurvePoint(len(t.tried.rows), t.dev, t.judged) for t in found.curve)
    role = shop.base.role
    shown = [kit.count_tokens(role, found.winner.tried.template.render(e.inputs)) for e in dev[:ROWS_PLANNED_WITH]]
    return Tuning(
        base=shop.base.name,
        preflight=checked,
        trials=tuple(t.trial for t in found.tried),
        curve=curve,
        forecast=forecast([(p.rows, p.dev, p.n) for p in curve], task.goal, task.worth_it).sentence,
        forced=tuple(reasons),
        prompt_tokens=fmean(shown) if shown else None,
        prompt_tokens_below=_tokens_below(below, task, dev, role, kit),
        seconds=round(sum(t.trial.seconds for t in found.tried), 3),
        tokens=sum(t.trial.tokens for t in found.tried),
    )


def _tokens_below(below: Candidate | None, task: Task, dev: Sequence[Example], role: str, kit: Kit) -> float | None:
    """Return the mean prompt tokens of the candidate below, demonstrations included, on the same rows."""
    if below is None or below.model is None or "messages" not in below.learned:
        return None
    rung: Rung = plugins.find("rungs", below.rung).model_construct()
    live = rung.system(below, task, kit)
    if not isinstance(live, ChatSystem) or not dev:
        return None
    return fmean([kit.count_tokens(role, live.request(e.inputs).messages) for e in dev[:ROWS_PLANNED_WITH]])


plugin = FineTune
