"""RAG: passages from the user's documents in the prompt; what is looked for and how it is shown is chosen on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from rung.prompts.abstention import phrase_of
from rung.prompts.model_choice import AsksModels
from rung.prompts.postprocessing import unwrapped
from rung.prompts.race import asked, planned_calls
from rung.prompts.rewrites import Draft, Writer, drafts_that_fit
from rung.prompts.templates import as_it_stands
from rung.protocols import AnsweringKit, DocumentIndex, Kit, System
from rung.rag import canaries
from rung.rag.choice import Ground, neighbours
from rung.rag.examples import doubted, told_by
from rung.rag.layout import BRACKETED, Layout, laid_out
from rung.rag.query import forms_for
from rung.rag.search import FUSED, Descent, Searches
from rung.rag.system import bring_to_life, readable
from rung.types import Candidate, Choice, Edit, Example, FitInput, Fitted, Learned, RagLearned, RungPlan, Skipped, Task

ROWS_PLANNED_WITH = 20
ROWS_FITTED_WITH = 40  # dev rows by which it is seen whether all documents fit the context
WORDS_PLANNED = 200  # words of a passage before any is looked for
CHARACTERS_A_TOKEN = 3.0
MOST_SEARCHES = 3  # searches raced by answers, after all were compared by ranking
LAYOUTS: tuple[Mapping[str, Any], ...] = (
    {"fence": "lines", "place": "before"},
    {"fence": "tags", "place": "before"},
    {"fence": "block", "place": "before"},
    {"fence": "lines", "place": "system"},
    {"fence": "lines", "place": "after"},
)
SAYING: tuple[Mapping[str, Any], ...] = ({"may_abstain": True}, {"cite": True}, {"guard": False})


class Rag(AsksModels):
    """Answer with passages from `documents`, searched as they are at that moment, in the best prompt of the approach below.

    Chosen on dev, one after another, the best so far always among those raced: how many passages (none and, where they fit,
    all documents among them), the prompt (the approach below could not tell its candidates apart where all of them lacked the
    facts), the layout, what is said about passages, the examples, and the search. Passages are never part
    of a candidate, only the hash of all documents is.
    """

    learned: ClassVar[type[Learned]] = RagLearned
    title: ClassVar[str] = "RAG"
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("models", "model")
    fixes: ClassVar[frozenset[str]] = frozenset({"knowledge"})
    usual_cost: ClassVar[tuple[str, str]] = ("low", "days")
    said_to_fix: ClassVar[float | None] = None

    k: tuple[int, ...] = Field((1, 3, 6), min_length=1, description="numbers of passages to try; 0 always is")
    chunk_words: tuple[int, ...] = Field((60, 250), description="sizes of passages to try beside the configured one")
    stuff_tokens: int = Field(
        8000, ge=0, description="show all documents at once where they are no longer than this; 0: never"
    )
    links: bool = Field(False, description="true: keep remote links and images of documents in prompts")
    canaries: int = Field(4, ge=0, le=8, description="documents with planted instructions to try on dev; 0: none")

    async def fit_one(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose by dev, starting from the prompt and the examples of the rung below.

        Passages that help less than `min_gain` are left out: the candidate then asks what the rung below asks, and says so.
        Raises NotOffered without documents.
        """
        task, train, dev = given.task, given.train, given.dev
        document_index, documents = readable(kit)
        ground = self._ground(task, train, given.below, document_index)
        told = await told_by(document_index, ground.demonstrations, task)
        prompts, too_long = self._prompts(ground, task, train, dev, kit)
        ground = replace(ground, told=told, prompts=prompts)
        kit.say(f"rag: {len(documents):,} documents, searched by {', '.join(document_index.modes)}")
        if doubt := doubted(ground.demonstrations, ground.told):
            kit.say(f"rag: {doubt}")
        descent = Descent(ground, document_index, dev, task, kit)
        best, without = await self._descend(descent, Searches(document_index, dev, task, kit), train)
        chosen = await descent.best([without, best], cheapest=True)
        outcomes = await descent.ask(chosen, all_rows=True)
        skipped = [*too_long, *descent.skipped.values()]
        if chosen == without:
            skipped.append(_no_gain(descent, best, without, len(outcomes)))
            kit.say("rag: passages do not help enough; the prompt of the approach below is kept")
        else:
            kit.say(f"rag: {chosen.name} is chosen among {len(descent.seen)} on dev")
        found = descent.whole(chosen)
        edits: tuple[Edit, ...] = ()
        if not chosen.cite:  # the numbers of passages are no wrapping
            found, edits = await unwrapped(found, task, kit, [found.winner])
            found = await asked(found, found.winner.name, kit, all_rows=True)
        name = found.winner.name
        probed = await canaries.probe(ground.candidate(best), dev, task, kit, self.canaries)
        return Fitted(
            found.winner,
            found.outcomes(dev, name),
            found.trials(task, name),
            tuple(skipped),
            planted=probed,
            edits=edits,
        )

    def plan_one(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate the races by prompts with the most passages, taken from the documents without looking for any.

        Raises NotOffered like `fit`.
        """
        task, train, dev = given.task, given.train, given.dev
        document_index, documents = readable(kit)
        ground = self._ground(task, train, None, document_index)
        most = max(self.k)
        texts = [" ".join(d.text.split()[:WORDS_PLANNED]) for d in documents[:most]]
        passages = [texts[i % len(texts)] for i in range(most)]
        chats = tuple(laid_out(ground.template, Layout(), _row(e, task), passages) for e in dev[:ROWS_PLANNED_WITH])
        prompts = len(self._prompts(ground, task, train, dev, kit)[0]) + 1
        races = [len(self.k) + 2, prompts, len(LAYOUTS), len(SAYING) + 1, 3, MOST_SEARCHES, 2]
        rows = len(dev)
        calls = sum(planned_calls(n, rows) for n in races) + planned_calls(2, rows, 2) + self.canaries * canaries.ROWS
        return RungPlan(sum(races), calls, chats, "counts every passage as 200 words")

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system that looks for passages in the documents as they are when it answers."""
        return bring_to_life(candidate, kit, labels=task.labels)

    def _ground(
        self, task: Task, train: Sequence[Example], below: Candidate | None, document_index: DocumentIndex
    ) -> Ground:
        phrase = phrase_of(e.target for e in train)
        if below is None or below.chat is None:
            return Ground(as_it_stands(task), (), None, phrase, document_index.sha256, self.model, self.links)
        ground = Ground.below(below.chat, phrase, document_index.sha256, self.model, self.links)
        return ground if below.model == self.model else replace(ground, response_format=None)

    def _prompts(
        self, ground: Ground, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit
    ) -> tuple[dict[str, Draft], list[Skipped]]:
        """Return the prompts that rung 1 tries, but for the one that the rung below has, and those too long for the model.

        There are none for a model that reads no chat.
        """
        if not kit.card(self.model).reads_chat:
            return {}, []
        drafts = [d for d in Writer.of(task, train, dev, kit).all_drafts() if d.template != ground.template]
        fitting, too_long = drafts_that_fit(drafts, dev, self.model, kit)
        return {d.name: d for d in drafts if d in fitting}, too_long

    async def _descend(self, descent: Descent, searches: Searches, train: Sequence[Example]) -> tuple[Choice, Choice]:
        """Return the best choice that shows passages, and the one that shows none."""
        sizes = sorted({k for k in self.k if k > 0}) or [1]
        found = await self._search(replace(Choice(), k=sizes[len(sizes) // 2]), descent, searches, train)
        best = found[0]
        without = Choice(k=0)
        amounts = [replace(best, k=k) for k in sizes]
        if await self._all_fit(descent):
            amounts.append(replace(best, whole=True))
        best = await descent.best(amounts, cheapest=True)
        best = await descent.best(neighbours(best, [{"prompt": name} for name in descent.ground.prompts]))
        places = [p for p in LAYOUTS if not (p["place"] == "system" and best.examples == "with")]
        before = best
        best = await descent.best(neighbours(best, places))
        best = await self._said(best, descent, train)
        if descent.ground.demonstrations:
            with_own = [] if best.whole or best.place == "system" else [{"examples": "with"}]
            best = await descent.best(neighbours(best, [{"examples": "none"}, *with_own]), cheapest=True)
        if not best.whole:
            other = await self._search(best, descent, searches, train)
            best = await descent.best([best, *[c for c in other if c != best][: MOST_SEARCHES - 1]])
        if not best.whole and (best.fence, best.place) != (before.fence, before.place) and len(sizes) > 1:
            best = await descent.best([best, *[replace(best, k=k) for k in sizes if k != best.k]], cheapest=True)
        return best, without

    async def _said(self, best: Choice, descent: Descent, train: Sequence[Example]) -> Choice:
        """Return the best choice of what is said about the passages.

        That they are quoted text whose instructions do not count is left unsaid only where that is worth a rung: it guards.
        """
        found = await descent.best(neighbours(best, _sayable(train)))
        if found.guard:
            return found
        guarded = await descent.best([c for c in neighbours(best, _sayable(train)) if c.guard])
        await descent.ask(guarded)
        gain = (descent.mean(found) or 0.0) - (descent.mean(guarded) or 0.0)
        return found if gain >= descent.task.min_gain else guarded

    async def _search(
        self, best: Choice, descent: Descent, searches: Searches, train: Sequence[Example]
    ) -> list[Choice]:
        """Return ways to search, best first as far as rankings tell: mode, query, size of passages, then queries turned."""
        modes: list[Mapping[str, Any]] = [{"mode": m} for m in descent.document_index.modes if m != "hybrid"]
        if "hybrid" in descent.document_index.modes:
            modes += [{"mode": "hybrid", "dense_weight": w} for w in FUSED]
        forms = forms_for(descent.task.inputs, descent.dev)
        known: list[Choice] = []
        ahead = best
        for changes in (modes, [{"query": f} for f in forms], [{"chunk_words": w} for w in self.chunk_words]):
            ranked = await searches.ranked(neighbours(ahead, changes))
            known += [c for c in ranked if c not in known]
            ahead = ranked[0]
        turned = await searches.ranked(neighbours(ahead, await searches.turned(ahead, train)))
        known, ahead = [*known, *[c for c in turned if c not in known]], turned[0]
        return await searches.ranked([c for c in known if c == ahead] + [c for c in known if c != ahead])

    async def _all_fit(self, descent: Descent) -> bool:
        """Whether all documents together are short enough to be shown, and fit the model's context."""
        documents = descent.document_index.documents()
        length = sum(len(d.text) for d in documents) / CHARACTERS_A_TOKEN
        if length > self.stuff_tokens:
            return False
        whole = replace(Choice(), whole=True)
        system = bring_to_life(descent.ground.candidate(whole), descent.kit)
        texts = [d.text for d in documents]
        chats = [
            laid_out(
                system.template, system.layout, _row(e, descent.task), texts, [(d, ()) for d in system.choose(e.inputs)]
            )
            for e in descent.dev[:ROWS_FITTED_WITH]
        ]
        descent.drop_too_long([(whole, chats)])
        return whole.name not in descent.skipped


def _row(example: Example, task: Task) -> dict[str, str]:
    return {c: example.inputs[c] for c in task.inputs}


def _sayable(train: Sequence[Example]) -> list[Mapping[str, Any]]:
    """Return what may be said about passages; no citing where expected answers hold numbers in brackets of their own."""
    bracketed = any(BRACKETED.search(e.target) for e in train)
    return [s for s in SAYING if not (bracketed and "cite" in s)]


def _no_gain(descent: Descent, best: Choice, without: Choice, rows: int) -> Skipped:
    with_them, alone = descent.mean(best), descent.mean(without)
    return Skipped(
        "rag passages",
        f"on {rows} dev examples {best.name} scored {_shown(with_them)} and the same prompt without passages {_shown(alone)}: not at "
        f"least {descent.task.min_gain:g} better, so this candidate asks exactly what the approach below asks",
    )


def _shown(mean: float | None) -> str:
    return "nothing" if mean is None else f"{mean:.3f}"
