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
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from rung.errors import NotOffered
from rung.protocols import Kit, System
from rung.rungs._race import Race, mean_score, racing_order
from rung.rungs._similar import Index
from rung.types import Answer, Candidate, Diagnosis, Example, Fitted, Outcome, RungPlan, Skipped, Task

REPEATED_SHARE = 0.2  # share of training answers that occur twice or more: from here answers are like labels
SPAN_WORDS = 8  # median words of the answers up to which they are like spans
MOST_LABELS_PER_ROW = 0.5  # a classifier is fitted where answers are at most so many per training row

_END = " endoftext"  # in every text, so that it says nothing; keeps blank texts from an empty vocabulary

Predict = Callable[[str], str]


class Baseline(BaseModel):
    """Try the answers that need no language model and keep the one that dev prefers.

    `learned` holds the majority answer, or the training rows as [text, answer] pairs: a fitted TF-IDF model would be
    tens of megabytes as JSON, while refitting it from the rows is deterministic and takes seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = False
    asks_model: ClassVar[bool] = False

    most_rows: int = Field(20_000, ge=1, description="training rows kept, at random, where there are more")

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
        """Choose by the mean deciding score on all dev rows; the simpler one stays on a tie.

        Raises NotOffered without training rows, and where answers are free text: long, and hardly any twice.
        """
        _require_repeated_answers(train)
        rows = self._kept(train, kit)
        candidates, skipped = _candidates(rows)
        order = racing_order(dev, kit)
        seen: dict[str, tuple[Outcome, ...]] = {c.name: await kit.run(c, order) for c in candidates}
        means = {name: mean_score(outcomes, task) for name, outcomes in seen.items()}
        best = max(candidates, key=lambda c: (means[c.name] is not None, means[c.name] or 0.0))  # first of equals
        found = Race(order, candidates, seen, best)
        return Fitted(best, found.outcomes(dev, best.name), found.trials(task, best.name), skipped)

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        """Estimate: three candidates, no call. Raises NotOffered like `fit`."""
        _require_repeated_answers(train)
        return RungPlan(len(_candidates(train)[0]), 0, ())

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        """Return a system fitted again from the rows in `learned`; kit is not asked."""
        return BaselineSystem(_predictor(candidate))

    def _kept(self, train: Sequence[Example], kit: Kit) -> tuple[Example, ...]:
        if len(train) <= self.most_rows:
            return tuple(train)
        chosen = sorted(kit.rng("baseline rows").sample(range(len(train)), self.most_rows))
        kit.say(f"baseline: learns from {self.most_rows} of {len(train)} training rows")
        return tuple(train[i] for i in chosen)


@dataclass(frozen=True)
class BaselineSystem:
    """Answers from the text of all input columns; measures its own latency."""

    predict: Predict

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        start = time.perf_counter()
        text = self.predict("\n".join(inputs.values()))
        return Answer(text, latency_s=time.perf_counter() - start)


def _require_repeated_answers(train: Sequence[Example]) -> None:
    if not train:
        raise NotOffered("baseline needs training rows, and there are none")
    counts = Counter(e.target for e in train)
    repeated = sum(n for n in counts.values() if n > 1) / len(train)
    words = median(len(e.target.split()) for e in train)
    records = sum(_is_record(e.target) for e in train) / len(train)
    if repeated < REPEATED_SHARE and words > SPAN_WORDS and records < 0.5:
        raise NotOffered(
            f"baseline has no answer to give: only {repeated:.0%} of {len(train)} training answers occur twice, and half "
            f"of them are longer than {words:g} words; the lowest rung for such free text is prompt"
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
    pairs = [[e.text, e.target] for e in rows]
    ids = tuple(e.id for e in rows)
    majority = Candidate("baseline", "majority", {}, {"answer": answer}, None, ids)
    nearest = Candidate("baseline", "nearest", {}, {"rows": pairs}, None, ids)
    linear = Candidate("baseline", "linear", {"C": 1.0}, {"rows": pairs}, None, ids)
    if len(counts) < 2:
        reason = f"all {len(rows)} training rows have the answer {answer!r}: a classifier needs two"
    elif len(counts) > MOST_LABELS_PER_ROW * len(rows):
        reason = (
            f"{len(counts)} different answers in {len(rows)} training rows are no labels: a classifier cannot be fitted"
        )
    else:
        return (majority, nearest, linear), ()
    return (majority, nearest), (Skipped("baseline linear", reason),)


def _predictor(candidate: Candidate) -> Predict:
    if candidate.name == "majority":
        answer: str = candidate.learned["answer"]
        return lambda _: answer
    texts = [text for text, _ in candidate.learned["rows"]]
    answers = [target for _, target in candidate.learned["rows"]]
    if candidate.name == "nearest":
        index = Index.of(texts)
        return lambda text: answers[index.nearest(text, 1)[0]]
    return _linear(texts, answers, candidate.settings["C"])


def _linear(texts: Sequence[str], answers: Sequence[str], c: float) -> Predict:
    """Fit TF-IDF of words (1-2) and of characters within words (3-5) with a linear SVM; equal rows, equal fit."""
    pipeline: Any = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", max_features=100_000),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=100_000),
        ),
        LinearSVC(C=c, random_state=0, max_iter=10_000),
    )
    pipeline.fit([text + _END for text in texts], answers)
    return lambda text: str(pipeline.predict([text + _END])[0])


plugin = Baseline
