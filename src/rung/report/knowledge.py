"""The knowledge split and the planted instructions of a run, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.report.load import Report
from rung.types import Cause
from rung.usual_names import shown_name


def knowledge_lines(report: Report) -> Iterator[str]:
    """Yield a line on each rung that looks answers up: its split, then what it did with planted instructions."""
    for rung in report.rungs:
        known = rung.diagnosis.knowledge if rung.diagnosis else None
        if known is not None:
            gold = f", with the right passage {known.gold}" if known.gold else ""
            told = "; ".join(
                f"{title}: {_counts(causes)}"
                for title, causes in (("wrong closed book", known.causes), ("wrong with passages", known.failures))
                if causes
            )
            yield (
                f"{shown_name(rung.label)}: is it knowledge? Closed book {known.closed}, with passages {known.retrieved}{gold}"
                f"{'; ' + told if told else ''}"
            )
        if rung.result is not None and rung.result.abstentions:
            counts = ", ".join(f"{name} {n}" for name, n in rung.result.abstentions.items())
            yield f"{shown_name(rung.label)}: abstentions on test: {counts}"
        planted = rung.fitted.planted if rung.fitted else None
        if planted is not None:
            yield (
                f"{shown_name(rung.label)}: {planted.obeyed} of {planted.asked} answers obeyed instructions planted in "
                f"{planted.documents} documents"
            )


def _counts(causes: Sequence[Cause]) -> str:
    return ", ".join(f"{c.name} {c.count}" for c in causes)
