"""Text files of rows as they stand: one reader a format, each yielding the line a row starts at and its cells.

A further format is one function and one entry in `READERS`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any, NoReturn

from rung.delimited import LOOKED_AT, separator_line, separator_of
from rung.errors import DataError
from rung.foreign import uncollected

LONGEST_CELL = 1 << 24  # characters; a longer one is nearly always a quote that was never closed
LONGEST_LINE = 1 << 26  # bytes; the file is read line by line, and one line must fit into memory
DEEPEST = 100  # levels of lists and objects


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row before any column is chosen: the line it starts at (first line is 1) and its cells by column name.

    `row` and `header` of a table: the row as a spreadsheet counts it (the header is a row), and its columns in their order.
    `whole`: it is all that a JSON file holds, so that the rows may stand inside it.
    """

    line: int
    cells: dict[str, Any]
    row: int | None = None
    header: tuple[str, ...] = ()
    whole: bool = False

    def place(self, column: str | None = None) -> dict[str, Any]:
        """Return where the row or one of its cells stands, as `DataError` takes it."""
        return {"line": self.line, "column": column, "cell": self.cell(column)}

    def cell(self, column: str | None) -> str | None:
        """Return a cell as a spreadsheet names it ("cell C7"), or its row ("row 7") where that is not its line; None: no table."""
        if self.row is None:
            return None
        if column in self.header:
            return f"cell {letters(self.header.index(column) + 1)}{self.row}"
        return f"row {self.row}" if self.row != self.line else None


def letters(place: int) -> str:
    """Return the name of a spreadsheet's column: 1 is A, 27 is AA."""
    name = ""
    while place:
        place, digit = divmod(place - 1, 26)
        name = chr(ord("A") + digit) + name
    return name


Reader = Callable[[IO[bytes], str], Iterator[RawRow]]


def decoded(stream: IO[bytes], file: str) -> Iterator[str]:
    """Yield lines as text, the byte order mark removed; line ends stay."""
    for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
        if len(raw) > LONGEST_LINE:
            raise DataError(
                f"the line has more than {LONGEST_LINE // 2**20} MiB; put one example a line", file=file, line=number
            )
        if number == 1:
            raw = without_mark(raw, file)
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8; "
                "save the file as UTF-8 and run again",
                file=file,
                line=number,
            ) from error


def without_mark(raw: bytes, file: str) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("is UTF-16; save it as UTF-8 and run again", file=file, line=1)
    if raw.startswith((b"PK\x03\x04", b"PAR1", b"\x1f\x8b")):
        raise DataError("is a packed or binary file under a text file's name; name it by what it is", file=file)
    return raw.removeprefix(b"\xef\xbb\xbf")


def _delimited(delimiter: str) -> Reader:
    def read(stream: IO[bytes], file: str) -> Iterator[RawRow]:
        csv.field_size_limit(LONGEST_CELL)
        lines = decoded(stream, file)
        first = next(lines, "")
        named = separator_line(first)
        above = 0 if named is None else 1
        head = list(islice(lines if above else chain([first], lines), LOOKED_AT))
        rows = csv.reader(chain(head, lines), delimiter=named or separator_of(head, delimiter), strict=True)
        header: list[str] | None = None
        start, number = 1 + above, 0
        while True:
            number += 1
            try:
                cells = next(rows, None)
            except csv.Error as error:
                _refuse_csv(error, file, start, number)
            if cells is None:
                return
            if any(cells):  # a blank line is no row
                if header is None:
                    header = header_of(cells, file, start)
                else:
                    yield RawRow(start, _matched(header, cells, file, start, number), number, tuple(header))
            start = rows.line_num + 1 + above

    return read


def _refuse_csv(error: csv.Error, file: str, line: int, row: int) -> NoReturn:
    text = str(error)
    if "field limit" in text:
        reason = f"a cell has more than {LONGEST_CELL // 2**20} MiB, or a quote is opened here and never closed"
    elif "unexpected end of data" in text:
        reason = "a quote is opened here and never closed"
    elif "new-line character" in text:
        reason = "the lines end in a bare carriage return; save the file with LF or CRLF line ends"
    else:
        reason = f"{text}; a quote inside a quoted cell is written twice"
    raise DataError(
        f"not readable as CSV: {reason}", file=file, line=line, cell=f"row {row}" if row != line else None
    ) from error


def header_of(cells: list[str], file: str, line: int) -> list[str]:
    names = [c.strip() for c in cells]
    doubled = sorted(n for n, times in Counter(names).items() if times > 1 and n)
    if doubled:
        raise DataError(
            f"the header names {', '.join(map(repr, doubled))} twice; rename one of the columns", file=file, line=line
        )
    return [name or f"column {i}" for i, name in enumerate(names, 1)]


def _matched(header: list[str], cells: list[str], file: str, line: int, row: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise DataError(
            f"the row has {len(cells)} cells and the header {len(header)}; put a cell that holds the separator or a "
            "line break in double quotes",
            file=file,
            line=line,
            cell=f"row {row}" if row != line else None,
        )
    return {name: cell.replace("\r\n", "\n") for name, cell in zip(header, cells, strict=True)}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value; write null or leave the key out")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is larger than any number that can be kept; write it as text")
    return number


JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _json_lines(stream: IO[bytes], file: str) -> Iterator[RawRow]:
    lines = decoded(stream, file)
    begun = False
    for number, line in enumerate(lines, 1):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        if not begun and text[0] in "[{" and not _is_whole(text):  # a list, or objects over several lines
            yield from _json_text("\n" * (number - 1) + line + "".join(lines), file)
            return
        begun = True
        try:
            value = JSON.decode(text)
        except json.JSONDecodeError as error:
            column = error.colno + len(line) - len(line.lstrip())
            raise DataError(f"bad JSON at character {column}: {error.msg}", file=file, line=number) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"bad JSON: {_unread(error)}", file=file, line=number) from error
        yield RawRow(number, row_object(value, file, number))


def _is_whole(text: str) -> bool:
    """Whether a line is an object of its own, or nothing that further lines would mend."""
    try:
        return not isinstance(json.loads(text), list)
    except json.JSONDecodeError as error:
        return error.pos < len(text)
    except (ValueError, RecursionError):
        return True


def _json_file(stream: IO[bytes], file: str) -> Iterator[RawRow]:
    raw = stream.read()  # bounded by whoever opened it; tools write it in one line
    try:
        text = without_mark(raw, file).decode("utf-8")
    except UnicodeDecodeError:
        text = "".join(decoded(io.BytesIO(raw), file))  # which says where
    return _json_text(text, file)


def _json_text(text: str, file: str) -> Iterator[RawRow]:
    """Yield the objects of a list, objects one after the other, or the one object that is the whole file."""
    at = _skip(text, 0)
    if at == len(text):
        return
    if text[at] == "[":
        yield from _json_list(text, at, file)
        return
    objects = _json_objects(text, at, file)
    with uncollected():  # it may be the whole file
        first = next(objects)
    second = next(objects, None)
    if second is not None:
        yield from chain([first, second], objects)
        return
    yield RawRow(first.line, first.cells, whole=True)


def _json_objects(text: str, at: int, file: str) -> Iterator[RawRow]:
    line, counted = 1, 0
    while at < len(text):
        line, counted = line + text.count("\n", counted, at), at
        value, at = _value_at(text, at, line, file)
        yield RawRow(line, row_object(value, file, line))
        at = _skip(text, at)


def _json_list(text: str, at: int, file: str) -> Iterator[RawRow]:
    line, counted = 1, 0
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        value, at = _value_at(text, at, line, file)
        yield RawRow(line, row_object(value, file, line))
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            where = line + text.count("\n", counted, at)
            raise DataError("bad JSON: expected ',' or ']' after an element of the list", file=file, line=where)
    if _skip(text, at + 1) < len(text):
        raise DataError("bad JSON: something follows the end of the list", file=file)


def _unread(error: Exception) -> str:
    """Return what keeps a JSON text from being read, in words that are not Python's."""
    if isinstance(error, RecursionError):
        return "lists and objects lie too deep in one another"
    return "a number has thousands of digits" if "int_max_str_digits" in str(error) else str(error)


def _value_at(text: str, at: int, line: int, file: str) -> tuple[Any, int]:
    try:
        return JSON.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise DataError(f"bad JSON at character {error.colno}: {error.msg}", file=file, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"bad JSON: {_unread(error)}", file=file, line=line) from error


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def row_object(value: Any, file: str, line: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        kind = {list: "a list", str: "text", type(None): "null", bool: "a truth value"}.get(type(value), "a number")
        raise DataError(f"is {kind}; each row must be an object of columns", file=file, line=line)
    if _depth(value) > DEEPEST:
        raise DataError(f"holds lists and objects more than {DEEPEST} levels deep", file=file, line=line)
    return value


def _depth(value: Any) -> int:
    """Return how many lists and objects stand within each other, counted no further than one too many."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        level = [
            v
            for held in level
            for v in (held.values() if isinstance(held, dict) else held)
            if isinstance(v, dict | list)
        ]
        depth += 1
    return depth


READERS: dict[str, Reader] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".json": _json_file,
}
