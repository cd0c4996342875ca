"""What every importer is given and what it gives: rows with plain columns, and which column is what.

An importer recognises a file by what stands in it, never by its name, and loses nothing silently: what it cannot map it counts
in `Found.unmapped`. A stored answer of a model is a column of its own and never the expected answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rung.data._shapes import Conversation, conversation
from rung.data.cells import RawRow
from rung.errors import DataError
from rung.types import json_text

MOST_CELLS = 20_000_000  # of all rows together, once every row has every column
MOST_STORED = 100  # models whose stored answers one file may hold
SHOWN = 8  # kinds of unmapped things that a note names


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """What one model answered: the columns that hold its answers, and what the tool's scorers said of them.

    `verdicts`: the name of a scorer -> the column with its scores, 0 to 1. `latency` in seconds, `cost` in US dollars.
    """

    name: str
    answer: str
    verdicts: Mapping[str, str] = field(default_factory=dict)
    latency: str | None = None
    cost: str | None = None


@dataclass
class Found:
    """What a file of another tool says besides its rows. Complete once all rows were read.

    `target` None: the file holds no expected answers. `prompt`: the text or chat (JSON) that the tool sends, with {{column}}.
    `own_columns`: the columns are the user's, and which of them is what must be guessed. `answers`: the column with the answers of a
    file that holds nothing else, with the ids in `id`; `lacks` then says what is missing for a file of examples.
    `model`: the model that the tool asks, as PROVIDER:NAME. `unmapped`: what was found and not read, counted. `said`: what else is worth
    telling.
    """

    tool: str = ""
    reason: str = ""
    inputs: list[str] = field(default_factory=list)
    target: str | None = None
    id: str | None = None
    group: str | None = None
    prompt: str | None = None
    model: str | None = None
    metric: str | None = None
    own_columns: bool = False
    answers: str | None = None
    lacks: str | None = None
    stored: dict[str, StoredColumns] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)

    @property
    def columns_of_answers(self) -> frozenset[str]:
        """The columns that hold stored answers and what belongs to them: no input, and nothing that is expected."""
        held = [(s.answer, s.latency, s.cost, *s.verdicts.values()) for s in self.stored.values()]
        return frozenset(column for columns in held for column in columns if column is not None)

    def leave_columns(self, names: Iterable[str]) -> None:
        """Say which columns of a table nothing is made of."""
        if named := sorted(names):
            more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            self.said.append(f"columns that are not read: {', '.join(named[:SHOWN])}{more}")

    def leave(self, what: str, times: int = 1) -> None:
        """Count something that was found and is not read; `what` is a plural: "tool calls"."""
        if times:
            self.unmapped[what] += times

    def notes(self) -> list[str]:
        """Return what a user should know of the reading, in sentences without their full stops."""
        said = [*([f"read as {self.tool}: {self.reason}"] if self.reason else []), *self.said]
        if self.unmapped:
            most = self.unmapped.most_common()
            named = "; ".join(f"{what} ({times:,})" for what, times in most[:SHOWN])
            more = f"; and {len(most) - SHOWN} more kinds" if len(most) > SHOWN else ""
            said.append(f"not read, as rung has nothing that it could become: {named}{more}")
        return said


@dataclass(frozen=True)
class Source:
    """A file as an importer sees it: its objects one by one (a whole JSON or YAML file is one), without any change of form.

    `head`: the first of them. `alone`: the file is one object. `archive`: the names in a zip archive, where it is one.
    `folder`: it is a folder. `flat`: it is a table, whose cells were read as the objects that they hold.
    """

    path: Path
    head: tuple[RawRow, ...]
    records: Callable[[], Iterator[RawRow]]
    alone: bool = False
    archive: tuple[str, ...] = ()
    folder: bool = False
    flat: bool = False

    @property
    def file(self) -> str:
        return str(self.path)

    @property
    def first(self) -> Mapping[str, Any]:
        return self.head[0].cells if self.head else {}

    def all_have(self, *keys: str) -> bool:
        """Whether every one of the first objects has all these keys."""
        return bool(self.head) and all(key in row.cells for row in self.head for key in keys)


@dataclass(frozen=True, slots=True)
class Importer:
    """One tool's files. `recognise` returns what gives them away, None for other files; `read` fills what it is handed.

    `read` raises DataError for a damaged file, with one sentence.
    """

    tool: str
    recognise: Callable[[Source], str | None]
    read: Callable[[Source, Found], Iterator[RawRow]]


class Sheet:
    """Rows by a key of the tool, filled as its records come; at the end every row has every column."""

    def __init__(self, source: Source, found: Found) -> None:
        self._file, self._found = source.file, found
        self._rows: dict[str, RawRow] = {}
        self._columns: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, key: str, line: int, cells: Mapping[str, Any]) -> None:
        """Add a row, or cells to the row of that key that it does not have yet."""
        held = self._rows.setdefault(key, RawRow(line, {})).cells
        for name, value in cells.items():
            held.setdefault(name, value)
            self._columns.setdefault(name)

    def holds(self, key: str, column: str) -> bool:
        """Whether the row has something in the column."""
        return key in self._rows and self._rows[key].cells.get(column) is not None

    def rows(self) -> Iterator[RawRow]:
        """Yield the rows in the order in which they came. Raises DataError for more columns than rows can have."""
        if len(self._columns) * len(self._rows) > MOST_CELLS:
            raise DataError(
                f"makes {len(self._columns):,} columns for {len(self._rows):,} rows; rung measures on samples of one task: "
                "take some thousand rows of one task out of it",
                file=self._file,
            )
        for row in self._rows.values():
            yield RawRow(row.line, {name: row.cells.get(name) for name in self._columns})

    def stored(self, name: str) -> StoredColumns:
        """Return the columns for the answers of one model, made on first use. Raises DataError for too many models."""
        known = self._found.stored
        if name not in known:
            if len(known) >= MOST_STORED:
                raise DataError(
                    f"holds answers of more than {MOST_STORED} models; take those out that you compare", file=self._file
                )
            tail = f":{name}"
            known[name] = StoredColumns(name, f"answer{tail}", {}, f"latency_s{tail}", f"cost_usd{tail}")
        return known[name]

    def answer(
        self,
        key: str,
        name: str,
        text: str | None,
        verdicts: Mapping[str, float | None] = {},
        latency_s: object = None,
        cost_usd: object = None,
    ) -> None:
        """Write down a stored answer with what the tool's scorers said of it; a further one to the same row is counted."""
        columns = self.stored(name)
        if self.holds(key, columns.answer):
            self._found.leave("further answers of one model to one example")
            return
        cells: dict[str, Any] = {columns.answer: text}
        for scorer, value in verdicts.items():
            if value is None:
                continue
            column = columns.verdicts.get(scorer) or f"verdict:{name}:{scorer}"
            if scorer not in columns.verdicts:
                self._found.stored[name] = columns = _with_verdict(columns, scorer, column)
            cells[column] = value
        for place, amount in ((columns.latency, latency_s), (columns.cost, cost_usd)):
            if place is not None and is_amount(amount):
                cells[place] = amount
        self.add(key, 0, cells)

    def close(self) -> None:
        """Forget columns that nothing was written into."""
        for name, c in self._found.stored.items():
            latency = c.latency if c.latency in self._columns else None
            cost = c.cost if c.cost in self._columns else None
            self._found.stored[name] = StoredColumns(c.name, c.answer, c.verdicts, latency, cost)


def _with_verdict(c: StoredColumns, scorer: str, column: str) -> StoredColumns:
    return StoredColumns(c.name, c.answer, {**c.verdicts, scorer: column}, c.latency, c.cost)


def is_amount(value: object) -> bool:
    """Whether a value is a finite number of 0 or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one: a damaged part reads as absent, and what it lacks is counted."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects in a list."""
    return [v for v in sequence(value) if isinstance(v, dict)]


def plain(value: object) -> str | None:
    """Return a value as text: texts as they are, null as None, all else as JSON."""
    return value if isinstance(value, str) or value is None else json_text(value)


def verdict_of(value: object) -> float | None:
    """Return a score in [0, 1] from what scorers write (true, 1, 0.5, "C", "pass"); None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value) if 0 <= value <= 1 else None
    return _WORDS.get(value.strip().casefold()) if isinstance(value, str) else None


_WORDS = {
    **dict.fromkeys(("c", "correct", "pass", "passed", "true", "yes", "y", "1", "1.0"), 1.0),
    **dict.fromkeys(("i", "incorrect", "fail", "failed", "false", "no", "n", "0", "0.0"), 0.0),
    **dict.fromkeys(("p", "partial", "0.5"), 0.5),
}


def variables(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's variables as input columns; one that is called like a column of the importers' own is `inputs.id` and so on."""
    return {f"inputs.{name}" if name in _OWN else str(name): value for name, value in held.items()}


_OWN = frozenset(("id", "group", "expected"))


def asked(value: object, line: int, file: str, found: Found) -> Conversation | None:
    """Return what a model was asked, from a text, a chat, or an object that holds one; None (counted) where it is no text."""
    held = value
    if isinstance(value, dict):
        held = next((value[k] for k in ("messages", "prompt", "input", "question") if k in value), value)
    try:
        talk = conversation(held, RawRow(line, {}), file, "input")
    except DataError:
        found.leave("inputs with images or other parts that are no text")
        return None
    return talk if talk is not None else Conversation("", plain(held) or "", None)
