"""Open whatever holds rows (a text file, a parquet file, a workbook, a folder of texts) and read it row by row.

Text formats are functions in `_cells.READERS`; formats with a package of their own are modules in `PACKED`, imported
when such a file is read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rung.config.files import WORKBOOKS, sheet_of
from rung.data._cells import READERS, RawRow
from rung.data._folder import folder_rows
from rung.data._promptfoo import promptfoo_rows
from rung.data._shapes import plain_columns
from rung.errors import DataError
from rung.plugin import require

PACKED: Mapping[str, str] = {".parquet": "rung.data._parquet", **dict.fromkeys(WORKBOOKS, "rung.data._xlsx")}
YAML = (".yaml", ".yml")
FORMS = (*READERS, *PACKED, *YAML)
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
Note = Callable[[str], None]


def raw_rows(path: str | Path, on_note: Note | None = None) -> Iterator[RawRow]:
    """Yield the rows of a file or folder one by one (a JSON list and a workbook are held in memory as they stand).

    `on_note` hears in a sentence what was read in a way that a person may want to know (merged cells, formulas).
    Raises DataError naming file and line for anything that cannot be read, MissingExtra where a package is missing.
    """
    path, sheet = sheet_of(Path(path))
    note = on_note or _unheard
    if path.is_dir():
        yield from folder_rows(path)
        return
    form = _form_of(path)
    try:
        if form in PACKED:
            yield from require(PACKED[form]).read(_there(path), sheet, note)
        elif form in YAML:
            with _opened(path) as stream:
                yield from promptfoo_rows(stream.read(), path)
        else:
            with _opened(path) as stream:
                if form == ".json":
                    raw = stream.read()
                    if raw.lstrip(_BEFORE_JSON).startswith(b"{") and b'"tests"' in raw:
                        yield from promptfoo_rows(raw, path)
                        return
                    stream = io.BytesIO(raw)
                for row in READERS[form](stream, str(path)):
                    yield plain_columns(row, str(path))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"is not a complete gzip file ({error}); pack or copy it again", file=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=str(path)) from error


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
        stream: IO[bytes] = path.open("rb")
    except FileNotFoundError as error:
        beside = sorted(p.name for p in path.parent.glob("*") if p.is_file())[:8] if path.parent.is_dir() else []
        there = f"; that folder holds {', '.join(beside)}" if beside else ""
        raise DataError(f"there is no such file{there}", file=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be opened: {error.strerror or error}", file=str(path)) from error
    with stream:
        if path.suffix.lower() == ".gz":
            with gzip.open(stream, "rb") as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield stream
