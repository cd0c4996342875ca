"""Rung 0, no language model: the majority answer, the nearest training row's answer, or a classifier over words, vectors or both."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung.embedding import TEXTS_A_REQUEST
from rung.errors import NotOffered
from rung.prompts.race import Race, mean_score, racing_order
from rung.prompts.similar import Index
from rung.protocols import AnsweringKit, Kit, System
from rung.rungs.vectors import VectorSystem, label_text
from rung.rungs.words import counted, fitted_linear, told_by
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Example,
    FitInput,
    Fitted,
    Learned,
    Message,
    Outcome,
    RungPlan,
    Skipped,
    Task,
    learned_as,
)
from rung.types.learned import Method

REPEATED_SHARE = 0.2  # share of training answers that occur twice or more: from here answers are like labels
SPAN_WORDS = 8  # median words of the answers up to which they are like spans
MOST_LABELS_PER_ROW = 0.5  # a classifier is fitted where answers are at most so many per training row
PLANNED_WITH = 20  # dev rows whose texts a plan measures

BY_WORDS: frozenset[Method] = frozenset({"linear", "words and embeddings"})  # with a penalty of their own
FITTED: frozenset[Method] = BY_WORDS | {"embeddings"}

Predict = Callable[[str], str]
Decide = Callable[[str], Mapping[str, float]]  # a text -> how much speaks for each answer; the greatest is given


class Baseline(BaseModel):
    """Try the answers that need no language model and keep the one that dev prefers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    learned: ClassVar[type[Learned]] = BaselineLearned
    title: ClassVar[str] = "baseline"
    trains: ClassVar[bool] = False
    shows_answers: ClassVar[bool] = True  # so that it needs expected answers
    asks: ClassVar[tuple[str, ...]] = ()
    embeds: ClassVar[tuple[str, ...]] = ("embedder",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("nothing", "seconds")
    said_to_fix: ClassVar[float | None] = None

    most_rows: int = Field(20_000, ge=1, description="training examples kept, at random, where there are more")
    embedder: str | None = Field(
        None,
        description="the role under `models` that makes vectors, for methods that go by meaning; none: the role `embedder` if there is one, else words alone",
    )

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose by the mean deciding score on all dev rows; the simpler one stays on a tie.

        Raises NotOffered without training rows, and where answers are free text: long, and hardly any twice.
        """
        task, dev = given.task, given.dev
        candidates, skipped = self._candidates(task, self._kept(given.train, kit))
        order = racing_order(dev, kit)
        seen: dict[str, tuple[Outcome, ...]] = {c.name: await kit.run(c, order) for c in candidates}
        means = {name: mean_score(outcomes, task) for name, outcomes in seen.items()}
        best = max(candidates, key=lambda c: (means[c.name] is not None, means[c.name] or 0.0))  # first of equals
        found = Race(order, candidates, seen, best)
        return Fitted(best, found.outcomes(dev, best.name), found.trials(task, best.name), skipped)

    def refit(self, candidate: Candidate, given: FitInput, kit: Kit) -> Candidate:
        """Return the chosen method, learnt from train and dev."""
        found, _ = self._candidates(given.task, self._kept((*given.train, *given.dev), kit))
        return next((c for c in found if c.name == candidate.name), candidate)

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate: a few candidates, which ask nothing but an embedder, and that for each text once. Raises NotOffered like `fit`."""
        found = len(self._candidates(given.task, given.train[: self.most_rows])[0])
        if self.embedder is None:
            return RungPlan(found, 0, ())
        texts = min(len(given.train), self.most_rows) + len(given.dev)
        chats = tuple((Message("user", e.text),) for e in given.dev[:PLANNED_WITH])
        return RungPlan(
            found, texts, chats, f"texts to vectors by models.{self.embedder}, up to {TEXTS_A_REQUEST} in a request"
        )

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system fitted again from the rows in `learned`; kit is not asked."""
        learned = learned_as(candidate, BaselineLearned)
        if learned.embedder is not None:
            return VectorSystem(learned, kit)
        return LinearSystem(_decider(learned)) if learned.method == "linear" else BaselineSystem(_predictor(learned))

    def _candidates(self, task: Task, rows: Sequence[Example]) -> tuple[tuple[Candidate, ...], tuple[Skipped, ...]]:
        """Return every method, the simplest first. Raises NotOffered where there is nothing to answer with."""
        by_label = self._by_label(task)
        if not rows and by_label:
            return by_label, ()
        _require_repeated_answers(rows)
        counts = Counter(e.target for e in rows)
        most = max(counts.values())
        answer = min(t for t, n in counts.items() if n == most)
        pairs = tuple((e.text, e.target) for e in rows)
        methods: tuple[Method, ...] = ("nearest", "linear")
        if self.embedder is not None:
            methods = (*methods, "nearest embedding", "embeddings", "words and embeddings")
        reason = None
        if len(counts) < 2:
            reason = f"all {len(rows)} training examples have the answer {answer!r}: a classifier needs two"
        elif len(counts) > MOST_LABELS_PER_ROW * len(rows):
            reason = f"{len(counts)} different answers in {len(rows)} training examples are no labels: a classifier cannot be fitted"
        ids = tuple(e.id for e in rows)
        found = [_candidate(BaselineLearned(method="majority", answer=answer), ids)]
        for method in methods if reason is None else [m for m in methods if m not in FITTED]:
            penalty = 1.0 if method in BY_WORDS else None
            embedder = self.embedder if method not in ("nearest", "linear") else None
            learned = BaselineLearned(method=method, rows=pairs, penalty=penalty, embedder=embedder)
            found.append(_candidate(learned, ids))
        return (*found, *by_label), () if reason is None else (Skipped("baseline linear", reason),)

    def _by_label(self, task: Task) -> tuple[Candidate, ...]:
        """Return the method that needs no training example: the label whose name means most nearly what the text does."""
        if self.embedder is None or task.kind != "classification" or not task.labels:
            return ()
        rows = tuple((label_text(label), label) for label in task.labels)
        return (_candidate(BaselineLearned(method="label names", rows=rows, embedder=self.embedder), ()),)

    def _kept(self, train: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        if len(train) <= self.most_rows:
            return tuple(train)
        chosen = sorted(kit.rng("baseline").sample(range(len(train)), self.most_rows))
        kit.say(f"baseline: learns from {self.most_rows} of {len(train)} training examples")
        return tuple(train[i] for i in chosen)


@dataclass(frozen=True)
class BaselineSystem:
    """Answers from the text of all input columns; measures its own latency."""

    predict: Predict

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        start = time.perf_counter()
        text = self.predict("\n".join(inputs.values()))
        return Answer(text, latency_s=time.perf_counter() - start)


@dataclass(frozen=True)
class LinearSystem:
    """Answers by a linear classifier, and tells how much speaks for each answer that it knows (`rung.protocols.Deciding`)."""

    decide: Decide

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        return (await self.decided(inputs))[0]

    async def decided(self, inputs: Mapping[str, str]) -> tuple[Answer, Mapping[str, float]]:
        start = time.perf_counter()
        found = self.decide("\n".join(inputs.values()))
        return Answer(max(found, key=found.__getitem__), latency_s=time.perf_counter() - start), found


def _require_repeated_answers(train: Sequence[Example]) -> None:
    if not train:
        raise NotOffered("baseline needs training examples, and there are none")
    counts = Counter(e.target for e in train)
    repeated = sum(n for n in counts.values() if n > 1) / len(train)
    words = median(len(e.target.split()) for e in train)
    records = sum(_is_record(e.target) for e in train) / len(train)
    if repeated < REPEATED_SHARE and words > SPAN_WORDS and records < 0.5:
        raise NotOffered(
            f"baseline has no answer to give: only {repeated:.0%} of {len(train)} training answers occur twice, and half "
            f"of them are longer than {words:g} words; the lowest approach for such free text is prompt"
        )


def _is_record(target: str) -> bool:
    """Return whether the answer is a JSON object: a neighbour's answer then has some fields right."""
    if not target.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(target), dict)
    except (ValueError, RecursionError):
        return False


def _candidate(learned: BaselineLearned, ids: tuple[str, ...]) -> Candidate:
    return Candidate("baseline", learned.method, learned, None, ids)


def _predictor(learned: BaselineLearned) -> Predict:
    if learned.method == "majority":
        answer = learned.answer or ""
        return lambda _: answer
    index = Index.of([text for text, _ in learned.rows])
    return lambda text: learned.rows[index.nearest(text, 1)[0]][1]


def _decider(learned: BaselineLearned) -> Decide:
    texts, answers = [text for text, _ in learned.rows], [target for _, target in learned.rows]
    words, svm = fitted_linear(texts, answers, learned.penalty or 1.0)
    return lambda text: told_by(svm, counted(words, text))
