"""Macro F1, balanced accuracy and the F1 of a label from outcomes that are told apart: with their interval, and as samples that decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung.evaluate.estimating import interval_of
from rung.stats.aggregate import aggregate_sample
from rung.stats.estimate import Sample
from rung.types import Estimate, Outcome, Task, groups_of


@dataclass(frozen=True, slots=True)
class Average:
    """One of them: with what is not known answered by no label (`worst`), and by the right one (`best`)."""

    worst: Sample
    best: Sample
    estimate: Estimate


def average_of(
    kind: str, outcomes: Sequence[Outcome], task: Task, stopped_early: bool, label: str | None = None
) -> Average | None:
    """Return it over these outcomes; None where none has an expected label, or neither shows the one that is asked for."""
    rows = [
        o for o in outcomes if o.label is not None and o.bounds(task.metrics[0].name, task.failure_score) is not None
    ]
    if not rows or (label is not None and not any(label in (o.label, o.said) for o in rows)):
        return None
    known = [o for o in rows if not _unknown(o)]
    worst = _sample(kind, rows, [o.said for o in rows], label)
    if len(known) == len(rows):
        return Average(worst, worst, interval_of(worst, worst, worst.mean, stopped_early))
    best = _sample(kind, rows, [o.label if _unknown(o) else o.said for o in rows], label)
    told = bool(known) and (label is None or any(label in (o.label, o.said) for o in known))
    mean = _sample(kind, known, [o.said for o in known], label).mean if told else None
    return Average(worst, best, interval_of(worst, best, mean, stopped_early))


def _sample(kind: str, rows: Sequence[Outcome], said: Sequence[str | None], label: str | None) -> Sample:
    return aggregate_sample(kind, [str(o.label) for o in rows], said, groups_of(rows), label)


def _unknown(outcome: Outcome) -> bool:
    return outcome.unanswered or outcome.unjudged
