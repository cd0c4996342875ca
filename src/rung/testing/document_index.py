"""Documents in memory, for tests of rungs: searched by BM25, and by spelling where a dense search is wanted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rung.errors import ConfigError, Problem
from rung.metrics.text import words
from rung.types import Hit, Source, content_hash

_K1, _B = 1.2, 0.75  # the usual constants of BM25 (Robertson and Zaragoza 2009, section 3.2)


@dataclass(frozen=True)
class _Words:
    """`places`: word -> passages that hold it, with how often; `lengths`: words of each passage."""

    places: dict[str, list[tuple[int, int]]]
    lengths: list[int]

    @classmethod
    def of(cls, passages: list[Source]) -> _Words:
        places: dict[str, list[tuple[int, int]]] = {}
        counts = [Counter(words(p.text)) for p in passages]
        for i, counted in enumerate(counts):
            for word, count in counted.items():
                places.setdefault(word, []).append((i, count))
        return cls(places, [c.total() for c in counts])


@dataclass
class PlainDocumentIndex:
    """A DocumentIndex without a disk. `dense`: a second search, by shared letter triples. `known`: row id -> relevant documents."""

    texts: dict[str, str] = field(default_factory=dict)
    words_of_passage: int = 120
    dense: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _held: dict[int, tuple[dict[str, str], list[Source], _Words]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def modes(self) -> tuple[str, ...]:
        return ("bm25", "dense", "hybrid") if self.dense else ("bm25",)

    @property
    def sha256(self) -> str:
        return content_hash(sorted(self.texts.items()))

    def documents(self) -> tuple[Source, ...]:
        return tuple(Source(name, "whole", self.texts[name]) for name in sorted(self.texts))

    def put(self, name: str, text: str) -> None:
        """Add or change a document."""
        self.texts[name] = text

    def remove(self, name: str) -> None:
        del self.texts[name]

    def relevant(self, example_id: str) -> frozenset[str]:
        return self.known.get(example_id, frozenset())

    async def search(
        self,
        query: str,
        k: int,
        *,
        mode: str = "bm25",
        dense_weight: float = 0.5,
        chunk_words: int | None = None,
        turn: str = "",
    ) -> tuple[Hit, ...]:
        if mode not in self.modes:
            raise ConfigError([Problem("mode", "no such search", mode, ", ".join(self.modes))])
        passages, index = self._passages(chunk_words or self.words_of_passage)
        by_words = _bm25(query, index)
        by_letters = _spelling(query, passages) if mode != "bm25" else by_words
        weight = {"bm25": 0.0, "dense": 1.0, "hybrid": dense_weight}[mode]
        scores = [(1 - weight) * w + weight * s for w, s in zip(by_words, by_letters, strict=True)]
        order = sorted(range(len(passages)), key=lambda i: (-scores[i], i))
        best = [i for i in order if scores[i] > 0][:k]
        return tuple(Hit(passages[i], scores[i], f"{passages[i].document}#{passages[i].position}") for i in best)

    def _passages(self, size: int) -> tuple[list[Source], _Words]:
        """Return the passages with the index of their words; kept until a document changes."""
        held = self._held.get(size)
        if held is None or held[0] != self.texts:
            found = []
            for document in self.documents():
                split = document.text.split()
                found += [
                    Source(
                        document.document,
                        f"words {at + 1} to {min(at + size, len(split))}",
                        " ".join(split[at : at + size]),
                    )
                    for at in range(0, len(split), size)
                ]
            held = (dict(self.texts), found, _Words.of(found))
            self._held[size] = held
        return held[1], held[2]


def _bm25(query: str, index: _Words) -> list[float]:
    """Return the BM25 score of each passage, divided by the best one: in [0, 1]."""
    n = len(index.lengths)
    mean = sum(index.lengths) / n if n else 0.0
    scores = [0.0] * n
    for word in sorted(set(words(query))):
        places = index.places.get(word, ())
        idf = math.log(1 + (n - len(places) + 0.5) / (len(places) + 0.5))
        for i, count in places:
            scores[i] += idf * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * index.lengths[i] / mean))
    return _scaled(scores)


def _spelling(query: str, passages: list[Source]) -> list[float]:
    def triples(text: str) -> Counter[str]:
        line = " ".join(words(text))
        return Counter(line[i : i + 3] for i in range(len(line) - 2))

    asked = triples(query)
    scores = []
    for passage in passages:
        own = triples(passage.text)
        length = math.sqrt(sum(v * v for v in own.values()) * sum(v * v for v in asked.values()))
        scores.append(sum(v * own[t] for t, v in asked.items()) / length if length else 0.0)
    return _scaled(scores)


def _scaled(scores: list[float]) -> list[float]:
    top = max(scores, default=0.0)
    return [s / top for s in scores] if top > 0 else scores
