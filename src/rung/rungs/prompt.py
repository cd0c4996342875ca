"""Rung 1: the user's prompt as it stands, then principled rewrites of it, chosen by racing on dev."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from rung import plugins
from rung.errors import NotOffered
from rung.prompts.edits import edit_of
from rung.prompts.model_choice import AsksModels
from rung.prompts.postprocessing import unwrapped
from rung.prompts.race import MOST_RACED, Race, asked, challenge, planned_calls, race
from rung.prompts.rewrites import Draft, Writer, drafts_that_fit, prompt_candidate
from rung.prompts.similar import chat_system
from rung.prompts.structured import FORMS, form_of, held_to_form
from rung.prompts.templates import only_the_row, prompt_notes, row_alone
from rung.protocols import AnsweringKit, Kit, System
from rung.types import (
    AS_STORED,
    Candidate,
    Edit,
    Example,
    FitInput,
    Fitted,
    Learned,
    Outcome,
    PromptLearned,
    RungPlan,
    Skipped,
    Task,
)

ROWS_PLANNED_WITH = 20  # dev rows whose prompts a plan measures
LATE_LOOKS = 2  # at the most explicit prompt where none scores, and at the instruction in the user turn


class Prompt(AsksModels):
    """Race the user's prompt (candidate 1) against rewrites made from the task and the training examples.

    Where the best misses the goal, it is challenged by itself with the instruction in the user turn. Then it is challenged by itself with rules against the failures that dev showed and, with a `reflection`
    model, by the best prompt that reflective evolution finds. At the end every post-processing step is tried on the answers
    that are there (`rung.prompts.postprocessing`): it costs nothing, and the strict score decides. Where examples still fail by
    their form, structured output is one more challenger (`rung.prompts.structured`).
    """

    learned: ClassVar[type[Learned]] = PromptLearned
    title: ClassVar[str] = "prompt"
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("models", "model", "reflection")
    fixes: ClassVar[frozenset[str]] = frozenset(
        {"refusal", "truncation", "missing instruction", "format", "label confusion", "outside labels", "content"}
    )
    usual_cost: ClassVar[tuple[str, str]] = ("$0", "minutes")
    said_to_fix: ClassVar[float | None] = 0.6

    rewrites: bool = Field(True, description="false: measure the prompt as it stands and nothing else")
    reflection: str | None = Field(
        None,
        min_length=1,
        description="the role of a capable model that rewrites the best prompt from its failures (gepa)",
    )
    reflections: int = Field(20, ge=1, description="times that model is asked, at most")
    reflection_calls: int = Field(400, ge=1, description="examples answered in that search, at most")

    @property
    def packages(self) -> tuple[str, ...]:
        """Optional packages that this step needs."""
        return ("gepa",) if self.reflection is not None and self.rewrites else ()

    async def fit_one(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose by the mean deciding score on dev; candidate 1 stays on a tie, then the one with fewer tokens.

        Raises NotOffered when not even the shortest prompt fits the model's context.
        """
        task, train, dev = given.task, given.train, given.dev
        stored = kit.card(self.model).recorded
        if stored is not None:
            return await self._stored(
                prompt_candidate(Draft(f"{AS_STORED}{stored[:8]}", row_alone(task)), self.model), given, kit
            )
        for note in prompt_notes(task):
            kit.say(f"prompt: {note}")
        writer, drafts = self._drafts(task, train, dev, kit)
        fitting, skipped = drafts_that_fit(drafts, dev, self.model, kit)
        if not fitting:
            raise NotOffered(f"no prompt can be asked: {skipped[0].reason}")
        if self.rewrites and not kit.card(self.model).reads_chat:
            skipped.append(Skipped("prompt rewrites", only_the_row(kit.card(self.model))))
        candidates = {d.name: prompt_candidate(d, self.model) for d in fitting}
        found = await race(list(candidates.values()), dev, task, kit)
        rewritten = self._rewrites(kit) and len(train) > 0
        if rewritten:
            found = await _most_told(found, fitting, task, kit)
            found = await _in_user_turn(found, fitting, task, (dev, self.model, kit))
        best = next(d for d in fitting if d.name == found.winner.name)
        harder = writer.edge_rules(best, found.seen[best.name], dev) if rewritten else None
        if harder is not None:
            usable, too_long = drafts_that_fit([harder], dev, self.model, kit)
            skipped += too_long
            if usable:
                found = await challenge(found, prompt_candidate(harder, self.model), task, kit)
                fitting.append(harder)
        found, edits = await self._reflected(found, fitting, writer, dev, kit)
        found, taken_out = await unwrapped(found, task, kit) if self.rewrites else (found, ())
        found, held, loose = await held_to_form(found, form_of(task, train) if rewritten else None, task, kit)
        found = await asked(found, found.winner.name, kit, all_rows=True)
        if len(found.candidates) > 1:
            kit.say(f"prompt: {found.winner.name} is the best of {len(found.candidates)} prompts on dev")
        name = found.winner.name
        return Fitted(
            found.winner,
            found.outcomes(dev, name),
            found.trials(task, name),
            (*skipped, *loose),
            edits=(*edits, *taken_out, *held),
        )

    def plan_one(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate the race of all drafts and the challenge after it, by the longest draft on a few dev rows.

        Raises NotOffered like `fit`.
        """
        task, train, dev = given.task, given.train, given.dev
        if kit.card(self.model).recorded is not None:
            return RungPlan(1, 0, (), "stored answers: nothing is asked")
        fitting, skipped = drafts_that_fit(self._drafts(task, train, dev, kit)[1], dev, self.model, kit)
        if not fitting:
            raise NotOffered(f"no prompt can be asked: {skipped[0].reason}")
        longest = max(fitting, key=lambda d: d.template.length)
        chats = tuple(longest.template.render(e.inputs) for e in dev[:ROWS_PLANNED_WITH])
        rewritten = self._rewrites(kit) and bool(train)
        forms = rewritten and form_of(task, train) is not None
        looks = (2 + LATE_LOOKS if forms else 1 + LATE_LOOKS) if rewritten else 0
        calls, note = planned_calls(len(fitting), len(dev), looks) + (FORMS if forms else 0), None
        if self.reflection is not None and self._rewrites(kit) and train:
            calls += self.reflection_calls + min(len(dev), MOST_RACED)
            note = f"beside these, models.{self.reflection} is asked at most {self.reflections} times; that is not in the sum"
        return RungPlan(len(fitting), calls, chats, note)

    async def _stored(self, candidate: Candidate, given: FitInput, kit: Kit) -> Fitted:
        """Take stored answers as they are. Their hash is in the candidate's name: other answers are measured anew."""
        found = await race([candidate], given.dev, given.task, kit)
        found = await asked(found, candidate.name, kit, all_rows=True)
        outcomes, trials = found.outcomes(given.dev, candidate.name), found.trials(given.task, candidate.name)
        return Fitted(candidate, outcomes, trials, (Skipped("prompt rewrites", only_the_row(kit.card(self.model))),))

    async def _reflected(
        self, found: Race, fitting: Sequence[Draft], writer: Writer, dev: Sequence[Example], kit: Kit
    ) -> tuple[Race, tuple[Edit, ...]]:
        """Let the best prompt evolve where a reflection model is named; return what was accepted on the way, too."""
        drafts = {d.name: d for d in fitting}
        start, task = drafts[found.winner.name], writer.task
        edits: list[Edit] = []
        if start.name != writer.as_is.name and writer.as_is.name in found.seen:
            edits.append(edit_of(writer.as_is, start, (_by_row(found, writer.as_is), _by_row(found, start)), dev, task))
        if self.reflection is None or not self._rewrites(kit) or not writer.quotable:
            return found, tuple(edits)
        optimise = plugins.require("rung.prompts.evolve", "optimize")
        limits = optimise.EvolveLimits(self.model, self.reflection, self.reflection_calls, self.reflections)
        raced = found.order[: found.raced]
        evolved = await optimise.evolve(start, found.seen[start.name], task, (writer.quotable, raced), kit, limits)
        kit.say(f"prompt: {evolved.told}")
        if evolved.best is not None:
            found = await challenge(found, prompt_candidate(evolved.best, self.model), task, kit)
        return found, (*edits, *evolved.edits)

    def _drafts(
        self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit
    ) -> tuple[Writer, list[Draft]]:
        writer = Writer.of(task, train, dev, kit)
        return writer, writer.all_drafts() if self._rewrites(kit) else [writer.as_is]

    def _rewrites(self, kit: Kit) -> bool:
        return self.rewrites and kit.card(self.model).reads_chat

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system that sends the learned chat."""
        return chat_system(candidate, kit, task.labels)


async def _most_told(found: Race, drafts: Sequence[Draft], task: Task, kit: Kit) -> Race:
    """Return the race with the most explicit prompt as its winner where no answer of any prompt scored.

    A tie at 0 says nothing for the prompt that stands first: the approaches above start from what is handed on, so it should hold
    all that can be said, the labels and the form.
    """
    if any(found.mean(name, task) for name in found.seen):
        return found
    longest = max(drafts, key=lambda d: d.template.length)
    kit.say(f"prompt: no answer of {len(drafts)} prompts scores on dev; {longest.name}, which says most, is kept")
    winner = next(c for c in found.candidates if c.name == longest.name)
    return await asked(replace(found, winner=winner), winner.name, kit)


async def _in_user_turn(found: Race, drafts: list[Draft], task: Task, at: tuple[Sequence[Example], str, Kit]) -> Race:
    """Let the winner say its instruction in the user turn where it misses the goal; put the draft to the others where it fits."""
    dev, role, kit = at
    best = next(d for d in drafts if d.name == found.winner.name)
    turned = Draft(f"{best.name}, user turn", best.template.in_user_turn(), best.quoted)
    mean = found.mean(best.name, task, found.raced)
    if turned.template == best.template or (mean is not None and mean >= task.goal):
        return found
    usable, _ = drafts_that_fit([turned], dev, role, kit)
    if not usable:
        return found
    drafts.append(turned)
    return await challenge(found, prompt_candidate(turned, role), task, kit)


def _by_row(found: Race, draft: Draft) -> dict[str, Outcome]:
    return {o.example_id: o for o in found.seen[draft.name]}
