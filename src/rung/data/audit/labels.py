"""Suspect labels by confident learning: rows whose label a model that never saw them contradicts with confidence.

Source: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70),
section 3, off-diagonal entries of the confident joint. On the published verdicts for the IMDB test part people did not
confirm the given label in 57 % of the rows found here (613 of 1,076), and preferred the guessed one in 14 %: these are
rows to look at, not rows to delete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rung.data.audit.audit_input import AuditInput, counted, of_test, percent
from rung.plugins import require
from rung.types import Example, Finding

FEWEST_PER_LABEL = 5  # a rarer label cannot be learnt without the row itself
AGREED = 2 / 3  # share of the examples, from the surest on, whose label the model must guess for its doubts to count
WORTH_HEARING = 0.2  # share of what the commonest label leaves wrong that a model must get right to contradict anybody


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row (by place) whose given label is doubted, the label put in its place, and the given one's probability."""

    row: int
    given: int
    guessed: int
    confidence: float


def suspects(probabilities: ArrayLike, labels: Sequence[int]) -> tuple[Suspect, ...]:
    """Return rows that confidently belong to another label, the least believable given label first.

    `probabilities`: shape (rows, labels), out of sample. A row belongs to the likeliest of those labels whose
    probability reaches the label's own mean over the rows that carry it; rows that reach none are not judged. Judged are
    only as many rows, the surest guesses first, as leave the model in agreement with `AGREED` of their labels: a model that
    is right on half of the rows would doubt the other half (400 hand-written tickets, eight labels: 195 doubts, and a tuned
    model right on 72 %).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.int64)
    if p.ndim != 2 or len(p) != len(y):
        raise ValueError(
            f"probabilities have shape {p.shape} and there are {len(y)} labels; one example for each is needed"
        )
    counts = np.bincount(y, minlength=p.shape[1])
    own = p[np.arange(len(y)), y]
    means = np.bincount(y, weights=own, minlength=p.shape[1])
    thresholds = np.divide(means, counts, out=np.full(p.shape[1], np.inf), where=counts > 0)
    reached = np.where(p >= thresholds, p, -1.0)
    guess = reached.argmax(axis=1)
    sure = np.argsort(-reached.max(axis=1), kind="stable")[: np.count_nonzero(reached.max(axis=1) >= 0.0)]
    agreed = np.cumsum(guess[sure] == y[sure]) >= AGREED * np.arange(1, len(sure) + 1)
    judged = sure[: np.flatnonzero(agreed).max(initial=-1) + 1]
    doubted = np.sort(judged[guess[judged] != y[judged]])
    found = [Suspect(int(i), int(y[i]), int(guess[i]), float(own[i])) for i in doubted]
    return tuple(sorted(found, key=lambda s: (s.confidence, s.row)))


@dataclass(frozen=True)
class Judged:
    """What a word model that never saw a row says of its label."""

    rows: tuple[Example, ...]
    names: tuple[str, ...]
    found: tuple[Suspect, ...]
    right: float  # share of rows on which the model agrees with the label
    commonest: float  # share of rows with the commonest label

    @property
    def contradicts(self) -> bool:
        """Whether the model knows enough to contradict anybody."""
        return self.right >= self.commonest + WORTH_HEARING * (1 - self.commonest)


def judged_labels(case: AuditInput) -> Judged | None:
    """Cross-validate a linear model on the words; None where nothing can be learnt."""
    rows = case.judged
    counts = Counter(e.target for e in rows if e.id not in case.sealed)  # a label of test rows alone is never named
    rows = tuple(e for e in rows if counts[e.target] >= FEWEST_PER_LABEL)
    found = _cross_validated(rows) if case.task.kind == "classification" else None
    if found is None:
        return None
    names, labels, probabilities = found
    right = float(np.mean(probabilities.argmax(axis=1) == np.asarray(labels)))
    commonest = max(Counter(labels).values()) / len(labels)
    return Judged(rows, names, suspects(probabilities, labels), right, commonest)


def _cross_validated(rows: Sequence[Example]) -> tuple[tuple[str, ...], list[int], NDArray[np.float64]] | None:
    """Return the labels, that of each row by place, and their probabilities out of sample; None where nothing can be learnt."""
    names = tuple(sorted({e.target for e in rows}))
    if len(names) < 2:
        return None
    place = {name: i for i, name in enumerate(names)}
    labels = [place[e.target] for e in rows]
    probabilities = _out_of_sample([e.text for e in rows], labels)
    return None if probabilities is None else (names, labels, probabilities)


def out_of_sample_errors(rows: Sequence[Example]) -> dict[str, float]:
    """Return 1 for each row whose label a word model that never saw it gets wrong, else 0, by id; rows of rare labels are left out."""
    counts = Counter(e.target for e in rows)
    known = [e for e in rows if counts[e.target] >= FEWEST_PER_LABEL]
    found = _cross_validated(known)
    if found is None:
        return {}
    _, labels, probabilities = found
    wrong = probabilities.argmax(axis=1) != np.asarray(labels)
    return {e.id: float(w) for e, w in zip(known, wrong, strict=True)}


def suspect_labels(case: AuditInput, judged: Judged) -> Iterator[Finding]:
    """Report the labels that the model contradicts, or that it cannot contradict any."""
    rows, found = judged.rows, judged.found
    if not judged.contradicts:
        yield Finding(
            "suspect-labels",
            "note",
            f"labels were not judged: a word model that never saw the example is right on {percent(judged.right)}, hardly more "
            f"than always answering the commonest label ({percent(judged.commonest)}).{case.judged_in_words}",
            "Nothing to do: words alone do not decide these labels, so they cannot contradict them.",
            (),
            {"suspects": 0, "in_test": 0, "rows": len(rows), "right": judged.right, "commonest": judged.commonest},
        )
        return
    if not found:
        return
    ids = [rows[s.row].id for s in found]
    confusions = Counter(
        f"{judged.names[s.given]} -> {judged.names[s.guessed]}" for s in found if rows[s.row].id not in case.sealed
    ).most_common(5)
    yield Finding(
        "suspect-labels",
        "warn" if len(found) >= 0.05 * len(rows) else "note",
        f"{counted(len(found), 'label')} ({percent(len(found) / len(rows))}) "
        f"{'is' if len(found) == 1 else 'are'} contradicted by a word model that never saw "
        f"the example{of_test(case.hidden(ids))}.{case.judged_in_words}",
        "Look at the named examples, the most doubtful first; where texts are short or labels overlap, many will be right. "
        "`rung data clean --accept suspect-labels` leaves the training examples among them out.",
        case.seen(ids),
        {"suspects": len(found), "in_test": case.hidden(ids), "rows": len(rows), "confusions": dict(confusions)},
    )


def _out_of_sample(texts: list[str], labels: list[int]) -> NDArray[np.float64] | None:
    module = require("rung.data.audit._linear")
    return cast("NDArray[np.float64] | None", module.out_of_sample(texts, labels))
