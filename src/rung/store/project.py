"""The answers that a project has paid for, whichever run asked: one SQLite file beside rung.yaml, for several processes at once.

A run keeps every answer that it uses in its own folder; this is a second copy of what it asked itself, found by the runs
after it. Nothing is ever copied here from a run folder, which may have come from elsewhere. Beside it lies who is asking for
what right now, so that equal requests of two runs at once are paid once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from rung.errors import IntegrityError, Interrupted, NewerFolder, RungError
from rung.store._errors import translate, translated
from rung.store._writer import connect, file_at
from rung.store.folder import refuse_second_name, write_atomic
from rung.store.sessions import Session, alive

FOLDER = ".rung"  # beside rung.yaml; the index of documents lies there, too
FILE = "answers.sqlite"
CLAIMS = "claims.sqlite"
SCHEMA = 2
_COLUMNS = "key, text, model, input_tokens, output_tokens, latency_s, cost_usd, finish, attempts, price_note, thought, billed, at"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, text BLOB NOT NULL, model TEXT NOT NULL, input_tokens INTEGER, output_tokens INTEGER,
  latency_s REAL NOT NULL, cost_usd REAL, finish TEXT NOT NULL, attempts INTEGER NOT NULL, price_note TEXT,
  thought INTEGER NOT NULL, billed TEXT, at REAL NOT NULL
);
PRAGMA user_version = {SCHEMA};
"""
_CLAIMS_TABLE = "CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, session TEXT NOT NULL) WITHOUT ROWID"
_ADD = f"INSERT OR IGNORE INTO answers ({_COLUMNS}) VALUES ({','.join('?' * 13)})"
_GET = f"SELECT {_COLUMNS} FROM answers WHERE key = ?"
_NOT_HERE = (
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH),
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
)
_OPENED = (*(name + end for name in (FILE, CLAIMS) for end in ("", "-wal", "-shm")), f"{FILE}.lock")
Row = tuple[Any, ...]  # the columns above, in their order


class ProjectCache:
    """An open cache of a project. Read and claimed on the caller's thread, written on another one.

    What is about to be asked is claimed, so that equal requests of sessions at work at once are paid once. Claims are kept in a
    file of their own, which need not survive a power failure: none of it waits for a disk, or for answers that are written.

    Trouble while it is used never stops a run, which has its own copy of all it paid: it ends the sharing and stands in
    `trouble`, to be told.
    """

    def __init__(
        self,
        path: Path,
        reader: sqlite3.Connection,
        writer: sqlite3.Connection,
        claims: sqlite3.Connection,
        session: Session,
    ) -> None:
        self.path = path
        self._session = session
        self._claimed: set[bytes] = set()
        self.trouble: str | None = None
        self._reader, self._writer, self._claims = reader, writer, claims
        self._lock = threading.Lock()
        self._file = file_at(path)

    @staticmethod
    def exists_at(root: Path) -> bool:
        """Whether anything was ever kept for the project whose rung.yaml lies in `root`."""
        return (root / FOLDER / FILE).is_file()

    @classmethod
    def open(cls, root: Path, *, durable: bool = False) -> ProjectCache:
        """Open or create the cache of the project in `root`; the folder is hidden, private, and ignored by git.

        `durable`: nobody else keeps the answers, so that each must survive a power failure too, not the end of the process
        alone. Raises IntegrityError for a damaged file or a link in its place, NewerFolder for a later version's, FolderBusy,
        Interrupted on a full disk, and NotKept where the place cannot be written.
        """
        path = root / FOLDER / FILE
        with contextlib.ExitStack() as opened, translated(path):
            session = opened.enter_context(contextlib.closing(_make(path)))
            try:
                writer = opened.enter_context(contextlib.closing(connect(path, durable=durable)))
                _prepare(writer, path)
                reader = opened.enter_context(contextlib.closing(connect(path, durable=durable)))
                claims = opened.enter_context(contextlib.closing(_claims(path.with_name(CLAIMS))))
            except sqlite3.Error as error:
                if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _NOT_HERE:
                    raise NotKept(f"cannot write {path} ({error})") from error
                raise
            opened.pop_all()
        return cls(path, reader, writer, claims, session)

    def get(self, key: bytes) -> Row | None:
        """Return the columns of an answer that any run of the project paid for; None where there is none."""
        if self.trouble is not None:
            return None
        try:
            with self._lock:
                found: Row | None = self._reader.execute(_GET, (key,)).fetchone()
        except (sqlite3.Error, sqlite3.Warning) as error:
            self.trouble = str(translate(error, self.path))
            return None
        return found

    def claim(self, key: bytes) -> bool:
        """Return whether this session may ask; False where another one that is at work is asking just that."""
        if self.trouble is not None:
            return True
        try:
            with self._lock:
                mine = (key, self._session.token)
                if not self._claims.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", mine).rowcount:
                    found = self._claims.execute("SELECT session FROM claims WHERE key = ?", (key,)).fetchone()
                    holder = str(found[0]) if found else ""
                    if not holder or (holder != self._session.token and alive(self.path.parent, holder)):
                        return False  # without a holder: given back just now, perhaps with an answer
                    taken = "UPDATE claims SET session = ? WHERE key = ? AND session = ?"
                    if not self._claims.execute(taken, (self._session.token, key, holder)).rowcount:
                        return False  # a third one was quicker
        except (sqlite3.Error, sqlite3.Warning) as error:
            self.trouble = str(translate(error, self.path.with_name(CLAIMS)))
        self._claimed.add(key)
        return True

    def release(self, key: bytes) -> None:
        """Give a claim back: the answer is stored, or there is none."""
        if key not in self._claimed:
            return
        self._claimed.discard(key)
        with contextlib.suppress(sqlite3.Error), self._lock:  # a claim that stays ends with this session
            self._claims.execute("DELETE FROM claims WHERE key = ? AND session = ?", (key, self._session.token))

    def add(self, rows: Sequence[Row]) -> None:
        """Keep answers, in one commit; a key that is there already keeps its first answer. Never raises."""
        if self.trouble is not None or not rows:
            return
        try:
            if file_at(self.path) != self._file:
                self.trouble = f"the project's cache {self.path} was removed or replaced while it was used"
                return
            with self._writer:  # one transaction
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.executemany(_ADD, rows)
        except (sqlite3.Error, sqlite3.Warning, OSError, ValueError, OverflowError) as error:
            self.trouble = str(translate(error, self.path))

    def close(self) -> None:
        self._session.close()
        for connection in (self._claims, self._reader, self._writer):
            connection.close()


class NotKept(RungError):
    """Answers cannot be shared between runs here: the project's folder cannot be written."""


def hidden_folder(root: Path, *files: str) -> Path:
    """Make the hidden folder of a project, private, and tell git to leave it alone; return it.

    `files` are those that are opened in it next. A project may come from elsewhere: where a link, a pipe or a file with a second
    name stands in the place of the folder or of one of them, this raises IntegrityError. Raises OSError as the disk does.
    """
    folder = root / FOLDER
    for place in (folder, *(folder / name for name in files)):
        if place.is_symlink() or (place.exists() and not place.is_file() and not place.is_dir()):
            raise IntegrityError(
                f"{place} is no plain file or folder; the project's answers are kept there: take it away if you do not know it"
            )
        if place.is_file():
            refuse_second_name(place.stat(), place)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        write_atomic(
            folder / ".gitignore", b"# kept by rung for this machine; nothing here is meant to be committed\n*\n"
        )
    return folder


def _make(path: Path) -> Session:
    """Make the hidden folder and the file, and begin a session there."""
    try:
        hidden_folder(path.parent.parent, *_OPENED)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        return Session(path.parent)
    except (Interrupted, IntegrityError):
        raise
    except (OSError, RungError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).partition(";")[0]
        raise NotKept(f"cannot write {path}: {why}") from error


def _claims(path: Path) -> sqlite3.Connection:
    """Open what is claimed. A file that cannot be read is made anew: it holds nothing that outlives the sessions at work."""
    with _made_by_one(path.parent):
        try:
            return _claims_at(path)
        except sqlite3.DatabaseError as error:
            if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF not in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                raise
        for end in ("", "-wal", "-shm"):
            path.with_name(f"{CLAIMS}{end}").unlink(missing_ok=True)
        return _claims_at(path)


def _claims_at(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = connect(path, durable=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_CLAIMS_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _made_by_one(folder: Path) -> FileLock:
    """Return the lock under which a file is made by one of those who come at once."""
    return FileLock(folder / f"{FILE}.lock", mode=0o600, thread_local=False)


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    [schema] = writer.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise NewerFolder(
            f"the project's cache {path} was written by a newer rung (schema {schema}, this version reads up to {SCHEMA}); "
            "upgrade rung, or move the file away and keep it: what runs hold in their own folders is not paid again, the rest is"
        )
    if schema < SCHEMA:
        with _made_by_one(path.parent):
            writer.execute("PRAGMA journal_mode = WAL")
            if writer.execute("PRAGMA user_version").fetchone() == (1,):  # perhaps another one was quicker
                writer.execute("ALTER TABLE answers ADD COLUMN billed TEXT")
            writer.executescript(_TABLE)
    writer.execute("SELECT key FROM answers LIMIT 1")
