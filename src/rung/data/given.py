"""Rows that a program holds in memory, as JSON lines: dicts, data frames and Hugging Face data sets.

pandas and datasets are never imported: what is no object of a module that is loaded already cannot be one of theirs.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from rung.data.load import holds, missing_column
from rung.errors import DataError

HERE = "the given rows"
_KNOWN = "a path, a list of dicts, a pandas DataFrame or a datasets.Dataset"


def json_lines(rows: Any, columns: Sequence[str], where: str = HERE) -> str:
    """Return the rows as JSON lines, one object each; numbers stay numbers, dates become ISO 8601, NaN becomes null.

    Integers of a `ClassLabel` feature become the names of their classes.
    Raises DataError naming row and column for a value that JSON cannot hold, and for a column that is not there.
    """
    lines = []
    for number, row in enumerate(_dicts(rows, where), start=1):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} is a {type(row).__name__}; a row is a dict of column -> value", file=where)
        cells = {str(name): _plain(value, where, number, str(name)) for name, value in row.items()}
        if number == 1:
            for column in columns:
                if not holds(cells, column):
                    raise missing_column(column, list(cells), file=where)
        lines.append(json.dumps(cells, allow_nan=False) + "\n")
    if not lines:
        raise DataError("there are none; give one dict for each example", file=where)
    return "".join(lines)


def _dicts(rows: Any, where: str) -> Iterable[Any]:
    """Return the rows one by one, whatever holds them."""
    datasets, pandas = sys.modules.get("datasets"), sys.modules.get("pandas")
    if datasets is not None and isinstance(rows, datasets.Dataset | datasets.IterableDataset):
        return _named_classes(rows)
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        found: Iterable[Any] = rows.to_dict("records")
        return found
    for method in ("to_dicts", "to_pylist"):  # a frame of polars, a table of pyarrow
        if callable(getattr(rows, method, None)):
            taken: Iterable[Any] = getattr(rows, method)()
            return taken
    if isinstance(rows, Mapping):
        named = ", ".join(map(repr, list(rows)[:5]))
        raise DataError(
            f"one dict with the keys {named} holds no rows: give a list of dicts, or "
            "{'train': rows, 'test': rows} for a split of your own",
            file=where,
        )
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise DataError(f"a {type(rows).__name__} holds no rows; allowed: {_KNOWN}", file=where)
    return rows


def _named_classes(rows: Any) -> Iterable[Mapping[str, Any]]:
    names: dict[str, Callable[[Any], Any]] = {}
    for column, feature in (rows.features or {}).items():
        inner = getattr(feature, "feature", None)  # a list of classes
        if hasattr(feature, "int2str"):
            names[column] = _name_of(feature)
        elif hasattr(inner, "int2str"):
            names[column] = _each(_name_of(inner))
    return ({c: names[c](v) if c in names else v for c, v in row.items()} for row in rows)


def _name_of(feature: Any) -> Callable[[Any], Any]:
    """Return how a class is named; -1 and None are the marks of a row without a class."""
    return lambda value: feature.int2str(value) if isinstance(value, int) and value >= 0 else None


def _each(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [one(v) for v in values or ()]


def _plain(value: Any, where: str, row: int, column: str) -> Any:
    """Return a cell as JSON can hold it."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise DataError(f"row {row} holds an infinite number", file=where, column=column)
        return None if math.isnan(value) else float(value)
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' words for an absent value
        return None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID | PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, where, row, column) for k, v in value.items()}
    if type(value).__module__.split(".")[0] == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), where, row, column)
    if isinstance(value, list | tuple):
        return [_plain(v, where, row, column) for v in value]
    raise DataError(
        f"row {row} holds a {type(value).__name__}, which is no text, number, truth value, date, list or dict: put its text there",
        file=where,
        column=column,
    )
