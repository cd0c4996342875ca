"""What one JSON object that is a whole file may hold: rows under a key, columns as pandas writes them, SQuAD, one row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rung.data.cells import RawRow, row_object
from rung.data.importers.base import objects, plain
from rung.errors import DataError

Note = Callable[[str], None]


def rows_in(whole: Mapping[str, Any], file: str, note: Note) -> Iterator[RawRow]:
    """Yield the rows of an object, each at its place, from 1. `note` hears in a sentence what form was read.

    Raises DataError for one that holds several lists of rows, or columns of different lengths.
    """
    found = _split(whole, file) or _listed(whole, file, note) or _columns(whole, file, note)
    for place, cells in enumerate(found if found is not None else [whole], 1):
        yield RawRow(place, row_object(cells, file, place))


def _listed(whole: Mapping[str, Any], file: str, note: Note) -> list[Any] | None:
    """Return the only list of objects in it: {"version": "1.1", "data": [...]}."""
    lists = {k: v for k, v in whole.items() if isinstance(v, list) and v and all(isinstance(r, dict) for r in v)}
    if "rows" in lists and all(isinstance(row.get("row"), dict) for row in lists["rows"]):
        return [row["row"] for row in lists["rows"]]  # as the data sets server answers
    if _CHATS & set(whole):
        return None  # one row, which holds its turns
    if len(lists) > 1:
        raise DataError(
            f"holds several lists of rows: {', '.join(map(repr, lists))}; put each into a file of its own", file=file
        )
    for key, rows in lists.items():
        if any(isinstance(r.get("paragraphs"), list) for r in rows):
            note(f"the questions in the paragraphs under {key!r} were read (SQuAD's form)")
            return list(_squad(rows))
        note(f"the list under {key!r} was read")
        return rows
    return None


_CHATS = {"messages", "conversations", "prompt", "completion"}


def _squad(articles: list[Any]) -> Iterator[dict[str, Any]]:
    for article in articles:
        for paragraph in objects(article.get("paragraphs")):
            for asked in objects(paragraph.get("qas")):
                answers = [plain(a.get("text")) for a in objects(asked.get("answers"))]
                yield {
                    **({"id": asked["id"]} if "id" in asked else {}),
                    "title": article.get("title", ""),
                    "context": paragraph.get("context", ""),
                    "question": asked.get("question", ""),
                    "answer": list(dict.fromkeys(a for a in answers if a is not None)),
                }


def _split(whole: Mapping[str, Any], file: str) -> list[Any] | None:
    """Return the rows of {"columns": [...], "data": [[...], ...]}."""
    columns, data = whole.get("columns"), whole.get("data")
    if not isinstance(columns, list) or not isinstance(data, list) or not all(isinstance(r, list) for r in data):
        return None
    if any(len(row) != len(columns) for row in data):
        raise DataError(f"has rows that are not as long as its {len(columns)} columns", file=file)
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _columns(whole: Mapping[str, Any], file: str, note: Note) -> list[Any] | None:
    """Return the rows of columns: {"text": {"0": ..., "1": ...}}, {"text": [...]}, or {"0": {"text": ...}}."""
    values = list(whole.values())
    if len(values) > 1 and all(isinstance(v, list) for v in values):
        if len({len(v) for v in values}) > 1:
            lengths = ", ".join(f"{k!r} {len(v)}" for k, v in list(whole.items())[:8])
            raise DataError(
                f"holds columns of different lengths ({lengths}); each row needs a value in each", file=file
            )
        note("each key was read as a column")
        return [dict(zip(whole, row, strict=True)) for row in zip(*values, strict=True)]
    if not values or not all(isinstance(v, dict) and v for v in values):
        return None
    inner = [list(v) for v in values]
    if _numbers(inner[0]) and all(keys == inner[0] for keys in inner):
        note("each key was read as a column")
        return [{column: held[number] for column, held in whole.items()} for number in inner[0]]
    if _numbers(list(whole)):
        note("each numbered key was read as a row")
        return values
    if len(values) > 1 and len(values) >= len(inner[0]) and all(set(keys) == set(inner[0]) for keys in inner):
        note("each key was read as the id of a row")
        return [{"id": key, **held} for key, held in whole.items()]
    return None


def _numbers(keys: list[str]) -> bool:
    return all(key.isdecimal() for key in keys)
