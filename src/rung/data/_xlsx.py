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
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.escape import unescape

from rung.data.cells import RawRow, header_of
from rung.errors import DataError
from rung.foreign import foreign

NAMED = 5
MOST_UNPACKED = 1 << 29  # bytes
MOST_CELLS = 20_000_000
MOST_ROWS = 1_048_576  # of a sheet, ECMA-376
Note = Callable[[str], None]
Cells = list[Any]
_FORMULA, _MERGED = re.compile(rb"<(?:\w{1,30}:)?f[ >/]"), re.compile(rb"<(?:\w{1,30}:)?mergeCell ")
_MERGED_AREA = re.compile(rb"<(?:\w{1,30}:)?mergeCell [^<>]{0,200}?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']")


def read(path: Path, sheet: str | None, note: Note) -> Iterator[RawRow]:
    """Yield the rows below the header with their row number in the sheet.

    The first row with anything in it is the header. A formula counts as the value that was stored with it; a cell merged
    downwards fills the rows it spans. Both are noted. Raises DataError for several sheets with rows and none named, a
    formula without a stored value, an error value, a title above the header, and cells merged over several columns.
    """
    file = str(path)

    def unreadable(error: BaseException) -> DataError:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        said = f"is no readable workbook ({why}); a protected or old one opens after saving it as a plain .xlsx"
        return DataError(said, file=file)

    with foreign(unreadable), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # styles and extensions that openpyxl leaves out
        _refuse_traps(path, file)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        name = _chosen(book, sheet, file, note)
        grid = _grid(book[name], file)
        book.close()
        if _has_more_than_values(path):
            _mend(grid, openpyxl.load_workbook(path)[name], file, note)
    yield from _rows(grid, file)


def _refuse_traps(path: Path, file: str) -> None:
    """Refuse what unpacks to more than can be held: a small file may stand for any number of bytes or cells."""
    with zipfile.ZipFile(path) as packed:
        unpacked = sum(item.file_size for item in packed.infolist())
        if unpacked > MOST_UNPACKED:
            said = f"unpacks to {unpacked / 2**20:,.0f} MiB, and at most {MOST_UNPACKED // 2**20} are read"
            raise DataError(f"{said}; take some thousand rows out", file=file)
        sheets = [n for n in packed.namelist() if n.startswith("xl/worksheets/") and n.endswith(".xml")]
        merged = sum(_area(m[1].decode()) for n in sheets for m in _MERGED_AREA.finditer(packed.read(n)))
    if merged > MOST_CELLS:
        raise DataError(f"merges {merged:,} cells, and at most {MOST_CELLS:,} are read; unmerge them", file=file)


def _area(area: str) -> int:
    left, top, right, bottom = range_boundaries(area)
    return int((right - left + 1) * (bottom - top + 1))


def _grid(sheet: Any, file: str) -> list[Cells]:
    """Return the cells of a sheet, row by row, whatever size the file says that it has."""
    sheet.reset_dimensions()
    grid: list[Cells] = []
    count = 0
    for row in sheet.iter_rows(values_only=True):
        count += len(row) + 1
        if count > MOST_CELLS:
            raise DataError(f"has more than {MOST_CELLS:,} cells; take some thousand rows out", file=file)
        if len(grid) == MOST_ROWS:
            raise DataError(f"has more than {MOST_ROWS:,} rows, which no spreadsheet program writes", file=file)
        grid.append([_plain(v) for v in row])
    return grid


def _chosen(book: Any, wanted: str | None, file: str, note: Note) -> str:
    """Return the sheet to read: the named one, or the only one that holds rows."""
    there = [s.title for s in book.worksheets]
    if wanted is not None:
        if wanted not in there:
            raise DataError(f"has no sheet {wanted!r}; sheets: {', '.join(map(repr, there))}", file=file)
        return wanted
    full = [s.title for s in book.worksheets if any(any(v is not None for v in row) for row in _grid(s, file))]
    if len(full) > 1:
        raise DataError(
            f"has {len(full)} sheets with rows: {', '.join(map(repr, full))}; name one after the file, as in "
            f"'{Path(file).name}#{full[0]}'",
            file=file,
        )
    if not full:
        raise DataError("holds no examples; put a header and one example a row", file=file)
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
        yield RawRow(number, row, number, tuple(header))


def _refuse_errors(row: Mapping[str, Any], file: str, number: int) -> None:
    for name, value in row.items():
        if isinstance(value, str) and value in _ERRORS:
            raise DataError(
                f"the cell holds the error {value}; fix its formula and save",
                file=file,
                **RawRow(number, dict(row), number, tuple(row)).place(name),
            )


_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!")


def _plain(value: Any) -> Any:
    """Return the cell as JSON knows it: moments as ISO 8601, a whole day without its midnight, _x000D_ as the character."""
    if isinstance(value, str):
        return _line_ends(unescape(value)) if "_x" in value or "\r" in value else value
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


def _line_ends(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # halves of one character, escaped apart
