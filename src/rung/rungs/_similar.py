"""Similarity of rows by TF-IDF cosine: nearest rows, representative and diverse choices, the words typical of a label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from rung.data.near import find_duplicates
from rung.types import Example

MOST_TERMS = 200_000  # vocabulary cap: beyond it terms are so rare that they tie no two rows
_WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True)
class Index:
    """Texts as L2-normalised TF-IDF rows (words and pairs of words), so that a dot product is a cosine in [0, 1]."""

    vectorizer: TfidfVectorizer
    matrix: Any  # scipy sparse, shape (texts, terms); scipy ships no types

    @classmethod
    def of(cls, texts: Sequence[str]) -> Index:
        """Index texts. Texts without any word are legal: they resemble nothing."""
        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD, max_features=MOST_TERMS, dtype=np.float64
        )
        # one artificial text keeps the vocabulary from being empty; its row is dropped
        matrix = vectorizer.fit_transform([*texts, "\x00 rung0empty"])[:-1]
        return cls(vectorizer, matrix.tocsr())

    def similarity(self, text: str) -> NDArray[np.float64]:
        """Return the cosine of `text` with every indexed text, shape (texts,)."""
        vector = self.vectorizer.transform([text])
        return np.asarray((self.matrix @ vector.T).toarray(), dtype=np.float64).ravel()

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
    marked = [Example(f"other {e.id}", e.inputs, e.target, e.group) for e in others]
    own = [Example(f"row {e.id}", e.inputs, e.target, e.group) for e in rows]
    tainted: set[str] = set()
    for cluster in find_duplicates([*own, *marked]).clusters:
        if any(name.startswith("other ") for name in cluster):
            tainted.update(name for name in cluster if name.startswith("row "))
    return tuple(e for e, mark in zip(rows, own, strict=True) if mark.id not in tainted)


def without_repeats(rows: Sequence[Example]) -> tuple[Example, ...]:
    """Return the rows with only the first of each cluster of near-equal ones."""
    drop = {name for cluster in find_duplicates(rows).clusters for name in cluster[1:]}
    return tuple(e for e in rows if e.id not in drop)


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
        vectorizer = TfidfVectorizer(
            token_pattern=r"(?u)\b[^\W\d_](?:[^\W\d_]|['’](?=[^\W\d_]))+\b",
            stop_words="english",
            use_idf=False,
            binary=True,
            norm=None,
        )
        texts = [e.text for e in rows]
        matrix = vectorizer.fit_transform([*texts, "rungempty"])[:-1].tocsr()  # as in `Index.of`
        places = by_label(rows)
        labels = tuple(sorted(places))
        sums = [np.asarray(matrix[places[x]].sum(axis=0)).ravel() + 0.5 for x in labels]
        sizes = np.array([float(len(places[x])) for x in labels])
        shares = np.array([s / (n + 1.0) for s, n in zip(sums, sizes, strict=True)])
        return cls(tuple(str(w) for w in vectorizer.get_feature_names_out()), labels, shares, sizes)

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
