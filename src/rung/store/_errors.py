"""What SQLite says, in our words: what happened, what is kept, what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from rung.errors import FolderBusy, IntegrityError, Interrupted, RungError
from rung.store.limits import OF_THE_SYSTEM, limit_met

BUSY_S = 10.0
MOVE_IT = (  # of the two caches of a project: that of a run, and the one beside rung.yaml
    "restore it from a copy, or move it away and keep it: answers that the other cache holds (ledger.sqlite of the run, "
    ".rung/answers.sqlite beside rung.yaml) are taken from there, and the rest is asked and paid again"
)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn every SQLite error into a RungError that says what to do."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise translate(error, path) from error


def translate(error: Exception, path: Path) -> RungError:
    """Return what a SQLite error means to the user. Codes: https://www.sqlite.org/rescode.html (primary codes)."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    kept = "everything answered so far is kept"
    met = limit_met(path, "-wal") if code in OF_THE_SYSTEM else None
    if met is not None:
        return met
    if code == sqlite3.SQLITE_FULL:
        return Interrupted(
            f"the disk is full while writing the cache {path}; {kept}: free some space and run the same command again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return Interrupted(
            f"the disk failed while using the cache {path} ({error}); {kept}: check the disk and its free space and "
            "run the same command again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FolderBusy(
            f"another process has held the cache {path} for {BUSY_S:g} s; wait for it or choose another run folder"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return RungError(f"cannot write the cache {path} ({error}); choose a run folder that you may write")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return IntegrityError(f"the cache {path} is damaged ({error}); {MOVE_IT}")
    return IntegrityError(f"the cache {path} cannot be used ({type(error).__name__}: {error}); {MOVE_IT}")
