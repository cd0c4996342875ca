"""Answering from documents: look for passages, ask once, tell which passages the answer used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rung.errors import NotOffered
from rung.metrics.text import words
from rung.prompts.abstention import abstains
from rung.prompts.postprocessing import step_of
from rung.prompts.similar import chooser
from rung.prompts.templates import Chooser, Template, role_of
from rung.protocols import AnsweringKit, DocumentIndex
from rung.rag.choice import layout_of
from rung.rag.examples import still_told
from rung.rag.layout import Layout, cited, laid_out
from rung.rag.query import FUNCTION_WORDS, query_of
from rung.types import Answer, Candidate, Choice, Demonstration, Json, Message, RagLearned, Request, Source, learned_as

MOST_USED = 0.999  # a passage was used that holds as much of the answer's new words as the best one, within rounding


@dataclass(frozen=True)
class RagSystem:
    """A System that asks one model once, with passages found for the row in the documents as they are now.

    `given`: these passages instead of found ones, for experiments. `told`: the documents that told the examples' answers
    when they had the hash `then`. Where the chat exceeds the model's context, examples are left out, first shown first,
    then passages, worst first.
    """

    choice: Choice
    template: Template
    layout: Layout
    role: str
    choose: Chooser
    kit: AnsweringKit
    document_index: DocumentIndex
    given: tuple[Source, ...] | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    then: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    processed: Callable[[str], str] = str

    async def passages(self, inputs: Mapping[str, str], k: int | None = None) -> tuple[Source, ...]:
        """Return the passages for a row, best first."""
        if self.given is not None:
            return self.given
        if self.choice.whole:
            return self.document_index.documents()
        wanted = self.choice.k if k is None else k
        if not wanted:
            return ()
        hits = await self.document_index.search(
            query_of(self.choice.query, inputs),
            wanted,
            mode=self.choice.mode,
            dense_weight=self.choice.dense_weight,
            chunk_words=self.choice.chunk_words,
            turn=self.choice.turn,
        )
        return tuple(h.source for h in hits)

    async def request(
        self, inputs: Mapping[str, str], passages: Sequence[Source]
    ) -> tuple[Request, tuple[Source, ...]]:
        """Return what the model is asked, and the passages that stand in it: those that fit."""
        shown = [(d, await self._of_example(d)) for d in await self._examples(inputs)]
        row = {c: inputs[c] for c in self.template.columns}
        used = tuple(passages)
        while True:
            chat = laid_out(self.template, self.layout, row, [p.text for p in used], shown)
            if not (shown or used) or self._fits(chat):
                return Request(chat, self.params), used
            if shown:
                shown = shown[1:]
            else:
                used = used[:-1]

    async def _examples(self, inputs: Mapping[str, str]) -> Sequence[Demonstration]:
        """Return the examples for a row: those whose answers the documents still tell, if they told them before."""
        chosen = self.choose(inputs)
        if not any(d.id in self.told for d in chosen) or self.document_index.sha256 == self.then:
            return chosen
        return await still_told(self.document_index, chosen, self.told)

    async def _of_example(self, demonstration: Demonstration) -> list[str]:
        if self.choice.examples != "with" or self.choice.whole or not self.choice.k:
            return []
        return [p.text for p in await replace(self, given=None).passages(demonstration.inputs, 1)]

    def _fits(self, chat: Sequence[Message]) -> bool:
        card = self.kit.card(self.role)
        return card.context is None or (self.kit.count_tokens(self.role, chat) + card.max_tokens <= card.context)

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        """Answer a row. The text comes without its wrapping and the numbers of cited passages; the call keeps the model's words."""
        started = time.perf_counter()
        passages = await self.passages(inputs)
        request, shown = await self.request(inputs, passages)
        looking_s = time.perf_counter() - started
        completion = await self.kit.ask(self.role, request)
        text, numbers = cited(completion.text, len(shown)) if self.layout.cite else (completion.text, ())
        text = self.processed(text)
        if abstains(text, self.layout.phrase):
            sources: tuple[Source, ...] = ()
        elif numbers:
            sources = tuple(shown[n - 1] for n in numbers)
        else:
            sources = used_by(text, inputs, shown)
        return Answer(
            text, (completion,), sources, None if completion.latency_s is None else looking_s + completion.latency_s
        )


def bring_to_life(
    candidate: Candidate,
    kit: AnsweringKit,
    given: tuple[Source, ...] | None = None,
    labels: Sequence[str] | None = None,
) -> RagSystem:
    """Return a candidate's system. `given`: with these passages instead of found ones; `labels`: the task's."""
    learned = learned_as(candidate, RagLearned)
    return RagSystem(
        learned.choice,
        Template.of(candidate),
        layout_of(learned),
        role_of(candidate),
        chooser(learned),
        kit,
        document_index_of(kit),
        given,
        learned.told,
        learned.documents_sha256 or "",
        learned.params,
        step_of(learned.postprocessing, labels),
    )


def document_index_of(kit: AnsweringKit) -> DocumentIndex:
    """Return the documents, which may be empty now. Raises NotOffered when none are configured."""
    document_index = kit.document_index()
    if document_index is None:
        raise NotOffered(
            "rag answers from the user's documents, and none are configured: name their folder as `documents: {path: ...}`"
        )
    return document_index


def readable(kit: AnsweringKit) -> tuple[DocumentIndex, tuple[Source, ...]]:
    """Return the document index and all its documents. Raises NotOffered when there is none to read."""
    document_index = document_index_of(kit)
    documents = document_index.documents()
    if not documents:
        raise NotOffered("rag answers from the user's documents, and not one readable document is there: add some")
    return document_index, documents


def used_by(answer: str, inputs: Mapping[str, str], shown: Sequence[Source]) -> tuple[Source, ...]:
    """Return the passages that hold most of what the answer says beyond the question, best place first.

    Where that is nothing (a label, a yes), no passage stands out: all that were shown are named.
    """
    asked = {w for value in inputs.values() for w in words(value)}
    said = {w for w in words(answer) if w not in FUNCTION_WORDS}
    fresh = (said - asked) or said
    held = [len(fresh & set(words(p.text))) + 0.5 * _share(said, p.text) for p in shown]
    most = max(held, default=0.0)
    if most < 1.0:
        return tuple(shown)
    return tuple(p for p, h in zip(shown, held, strict=True) if h >= MOST_USED * most)


def _share(said: set[str], text: str) -> float:
    return len(said & set(words(text))) / len(said) if said else 0.0
