"""Text files of rows as they stand: one reader a format, each yielding the line a row starts at and its cells.

A further format is one function and one entry in `READERS`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from rung.errors import DataError

LONGEST_CELL = 1 << 24  # characters; a longer one is nearly always a quote that was never closed


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row before any column is chosen: the line it starts at (first line is 1) and its cells by column name."""

    line: int
    cells: dict[str, Any]


Reader = Callable[[IO[bytes], str], Iterator[RawRow]]


def decoded(stream: Iterable[bytes], file: str) -> Iterator[str]:
    """Yield lines as text, the byte order mark removed; line ends stay."""
    for number, raw in enumerate(stream, 1):
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
        cut = ";" if delimiter == "," and "," not in first and ";" in first else delimiter
        rows = csv.reader(_chain(first, lines), delimiter=cut, strict=True)
        header: list[str] | None = None
        start = 1
        while True:
            try:
                cells = next(rows, None)
            except csv.Error as error:
                _refuse_csv(error, file, start)
            if cells is None:
                return
            if any(cells):  # a blank line is no row
                if header is None:
                    header = header_of(cells, file, start)
                else:
                    yield RawRow(start, _matched(header, cells, file, start))
            start = rows.line_num + 1

    return read


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _refuse_csv(error: csv.Error, file: str, line: int) -> NoReturn:
    text = str(error)
    if "unexpected end of data" in text or "field limit" in text:
        reason = "a quote is opened here and never closed"
    elif "new-line character" in text:
        reason = "the lines end in a bare carriage return; save the file with LF or CRLF line ends"
    else:
        reason = f"{text}; a quote inside a quoted cell is written twice"
    raise DataError(f"not readable as CSV: {reason}", file=file, line=line) from error


def header_of(cells: list[str], file: str, line: int) -> list[str]:
    names = [c.strip() for c in cells]
    doubled = sorted({n for n in names if names.count(n) > 1 and n})
    if doubled:
        raise DataError(
            f"the header names {', '.join(map(repr, doubled))} twice; rename one of the columns", file=file, line=line
        )
    return [name or f"column {i}" for i, name in enumerate(names, 1)]


def _matched(header: list[str], cells: list[str], file: str, line: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise DataError(
            f"the row has {len(cells)} cells and the header {len(header)}; put a cell that holds the separator or a "
            "line break in double quotes",
            file=file,
            line=line,
        )
    return {name: cell.replace("\r\n", "\n") for name, cell in zip(header, cells, strict=True)}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value; write null or leave the key out")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _json_lines(stream: IO[bytes], file: str) -> Iterator[RawRow]:
    for number, line in enumerate(decoded(stream, file), 1):
        text = line.strip()
        if not text:
            continue
        try:
            value = _JSON.decode(text)
        except json.JSONDecodeError as error:
            hint = "; a JSON list belongs into a file that ends in .json" if number == 1 and text[0] == "[" else ""
            column = error.colno + len(line) - len(line.lstrip())
            raise DataError(f"bad JSON at character {column}: {error.msg}{hint}", file=file, line=number) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"bad JSON: {error}", file=file, line=number) from error
        yield RawRow(number, row_object(value, file, number))


def _json_list(stream: IO[bytes], file: str) -> Iterator[RawRow]:
    text = "".join(decoded(stream, file))
    at, line, counted = _skip(text, 0), 1, 0
    if at == len(text):
        return
    if text[at] != "[":
        raise DataError(
            "does not begin with '['; a .json file must hold one list of objects (one object a line: name it .jsonl)",
            file=file,
            line=1,
        )
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = _JSON.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise DataError(
                f"bad JSON at character {error.colno}: {error.msg}", file=file, line=error.lineno
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"bad JSON: {error}", file=file, line=line) from error
        yield RawRow(line, row_object(value, file, line))
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            where = line + text.count("\n", counted, at)
            raise DataError("bad JSON: expected ',' or ']' after an element of the list", file=file, line=where)
    if _skip(text, at + 1) < len(text):
        raise DataError("bad JSON: something follows the end of the list", file=file)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def row_object(value: Any, file: str, line: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        kind = {list: "a list", str: "text", type(None): "null", bool: "a truth value"}.get(type(value), "a number")
        raise DataError(f"is {kind}; each row must be an object of columns", file=file, line=line)
    return value


READERS: dict[str, Reader] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".json": _json_list,
}
