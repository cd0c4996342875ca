"""Rows side by side across rungs: which are shown, in what order, and how each rung did on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rung.report.escape import shown
from rung.report.evidence import cut, slug
from rung.report.load import LoadedSide, Report
from rung.report.sent import sent_by
from rung.types import Example, Message, Outcome, Task

ROWS_SHOWN = 120
EXAMPLES_PER_CAUSE = 3  # rows named by a diagnosis that are shown in any case
SOURCES_SHOWN = 3  # passages named under an answer
LONGEST_TEXT = 1500  # characters of one cell; the rest stays in the run folder
MOST_BYTES = 2_500_000  # of one table, rendered: keeps the page under 5 MB whatever the rows hold
MOST_CHAT_BYTES = 1_200_000  # of all chats in a table, the failures' first

Mark = Literal["right", "partly", "wrong", "failed", "absent"]
Kind = Literal["regressed", "wrong", "differs", "right"]  # the first: of a later run alone


@dataclass(frozen=True, slots=True)
class ExampleCell:
    """One rung's answer to one row."""

    rung: str
    mark: Mark
    word: str  # what a reader (or a screen reader) is told: "right", "0.62", "timeout"
    text: str
    note: str | None = None
    loose: bool = False  # the answer did not have the asked-for form
    sources: tuple[str, ...] = ()  # the passages that the answer used: document, place, text
    chat: tuple[Message, ...] = ()  # as it was sent, where there is room for it


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """One row across all rungs. `kind`: wrong at the best rung, else differing between rungs, else right."""

    id: str
    anchor: str
    group: str | None
    inputs: tuple[tuple[str, str], ...]
    target: str
    cells: tuple[ExampleCell, ...]
    kind: Kind
    cause: str | None = None  # why it failed at the best approach, where the diagnosis tells


@dataclass(frozen=True)
class ExampleTable:
    """The rows shown of one part, and how many there are of each kind."""

    part: str
    best: str  # the rung that decides what counts as a failure here
    labels: tuple[str, ...]
    rows: tuple[ExampleRow, ...]
    total: int
    counts: Mapping[Kind, int]
    chats: int = 0  # of the rows shown, those whose chats had room

    @property
    def sampled(self) -> bool:
        return len(self.rows) < self.total

    @property
    def causes(self) -> list[str]:
        """The causes of failure among the rows shown, by name."""
        return sorted({row.cause for row in self.rows if row.cause})

    @property
    def has_choice(self) -> bool:
        """Whether rows of more than one kind are shown."""
        return len({row.kind for row in self.rows}) > 1

    def shown(self, kind: Kind) -> int:
        """Return how many rows of that kind are shown."""
        return sum(row.kind == kind for row in self.rows)


def side_by_side(report: Report) -> tuple[ExampleTable, ...]:
    """Return a table for each part that may be shown and that a rung has answered."""
    named = {i: None for r in report.rungs if r.diagnosis for c in r.diagnosis.causes for i in _first(c.example_ids)}
    return tuple(_table(side, report, tuple(named)) for side in report.sides if side.outcomes)


def anchor_of_row(part: str, row_id: str) -> str:
    """Return the id in the page of a row."""
    return f"row-{part}-{slug(row_id)}"


def cell_of(rung: str, outcome: Outcome | None, task: Task) -> ExampleCell:
    """Return how a rung did on a row by the deciding metric."""
    if outcome is None:
        return ExampleCell(rung, "absent", "not visited", "")
    text = cut(outcome.answer.text, LONGEST_TEXT) if outcome.answer else ""
    used = outcome.answer.sources if outcome.answer else ()
    sources = tuple(cut(f"{s.document}, {s.position}: {s.text}", LONGEST_TEXT) for s in used[:SOURCES_SHOWN])
    if outcome.failure is not None:
        return ExampleCell(
            rung, "failed", outcome.failure.cause, text, cut(outcome.failure.message, LONGEST_TEXT), sources=sources
        )
    score = (outcome.scores or {})[task.metrics[0].name]
    mark = _mark(outcome, task)
    word = f"{score.value:.2f}" if mark == "partly" else mark
    return ExampleCell(rung, mark, word, text, score.note, score.adheres is False, sources)


def _first(ids: Sequence[str]) -> Sequence[str]:
    return ids[:EXAMPLES_PER_CAUSE]


def _table(side: LoadedSide, report: Report, named: Sequence[str]) -> ExampleTable:
    labels, task = tuple(side.outcomes), report.task
    best = report.best.label if report.best and report.best.label in labels else labels[-1]
    kinds: dict[Kind, list[Example]] = {"wrong": [], "differs": [], "right": []}
    kind_of: dict[str, Kind] = {}
    for example in side.examples:
        kind = kind_of[example.id] = _kind(
            {label: side.outcomes[label].get(example.id) for label in labels}, best, task
        )
        kinds[kind].append(example)
    order = {e.id: e for e in side.examples}
    wanted = {i: order[i] for i in named if i in order} if len(order) > ROWS_SHOWN else {}
    for examples in kinds.values():
        room = ROWS_SHOWN - len(wanted)
        share = room if examples is kinds["right"] else max(room * 2 // 3, 0)
        wanted.update({e.id: e for e in _spread([e for e in examples if e.id not in wanted], share)})
    for example in (e for examples in kinds.values() for e in examples):  # room that a rare kind left over
        if len(wanted) >= ROWS_SHOWN:
            break
        wanted.setdefault(example.id, example)
    chosen = [e for kind in kinds for e in side.examples if e.id in wanted and kind_of[e.id] == kind]
    diagnosis = report.best.diagnosis if report.best and report.best.label == best and side.part == "dev" else None
    causes = {i: c.name for c in diagnosis.causes for i in c.example_ids} if diagnosis else {}
    rows = (replace(_row(side, e, kind_of[e.id], task), cause=causes.get(e.id)) for e in chosen)
    with_chats, chats = _with_chats(affordable(rows), report, order)
    return ExampleTable(side.part, best, labels, with_chats, len(order), {k: len(v) for k, v in kinds.items()}, chats)


def _with_chats(
    rows: Sequence[ExampleRow], report: Report, examples: Mapping[str, Example]
) -> tuple[tuple[ExampleRow, ...], int]:
    """Return the rows with the chats that were sent for them, as many as there is room for, and how many those are."""
    sent = {
        r.label: made for r in report.rungs if r.fitted and (made := sent_by(report, r.fitted.candidate)) is not None
    }
    found: list[ExampleRow] = []
    spent = 0
    for number, row in enumerate(rows):
        inputs = examples[row.id].inputs
        cells = tuple(
            replace(cell, chat=sent[cell.rung](inputs)) if cell.rung in sent and cell.mark != "absent" else cell
            for cell in row.cells
        )
        spent += sum(80 + len(shown(m.content)) for cell in cells for m in cell.chat)
        if spent > MOST_CHAT_BYTES:
            return (*found, *rows[number:]), len(found)
        found.append(replace(row, cells=cells))
    return tuple(found), len(found)


def _spread(examples: Sequence[Example], most: int) -> list[Example]:
    """Return at most `most` of the examples, evenly spaced: the same ones each time."""
    if len(examples) <= most:
        return list(examples)
    return [examples[i * len(examples) // most] for i in range(most)]


def _kind(outcomes: Mapping[str, Outcome | None], best: str, task: Task) -> Kind:
    marks = {label: _mark(outcome, task) for label, outcome in outcomes.items()}
    if marks[best] not in ("right", "absent"):
        return "wrong"
    return "right" if set(marks.values()) <= {"right", "absent"} else "differs"


def _mark(outcome: Outcome | None, task: Task) -> Mark:
    if outcome is None:
        return "absent"
    if outcome.scores is None:
        return "failed"
    value = outcome.scores[task.metrics[0].name].value
    return "right" if value >= 1 else "wrong" if value <= 0 else "partly"


def _row(side: LoadedSide, example: Example, kind: Kind, task: Task) -> ExampleRow:
    cells = tuple(cell_of(label, found.get(example.id), task) for label, found in side.outcomes.items())
    return ExampleRow(
        id=example.id,
        anchor=anchor_of_row(side.part, example.id),
        group=example.group if example.group != example.id else None,
        inputs=tuple((name, cut(text, LONGEST_TEXT)) for name, text in example.inputs.items()),
        target=cut(example.target, LONGEST_TEXT),
        cells=cells,
        kind=kind,
    )


def affordable(rows: Iterable[ExampleRow]) -> list[ExampleRow]:
    """Return as many of the rows as a page has room for."""
    kept, spent = [], 0
    for row in rows:
        texts = [
            row.target,
            *(t for _, t in row.inputs),
            *(c.text for c in row.cells),
            *(c.note or "" for c in row.cells),
            *(s for c in row.cells for s in c.sources),
        ]
        spent += 600 + sum(400 + len(shown(text)) for text in texts)
        if spent > MOST_BYTES:
            break
        kept.append(row)
    return kept
