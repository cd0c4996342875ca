"""Rung 0, no language model: the majority answer, the nearest training row's answer, or a linear classifier."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rung.background import ONE_AT_A_TIME
from rung.errors import NotOffered
from rung.plugins import require
from rung.prompts.race import Race, mean_score, racing_order
from rung.prompts.similar import Index
from rung.protocols import AnsweringKit, Kit, System
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Example,
    FitInput,
    Fitted,
    Learned,
    Outcome,
    RungPlan,
    Skipped,
    Task,
    learned_as,
)

REPEATED_SHARE = 0.2  # share of training answers that occur twice or more: from here answers are like labels
SPAN_WORDS = 8  # median words of the answers up to which they are like spans
MOST_LABELS_PER_ROW = 0.5  # a classifier is fitted where answers are at most so many per training row

END = " endoftext"  # in every text, so that it says nothing; keeps blank texts from an empty vocabulary
PIECES = (3, 5)  # characters, shortest and longest run within a word

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
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("nothing", "seconds")
    said_to_fix: ClassVar[float | None] = None

    most_rows: int = Field(20_000, ge=1, description="training examples kept, at random, where there are more")

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose by the mean deciding score on all dev rows; the simpler one stays on a tie.

        Raises NotOffered without training rows, and where answers are free text: long, and hardly any twice.
        """
        task, train, dev = given.task, given.train, given.dev
        _require_repeated_answers(train)
        rows = self._kept(train, kit)
        candidates, skipped = _candidates(rows)
        order = racing_order(dev, kit)
        seen: dict[str, tuple[Outcome, ...]] = {c.name: await kit.run(c, order) for c in candidates}
        means = {name: mean_score(outcomes, task) for name, outcomes in seen.items()}
        best = max(candidates, key=lambda c: (means[c.name] is not None, means[c.name] or 0.0))  # first of equals
        found = Race(order, candidates, seen, best)
        return Fitted(best, found.outcomes(dev, best.name), found.trials(task, best.name), skipped)

    def refit(self, candidate: Candidate, given: FitInput, kit: Kit) -> Candidate:
        """Return the chosen method, learnt from train and dev."""
        found, _ = _candidates(self._kept((*given.train, *given.dev), kit))
        return next((c for c in found if c.name == candidate.name), candidate)

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate: three candidates, no call. Raises NotOffered like `fit`."""
        _require_repeated_answers(given.train)
        return RungPlan(len(_candidates(given.train)[0]), 0, ())

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Return a system fitted again from the rows in `learned`; kit is not asked."""
        learned = learned_as(candidate, BaselineLearned)
        return LinearSystem(_decider(learned)) if learned.method == "linear" else BaselineSystem(_predictor(learned))

    def _kept(self, train: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        if len(train) <= self.most_rows:
            return tuple(train)
        chosen = sorted(kit.rng("baseline rows").sample(range(len(train)), self.most_rows))
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


def _candidates(rows: Sequence[Example]) -> tuple[tuple[Candidate, ...], tuple[Skipped, ...]]:
    counts = Counter(e.target for e in rows)
    most = max(counts.values())
    answer = min(t for t, n in counts.items() if n == most)
    pairs = tuple((e.text, e.target) for e in rows)
    ids = tuple(e.id for e in rows)
    majority = _candidate(BaselineLearned(method="majority", answer=answer), ids)
    nearest = _candidate(BaselineLearned(method="nearest", rows=pairs), ids)
    linear = _candidate(BaselineLearned(method="linear", rows=pairs, penalty=1.0), ids)
    if len(counts) < 2:
        reason = f"all {len(rows)} training examples have the answer {answer!r}: a classifier needs two"
    elif len(counts) > MOST_LABELS_PER_ROW * len(rows):
        reason = f"{len(counts)} different answers in {len(rows)} training examples are no labels: a classifier cannot be fitted"
    else:
        return (majority, nearest, linear), ()
    return (majority, nearest), (Skipped("baseline linear", reason),)


def _candidate(learned: BaselineLearned, ids: tuple[str, ...]) -> Candidate:
    return Candidate("baseline", learned.method, learned, None, ids)


def _predictor(learned: BaselineLearned) -> Predict:
    if learned.method == "majority":
        answer = learned.answer or ""
        return lambda _: answer
    texts = [text for text, _ in learned.rows]
    answers = [target for _, target in learned.rows]
    if learned.method == "nearest":
        index = Index.of(texts)
        return lambda text: answers[index.nearest(text, 1)[0]]
    decide = _decider(learned)
    return lambda text: max(found := decide(text), key=found.__getitem__)


def _decider(learned: BaselineLearned) -> Decide:
    texts, answers = [text for text, _ in learned.rows], [target for _, target in learned.rows]
    pipeline = fitted_linear(texts, answers, learned.penalty or 1.0)
    sklearn, sparse = require("sklearn"), require("scipy.sparse")
    union, svm = pipeline
    counters = [counter for _, counter in union.transformer_list]
    classes = [str(name) for name in svm.classes_]

    def decide(text: str) -> Mapping[str, float]:
        # as `pipeline.decision_function`, without what it checks and forks for: two thirds of the time for one text
        with ONE_AT_A_TIME, sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            counts = sparse.hstack([counter.transform([text + END]) for counter in counters], format="csr")
            found = svm.decision_function(counts)[0]
        if len(classes) == 2:  # one number: what speaks for the second
            return {classes[0]: -float(found), classes[1]: float(found)}
        return dict(zip(classes, found.tolist(), strict=True))

    return decide


def fitted_linear(texts: Sequence[str], answers: Sequence[str], c: float) -> Any:
    """Return the fitted pipeline of scikit-learn, which reads texts with `END` after them; equal rows, equal fit.

    TF-IDF of words (1-2) and of characters within words (3-5) with a linear SVM.
    """
    text, pipelines, svm = (require(f"sklearn.{name}") for name in ("feature_extraction.text", "pipeline", "svm"))
    pipeline = pipelines.make_pipeline(
        pipelines.make_union(
            text.TfidfVectorizer(
                ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", max_features=100_000
            ),
            text.TfidfVectorizer(analyzer="char_wb", ngram_range=PIECES, sublinear_tf=True, max_features=100_000),
        ),
        svm.LinearSVC(C=c, random_state=0, max_iter=10_000),
    )
    with ONE_AT_A_TIME:
        pipeline.fit([t + END for t in texts], answers)
    return pipeline
