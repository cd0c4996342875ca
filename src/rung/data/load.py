"""Load a file of examples: rows in file order, every value as text, every bad row named by file, line and column."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rung.data._shapes import MADE_OF_CHATS, broken_chat
from rung.data.cells import RawRow
from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.errors import DataError
from rung.types import Dataset, Example, content_hash, json_text

LINES_NAMED = 10
_FIRST_TEXTS = 40  # characters of a value that a message quotes


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a file are what. `id` and `group` may be None: ids are then made, rows stand alone.

    `also`: columns with further right answers. `any_of_list`: a list of texts or numbers in a target column holds several.
    `slices`: columns that tell results apart.
    """

    inputs: tuple[str, ...]
    target: str
    id: str | None
    group: str | None
    also: tuple[str, ...] = ()
    any_of_list: bool = True
    slices: tuple[str, ...] = ()

    def named(self) -> list[str]:
        return [*self.inputs, *filter(None, (self.target, *self.also, self.id, self.group)), *self.slices]


def load(
    path: str | Path,
    *,
    inputs: Sequence[str],
    target: str,
    id_column: str | None = None,
    group_by: str | None = None,
    also: Sequence[str] = (),
    any_of_list: bool = True,
    on_note: Callable[[str], None] | None = None,
) -> Dataset:
    """Read jsonl, ndjson, csv, tsv or a json list (each also gzipped), parquet, xlsx, a promptfoo file, a folder of texts.

    Numbers and truth values become their JSON text, objects and lists JSON (keys in their order), an absent input (null) "".
    A column "answers.text" is the field of that name in the column "answers", where no column has the whole name.
    Without `id_column` a column called "id" serves (in another tool's file it must be that tool's own); without that, ids are
    made from the content, so that they stay when rows move; a repeated content gets -2, -3. A row without a group value stands alone.
    Several right answers come from the columns `also` (empty cells hold none) and, with `any_of_list`, from lists of
    texts or numbers in a target column of a JSON file; the first is `Example.target`, the others `Example.others`.
    `on_note` hears what was read in a way worth telling (merged cells, formulas).
    Rows without an expected output are set aside, and `on_note` hears how many. A `target` of "" means that no row has one.
    Raises DataError for an unreadable file, a bad row, a missing column, a double id, no row, or none with an expected output.
    """
    return load_columns(path, Columns(tuple(inputs), target, id_column, group_by, tuple(also), any_of_list), on_note)


def load_columns(
    path: str | Path, columns: Columns, on_note: Callable[[str], None] | None = None, most: int | None = None
) -> Dataset:
    """Read as `load` does; of the rows the first `most`, where that is given."""
    found = Found()
    intake = _Intake(str(path), columns, found)
    for row in islice(raw_rows(path, on_note, found), most):
        intake.take(row)
    intake.close(on_note)
    return Dataset(tuple(intake.examples), str(path))


def as_text(value: Any) -> str:
    """Return a cell as the text a model sees: strings as they are, null as "", all else as JSON, keys in their order."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def answers_in(value: Any) -> Sequence[Any]:
    """Return the right answers that a target cell holds: the entries of a list of texts or numbers, else the cell."""
    several = isinstance(value, list) and all(
        isinstance(v, str | int | float) and not isinstance(v, bool) for v in value
    )
    return value if several else [value]


def _written(cells: Mapping[str, Any], columns: Columns) -> Iterator[tuple[str, Any]]:
    """Yield what a row's target columns hold, one answer after the other, with the column."""
    for column in filter(None, (columns.target, *columns.also)):
        held = value_of(cells, column)
        for value in answers_in(held) if columns.any_of_list else [held]:
            yield column, value


def is_set_aside(cells: Mapping[str, Any], columns: Columns) -> bool:
    """Whether reading leaves a row out, since it has no expected output where the task has a target."""
    return bool(columns.target) and not any(as_text(value).strip() for _, value in _written(cells, columns))


def holds(cells: Mapping[str, Any], column: str) -> bool:
    """Whether a row has the column, or the field inside one ("answers.text")."""
    value: Any = cells
    if column in cells:
        return True
    for key in column.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def value_of(cells: Mapping[str, Any], column: str) -> Any:
    """Return a row's cell by column name, or by the way to a field inside it; None where there is none."""
    if column in cells or not holds(cells, column):
        return cells.get(column)
    value: Any = cells
    for key in column.split("."):
        value = value[key]
    return value


def missing_column(name: str, there: Sequence[str], *, file: str, row: RawRow | None = None) -> DataError:
    """Return the error for a column that is not there, with those that are and the nearest name; or for the row's conversation."""
    unread = unread_chat(row, name, file) if row is not None else None
    if unread is not None:
        return unread
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, there[:20])) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    return DataError(
        f"there is no column {name!r}{hint or '.'} Columns: {listed or 'none'}",
        file=file,
        **(row.place() if row is not None else {}),
    )


def unread_chat(row: RawRow, name: str, file: str) -> DataError | None:
    """Return the error for a conversation of which the column `name` would have been made, had it been one; None for other rows."""
    broken = broken_chat(row.cells) if name in MADE_OF_CHATS else None
    return None if broken is None else DataError(broken[1], file=file, **row.place(broken[0]))


@dataclass
class _Intake:
    """The state of one reading: examples so far and what has been seen of ids and empty targets."""

    file: str
    columns: Columns
    found: Found
    examples: list[Example] = field(default_factory=list)
    id_rows: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    empty_targets: list[str] = field(default_factory=list)
    empty_count: int = 0

    def take(self, row: RawRow) -> None:
        if not self.examples and not self.empty_count:
            self._first(row)
        for name in self.columns.named():
            optional = (self.columns.group, *self.columns.also, *self.columns.slices)
            if name not in row.cells and name not in optional and not holds(row.cells, name):
                raise missing_column(name, list(row.cells), file=self.file, row=row)
        inputs = {name: self._text(row, name) for name in self.columns.inputs}
        target, *others = self._answers(row) or [""]
        if self.columns.target and not target.strip():
            self.empty_count += 1
            if len(self.empty_targets) < LINES_NAMED:
                self.empty_targets.append(row.cell(self.columns.target) or f"line {row.line}")
            return
        content = [inputs, target, *([others] if others else [])]
        row_id = self._made_id(content) if self.columns.id is None else self._given_id(row, self.columns.id)
        group = self._text(row, self.columns.group) if self.columns.group is not None else ""
        slices = {name: self._text(row, name) for name in self.columns.slices}
        example = Example(row_id, inputs, target, group.strip() or row_id, tuple(others), slices=slices)
        self.examples.append(example)

    def close(self, on_note: Callable[[str], None] | None) -> None:
        if not self.empty_count:
            if not self.examples:
                raise DataError("holds no examples; put one example a line", file=self.file)
            return
        kind, _, first = self.empty_targets[0].partition(" ")
        lines = ", ".join([first, *(place.partition(" ")[2] for place in self.empty_targets[1:])])
        more = f" and {self.empty_count - len(self.empty_targets)} more" if self.empty_count > LINES_NAMED else ""
        where = kind if self.empty_count == 1 else f"{kind}s"
        count = "1 example has" if self.empty_count == 1 else f"{self.empty_count} examples have"
        said = f"{count} no expected output in {self.columns.target!r} ({where} {lines}{more})"
        advice = "where nothing is the right answer, write it as a word, for example 'none' or '{}'"
        if not self.examples:
            raise DataError(f"{said}, and no example has one; fill the cells; {advice}", file=self.file)
        if on_note is not None:
            on_note(f"{said} and {'is' if self.empty_count == 1 else 'are'} set aside; {advice}")

    def _first(self, row: RawRow) -> None:
        """Check the columns once against the first row, and let a column called "id" name the rows."""
        there = list(row.cells)
        for name in self.columns.named():
            if not holds(row.cells, name) and unread_chat(row, name, self.file) is None:
                raise missing_column(name, there, file=self.file)
        names_rows = not self.found.tool or self.found.id == "id"  # of another tool's file it may be any variable
        if self.columns.id is None and "id" in row.cells and "id" not in self.columns.named() and names_rows:
            self.columns = replace(self.columns, id="id")

    def _answers(self, row: RawRow) -> list[str]:
        """Return the right answers of a row, each once, without empty ones."""
        found: dict[str, None] = {}
        for column, value in _written(row.cells, self.columns):
            text = self._as_text(value, row, column)
            if text.strip():
                found[text] = None
        return list(found)

    def _text(self, row: RawRow, column: str) -> str:
        return self._as_text(value_of(row.cells, column), row, column)

    def _as_text(self, value: Any, row: RawRow, column: str) -> str:
        try:
            return self._clean(as_text(value), row, column)
        except (ValueError, RecursionError) as error:  # an endless number, a value that holds itself
            raise DataError(f"cannot be written as text ({error})", file=self.file, **row.place(column)) from error

    def _clean(self, text: str, row: RawRow, column: str) -> str:
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise DataError(
                    f"holds half of a surrogate pair at character {error.start + 1}, which no UTF-8 file can keep",
                    file=self.file,
                    **row.place(column),
                ) from error
        return text

    def _given_id(self, row: RawRow, column: str) -> str:
        row_id = self._text(row, column).strip()
        if not row_id:
            raise DataError("the example has no id", file=self.file, **row.place(column))
        if row_id in self.id_rows:
            raise DataError(
                f"the id {row_id[:_FIRST_TEXTS]!r} is also that of {self.id_rows[row_id]}; ids must differ "
                "(rename the column to have ids made from the content)",
                file=self.file,
                **row.place(column),
            )
        self.id_rows[row_id] = f"row {row.row}" if row.row is not None and row.row != row.line else f"line {row.line}"
        return row_id

    def _made_id(self, content: Sequence[Any]) -> str:
        stem = "r" + content_hash(content)[:12]
        self.repeats[stem] = self.repeats.get(stem, 0) + 1
        return stem if self.repeats[stem] == 1 else f"{stem}-{self.repeats[stem]}"
