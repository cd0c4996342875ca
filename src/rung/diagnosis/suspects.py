"""Suspect labels: rows whose expected answer all rungs, and the rows most like them, speak against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rung.diagnosis.failed_examples import FailedExamples
from rung.prompts.class_labels import denoted
from rung.prompts.similar import Index
from rung.types import Outcome

NEIGHBOURS = 5
MOST_COMPARED = 5000  # examples among which neighbours are sought: an index of 20,000 takes 110 MB


def suspects(case: FailedExamples) -> frozenset[str]:
    """Return the rows whose expected label is doubtful: all rungs (at least two) give one same other label, and the five
    nearest other dev rows (TF-IDF) carry it more often than the expected one.

    As often is enough where a rung asks no language model, since its answers come from training rows. A rung that
    answers all rows alike speaks of none. With one label in twenty flipped in banking77 and it-tickets (2,000 rows, 150
    or 600 of them dev, a linear baseline and a model that is right on 80 %), 71 to 88 % of such rows are flipped ones, and
    66 to 81 % of the flipped rows are found; neighbours among the training rows, which the baseline knows already, do worse
    (bench/diagnosis).
    """
    subject, labels = case.subject, case.labels or ()
    said = {o.example_id: _label(o, labels) for o in subject.outcomes}
    below = [(rung, {o.example_id: _label(o, labels) for o in rung}) for rung in subject.earlier]
    below = [(rung, heard) for rung, heard in below if _tells_rows_apart(heard)]
    if not below or not _tells_rows_apart(said):
        return frozenset()
    from_rows = any(o.answer is not None and not o.answer.calls for rung, _ in below for o in rung)
    doubtful = [
        o.example_id
        for o in case.failed
        if (label := said[o.example_id]) is not None
        and all(heard.get(o.example_id) == label for _, heard in below)
        and label not in case.examples[o.example_id].targets
    ]
    if not doubtful:
        return frozenset()
    rows = list(case.examples.values())
    if len(rows) > MOST_COMPARED:
        rows = sorted(rows, key=lambda e: e.sha256)[:MOST_COMPARED]  # as good as drawn, and the same again
    index = Index.of([e.text for e in rows])
    found = []
    for example_id in doubtful:
        own = case.examples[example_id]
        near = [rows[i] for i in index.nearest(own.text, NEIGHBOURS + 1) if rows[i].id != example_id]
        votes = Counter(e.target for e in near[:NEIGHBOURS])
        margin = votes[str(said[example_id])] - votes[own.target]
        if margin > 0 or (margin == 0 and from_rows):
            found.append(example_id)
    return frozenset(found)


def _tells_rows_apart(said: Mapping[str, str | None]) -> bool:
    return len(set(said.values()) - {None}) > 1


def _label(outcome: Outcome, labels: Sequence[str]) -> str | None:
    return denoted(outcome.answer.text, labels) if outcome.answer is not None else None
