"""Which limit of this process a library met that does not say so itself: SQLite calls them all a failed disk."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from rung.errors import Interrupted

try:
    import resource
except ImportError:  # there are no such limits on Windows
    resource = None  # type: ignore[assignment]

OF_THE_SYSTEM = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
)  # primary codes behind which one may stand
_AT_ONCE = 8  # files that SQLite opens for one database, and those it has closed again since it failed
_NEAR = 1 << 20  # bytes: a write that did not fit is shorter


def out_of_files(what: Path) -> Interrupted:
    """Return what to say where no more files may be open."""
    return Interrupted(
        f"no more files may be open, so {what} cannot be; everything answered so far is kept: raise the limit (`ulimit -n`) "
        "or lower `concurrency`, and run the same command again"
    )


def too_long(what: Path) -> Interrupted:
    """Return what to say where a file may not grow further."""
    return Interrupted(
        f"{what} may not grow further (the limit of this shell or file system on the size of a file); everything "
        "answered so far is kept: raise it (`ulimit -f`) and run the same command again"
    )


def limit_met(path: Path, *beside: str) -> Interrupted | None:
    """Return what to say of the limit that a failed use of a file met, by looking at what is used up; None for none.

    `beside`: endings of further files that belong to it.
    """
    if not _may_open(_AT_ONCE):
        return out_of_files(path)
    if resource is None:
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    files = [path, *(path.with_name(path.name + ending) for ending in beside)]
    full = most != resource.RLIM_INFINITY and any(f.stat().st_size + _NEAR > most for f in files if f.is_file())
    return too_long(path) if full else None


def _may_open(count: int) -> bool:
    held: list[int] = []
    try:
        for _ in range(count):
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    finally:
        for number in held:
            os.close(number)
    return True
