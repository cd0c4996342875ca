"""Rows of a parquet file, or of an Arrow file as the library `datasets` saves them, batch by batch. Needs the extra `files`."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from rung.data.cells import RawRow
from rung.errors import DataError
from rung.foreign import foreign

BATCH = 1_000  # rows
MOST_UNPACKED = 1 << 32  # bytes


def read(path: Path, _sheet: str | None, _note: Callable[[str], None]) -> Iterator[RawRow]:
    """Yield rows with their number (first row 1). Structs and lists come as JSON values, moments as ISO 8601 text.

    A missing value and a NaN are empty. Raises DataError for a file that is no parquet file, columns of one name,
    and cells that no text can stand for.
    """
    yield from _plain_rows(_batches(path, str(path)), str(path))


def read_arrow(path: Path, _sheet: str | None, _note: Callable[[str], None]) -> Iterator[RawRow]:
    """Yield the rows of an Arrow file in the same way."""
    yield from _plain_rows(_arrow_batches(path, str(path)), str(path))


def _plain_rows(batches: Iterator[tuple[list[dict[str, Any]], dict[str, Any]]], file: str) -> Iterator[RawRow]:
    number = 0
    for rows, labels in batches:
        for cells in rows:
            number += 1
            plain = {name: _plain(_named(v, labels.get(name)), file, number, name) for name, v in cells.items()}
            yield RawRow(number, plain)


def _batches(path: Path, file: str) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Yield rows as the library gives them, with the names of labels by column."""
    with (
        foreign(lambda e: DataError(f"is no readable parquet file: {str(e).split(chr(10))[0]}", file=file)),
        parquet.ParquetFile(path) as source,
    ):
        _refuse_doubled(list(source.schema_arrow.names), file)
        size = sum(source.metadata.row_group(n).total_byte_size for n in range(source.metadata.num_row_groups))
        if size > MOST_UNPACKED:
            raise DataError(
                f"unpacks to more than {MOST_UNPACKED // 2**30} GiB; take some thousand rows out", file=file
            )
        labels = _label_names(source.schema_arrow)
        for batch in source.iter_batches(batch_size=BATCH, use_threads=False):
            yield batch.to_pylist(), labels


def _arrow_batches(path: Path, file: str) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    with (
        foreign(lambda e: DataError(f"is no readable Arrow file: {str(e).split(chr(10))[0]}", file=file)),
        pyarrow.OSFile(str(path)) as opened,
        _arrow(opened) as source,
    ):
        _refuse_doubled(list(source.schema.names), file)
        labels = _label_names(source.schema)
        size = 0
        for batch in source:
            size += batch.nbytes
            if size > MOST_UNPACKED:
                raise DataError(
                    f"unpacks to more than {MOST_UNPACKED // 2**30} GiB; take some thousand rows out", file=file
                )
            for at in range(0, batch.num_rows, BATCH):
                yield batch.slice(at, BATCH).to_pylist(), labels


def _arrow(opened: Any) -> Any:
    """Open a stream, as `datasets` writes, or a file with an index."""
    is_file = opened.read(6) == b"ARROW1"
    opened.seek(0)
    if is_file:
        reader = pyarrow.ipc.open_file(opened)
        return pyarrow.RecordBatchReader.from_batches(
            reader.schema, (reader.get_batch(n) for n in range(reader.num_record_batches))
        )
    return pyarrow.ipc.open_stream(opened)


def _refuse_doubled(names: list[str], file: str) -> None:
    doubled = sorted({n for n in names if names.count(n) > 1})
    if doubled:
        raise DataError(f"names {', '.join(map(repr, doubled))} twice; rename one of the columns", file=file)


def _label_names(schema: Any) -> dict[str, Any]:
    """Return, by column, the names of labels that the `datasets` library keeps in the file's metadata (ClassLabel).

    A list of names belongs to the numbers of the column itself, a mapping to the fields of its structs.
    """
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: found for name, feature in features.items() if (found := _labels_of(feature)) is not None}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}  # another program's metadata under that name


def _labels_of(feature: Any) -> Any:
    if isinstance(feature, list) and len(feature) == 1:
        return _labels_of(feature[0])
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _labels_of(feature.get("feature"))
    inner = {k: found for k, f in feature.items() if (found := _labels_of(f)) is not None}
    return inner or None


def _named(value: Any, names: Any) -> Any:
    """Return the value with numbers of labels replaced by their names, within lists and structs too; -1 is no label."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(v, names) for v in value]
    if isinstance(names, dict):
        return {k: _named(v, names.get(k)) for k, v in value.items()} if isinstance(value, dict) else value
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value == -1:
        return None
    return names[value] if 0 <= value < len(names) else value


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
