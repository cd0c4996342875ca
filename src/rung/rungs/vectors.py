"""The baseline's methods over vectors: fitted when the first answer is asked, since vectors come from a model that is asked, too."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rung.background import ONE_AT_A_TIME
from rung.embedding import Embedder, Vectors
from rung.plugins import require
from rung.protocols import AnsweringKit
from rung.rungs.words import END, classifier, counted, told_by, words_of
from rung.types import Answer, BaselineLearned, Completion, Request

INVERSE_PENALTY = (
    20.0  # C of the logistic regression over vectors of length 1; 10 and 30 do about as well (docs/log.md)
)
NEAREST = frozenset({"nearest embedding", "label names"})  # methods that give the answer of the most similar row


def label_text(label: str) -> str:
    """Return a label as words, by which an embedder can know what it means: `card_arrival` as "card arrival"."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-./]+", " ", label).split()) or label


@dataclass(frozen=True)
class Fitted:
    """A fitted method. `model`: the classifier, None for the nearest row; `words`: the counter of words beside the vectors, or None."""

    answers: tuple[str, ...]
    vectors: Vectors  # of the rows, (n, dimensions), each of length 1
    model: Any = None
    words: Any = None

    @classmethod
    def of(cls, learned: BaselineLearned, vectors: Vectors) -> Fitted:
        """Fit a method to its rows, whose vectors these are; equal rows and vectors, equal fit."""
        answers = tuple(answer for _, answer in learned.rows)
        if learned.method in NEAREST:
            return cls(answers, vectors)
        if learned.method == "embeddings":
            model = require("sklearn.linear_model").LogisticRegression(C=INVERSE_PENALTY, max_iter=2000)
            with ONE_AT_A_TIME:
                return cls(answers, vectors, model.fit(vectors, answers))
        words = words_of()
        with ONE_AT_A_TIME:
            counts = words.fit_transform([text + END for text, _ in learned.rows])
            model = classifier(learned.penalty or 1.0).fit(_beside(counts, vectors), answers)
        return cls(answers, vectors, model, words)

    def decide(self, text: str, vector: Vectors) -> Mapping[str, float]:
        """Return how much speaks for each answer; the greatest is given, the first of equals. `vector`: of the text, of length 1."""
        if self.model is None:
            found: dict[str, float] = {}
            for answer, likeness in zip(self.answers, (self.vectors @ vector).round(6).tolist(), strict=True):
                found[answer] = max(likeness, found.get(answer, -1.0))
            return found
        row = vector[None, :]
        return told_by(self.model, row if self.words is None else _beside(counted(self.words, text), row))


def _beside(counts: Any, vectors: Vectors) -> Any:
    return require("scipy.sparse").hstack([counts, vectors], format="csr")


@dataclass
class VectorSystem:
    """Answers by the vectors of an embedder; tells how much speaks for each answer that it knows (`rung.protocols.Deciding`).

    Its latency is that of the embedder and of the method itself; its cost is the embedder's for the one text.
    """

    learned: BaselineLearned
    kit: AnsweringKit
    _fitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _fitted: Fitted | None = None

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        return (await self.decided(inputs))[0]

    async def decided(self, inputs: Mapping[str, str]) -> tuple[Answer, Mapping[str, float]]:
        fitted, text = await self.fitted(), "\n".join(inputs.values())
        calls: list[Completion] = []
        vector = (await self.embed([text], calls))[0]
        began = time.perf_counter()
        found = fitted.decide(text, vector)
        own = time.perf_counter() - began
        asked = [call.latency_s for call in calls]
        seconds = None if None in asked else own + sum(s for s in asked if s is not None)
        return Answer(max(found, key=found.__getitem__), tuple(calls), latency_s=seconds), found

    async def fitted(self) -> Fitted:
        """Return the method fitted to what was learned; the vectors of its rows are asked for once."""
        async with self._fitting:
            if self._fitted is None:
                vectors = await self.embed([text for text, _ in self.learned.rows])
                self._fitted = Fitted.of(self.learned, vectors)
        return self._fitted

    async def embed(self, texts: Sequence[str], calls: list[Completion] | None = None) -> Vectors:
        """Return the vectors of texts, (n, dimensions), each of length 1; what was asked for them goes into `calls`."""
        role = str(self.learned.embedder)

        async def ask(request: Request) -> Completion:
            said = await self.kit.ask(role, request)
            if calls is not None:
                calls.append(said)
            return said

        return await Embedder(role, role, ask).embed(texts)
