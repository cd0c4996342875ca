"""Tables: each row of a CSV, TSV, JSONL or JSON file is a document of its own, named FILE#ID."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rung.delimited import LOOKED_AT, separator_line, separator_of
from rung.documents.plain import decoded
from rung.documents.trouble import Unreadable, noted
from rung.foreign import uncollected, whole
from rung.types import Document, Finding, Source

IDS, TITLES, TEXTS = ("id", "_id", "doc_id"), ("title", "name", "heading"), ("text", "body", "content", "abstract")
_LONGEST_CELL = 16 * 1024 * 1024
Given = tuple[tuple[Document, ...], tuple[Finding, ...]]


def read_csv(name: str, content: bytes) -> Given:
    """Read a CSV file with a header; the separator is found out as it is for rows of examples."""
    text, findings = decoded(name, content)
    lines = text.split("\n")
    named_separator = separator_line(lines[0])
    lines = [f"{line}\n" for line in lines[0 if named_separator is None else 1 :]]
    separator = named_separator or separator_of(lines[:LOOKED_AT], "\t" if ".tsv" in name.lower() else ",")
    csv.field_size_limit(_LONGEST_CELL)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    try:
        reader = csv.reader(lines, delimiter=separator)
        header = _header(next(reader, []))
        for cells in filter(None, reader):
            named = dict(zip(header, cells, strict=False))
            if extra := cells[len(header) :]:
                named["further cells"] = ", ".join(extra)
            rows.append((reader.line_num, named))
    except csv.Error as error:
        if "field limit" in str(error):
            said = f"has a cell of more than {_LONGEST_CELL // 2**20} MiB after row {len(rows):,}"
            raise Unreadable(said, next_step="Look for a quote that is opened and never closed.") from error
        raise Unreadable(f"is no CSV file ({error})") from error
    return _documents(name, rows), findings


def _header(cells: Sequence[str]) -> list[str]:
    """Return a name for each column: those without one are numbered, and those of the same name told apart."""
    found: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        name = cell or f"column {number}"
        found.setdefault(name if name not in found else f"{name} (column {number})")
    return list(found)


def read_jsonl(name: str, content: bytes) -> Given:
    """Read JSON lines; a line that is no object is left out and told."""
    text, findings = decoded(name, content)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    bad: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append((number, row))
        else:
            bad.append(number)
    if bad and not rows:
        raise Unreadable("holds no line that is a JSON object")
    if bad:
        where = ", ".join(map(str, bad[:5])) + (" ..." if len(bad) > 5 else "")
        said = f"has {len(bad):,} lines that are no JSON objects (line {where}): they were left out."
        findings = (*findings, noted(name, said, "Fix these lines.", "warn"))
    return _documents(name, rows), findings


def read_json(name: str, content: bytes) -> Given:
    """Read a JSON file: a list of objects, one object, one that holds nothing but a list of them, or JSON lines."""
    text, findings = decoded(name, content)
    try:
        with uncollected():
            data = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            return read_jsonl(name, content)
        raise Unreadable(f"is no valid JSON ({error})") from error
    lists = (
        [v for v in data.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        if isinstance(data, dict)
        else []
    )
    if len(lists) == 1 and not any(isinstance(v, dict | list) and v is not lists[0] for v in data.values()):
        data = lists[0]
    rows = data if isinstance(data, list) else [data]
    kept = [(place, row) for place, row in enumerate(rows, 1) if isinstance(row, dict)]
    if not kept:
        raise Unreadable("holds no JSON object")
    return _documents(name, kept), findings


def _documents(name: str, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> tuple[Document, ...]:
    """Name rows by their id where each has one of its own, else by their number."""
    column = next((c for c in IDS if rows and all(_cell(row.get(c)) for _, row in rows)), None)
    ids = [_cell(row[column]) for _, row in rows] if column else []
    if len(set(ids)) < len(ids):
        column = None
    found = []
    for place, (line, row) in enumerate(rows, 1):
        own = ids[place - 1] if column else str(place)
        title = next((_cell(row[t]) for t in TITLES if _cell(row.get(t))), "")
        text = "\n".join(_lines(row, column))
        found.append(
            Document(f"{name}#{own}", title, (Source(f"{name}#{own}", f"row {place}, line {line}", text),), name)
        )
    return tuple(found)


def _lines(row: Mapping[str, Any], id_column: str | None) -> Iterator[str]:
    """Yield a row as lines: title and running text as they are, other columns with their names."""
    for column, value in row.items():
        cell = _cell(value)
        if not cell or column == id_column:
            continue
        yield cell if column in TITLES + TEXTS else f"{column}: {cell}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return whole(value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
