"""Rung 1: the user's prompt as it stands, then principled rewrites of it, chosen by racing on dev."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung import plugin as plugins
from rung.errors import NotOffered
from rung.protocols import Kit, System
from rung.rungs._edits import edit_of
from rung.rungs._prompting import chat_system, only_the_row, prompt_notes
from rung.rungs._race import MOST_RACED, Race, asked, challenge, planned_calls, race
from rung.rungs._rewrites import Draft, Writer, chat_candidate, drafts_that_fit
from rung.types import Candidate, Diagnosis, Edit, Example, Fitted, Outcome, RungPlan, Skipped, Task

ROWS_PLANNED_WITH = 20  # dev rows whose prompts a plan measures


class Prompt(BaseModel):
    """Race the user's prompt (candidate 1) against rewrites made from the task and the training rows.

    Then the best is challenged once by itself with rules against the failures that dev showed and, with a `reflection`
    model, by the best prompt that reflective evolution finds. `learned` holds the chat template and no demonstrations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = False
    asks_model: ClassVar[bool] = True

    model: str = Field("main", min_length=1, description="the role of the model that is asked")
    rewrites: bool = Field(True, description="false: measure the prompt as it stands and nothing else")
    reflection: str | None = Field(
        None,
        min_length=1,
        description="the role of a capable model that rewrites the best prompt from its failures (gepa)",
    )
    reflections: int = Field(20, ge=1, description="times that model is asked, at most")
    reflection_calls: int = Field(400, ge=1, description="rows answered in that search, at most")

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Choose by the mean deciding score on dev; candidate 1 stays on a tie, then the one with fewer tokens.

        Raises NotOffered when not even the shortest prompt fits the model's context.
        """
        for note in prompt_notes(task):
            kit.say(f"prompt: {note}")
        writer, drafts = self._drafts(task, train, dev, kit)
        fitting, skipped = drafts_that_fit(drafts, dev, self.model, kit)
        if not fitting:
            raise NotOffered(f"no prompt can be asked: {skipped[0].reason}")
        if self.rewrites and not kit.card(self.model).reads_chat:
            skipped.append(Skipped("prompt rewrites", only_the_row(kit.card(self.model))))
        candidates = {d.name: chat_candidate("prompt", d, self.model) for d in fitting}
        found = await race(list(candidates.values()), dev, task, kit)
        best = next(d for d in fitting if d.name == found.winner.name)
        rewritten = self._rewrites(kit) and len(train) > 0
        harder = writer.edge_rules(best, found.seen[best.name], dev) if rewritten else None
        if harder is not None:
            usable, too_long = drafts_that_fit([harder], dev, self.model, kit)
            skipped += too_long
            if usable:
                found = await challenge(found, chat_candidate("prompt", harder, self.model), task, kit)
                fitting.append(harder)
        found, edits = await self._reflected(found, fitting, writer, dev, kit)
        found = await asked(found, found.winner.name, kit, all_rows=True)
        if len(found.candidates) > 1:
            kit.say(f"prompt: {found.winner.name} is the best of {len(found.candidates)} prompts on dev")
        name = found.winner.name
        return Fitted(found.winner, found.outcomes(dev, name), found.trials(task, name), tuple(skipped), edits=edits)

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate the race of all drafts and the challenge after it, by the longest draft on a few dev rows.

        Raises NotOffered like `fit`.
        """
        fitting, skipped = drafts_that_fit(self._drafts(task, train, dev, kit)[1], dev, self.model, kit)
        if not fitting:
            raise NotOffered(f"no prompt can be asked: {skipped[0].reason}")
        longest = max(fitting, key=lambda d: d.template.length)
        chats = tuple(longest.template.render(e.inputs) for e in dev[:ROWS_PLANNED_WITH])
        challenges = 1 if self._rewrites(kit) and train else 0
        calls, note = planned_calls(len(fitting), len(dev), challenges), None
        if self.reflection is not None and self._rewrites(kit) and train:
            calls += self.reflection_calls + min(len(dev), MOST_RACED)
            note = f"beside these, models.{self.reflection} is asked at most {self.reflections} times; that is not in the sum"
        return RungPlan(len(fitting), calls, chats, note)

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
        optimise = plugins.require("rung.rungs._optimise", "optimize")
        limits = optimise.Limits(self.model, self.reflection, self.reflection_calls, self.reflections)
        raced = found.order[: found.raced]
        evolved = await optimise.evolve(start, found.seen[start.name], task, (writer.quotable, raced), kit, limits)
        kit.say(f"prompt: {evolved.told}")
        if evolved.best is not None:
            found = await challenge(found, chat_candidate("prompt", evolved.best, self.model), task, kit)
        return found, (*edits, *evolved.edits)

    def _drafts(
        self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit
    ) -> tuple[Writer, list[Draft]]:
        writer = Writer.of(task, train, dev, kit)
        return writer, writer.all_drafts() if self._rewrites(kit) else [writer.as_is]

    def _rewrites(self, kit: Kit) -> bool:
        return self.rewrites and kit.card(self.model).reads_chat

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Return a system that sends the learned chat."""
        return chat_system(candidate, kit)


def _by_row(found: Race, draft: Draft) -> dict[str, Outcome]:
    return {o.example_id: o for o in found.seen[draft.name]}


plugin = Prompt
