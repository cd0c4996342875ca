"""The rows as CSV for a spreadsheet: one line for each row and rung. Nothing in it can be read as a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO

from rung.report.escape import cell as _text
from rung.report.load import LoadedSide, Report, load_report
from rung.store.run import RunFolder
from rung.types import Example, Outcome

FIXED = ("part", "row", "group", "rung", "candidate", "result", "message", "right_form", "seconds", "usd")


def render_csv(folder: RunFolder) -> str:
    """Return dev rows by rung, and the test rows once they were revealed (which is one more opening, written down).

    Columns: FIXED; a score in [0, 1] for each metric; answer and target; one `input: NAME` for each input column. `result`
    is "scored" or the cause of a failure; an unknown value is an empty cell. RFC 4180, UTF-8; a text that could be a
    formula is made none by an apostrophe (`rung.report.escape.cell`).
    """
    report = load_report(folder)
    metrics = [metric.name for metric in report.task.metrics]
    page = StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    inputs = [f"input: {name}" for name in report.task.inputs]
    writer.writerow([_text(c) for c in (*FIXED, *(f"score: {m}" for m in metrics), "answer", "target", *inputs)])
    for side in report.sides:
        writer.writerows(_lines(report, side, metrics))
    return page.getvalue()


def _lines(report: Report, side: LoadedSide, metrics: Sequence[str]) -> Iterator[list[str]]:
    for label, outcomes in side.outcomes.items():
        rung = report.rung(label)
        chosen = (rung.result or rung.fitted) if rung else None
        name = chosen.candidate.name if chosen else ""
        for example in side.examples:
            outcome = outcomes.get(example.id)
            if outcome is not None:  # a rung that stopped early has not seen all rows
                yield _line(side.part, label, name, example, outcome, metrics, report.task.inputs)


def _line(
    part: str,
    label: str,
    candidate: str,
    example: Example,
    outcome: Outcome,
    metrics: Sequence[str],
    inputs: Sequence[str],
) -> list[str]:
    answer, scores, failure = outcome.answer, outcome.scores, outcome.failure
    deciding = scores[metrics[0]] if scores else None
    message = failure.message if failure else (deciding.note if deciding else None)
    form = outcome.adheres(metrics[0])
    texts = (part, example.id, example.group, label, candidate, failure.cause if failure else "scored", message or "")
    return [
        *(_text(text) for text in texts),
        "" if form is None else str(form).lower(),
        _number(answer.seconds if answer else None),
        _number(answer.cost_usd if answer else None),
        *(_number(outcome.value(metric, None)) for metric in metrics),
        _text(answer.text if answer else ""),
        _text(example.target),
        *(_text(example.inputs.get(name, "")) for name in inputs),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
