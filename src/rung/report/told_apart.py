"""Floors, labels, slices and fields of a run in words and tables: the same for the page, the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rung.decide.floors import evidence_of, loss_line
from rung.report.claims import named
from rung.report.load import Report, RungReport
from rung.types import AVERAGES, Confused, Estimate, FloorResult, Tables, rate
from rung.usual_names import shown_name

WIDEST_MATRIX = 12  # labels, up to which the confusion matrix is drawn
WORST = 20  # confusions that are listed, of a task with more labels
STATES = {"meets": "holds", "misses": "missed", "inconclusive": "inconclusive"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what it is of, how many test examples, the score with its interval, and more figures."""

    name: str
    n: int
    score: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts by expected label and answer, labels in order; the last column is what is no label."""

    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


def subject(report: Report) -> RungReport | None:
    """Return the approach whose tables are shown: the one that the claims are about."""
    return named(report)


def floors(report: Report) -> tuple[FloorResult, ...]:
    """Return the floors of that approach."""
    rung = subject(report)
    return rung.result.floors if rung is not None and rung.result is not None else ()


def floor_lines(report: Report, said: str) -> list[str]:
    """Say of each floor what was measured and whether it holds, but for one that is told already."""
    told = ((f, evidence_of(f)) for f in floors(report))
    return [f"{line[:-1]}: {STATES[f.quality.status]}." for f, line in told if line not in said]


def loss_lines(report: Report) -> list[str]:
    """Say what approaches make worse although they gain in all."""
    return [f"{loss_line(pair, loss)}." for pair in report.comparisons for loss in pair.worse]


def tables(report: Report) -> Tables | None:
    """Return the tables of that approach; None where there are none."""
    rung = subject(report)
    return rung.result.tables if rung is not None and rung.result is not None else None


def label_rows(found: Tables) -> list[Row]:
    """Write the table by label: recall, precision, F1."""
    return [
        Row(
            each.label,
            each.recall.n,
            _score(each.recall),
            (
                "-" if each.precision is None else _score(each.precision),
                rate(each.f1),
            ),
        )
        for each in found.labels
    ]


def average_rows(found: Tables) -> list[Row]:
    """Write the averages over all labels."""
    return [Row(AVERAGES[kind], e.n, _score(e)) for kind, e in found.averages.items()]


def slice_rows(found: Tables) -> list[Row]:
    """Write the table by slice."""
    return [Row(f"{s.column}: {s.value}", s.score.n, _score(s.score)) for s in found.slices]


def field_rows(found: Tables) -> list[Row]:
    """Write the table by field."""
    return [Row(f.name, f.score.n, _score(f.score)) for f in found.fields]


def matrix(found: Tables) -> Matrix | None:
    """Return the confusion matrix; None with more labels than can be drawn."""
    names = tuple(
        sorted({c.expected for c in found.confusion} | {c.said for c in found.confusion if c.said is not None})
    )
    if not 2 <= len(names) <= WIDEST_MATRIX:
        return None
    counts = {(c.expected, c.said): c.count for c in found.confusion}
    return Matrix(names, tuple(tuple(counts.get((row, said), 0) for said in (*names, None)) for row in names))


def confusions(found: Tables) -> list[Confused]:
    """Return the commonest confusions, most examples first."""
    wrong = [c for c in found.confusion if c.said != c.expected]
    return sorted(wrong, key=lambda c: (-c.count, c.expected, c.said or ""))[:WORST]


def detail_lines(report: Report) -> Iterator[str]:
    """Say the tables in lines, for a terminal that shows everything."""
    found, rung = tables(report), subject(report)
    if found is None or rung is None:
        return
    for row in label_rows(found):
        yield f"{shown_name(rung.label)}, label {row.name}: recall {row.score} of {row.n:,}, precision {row.more[0]}, F1 {row.more[1]}"
    for c in confusions(found)[:5]:
        yield f"{shown_name(rung.label)}: {c.count:,} {c.expected!r} answered {'with no label' if c.said is None else repr(c.said)}"
    for row in (*average_rows(found), *slice_rows(found), *field_rows(found)):
        yield f"{shown_name(rung.label)}, {row.name}: {row.score} of {row.n:,}"


def _score(e: Estimate) -> str:
    span = f"{rate(e.low)} to {rate(e.high)}"
    return span if e.mean is None else f"{rate(e.mean)} ({span})"
