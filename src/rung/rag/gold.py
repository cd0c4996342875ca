"""Which passage holds the expected answer, as far as that can be derived; how well a search finds it.

A passage holds a row's expected answer when it has at least half of the answer's telling words, each weighed by how rare it
is among the twenty passages nearest to question and answer; all of its numbers; and, where the answer adds no number to the
question, at least half of the words that it adds. No other passage may have more; among equals the one that shares most
with the question. Where the document index knows which documents are relevant to a row (`rung.protocols.JudgedIndex`), that counts
instead.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.metrics.text import words
from rung.prompts.abstention import abstains
from rung.protocols import DocumentIndex, JudgedIndex
from rung.rag.query import FUNCTION_WORDS
from rung.types import Example, Hit, Source, Task

LOOKED_AT = 20  # passages nearest to question and answer among which the one that holds the answer is looked for
LEAST_HELD = 0.5
AS_MUCH_ABOUT = 0.8  # of what the question and the gold passage share, the share that another passage must have
DEEP = 10  # places of a ranking that its figures look at


@dataclass(frozen=True)
class Wanted:
    """The telling words of an expected answer with their weights, those that the question lacks, and the question's."""

    weights: Mapping[str, float]
    fresh: Mapping[str, float]
    subject: Mapping[str, float]

    @classmethod
    def of(cls, example: Example, passages: Sequence[str]) -> Wanted:
        """Weigh the words by how few of the passages hold them."""
        held = [set(words(p)) for p in passages]
        count = {w: sum(w in h for h in held) for w in words(example.target) if w not in FUNCTION_WORDS}
        rare = {w: math.log((len(passages) + 1) / (n + 0.5)) for w, n in count.items()}
        asked = set(words(example.text))
        # a word that no passage has says little: the passage may put it in other words
        mild = {w: math.log((len(passages) + 1) / (max(n, 1) + 0.5)) for w, n in count.items()}
        told = {w: n for w in asked if w not in FUNCTION_WORDS and (n := sum(w in h for h in held))}
        subject = {w: math.log((len(passages) + 1) / (n + 0.5)) for w, n in told.items()}
        return cls(mild, {w: v for w, v in rare.items() if w not in asked}, subject)

    def held(self, text: str) -> float:
        """Return the weighed share of the words that a text holds; 0 when it cannot hold the answer."""
        there = set(words(text))
        numbers = [w for w in self.weights if any(c.isdigit() for c in w)]
        if any(n not in there for n in numbers):
            return 0.0
        new_number = any(n in self.fresh for n in numbers)
        if self.fresh and not new_number and _share(self.fresh, there) < LEAST_HELD:
            return 0.0
        return _share(self.weights, there)

    def about(self, text: str) -> float:
        """Return the weighed share of the question's words that a text holds."""
        return _share(self.subject, set(words(text)))


def _share(weights: Mapping[str, float], there: set[str]) -> float:
    total = sum(weights.values())
    return sum(v for w, v in weights.items() if w in there) / total if total > 0 else 0.0


@dataclass(frozen=True)
class Gold:
    """The passage that holds a row's expected answer, and how to know another that does."""

    passage: Source
    wanted: Wanted | None = None
    held: float = 0.0
    documents: frozenset[str] = frozenset()  # relevant documents, where these are known

    def within(self, passage: Source) -> bool:
        """Return whether a passage holds the answer as well."""
        if self.wanted is None:
            return passage.document in self.documents
        if self.wanted.held(passage.text) < self.held - 1e-9:
            return False
        return self.wanted.about(passage.text) >= AS_MUCH_ABOUT * self.wanted.about(self.passage.text)

    def shown(self, passages: Sequence[Source]) -> bool:
        return any(self.within(p) for p in passages)


async def gold_of(
    document_index: DocumentIndex, example: Example, task: Task, chunk_words: int | None = None
) -> Gold | None:
    """Return the passage that holds the row's expected answer; None where none is known.

    Labels and expected abstentions stand in no passage: for them relevant documents must be known.
    """
    if isinstance(document_index, JudgedIndex):
        documents = document_index.relevant(example.id)
        if documents:
            return await _judged(document_index, example, documents, chunk_words)
    if task.labels is not None or task.kind == "classification":
        return None
    return await derived(document_index, example, chunk_words)


async def derived(document_index: DocumentIndex, example: Example, chunk_words: int | None = None) -> Gold | None:
    """Return the passage whose words hold the expected answer; None where none does, or the answer abstains."""
    if not example.target or abstains(example.target):
        return None
    asked = f"{example.text}\n{example.target}"
    hits = await document_index.search(asked, LOOKED_AT, chunk_words=chunk_words)
    wanted = Wanted.of(example, [h.source.text for h in hits])
    shares = [wanted.held(h.source.text) for h in hits]
    about = [wanted.about(h.source.text) for h in hits]
    best = max(range(len(hits)), key=lambda i: (round(shares[i], 9), round(about[i], 9), -i), default=None)
    if best is None or shares[best] < LEAST_HELD:
        return None
    return Gold(hits[best].source, wanted, shares[best])


async def tells(document_index: DocumentIndex, example: Example, document: str) -> bool:
    """Whether a passage of that document holds the expected answer."""
    hits = await document_index.search(f"{example.text}\n{example.target}", LOOKED_AT)
    wanted = Wanted.of(example, [h.source.text for h in hits])
    return any(h.source.document == document and wanted.held(h.source.text) >= LEAST_HELD for h in hits)


async def _judged(
    document_index: DocumentIndex, example: Example, documents: frozenset[str], chunk_words: int | None
) -> Gold | None:
    """Return the passage of the relevant documents that is nearest to the row and its answer."""
    for asked in (f"{example.text}\n{example.target}", example.text):
        for hit in await document_index.search(asked, 10 * LOOKED_AT, chunk_words=chunk_words):
            if hit.source.document in documents:
                return Gold(hit.source, documents=documents)
    found = next((d for d in document_index.documents() if d.document in documents), None)
    return Gold(found, documents=documents) if found is not None else None


@dataclass(frozen=True, slots=True)
class RankingFigures:
    """How a search ranks the passages that hold the answers, over `rows` rows with a known one. All in [0, 1]."""

    rows: int
    recall: Mapping[int, float]  # k -> share of the rows with such a passage among the first k
    mrr: float  # mean of 1 / place of the first such passage, 0 beyond the tenth
    ndcg_10: float  # one relevant passage a row: 1 / log2(1 + place)

    def as_dict(self) -> dict[str, float | int]:
        at = {f"recall_at_{k}": v for k, v in self.recall.items()}
        return {"rows": self.rows, **at, "mrr": self.mrr, "ndcg_at_10": self.ndcg_10}


def place_of(gold: Gold, hits: Sequence[Hit]) -> int:
    """Return the place, from 1, of the first of ten passages that holds the answer; 0 where none does."""
    return next((n for n, hit in enumerate(hits[:DEEP], 1) if gold.within(hit.source)), 0)


def ndcg_of(gold: Gold, hits: Sequence[Hit]) -> float:
    """Return nDCG@10 of one ranking with one relevant passage."""
    place = place_of(gold, hits)
    return 1 / math.log2(1 + place) if place else 0.0


def figures(rankings: Sequence[tuple[Gold, Sequence[Hit]]], ks: Sequence[int] = (1, 3, 5, 10)) -> RankingFigures | None:
    """Return the figures of a search over rows with a known passage; None without such a row."""
    if not rankings:
        return None
    places = Counter(place_of(gold, hits) for gold, hits in rankings)
    rows = len(rankings)
    recall = {k: sum(n for place, n in places.items() if 0 < place <= k) / rows for k in ks}
    mrr = sum(n / place for place, n in places.items() if place) / rows
    ndcg = sum(n / math.log2(1 + place) for place, n in places.items() if place) / rows
    return RankingFigures(rows, recall, mrr, ndcg)
