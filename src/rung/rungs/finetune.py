"""Rung 4: open weights are tuned on the training rows, under a short prompt; recipes race, generated dev answers decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rung import plugins
from rung.contracts import held_tuner, revived
from rung.errors import MissingExtra, NotOffered, TuningError
from rung.prompts.templates import ChatSystem, Template, asked_as_it_stands
from rung.protocols import AnsweringKit, Kit, System, Tuner, TuningSpace
from rung.rungs.tuning_prompts import SHORT, answering_with_passages, bare, prompts_for, with_passages
from rung.stats.learning import forecast
from rung.tuning.brought_back import brought_back, must_be_there, prompts_of
from rung.tuning.distillation import Lesson, teach
from rung.tuning.gate import against
from rung.tuning.planned import LongestRace, kept_told, remedies_tuned
from rung.tuning.remedies import Mended, keep_abilities, rehearsed
from rung.tuning.search import (
    RecipeRace,
    Tuned,
    TuningPlace,
    TuningPrompt,
    candidate_of,
    preflight,
    search,
    tuned_system,
    tuning_rows,
)
from rung.types import (
    Candidate,
    CurvePoint,
    Example,
    FitInput,
    Fitted,
    Learned,
    Preflight,
    RagLearned,
    RungPlan,
    Skipped,
    Task,
    Trial,
    TunedLearned,
    Tuning,
    TuningRow,
    learned_as,
)

ROWS_PLANNED_WITH = 20


class FineTune(BaseModel):
    """Tune the model in `model` on the training examples, if the data can carry it.

    Tuned weights lie in the run folder and are asked through the client of the base. With `trained: elsewhere` nothing is
    tuned here: the climb writes the examples and waits for the model in `model`, then measures it by the same rules.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    learned: ClassVar[type[Learned]] = TunedLearned
    title: ClassVar[str] = "fine-tuning"
    trains: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("model", "teacher", "base")
    fixes: ClassVar[frozenset[str]] = frozenset({"format", "label confusion", "outside labels", "content"})
    usual_cost: ClassVar[tuple[str, str]] = ("medium to high", "weeks")
    said_to_fix: ClassVar[float | None] = None

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
    under: Literal["both", "short"] = Field(
        "both",
        description="prompts to tune under: the bare example and the best prompt so far (with its passages, where that is RAG), or the bare example alone, which is quicker",
    )
    curve: bool = Field(
        True,
        description="tune on a quarter and a half of the examples, too, which tells what more of them would bring; false: on all alone, "
        "which takes about half as long, where there is one recipe and one prompt",
    )
    force: bool = Field(False, description="tune against the gate's advice; never changes the verdict")

    trained: Literal["here", "elsewhere"] = Field(
        "here",
        description="elsewhere: at a vendor or on another machine; the run writes the examples for it, waits until `model` stands under "
        "`models`, and measures it then",
    )
    cost_usd: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="trained elsewhere: what that costs, once; may be changed at any time",
    )
    base: str | None = Field(
        None,
        min_length=1,
        description="trained elsewhere: the role of the model as it was before, for what tuning must not harm",
    )

    @model_validator(mode="after")
    def _one_way(self) -> FineTune:
        wrong = {"tuner", "teacher", "mixed", "under", "curve"} if self.trained == "elsewhere" else {"cost_usd", "base"}
        fields = type(self).model_fields
        if named := sorted(name for name in wrong if getattr(self, name) != fields[name].default):
            raise ValueError(f"{', '.join(named)} and trained: {self.trained} do not go together")
        return self

    @field_validator("tuner", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        entries = value if isinstance(value, list | tuple) else [value]
        return tuple(_entry(entry) for entry in entries)

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Pass the gate, check everything, race the recipes, and keep the best weights by generated dev answers.

        Raises NotOffered with the reasons against tuning, and TuningError where it cannot be done here.
        """
        task, dev, below = given.task, given.dev, given.below
        rows = tuple(e for e in given.train if e.target.strip())
        space = kit.tuning_space(self.model) if self.trained == "here" else None
        reasons = against(task, len(rows), given.diagnosis)
        if reasons and not self.force:
            raise NotOffered("; ".join(reasons) + " (`force: true` tunes all the same and never changes the verdict)")
        for reason in reasons:
            kit.say(f"finetune: forced, although {reason}")
        if space is None:
            exported = _exported(task, below)
            asked = (self.model, self.base)
            return await brought_back(given, kit, asked, exported, rows, reasons=reasons, cost_usd=self.cost_usd)
        _nothing_sealed(space, rows, dev)
        lesson = await self._taught(task, rows, kit, below)
        rows = rows if lesson is None else lesson.rows
        recipes = self._recipes(space)
        prompts = await self._under(task, below, space, (*rows, *dev[:ROWS_PLANNED_WITH]), kit)
        at = TuningPlace.of(task, kit, space, dev)
        checked, unfit = await self._preflight(recipes, prompts, rows, at)
        found = await search(recipes, [p for p in prompts if p.name not in unfit], rows, at, curve=self.curve)
        fixed = await keep_abilities(found.winner, at)
        winner = fixed.winner
        candidate = candidate_of(
            winner.tried, winner.weights, self.model, f"{winner.tried.tuner.title}, {winner.tried.prompt.name} prompt"
        )
        learned = replace(learned_as(candidate, TunedLearned), forced=tuple(reasons), forgets=fixed.veto)
        candidate = replace(candidate, learned=learned)
        outcomes = await kit.run(candidate, dev)
        found = replace(found, tried=(*found.tried, *fixed.trained))
        tuning = _account(found, checked, reasons, task, space, dev, below, kit)
        tuning = replace(tuning, remedies=fixed.remedies)
        if lesson is not None:
            tuning = replace(tuning, lesson=lesson.sentence, lesson_usd=lesson.cost_usd)
        more = f"; {tuning.forecast}" if tuning.forecast else ""
        kit.say(f"finetune: {candidate.name} is chosen, {fixed.dev:.3f} on {winner.judged} dev examples{more}")
        return Fitted(
            candidate,
            outcomes,
            _trials(found.tried, fixed, self.model, candidate),
            (*_left_out(checked), *unfit.values()),
            tuning=tuning,
        )

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate rows, tokens, time, memory and calls of the whole race; asks nothing and loads nothing.

        Raises NotOffered like `fit`, as far as it can be known before the rungs below are measured.
        """
        task, dev = given.task, given.dev
        rows = tuple(e for e in given.train if e.target.strip())
        space = kit.tuning_space(self.model) if self.trained == "here" else None
        reasons = against(task, len(rows), None)
        if reasons and not self.force:
            raise NotOffered("; ".join(reasons))
        if space is None:
            return self._plan_elsewhere(given, kit)
        recipes, prompts = self._recipes(space), self._prompts(task, given.below)
        suite = space.regression_suite
        count = 1 if self.under == SHORT else 2
        race = LongestRace(len(recipes), count, self.curve, remedies_tuned(recipes[0], suite))
        chats = [tuning_rows(p, rows) for p in (prompts[0], prompts[-1])]
        chats.append((*chats[-1], *(rehearsed(suite, len(rows)) if race.remedies else ())))
        short, longest, mended = (recipes[0].need(space.base, chat, _tokens) for chat in chats)
        need = race.need(short, longest, mended, len(rows))
        asked = Counter({self.model: race.calls(len(dev), suite)})
        asked.update({self.teacher: len(rows)} if self.teacher is not None else {})  # it answers every training example
        need = replace(need, note=f"{need.note}{kept_told(suite)}")
        sample = tuple(prompts[-1].chat(e) for e in dev[:ROWS_PLANNED_WITH])
        return RungPlan(race.runs + race.remedies, asked.total(), sample, None, need, asked)

    def _plan_elsewhere(self, given: FitInput, kit: Kit) -> RungPlan:
        exported = _exported(given.task, given.below)
        must_be_there(kit, self.model, exported)
        prompts = prompts_of(given.task, exported)
        sample = tuple(exported.render(e.inputs) for e in given.dev[:ROWS_PLANNED_WITH])
        kept = kit.regression_suite().asked if self.base is not None else 0
        asked = Counter({self.model: len(prompts) * len(given.dev) + kept})
        asked.update({self.base: kept} if self.base is not None else {})
        return RungPlan(len(prompts), asked.total(), sample, calls_by_role=asked)

    def _prompts(self, task: Task, below: Candidate | None) -> tuple[TuningPrompt, ...]:
        """Return the prompts to tune under, shortest first, as far as they are known without a search for passages."""
        return (bare(task),) if self.under == SHORT else prompts_for(task, below)

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system that asks the tuned weights as a role of their own. Raises IntegrityError if they changed."""
        return answering_with_passages(candidate, task, kit) or tuned_system(candidate, kit)

    async def _under(
        self, task: Task, below: Candidate | None, space: TuningSpace, shown: Sequence[Example], kit: Kit
    ) -> tuple[TuningPrompt, ...]:
        """Return the prompts to tune under, shortest first."""
        passages = None if self.under == SHORT else await with_passages(below, space, shown, kit)
        return self._prompts(task, below) if passages is None else (bare(task), passages)

    async def _taught(self, task: Task, rows: Sequence[Example], kit: Kit, below: Candidate | None) -> Lesson | None:
        """Let the teacher answer the training rows under the best prompt so far, or the prompt as it stands."""
        if self.teacher is None:
            return None
        best = below if below is not None and below.chat is not None and below.tuned is None else None
        asked = replace(best or asked_as_it_stands(task, self.teacher), model=self.teacher)
        lesson = await teach(kit, asked, rows, task, mixed=self.mixed)
        kit.say(f"finetune: {lesson.sentence}")
        return lesson

    def _recipes(self, space: TuningSpace) -> tuple[Tuner, ...]:
        try:
            named = [held_tuner(name, plugins.make("tuners", name, **settings)) for name, settings in self.tuner]
        except MissingExtra as error:
            raise NotOffered(str(error)) from error
        return tuple(variant for tuner in named for variant in tuner.variants(space.base))

    async def _preflight(
        self, recipes: Sequence[Tuner], prompts: Sequence[TuningPrompt], rows: Sequence[Example], at: TuningPlace
    ) -> tuple[Preflight, Mapping[str, Skipped]]:
        """Check the rows under every prompt.  A failed check of the short one ends it; a longer one is left out then, by its name."""
        results, unfit = list[Preflight](), dict[str, Skipped]()
        for prompt in prompts:
            chats = tuning_rows(prompt, rows)
            try:
                found = await preflight(recipes[0], chats, at)
            except MissingExtra as error:
                raise NotOffered(str(error)) from error
            except TuningError as error:
                if not results:
                    raise
                unfit[prompt.name] = Skipped(f"finetune, {prompt.name} prompt", str(error))
                at.kit.say(f"finetune: not tuned under the {prompt.name} prompt: {error}")
                continue
            results.append(found)
        at.kit.say(f"finetune: preflight passed; one example as it is tuned: {results[0].shown!r}")
        race = LongestRace(len(recipes), len(results), self.curve, 0)
        seconds = race.seconds(results[0].seconds, results[-1].seconds)
        if seconds is not None:
            at.kit.say(
                f"finetune: tuning takes about {max(seconds / 60, 0.1):,.1f} minutes at most, by parts of a step that were computed; "
                "dev answers and remedies come on top"
            )
        need = recipes[0].need(at.space.base, tuning_rows(prompts[0], rows), lambda row: len(row.answer) // 3 + 40)
        free = at.space.free_bytes()
        if free is not None and need.disk_bytes is not None and need.disk_bytes > free:
            raise TuningError(
                f"checkpoints of {at.space.base.name} would take about {need.disk_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are "
                "free on the disk of the run folder: free some space and run the same command again"
            )
        return results[0], unfit


def _tokens(row: TuningRow) -> int:
    """Return about how many tokens a row has, as nothing is loaded that could count them."""
    return (sum(len(m.content) for m in row.messages) + len(row.answer)) // 3


def _entry(entry: Any) -> Any:
    if isinstance(entry, str):
        return (entry, {})
    if isinstance(entry, Mapping) and len(entry) == 1:
        [(name, settings)] = entry.items()
        return (name, dict(settings or {}))
    return entry


def _exported(task: Task, below: Candidate | None) -> Template:
    """Return the prompt of the rows for elsewhere: the best one so far without examples; passages change with the documents."""
    return prompts_for(task, None if below is None or isinstance(below.learned, RagLearned) else below)[-1].template


def _nothing_sealed(space: TuningSpace, rows: Sequence[Example], dev: Sequence[Example]) -> None:
    """Refuse to tune on rows of the dev or test part."""
    known = set(space.sealed(rows))
    seen = {(tuple(sorted(e.inputs.items())), e.target) for e in dev}
    known |= {e.id for e in rows if (tuple(sorted(e.inputs.items())), e.target) in seen}
    if known:
        named = ", ".join(sorted(known)[:5])
        raise TuningError(
            f"{len(known)} training examples stand in the dev or test set too ({named}): tuning on them would make every measure "
            "of it worthless; remove them from the training examples"
        )


def _trials(tried: Sequence[Tuned], fixed: Mended, role: str, chosen: Candidate) -> tuple[Trial, ...]:
    """Return everything that was tuned; weights of which a part of the change was taken, as a trial of their own."""
    trials, judged = [], fixed.winner.judged
    same = [one for one in tried if one.weights == fixed.winner.weights]  # equal tries share their weights
    source = next((one for one in same if one is fixed.winner), same[-1] if same else None)
    for one in tried:
        kept = one is source
        candidate = chosen if kept else candidate_of(one.tried, one.weights, role)
        looks = len(one.trial.checkpoints)
        trials.append(Trial(candidate, one.judged, one.trial.best_dev, kept, looks * one.judged))
    if source is None:
        trials.append(Trial(chosen, judged, fixed.dev, True, judged))
    return tuple(trials)


def _left_out(checked: Preflight) -> tuple[Skipped, ...]:
    return tuple(Skipped("finetune examples", c.found) for c in checked.checks if "left out whole" in c.found)


def _account(
    found: RecipeRace,
    checked: Preflight,
    reasons: Sequence[str],
    task: Task,
    space: TuningSpace,
    dev: Sequence[Example],
    below: Candidate | None,
    kit: Kit,
) -> Tuning:
    """Return how the candidate came about, for the report."""
    curve = tuple(CurvePoint(len(t.tried.rows), t.dev, t.judged) for t in found.curve)
    role = space.base.role
    shown = [kit.count_tokens(role, found.winner.tried.prompt.chat(e)) for e in dev[:ROWS_PLANNED_WITH]]
    return Tuning(
        base=space.base.name,
        preflight=checked,
        trials=tuple(t.trial for t in found.tried),
        curve=curve,
        forecast=forecast([(p.rows, p.dev, p.n) for p in curve], task.goal, task.min_gain).sentence if curve else None,
        forced=tuple(reasons),
        prompt_tokens=fmean(shown) if shown else None,
        prompt_tokens_below=_tokens_below(below, task, dev, role, kit),
        seconds=round(sum(t.trial.seconds for t in found.tried), 3),
        tokens=sum(t.trial.tokens for t in found.tried),
    )


def _tokens_below(below: Candidate | None, task: Task, dev: Sequence[Example], role: str, kit: Kit) -> float | None:
    """Return the mean prompt tokens of the candidate below, demonstrations included, on the same rows."""
    if below is None or below.model is None or below.chat is None:
        return None
    live = revived(below, task, kit)
    if not isinstance(live, ChatSystem) or not dev:
        return None
    return fmean([kit.count_tokens(role, live.request(e.inputs).messages) for e in dev[:ROWS_PLANNED_WITH]])
