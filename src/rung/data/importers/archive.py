"""Zip archives of other tools: opened within bounds, since a few kilobytes may unpack to any length."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rung.data.cells import JSON, row_object
from rung.errors import DataError, RungError
from rung.foreign import foreign
from rung.plugins import require

ZSTANDARD = 93  # the method's number in a zip archive
HEAD = 30  # bytes before a member's name
MOST_MEMBERS = 200_000
MOST_UNPACKED = 1 << 30  # bytes, of all members together
MOST_OF_ONE = 1 << 26  # bytes


def member_names(path: Path) -> tuple[str, ...]:
    """Return the names in an archive. Raises DataError for what is none, and for one too large to be what it says."""
    with opened(path) as archive:
        return tuple(archive.namelist())


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose members, as declared, are within bounds. Raises DataError."""
    with foreign(lambda error: _damaged(path, error), passes=DataError):
        archive = zipfile.ZipFile(path)
    with archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS or sum(m.file_size for m in members) > MOST_UNPACKED:
            raise DataError(
                f"unpacks to more than {MOST_UNPACKED // 2**20:,} MiB or {MOST_MEMBERS:,} files; take some samples out",
                file=str(path),
            )
        yield archive


def member(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    """Return the object that a member holds as JSON. Raises DataError for a damaged one; never reads more than was declared."""
    file = f"{path}, {name}"
    info = archive.getinfo(name)
    if info.file_size > MOST_OF_ONE:
        raise DataError(f"has more than {MOST_OF_ONE // 2**20} MiB", file=file)
    with foreign(lambda error: _damaged(path, error, name), passes=RungError):
        raw = _zstandard(archive, info) if info.compress_type == ZSTANDARD else archive.read(info)
    try:
        value = JSON.decode(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start + 1} is not UTF-8", file=file) from error
    except json.JSONDecodeError as error:
        raise DataError(f"bad JSON at character {error.colno}: {error.msg}", file=file, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"bad JSON: {error}", file=file) from error
    return row_object(value, file, 1)


def _zstandard(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member that is packed by Zstandard, which Python's own `zipfile` cannot unpack before 3.14. Needs the extra `files`."""
    pyarrow = require("pyarrow")
    stream = archive.fp
    assert stream is not None
    stream.seek(info.header_offset)
    head = stream.read(HEAD)
    names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    stream.seek(names, 1)
    packed = pyarrow.BufferReader(stream.read(info.compress_size))
    with pyarrow.CompressedInputStream(packed, "zstd") as unpacked:
        raw = bytes(unpacked.read(info.file_size + 1))
    if len(raw) != info.file_size or zlib.crc32(raw) != info.CRC:
        raise ValueError("its length or checksum is not what the archive says")
    return raw


def _damaged(path: Path, error: BaseException, name: str | None = None) -> DataError:
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"cannot be opened: {error.strerror or error}", file=str(path))
    if name is None:
        return DataError(
            f"is no zip archive that can be opened, as its ending says ({error}); copy it again", file=str(path)
        )
    said = str(error) or type(error).__name__
    return DataError(f"the member {name!r} cannot be unpacked ({said}); copy the file again", file=str(path))
