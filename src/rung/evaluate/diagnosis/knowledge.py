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

from rung.errors import NotOffered
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.diagnosis.case import MOST_IDS, Case, failed, share_of
from rung.evaluate.diagnosis.lab import IN_FLIGHT, Trial
from rung.evaluate.measure import abstentions
from rung.protocols import Kit, Library, System
from rung.rungs._rag_choice import Choice, Ground
from rung.rungs._rag_gold import DEEP, Gold, figures, gold_of
from rung.rungs._rag_query import query_of
from rung.rungs._rag_system import bring_to_life, library_of
from rung.types import (
    Answer,
    Candidate,
    Cause,
    Example,
    KnowledgeSplit,
    Outcome,
    Prediction,
    canonical_json,
)

NAME = "knowledge"
DOES_NOT_KNOW, NOT_RETRIEVED, NOT_USED = "does not know", "not retrieved", "retrieved but not used"
NOT_KNOWLEDGE, NOT_TOLD, HURT = "not a knowledge problem", "no passage known", "hurt by passages"
KINDS: tuple[str, ...] = (DOES_NOT_KNOW, NOT_RETRIEVED, NOT_USED, NOT_KNOWLEDGE, NOT_TOLD, HURT)
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
    NOT_TOLD: "add a document that tells it, or name the documents that are relevant to each row",
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


async def knowledge(trial: Trial) -> tuple[Cause, ...]:
    """Ask failed rows of a rung that looks nothing up again with passages: which of them lack a fact?

    Raises NotOffered without documents, and for a rung that has passages already: there `split` looks at all rows.
    """
    candidate = trial.case.subject.candidate
    if candidate.rung == "rag":
        raise NotOffered("all dev rows are split instead, see the knowledge split")
    if "messages" not in candidate.learned or candidate.model is None:
        raise NotOffered(f"the rung {candidate.rung} keeps no prompt that passages could be put into")
    library = library_of(trial.kit)
    open_book = _opened(candidate, library)
    found = await _seen(open_book, {o.example_id: o for o in trial.rows}, trial.examples, trial.case, trial.kit)
    trial.calls += sum(2 if s.gold is not None else 1 for s in found)
    mended = tuple(s.example_id for s in found if s.retrieved)
    unmended = tuple(s.example_id for s in found if not s.retrieved)
    foretold = Prediction("rag", mended, unmended, share_of(len(mended), len(found)))
    return _causes([(s.why_closed(), s.example_id) for s in found], foretold)


async def split(case: Case, kit: Kit) -> KnowledgeSplit:
    """Return the split of all dev rows of a rung that looks answers up.

    Raises NotOffered without documents; BudgetSpent and ModelError like any asking.
    """
    candidate, library = case.subject.candidate, library_of(kit)
    ground = Ground.again(candidate, library.sha256)
    choice = Choice.of(candidate.settings)
    open_book = candidate if choice.k or choice.whole else ground.candidate(Choice())
    rows = list(case.subject.dev)
    closed = await _answers(bring_to_life(ground.candidate(Choice(k=0)), kit), rows, case, kit)
    by_row = {o.example_id: o for o in closed}
    outcomes = case.subject.outcomes if open_book is candidate else None
    found, golds, opened = await _all_seen(open_book, by_row, rows, case, kit, outcomes)
    with_gold = [s for s in found if s.gold is not None]
    rankings = [(golds[e.id], await _hits(open_book, e, library)) for e in rows if e.id in golds]
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


def told(known: KnowledgeSplit) -> bool:
    """Return whether the split tells why most of its rows fail: labels, say, stand in no passage that could be known."""
    unknown = sum(c.count for c in known.failures if c.name == NOT_TOLD)
    return 2 * unknown < sum(c.count for c in known.failures)


def lacks_facts(causes: Sequence[Cause]) -> tuple[int, int]:
    """Return how many rows of a split lack a fact (does not know, not retrieved), and how many it has."""
    rows = [c for c in causes if c.name in KINDS]
    return sum(c.count for c in rows if c.name in (DOES_NOT_KNOW, NOT_RETRIEVED)), sum(c.count for c in rows)


def _opened(candidate: Candidate, library: Library) -> Candidate:
    """Return the candidate of a lower rung with three passages in its prompt."""
    assert candidate.model is not None
    ground = Ground.below(candidate, "", library.sha256, candidate.model)
    return ground.candidate(Choice())


async def _seen(
    open_book: Candidate, closed: Mapping[str, Outcome], rows: Sequence[Example], case: Case, kit: Kit
) -> list[Seen]:
    return (await _all_seen(open_book, closed, rows, case, kit, None))[0]


async def _all_seen(
    open_book: Candidate,
    closed: Mapping[str, Outcome],
    rows: Sequence[Example],
    case: Case,
    kit: Kit,
    opened: Sequence[Outcome] | None,
) -> tuple[list[Seen], dict[str, Gold], Sequence[Outcome]]:
    """Return the rows asked in all ways, their known passages, and the outcomes with the passages found."""
    library, task = library_of(kit), case.subject.task
    size = open_book.settings["chunk_words"]
    golds = {e.id: g for e in rows if (g := await gold_of(library, e, task, size)) is not None}
    system = bring_to_life(open_book, kit)
    opened = await _answers(system, rows, case, kit) if opened is None else opened
    by_inputs = {canonical_json(dict(e.inputs)): golds[e.id] for e in rows if e.id in golds}
    told = [e for e in rows if e.id in golds]
    right = await _answers(_Told(open_book, by_inputs, kit), told, case, kit)
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

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        passage = self.golds[canonical_json(dict(inputs))].passage
        return await bring_to_life(self.candidate, self.kit, (passage,)).answer(inputs)


async def _answers(system: System, rows: Sequence[Example], case: Case, kit: Kit) -> tuple[Outcome, ...]:
    score = scorer({case.subject.task.metrics[0].name: case.metric}, case.subject.task, kit)
    return await answer_rows(system, rows, score, concurrency=IN_FLIGHT)


async def _hits(candidate: Candidate, example: Example, library: Library) -> Any:
    choice = Choice.of(candidate.settings)
    return await library.search(
        query_of(choice.query, example.inputs),
        DEEP,
        mode=choice.mode,
        dense_weight=choice.dense_weight,
        chunk_words=choice.chunk_words,
    )


def _causes(named: Sequence[tuple[str | None, str]], foretold: Prediction | None = None) -> tuple[Cause, ...]:
    """Return a cause for each name that has rows, in the order of KINDS; only missing facts foretell anything."""
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
            foretold if name == DOES_NOT_KNOW else None,
        )
        for name in KINDS
        if name in ids
    )
