"""Rows of one sheet of a workbook. Needs the extra `files`."""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.cell import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from rung.data._cells import RawRow, header_of
from rung.errors import DataError

NAMED = 5
Note = Callable[[str], None]
Cells = list[Any]
_FORMULA, _MERGED = re.compile(rb"<(?:\w+:)?f[ >/]"), re.compile(rb"<(?:\w+:)?mergeCell ")


def read(path: Path, sheet: str | None, note: Note) -> Iterator[RawRow]:
    """Yield the rows below the header with their row number in the sheet.

    The first row with anything in it is the header. A formula counts as the value that was stored with it; a cell merged
    downwards fills the rows it spans. Both are noted. Raises DataError for several sheets with rows and none named, a
    formula without a stored value, an error value, a title above the header, and cells merged over several columns.
    """
    file = str(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # styles and extensions that openpyxl leaves out
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            name = _chosen(book, sheet, file, note)
            grid = [[_plain(v) for v in row] for row in book[name].iter_rows(values_only=True)]
            book.close()
            if _has_more_than_values(path):
                _mend(grid, openpyxl.load_workbook(path)[name], file, note)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise DataError(
            f"is no readable workbook ({why}); a protected or old one opens after saving it as a plain .xlsx", file=file
        ) from error
    yield from _rows(grid, file)


def _chosen(book: Any, wanted: str | None, file: str, note: Note) -> str:
    """Return the sheet to read: the named one, or the only one that holds rows."""
    there = [s.title for s in book.worksheets]
    if wanted is not None:
        if wanted not in there:
            raise DataError(f"has no sheet {wanted!r}; sheets: {', '.join(map(repr, there))}", file=file)
        return wanted
    full = [
        s.title for s in book.worksheets if any(any(v is not None for v in r) for r in s.iter_rows(values_only=True))
    ]
    if len(full) > 1:
        raise DataError(
            f"has {len(full)} sheets with rows: {', '.join(map(repr, full))}; name one after the file, as in "
            f"'{Path(file).name}#{full[0]}'",
            file=file,
        )
    if not full:
        raise DataError("holds no rows; put a header and one example a row", file=file)
    if len(there) > 1:
        note(f"the sheet {full[0]!r} was read; the other sheets are empty")
    return str(full[0])


def _has_more_than_values(path: Path) -> bool:
    """Whether any sheet holds a formula or a merged cell: then the workbook is read a second time, more slowly."""
    with zipfile.ZipFile(path) as packed:
        sheets = [n for n in packed.namelist() if n.startswith("xl/worksheets/") and n.endswith(".xml")]
        texts = (packed.read(n) for n in sheets)
        return any(_FORMULA.search(text) or _MERGED.search(text) for text in texts)


def _mend(grid: list[Cells], full: Any, file: str, note: Note) -> None:
    """Fill merged cells downwards, and check that every formula has a value."""
    empty: list[str] = []
    formulas = 0
    for row in full.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                formulas += 1
                if _at(grid, cell.row, cell.column) is None:
                    empty.append(cell.coordinate)
    if empty:
        more = f" and {len(empty) - NAMED} more" if len(empty) > NAMED else ""
        raise DataError(
            f"{len(empty)} formulas have no stored value ({', '.join(empty[:NAMED])}{more}): the workbook was never "
            "calculated; open it in a spreadsheet program, save it, and run again",
            file=file,
        )
    if formulas:
        note(f"{formulas:,} cells hold a formula; the values stored with them were read")
    merged = 0
    for area in full.merged_cells.ranges:
        value = _at(grid, area.min_row, area.min_col)
        if value is None:
            continue
        if area.max_col > area.min_col:
            raise DataError(
                f"the cells {area.coord} are merged over several columns ({str(value)[:40]!r}); take titles out and "
                "unmerge the rest, so that each column has a cell of its own",
                file=file,
            )
        for number in range(area.min_row + 1, area.max_row + 1):
            grid[number - 1][area.min_col - 1] = value
            merged += 1
    if merged:
        note(f"{merged:,} cells were filled from the cell they are merged with")


def _at(grid: list[Cells], row: int, column: int) -> Any:
    return grid[row - 1][column - 1] if row <= len(grid) and column <= len(grid[row - 1]) else None


def _rows(grid: list[Cells], file: str) -> Iterator[RawRow]:
    filled = [(number, cells) for number, cells in enumerate(grid, 1) if any(v not in (None, "") for v in cells)]
    first, top = filled[0]
    width = max(i for _, cells in filled for i, v in enumerate(cells, 1) if v not in (None, ""))
    if width > 1 and sum(v not in (None, "") for v in top) == 1 and len(filled) > 1:
        raise DataError(
            f"row {first} has one filled cell and the rows below up to {width}: take titles out, so that the names of the "
            "columns come first",
            file=file,
            line=first,
        )
    header = header_of([*("" if v is None else str(v) for v in top[:width]), *[""] * (width - len(top))], file, first)
    for number, cells in filled[1:]:
        values = [*cells[:width], *[None] * (width - len(cells))]
        row = dict(zip(header, values, strict=True))
        _refuse_errors(row, file, number)
        yield RawRow(number, row)


def _refuse_errors(row: Mapping[str, Any], file: str, number: int) -> None:
    for place, (name, value) in enumerate(row.items(), 1):
        if isinstance(value, str) and value in _ERRORS:
            raise DataError(
                f"the cell {get_column_letter(place)}{number} holds the error {value}; mend its formula and save",
                file=file,
                line=number,
                column=name,
            )


_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")


def _plain(value: Any) -> Any:
    """Return the cell as JSON knows it: moments as ISO 8601, a whole day without its midnight."""
    if isinstance(value, datetime.datetime):
        whole = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if whole else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
