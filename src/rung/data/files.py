"""Open whatever holds rows (a text file, a parquet file, a workbook, a folder of texts) and read it row by row.

Text formats are functions in `cells.READERS`; formats with a package of their own are modules in `PACKED`, imported
when such a file is read. Files of other tools are recognised by what stands in them, in `rung.data.importers`.
"""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from rung.config.files import WORKBOOKS, sheet_of
from rung.data._folder import folder_rows
from rung.data._json_forms import rows_in
from rung.data._shapes import plain_columns
from rung.data.cells import READERS, RawRow
from rung.data.dataset_folder import dataset_rows, splits
from rung.data.importers.archive import member_names
from rung.data.importers.base import Found, Source
from rung.data.importers.flat import as_object
from rung.data.importers.promptfoo import promptfoo_rows, yaml_records
from rung.data.importers.table import imported, is_known
from rung.errors import DataError
from rung.foreign import file_name, is_whole
from rung.invisible import visible
from rung.plugins import require

PACKED: Mapping[str, str] = {".parquet": "rung.data._parquet", **dict.fromkeys(WORKBOOKS, "rung.data._xlsx")}
YAML = (".yaml", ".yml")
ARCHIVES = (".eval",)
TABLES = (".csv", ".tsv", *WORKBOOKS)
FORMS = (*READERS, *PACKED, *YAML, *ARCHIVES)
LOOKED_AT = 20  # objects by which another tool's file is recognised
MOST_BYTES = 1 << 30  # of a file, unpacked
MOST_AT_ONCE = 1 << 28  # of a file that must be held in memory as a whole
MOST_TIMES = 256  # as much as it was packed; rows that differ at all do not come near, and gzip reaches 1,032
_UNTOLD = 1 << 20  # bytes that any file may give before that is looked at
Note = Callable[[str], None]


def raw_rows(path: str | Path, on_note: Note | None = None, found: Found | None = None) -> Iterator[RawRow]:
    """Yield the rows of a file or folder one by one (a JSON list, a workbook and another tool's log are held in memory).

    `on_note` hears in a sentence what was read in a way that a person may want to know (merged cells, formulas).
    `found` is filled with what another tool's file says besides its rows, once they were all read.
    Raises DataError naming file and line for anything that cannot be read, MissingExtra where a package is missing.
    """
    path, sheet = sheet_of(Path(path))
    if not is_whole(str(path)):
        raise DataError(
            "has a name that is not UTF-8, which no configuration can hold; rename it", file=file_name(str(path))
        )
    note = on_note or _unheard
    found = Found() if found is None else found
    for row in _rows(path, sheet, note, found):
        if not is_whole("".join(row.cells)):
            odd = next(name for name in row.cells if not is_whole(name))
            raise DataError(
                f"the column {visible(odd)[:80]!r} is named with half of a surrogate pair, which no UTF-8 file can keep; rename it",
                file=str(path),
                line=row.line,
            )
        yield row
    for said in found.notes():
        note(said)


def _rows(path: Path, sheet: str | None, note: Note, found: Found) -> Iterator[RawRow]:
    if path.is_dir():
        held = splits(path)
        if held:
            for row in dataset_rows(path, sheet, held):
                yield plain_columns(row, str(path))
        else:
            yield from folder_rows(path)
        return
    form = _form_of(path)
    try:
        if form in WORKBOOKS:
            yield from _text_rows(require(PACKED[form]).read(_there(path), sheet, note), path, note, found)
        elif form in PACKED:
            for row in require(PACKED[form]).read(_there(path), sheet, note):
                yield plain_columns(row, str(path))
        elif form in ARCHIVES:
            yield from imported(Source(_there(path), (), iter(()).__iter__, archive=member_names(path)), found)
        elif form in YAML:
            with _opened(path) as stream:
                yield from promptfoo_rows(yaml_records(_whole(stream, path), str(path)), str(path), found)
        else:
            with _opened(path) as stream:
                if form == ".json":
                    stream = io.BytesIO(_whole(stream, path))
                yield from _text_rows(READERS[form](stream, str(path)), path, note, found)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"is not a complete gzip file ({error}); pack or copy it again", file=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=str(path)) from error


def _text_rows(records: Iterator[RawRow], path: Path, note: Note, found: Found) -> Iterator[RawRow]:
    """Yield the rows of a text file: as the importer of its tool reads them, or as they stand."""
    head = tuple(islice(records, LOOKED_AT))
    alone = len(head) == 1 and head[0].whole
    whole = partial(chain, head, records)
    flat = _form_of(path) in TABLES
    source = Source(path, head, whole, alone)
    if flat:
        source = Source(path, tuple(map(as_object, head)), lambda: map(as_object, whole()), flat=True)
    if is_known(source):
        yield from imported(source, found)
        return
    for row in rows_in(head[0].cells, str(path), note) if alone else whole():
        yield plain_columns(row, str(path))


def _unheard(_note: str) -> None:
    return None


def _form_of(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    packed = len(suffixes) > 1 and suffixes[-1] == ".gz"
    form = suffixes[-2] if packed else (suffixes[-1] if suffixes else "")
    if form in PACKED and packed:
        raise DataError(f"is a {form} file packed again; unpack it, it is compressed already", file=str(path))
    if form == ".xls":
        raise DataError("is a workbook of the old form; save it as .xlsx", file=str(path))
    if form not in FORMS:
        raise DataError(
            f"has the ending {''.join(suffixes[-2:]) or '(none)'!r}; allowed: {', '.join(FORMS)}, the text forms also "
            "with .gz, or a folder of texts",
            file=str(path),
        )
    return form


def _there(path: Path) -> Path:
    with _opened(path):
        return path


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError("is a pipe or a device; write the rows into a file and name that", file=str(path))
        if path.stat().st_size > MOST_BYTES:
            raise _too_large(path)
        stream: IO[bytes] = path.open("rb")
    except FileNotFoundError as error:
        beside = sorted(p.name for p in path.parent.glob("*") if p.is_file())[:8] if path.parent.is_dir() else []
        there = f"; that folder holds {', '.join(beside)}" if beside else ""
        raise DataError(f"there is no such file{there}", file=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror or error}", file=str(path)) from error
    with stream:
        if path.suffix.lower() == ".gz":
            with gzip.open(stream, "rb") as unpacked, io.BufferedReader(_Bounded(unpacked, stream, path)) as bounded:
                yield bounded
        else:
            yield stream


def _too_large(path: Path) -> DataError:
    return DataError(
        f"holds more than {MOST_BYTES // 2**20:,} MiB; rung measures on samples: take some thousand rows out of it",
        file=str(path),
    )


def _whole(stream: IO[bytes], path: Path) -> bytes:
    raw = stream.read(MOST_AT_ONCE + 1)
    if len(raw) > MOST_AT_ONCE:
        raise DataError(
            f"holds more than {MOST_AT_ONCE // 2**20:,} MiB, which are read at once; write it as .jsonl, which is read row by row",
            file=str(path),
        )
    return raw


class _Bounded(io.RawIOBase):
    """What a packed file gives, up to a greatest length: a few kilobytes may unpack to any."""

    def __init__(self, packed: gzip.GzipFile, source: IO[bytes], path: Path) -> None:
        self._packed, self._source, self._path, self._given = packed, source, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._packed.read(len(buffer))
        self._given += len(found)
        if self._given > MOST_BYTES:
            raise _too_large(self._path)
        if self._given > _UNTOLD + MOST_TIMES * self._source.tell():
            raise DataError(
                f"unpacks to more than {MOST_TIMES} times its size, as no rows do; unpack it yourself and look at it",
                file=str(self._path),
            )
        buffer[: len(found)] = found
        return len(found)
