"""Is it knowledge? The same dev rows closed book, with the passages found, and with the passage that holds the answer.

Every row that fails gets exactly one name. "does not know": right once passages are shown (or, with no passage known to hold
the answer, it says itself that it does not know). "not retrieved": right with the passage that holds the answer, which was
not among those found. "retrieved but not used": it was among them. "not a knowledge problem": wrong even with that passage
alone. "no passage known": nothing that holds the expected answer was found, so nothing can be told. "hurt by passages":
right closed book, wrong with passages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rung.decide.knowledge import (
    DOES_NOT_KNOW,
    HURT,
    KNOWLEDGE_CAUSES,
    NOT_KNOWLEDGE,
    NOT_RETRIEVED,
    NOT_TOLD,
    NOT_USED,
)
from rung.diagnosis.experiments import IN_FLIGHT, ExperimentRun
from rung.diagnosis.failed_examples import MOST_IDS, FailedExamples, failed, share_of
from rung.errors import NotOffered
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.measure import abstentions
from rung.prompts.templates import chat_of
from rung.protocols import DocumentIndex, Kit, System
from rung.rag.choice import Ground
from rung.rag.gold import DEEP, Gold, figures, gold_of
from rung.rag.query import query_of
from rung.rag.system import bring_to_life, document_index_of
from rung.types import (
    Answer,
    Candidate,
    Cause,
    Choice,
    Example,
    KnowledgeSplit,
    Outcome,
    Prediction,
    RagLearned,
    canonical_json,
    learned_as,
)

NAME = "knowledge"
ROUNDS = 2  # a failed row is asked with found passages and with the one that holds the answer

_EVIDENCE: Mapping[str, str] = {
    DOES_NOT_KNOW: "wrong without passages, right with them (or told by itself as not known)",
    NOT_RETRIEVED: "right with the passage that holds the answer, which the search did not bring",
    NOT_USED: "right with the passage that holds the answer alone, wrong with it among those that the search brought",
    NOT_KNOWLEDGE: "wrong even with the passage that holds the answer alone",
    NOT_TOLD: "wrong, and no passage is known to hold the expected answer",
    HURT: "right without passages, wrong with them",
}
_SUGGESTS: Mapping[str, str] = {
    DOES_NOT_KNOW: "give the model the facts from documents at answer time; tuning is no way to teach facts",
    NOT_RETRIEVED: "search better: another query, smaller passages, an embedder, documents in the words of the questions",
    NOT_USED: "show fewer passages or another layout, or take a model that reads better",
    NOT_KNOWLEDGE: "no fact is missing: state the rule, show examples, then tune",
    NOT_TOLD: "add a document that tells it, or name the documents that are relevant to each example",
    HURT: "show fewer passages, or none where the model knows the answer",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One row asked in all ways. `gold` is None where no passage is known; `shown`: it was among those found."""

    example_id: str
    closed: bool
    retrieved: bool
    gold: bool | None
    shown: bool
    declined: bool = False  # the answer with passages says that it does not know

    def why_closed(self) -> str | None:
        """Name why the row is wrong closed book; None where it is right."""
        return None if self.closed else DOES_NOT_KNOW if self.retrieved else self._why()

    def why_retrieved(self) -> str | None:
        """Name why the row is wrong with passages; None where it is right."""
        return None if self.retrieved else HURT if self.closed else self._why()

    def _why(self) -> str:
        if self.gold is None:
            return DOES_NOT_KNOW if self.declined else NOT_TOLD
        if not self.gold:
            return NOT_KNOWLEDGE
        return NOT_USED if self.shown else NOT_RETRIEVED

    def pattern(self) -> str:
        words = {True: "right", False: "wrong", None: "-"}
        return ", ".join(words[x] for x in (self.closed, self.retrieved, self.gold))


async def knowledge(trial: ExperimentRun) -> tuple[Cause, ...]:
    """Ask failed rows of a rung that looks nothing up again with passages: which of them lack a fact?

    Raises NotOffered without documents, and for a rung that has passages already: there `split` looks at all rows.
    """
    candidate = trial.case.subject.candidate
    if isinstance(candidate.learned, RagLearned):
        raise NotOffered("all dev examples are split instead, see the knowledge split")
    if candidate.chat is None or candidate.model is None:
        raise NotOffered(f"the approach {candidate.rung} keeps no prompt that passages could be put into")
    document_index = document_index_of(trial.kit)
    open_book = _opened(candidate, document_index)
    found = await _seen(open_book, {o.example_id: o for o in trial.rows}, trial.examples, trial.case, trial.kit)
    trial.calls += sum(2 if s.gold is not None else 1 for s in found)
    fixed = tuple(s.example_id for s in found if s.retrieved)
    not_fixed = tuple(s.example_id for s in found if not s.retrieved)
    predicted = Prediction(trial.works_like("knowledge"), fixed, not_fixed, share_of(len(fixed), len(found)))
    return _causes([(s.why_closed(), s.example_id) for s in found], predicted)


async def split(case: FailedExamples, kit: Kit) -> KnowledgeSplit:
    """Return the split of all dev rows of a rung that looks answers up.

    Raises NotOffered without documents; BudgetSpent and ModelError like any asking.
    """
    candidate, document_index = case.subject.candidate, document_index_of(kit)
    ground = Ground.again(candidate, document_index.sha256)
    choice = learned_as(candidate, RagLearned).choice
    open_book = candidate if choice.k or choice.whole else ground.candidate(Choice())
    rows = list(case.subject.dev)
    closed = await _answers(bring_to_life(ground.candidate(Choice(k=0)), kit, labels=case.task.labels), rows, case, kit)
    by_row = {o.example_id: o for o in closed}
    outcomes = case.subject.outcomes if open_book is candidate else None
    found, golds, opened = await _all_seen(open_book, by_row, rows, case, kit, outcomes)
    with_gold = [s for s in found if s.gold is not None]
    rankings = [(golds[e.id], await _hits(open_book, e, document_index)) for e in rows if e.id in golds]
    measured = figures(rankings)
    return KnowledgeSplit(
        rows=len(found),
        closed=share_of(sum(s.closed for s in found), len(found)),
        retrieved=share_of(sum(s.retrieved for s in found), len(found)),
        gold=share_of(sum(bool(s.gold) for s in with_gold), len(with_gold)) if with_gold else None,
        causes=_causes([(s.why_closed(), s.example_id) for s in found]),
        failures=_causes([(s.why_retrieved(), s.example_id) for s in found]),
        paired=dict(sorted(Counter(s.pattern() for s in found).items())),
        abstentions=abstentions(opened),
        search=measured.as_dict() if measured else None,
    )


def _opened(candidate: Candidate, document_index: DocumentIndex) -> Candidate:
    """Return the candidate of a lower rung with three passages in its prompt."""
    assert candidate.model is not None
    ground = Ground.below(chat_of(candidate), "", document_index.sha256, candidate.model)
    return ground.candidate(Choice())


async def _seen(
    open_book: Candidate, closed: Mapping[str, Outcome], rows: Sequence[Example], case: FailedExamples, kit: Kit
) -> list[Seen]:
    return (await _all_seen(open_book, closed, rows, case, kit, None))[0]


async def _all_seen(
    open_book: Candidate,
    closed: Mapping[str, Outcome],
    rows: Sequence[Example],
    case: FailedExamples,
    kit: Kit,
    opened: Sequence[Outcome] | None,
) -> tuple[list[Seen], dict[str, Gold], Sequence[Outcome]]:
    """Return the rows asked in all ways, their known passages, and the outcomes with the passages found."""
    document_index, task = document_index_of(kit), case.subject.task
    size = learned_as(open_book, RagLearned).choice.chunk_words
    golds = {e.id: g for e in rows if (g := await gold_of(document_index, e, task, size)) is not None}
    system = bring_to_life(open_book, kit, labels=case.task.labels)
    opened = await _answers(system, rows, case, kit) if opened is None else opened
    by_inputs = {canonical_json(dict(e.inputs)): golds[e.id] for e in rows if e.id in golds}
    told = [e for e in rows if e.id in golds]
    right = await _answers(_Told(open_book, by_inputs, kit, case.task.labels), told, case, kit)
    gold_right = {o.example_id: not failed(o, task) for o in right}
    by_row = {o.example_id: o for o in opened}
    found = [
        Seen(
            e.id,
            not failed(closed[e.id], task),
            not failed(by_row[e.id], task),
            gold_right.get(e.id),
            e.id in golds and golds[e.id].shown(await system.passages(e.inputs)),
            by_row[e.id].abstained is not None and by_row[e.id].abstained != "missed",
        )
        for e in rows
    ]
    return found, golds, opened


@dataclass(frozen=True)
class _Told:
    """A candidate that is given the passage which holds the answer, and no other."""

    candidate: Candidate
    golds: Mapping[str, Gold]
    kit: Kit
    labels: tuple[str, ...] | None

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        passage = self.golds[canonical_json(dict(inputs))].passage
        return await bring_to_life(self.candidate, self.kit, (passage,), self.labels).answer(inputs)


async def _answers(system: System, rows: Sequence[Example], case: FailedExamples, kit: Kit) -> tuple[Outcome, ...]:
    score = scorer({case.subject.task.metrics[0].name: case.metric}, case.subject.task, kit)
    return await answer_rows(system, rows, score, concurrency=IN_FLIGHT)


async def _hits(candidate: Candidate, example: Example, document_index: DocumentIndex) -> Any:
    choice = learned_as(candidate, RagLearned).choice
    return await document_index.search(
        query_of(choice.query, example.inputs),
        DEEP,
        mode=choice.mode,
        dense_weight=choice.dense_weight,
        chunk_words=choice.chunk_words,
    )


def _causes(named: Sequence[tuple[str | None, str]], predicted: Prediction | None = None) -> tuple[Cause, ...]:
    """Return a cause for each name that has rows, in the order of KNOWLEDGE_CAUSES; only missing facts predict anything."""
    ids: dict[str, list[str]] = {}
    for name, example_id in named:
        if name is not None:
            ids.setdefault(name, []).append(example_id)
    total = sum(map(len, ids.values()))
    return tuple(
        Cause(
            name,
            len(ids[name]),
            share_of(len(ids[name]), total),
            f"{len(ids[name])} of {total}: {_EVIDENCE[name]}.",
            tuple(ids[name][:MOST_IDS]),
            _SUGGESTS[name],
            "experiment",
            predicted if name == DOES_NOT_KNOW else None,
        )
        for name in KNOWLEDGE_CAUSES
        if name in ids
    )
