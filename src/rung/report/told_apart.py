"""Floors, labels, slices and fields of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rung.decide.floors import evidence_of, loss_line
from rung.report import blocks as b
from rung.report.claims import named
from rung.report.figures import quality
from rung.report.load import Report, RungReport
from rung.types import AVERAGES, Confused, Estimate, FloorResult, Tables, rate
from rung.usual_names import shown_name

WIDEST_MATRIX = 12  # labels, up to which the confusion matrix is drawn
WORST = 20  # confusions that are listed, of a task with more labels
STATES = {"meets": "holds", "misses": "missed", "inconclusive": "inconclusive"}


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


def sections(report: Report) -> Iterator[b.Section]:
    """Yield the floors of that approach, and its results by label, slice and field, each where there are any."""
    rung, held = subject(report), floors(report)
    if rung is None:
        return
    name = shown_name(rung.label)
    if held:
        told = b.table(("Floor", "At least|", "Measured|", "Result"), [_floor(found) for found in held])
        note = f"Of {name}. An approach is good enough only if it meets the goal and every floor."
        yield b.Section("floors", "", "Floors", (told, b.Text(note, "soft small")), folded=False)
    if found := tables(report):
        intro = b.Text(f"{name} on the test set, in counts and 95 % confidence intervals.", "intro told")
        yield b.Section("tables", "", "Told apart", (intro, *_tables(found)))


def _floor(found: FloorResult) -> tuple[b.Words, ...]:
    measured = quality(found.estimate) if found.estimate is not None else str(found.quality.advice)
    state = found.quality.status
    return found.floor.name, f"{found.floor.at_least:.4g}", measured, b.status(state, STATES[state])


def _tables(found: Tables) -> Iterator[b.Block]:
    if found.labels:
        yield b.Title("By label")
        rows = [
            (
                e.label,
                f"{e.recall.n:,}",
                _score(e.recall),
                "-" if e.precision is None else _score(e.precision),
                rate(e.f1),
            )
            for e in found.labels
        ]
        yield b.table(("Label", "Test examples|", "Recall|", "Precision|", "F1|"), rows)
        yield from _confused(found)
    for title, head, told in (
        ("Over all labels", "Average", [(AVERAGES[kind], e) for kind, e in found.averages.items()]),
        ("By slice", "Slice", [(f"{s.column}: {s.value}", s.score) for s in found.slices]),
        ("By field", "Field", [(f.name, f.score) for f in found.fields]),
    ):
        if told:
            yield b.Title(title)
            yield b.table((head, "Test examples|", "Score|"), [(name, f"{e.n:,}", _score(e)) for name, e in told])


def _confused(found: Tables) -> Iterator[b.Block]:
    drawn, worst = matrix(found), confusions(found)
    if drawn is not None:
        yield b.Title("Expected against answered")
        lines = zip(drawn.labels, drawn.rows, strict=True)
        heads = ("Expected", *(f"{name}|" for name in drawn.labels), "no label|")
        yield b.table(heads, [(name, *(f"{n:,}" for n in row)) for name, row in lines], "")
    elif worst:
        yield b.Title("Commonest confusions")
        rows = [(c.expected, "no label" if c.said is None else c.said, f"{c.count:,}") for c in worst]
        yield b.table(("Expected", "Answered", "Test examples|"), rows)


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


def _score(e: Estimate) -> str:
    span = f"{rate(e.low)} to {rate(e.high)}"
    return span if e.mean is None else f"{rate(e.mean)} ({span})"
