"""Similarity of rows by TF-IDF cosine: nearest rows, representative and diverse choices, the words typical of a label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rung.data.near import tied
from rung.data.terms import ENGLISH, Terms, counted, rarity, splitter, weighed
from rung.prompts.postprocessing import step_of
from rung.prompts.templates import ChatSystem, Chooser, Template, chat_of, role_of
from rung.protocols import AnsweringKit
from rung.types import Candidate, ChatLearned, Example

MOST_TERMS = 200_000  # vocabulary cap: beyond it terms are so rare that they tie no two rows
_words = splitter(r"\b\w+\b")
_marking = splitter(r"\b[^\W\d_](?:[^\W\d_]|['’](?=[^\W\d_]))+\b", ENGLISH)


@dataclass(frozen=True)
class Index:
    """Texts as L2-normalised TF-IDF rows (words and pairs of words), so that a dot product is a cosine in [0, 1]."""

    terms: Terms
    weights: NDArray[np.float64]  # (terms,): how rare each is
    matrix: Any  # scipy sparse, shape (texts, terms); scipy ships no types

    @classmethod
    def of(cls, texts: Sequence[str]) -> Index:
        """Index texts. Texts without any word are legal: they resemble nothing."""
        # one artificial text keeps the vocabulary from being empty; its row is dropped
        found = counted(map(_words, [*texts, "\x00 rung0empty"]), longest=2, most=MOST_TERMS)
        assert found is not None
        weights = rarity(found.matrix)
        return cls(found.terms, weights, weighed(found.matrix, weights)[:-1])

    def similarity(self, text: str) -> NDArray[np.float64]:
        """Return the cosine of `text` with every indexed text, shape (texts,)."""
        counts = Counter(self.terms.columns(_words(text)))
        places = list(counts)
        weights = (1.0 + np.log(list(counts.values()))) * self.weights[places]
        vector = np.zeros(len(self.weights))
        vector[places] = weights / (np.linalg.norm(weights) or 1.0)
        return np.asarray(self.matrix @ vector, dtype=np.float64)

    def nearest(self, text: str, k: int) -> list[int]:
        """Return the places of the k most similar texts, most similar first; ties by place."""
        scores = self.similarity(text)
        return [int(i) for i in np.lexsort((np.arange(scores.size), -np.round(scores, 12)))[:k]]

    def pairwise(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return the cosines among some texts, shape (len(places), len(places))."""
        rows = self.matrix[list(places)]
        return np.asarray((rows @ rows.T).toarray(), dtype=np.float64)


def apart_from(rows: Sequence[Example], others: Sequence[Example]) -> tuple[Example, ...]:
    """Return the rows whose inputs are neither equal nor near to any of the others (see `rung.data.near`)."""
    near = _near_others(tuple(e.text for e in rows), tuple(e.text for e in others))
    return tuple(e for i, e in enumerate(rows) if i not in near)


@lru_cache(maxsize=2)
def _near_others(rows: tuple[str, ...], others: tuple[str, ...]) -> frozenset[int]:
    """Return the places of the texts that stand in one cluster with any of the others. Two rungs ask for the same ones."""
    return frozenset(i for c in tied((*rows, *others)) if max(c) >= len(rows) for i in c if i < len(rows))


def without_repeats(rows: Sequence[Example]) -> tuple[Example, ...]:
    """Return the rows with only the first of each cluster of near-equal ones."""
    drop = {place for cluster in tied([e.text for e in rows]) for place in cluster[1:]}
    return tuple(e for place, e in enumerate(rows) if place not in drop)


def by_label(rows: Sequence[Example]) -> dict[str, list[int]]:
    """Return the places of the rows of each target, most frequent target first, ties by name."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.target].append(place)
    return {label: places[label] for label in sorted(places, key=lambda x: (-len(places[x]), x))}


def typical_order(index: Index, places: Sequence[int]) -> list[int]:
    """Return the places, most typical first: by mean cosine with the others, ties by place."""
    if len(places) < 3:
        return list(places)
    centre = np.asarray(index.matrix[list(places)].mean(axis=0)).ravel()
    scores = np.round(np.asarray(index.matrix[list(places)] @ centre).ravel(), 12)
    return [places[int(i)] for i in np.lexsort((np.arange(len(places)), -scores))]


def representative(rows: Sequence[Example], k: int, labels: Collection[str] | None) -> list[int]:
    """Choose k rows that stand for all: with labels the most typical row of each label in turn, frequent labels first;
    without, greedily those that bring every row closest to a chosen one (facility location, Nemhauser et al. 1978).
    Nested: the choice for a smaller k is the beginning of that for a larger one.
    """
    index = Index.of([e.text for e in rows])
    if labels is not None:
        queues = [typical_order(index, places) for places in by_label(rows).values()]
        rounds = max((len(q) for q in queues), default=0)
        return [q[turn] for turn in range(rounds) for q in queues if turn < len(q)][:k]
    cosines = index.pairwise(range(len(rows)))
    covered = np.zeros(len(rows))
    chosen: list[int] = []
    while len(chosen) < min(k, len(rows)):
        gains = np.round(np.maximum(cosines, covered).sum(axis=1), 9)
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        chosen.append(best)
        covered = np.maximum(covered, cosines[best])
    return chosen


def diverse(rows: Sequence[Example], k: int, labels: Collection[str] | None) -> list[int]:
    """Choose k rows far from each other: start at the most typical, then always the row least like any chosen one
    (farthest point, Gonzalez 1985), among the rows of the labels used least so far. Nested like `representative`.
    """
    if not rows:
        return []
    index = Index.of([e.text for e in rows])
    cosines = index.pairwise(range(len(rows)))
    chosen = [typical_order(index, range(len(rows)))[0]]
    used: Counter[str] = Counter([rows[chosen[0]].target])
    while len(chosen) < min(k, len(rows)):
        left = [i for i in range(len(rows)) if i not in chosen]
        if labels is not None:
            fewest = min(used[rows[i].target] for i in left)
            left = [i for i in left if used[rows[i].target] == fewest]
        closeness = np.round(cosines[np.ix_(left, chosen)].max(axis=1), 12)
        best = left[int(np.argmin(closeness))]
        chosen.append(best)
        used[rows[best].target] += 1
    return chosen


@dataclass(frozen=True)
class Vocabulary:
    """Which words mark which label, learned from rows: the share of a label's rows with a word against other rows'."""

    words: tuple[str, ...]
    labels: tuple[str, ...]
    shares: NDArray[np.float64]  # (labels, words): share of the label's rows that hold the word, add-half smoothed
    sizes: NDArray[np.float64]  # (labels,): rows

    @classmethod
    def of(cls, rows: Sequence[Example]) -> Vocabulary:
        """Learn from rows; the target is the label. Words of one letter and numbers do not count."""
        texts = [*(e.text for e in rows), "rungempty"]  # as in `Index.of`
        found = counted(map(_marking, texts), once=True)
        assert found is not None
        matrix = found.matrix[:-1]
        places = by_label(rows)
        labels = tuple(sorted(places))
        sums = [np.asarray(matrix[places[x]].sum(axis=0)).ravel() + 0.5 for x in labels]
        sizes = np.array([float(len(places[x])) for x in labels])
        shares = np.array([s / (n + 1.0) for s, n in zip(sums, sizes, strict=True)])
        return cls(tuple(word for (word,) in found.terms.texts()), labels, shares, sizes)

    def typical(self, label: str, k: int, against: str | None = None) -> tuple[str, ...]:
        """Return up to k words that mark `label` against another label, or against the mean of all others.

        A word counts by share * log(share / other share); it must be at least twice as frequent in the label, and by more
        than chance among so many words: three standard errors of the pooled share, two against a single label.
        """
        if label not in self.labels or len(self.labels) < 2:
            return ()
        at = self.labels.index(label)
        rest = (
            [self.labels.index(against)] if against in self.labels else [i for i in range(len(self.labels)) if i != at]
        )
        own, other = self.shares[at], self.shares[rest].mean(axis=0)
        n, m = self.sizes[at], self.sizes[rest].sum()
        pooled = (n * own + m * other) / (n + m)
        error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m))
        often = own * (n + 1.0) - 0.5 > min(2.0, n) - 0.5  # rows of the label with the word, at least two
        marks = often & (own >= 2.0 * other) & (own - other >= (2.0 if len(rest) == 1 else 3.0) * error)
        weight = np.round(own * np.log(own / other), 9)
        ranked = np.lexsort((np.arange(weight.size), -weight))
        return tuple(self.words[i] for i in ranked if marks[i])[:k]


def chooser(learned: ChatLearned) -> Chooser:
    """Return how the examples for an input are chosen: the learned ones, or the nearest of them, the most similar last."""
    shown, k = learned.demonstrations, learned.nearest
    if k is None:
        return lambda _: shown
    index = _index(tuple("\n".join(d.inputs.values()) for d in shown))
    return lambda inputs: [shown[i] for i in reversed(index.nearest("\n".join(inputs.values()), k))]


def chat_system(candidate: Candidate, kit: AnsweringKit, labels: Sequence[str] | None = None) -> ChatSystem:
    """Bring a candidate to life that sends one chat with its examples. `labels`: the task's, for steps that look for one."""
    learned = chat_of(candidate)
    processed = step_of(learned.postprocessing, labels)
    return ChatSystem(Template.of(candidate), role_of(candidate), chooser(learned), kit, learned.params, processed)


@lru_cache(maxsize=2)
def _index(texts: tuple[str, ...]) -> Index:
    """Index the pool once for all candidates of a race and all its rounds: they share the rows."""
    return Index.of(texts)
