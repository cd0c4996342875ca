"""Rows of a parquet file, batch by batch. Needs the extra `files`."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from rung.data._cells import RawRow
from rung.data._shapes import plain_columns
from rung.errors import DataError

BATCH = 1_000  # rows


def read(path: Path, _sheet: str | None, _note: Callable[[str], None]) -> Iterator[RawRow]:
    """Yield rows with their number (first row 1). Structs and lists come as JSON values, moments as ISO 8601 text.

    A missing value and a NaN are empty. Raises DataError for a file that is no parquet file, columns of one name,
    and cells that no text can stand for.
    """
    file = str(path)
    try:
        with parquet.ParquetFile(path) as source:
            names = list(source.schema_arrow.names)
            doubled = sorted({n for n in names if names.count(n) > 1})
            if doubled:
                raise DataError(f"names {', '.join(map(repr, doubled))} twice; rename one of the columns", file=file)
            number = 0
            for batch in source.iter_batches(batch_size=BATCH, use_threads=False):
                for cells in batch.to_pylist():
                    number += 1
                    plain = {name: _plain(value, file, number, name) for name, value in cells.items()}
                    yield plain_columns(RawRow(number, plain), file)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"is no readable parquet file: {str(error).splitlines()[0]}", file=file) from error


def _plain(value: Any, file: str, number: int, column: str) -> Any:
    """Return the cell as JSON knows it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise DataError("holds an infinite number, which no text stands for", file=file, line=number, column=column)
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(k): _plain(v, file, number, column) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, file, number, column) for v in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta | decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass
    raise DataError(
        f"holds {type(value).__name__} (an image or other binary data?); rung reads text, numbers, lists and objects",
        file=file,
        line=number,
        column=column,
    )
