"""Every answer received, durable before it counts: one SQLite file (WAL, synchronous FULL, grouped commits).

A single thread writes. It takes whatever has come in since its last commit and commits it together, at most every 6 ms:
an answer waits for the commit under way (or the rest of the 6 ms) and its own, and a group shares the cost of a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.store.folder import disk_errors
from rung.types import Completion, Request

SCHEMA = 1
_BUSY_S = 10.0
_REST_S = 0.006  # from the start of one commit to the next at least, so that steady traffic shares them
_MOST_VARIABLES = 500  # keys looked up by one statement

_TABLES = f"""
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL, text BLOB NOT NULL, finish TEXT NOT NULL,
  input_tokens INTEGER, output_tokens INTEGER, latency_s REAL NOT NULL, cost_usd REAL, price_note TEXT,
  attempts INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS losses (role TEXT NOT NULL, usd REAL NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL);
PRAGMA user_version = {SCHEMA};
"""
_PUT = "INSERT OR IGNORE INTO answers VALUES ", 12  # and the number of its columns
_LOSE = "INSERT INTO losses VALUES ", 4
_ROWS_A_STATEMENT = 500
_COLUMNS = "text, model, input_tokens, output_tokens, latency_s, cost_usd, finish, attempts, price_note"
_GET = f"SELECT {_COLUMNS} FROM answers WHERE key = ?"

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Spend:
    """What one role took over all runs of a folder. `lost_usd`: attempts that may have been billed without an answer."""

    role: str
    answers: int
    input_tokens: int
    output_tokens: int
    usd: float  # of the answers with a known price
    unpriced: int  # answers without one
    lost_usd: float


def key_of(identity: bytes, request: Request) -> bytes:
    """Return the ledger key (32 bytes): SHA-256 over who answers, what is asked, how, and which repeat it is.

    `identity` is `identity_bytes` of the model, made once per model.
    """
    asked = _encode([[[m.role, m.content] for m in request.messages], dict(request.params), request.repeat])
    return hashlib.sha256(identity + asked.encode("utf-8", "surrogatepass")).digest()


def identity_bytes(identity: Mapping[str, Any]) -> bytes:
    """Return a model's identity as the bytes that open every key of it."""
    return _encode(dict(identity)).encode("utf-8", "surrogatepass") + b"\n"


@dataclass(slots=True)
class _Write:
    """One row on its way to the disk, and who waits for it."""

    table: tuple[str, int]
    values: tuple[Any, ...]
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Ledger:
    """An open ledger. Reads happen on the caller's thread, writes on the ledger's own."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self.path = path
        self._reader = reader
        self._reader_lock = threading.Lock()
        self._writer = writer
        self._queue: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._pending: list[
            _Write
        ] = []  # of this turn of the event loop: the writer is woken once a turn, not once a row
        self._pending_lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="rung-ledger", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger at `path` (mode 0600).

        Raises NewerFolder for a later schema, IntegrityError for a damaged file, FolderBusy when another process
        holds it, Interrupted on a full disk, RungError when the place cannot be written.
        """
        with _translated(path):
            try:
                with disk_errors(path):
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as error:
                raise RungError(
                    f"cannot open the ledger {path}: {error.strerror}; choose a folder you may write with --folder"
                ) from error
            writer = _connect(path)
            try:
                _prepare(writer, path)
                reader = _connect(path)
            except BaseException:
                writer.close()
                raise
        return cls(path, reader, writer)

    async def get(self, key: bytes) -> Completion | None:
        """Return the stored answer, with `cached` set and the cost and latency it had; None if there is none."""
        try:
            with self._reader_lock:
                row = self._reader.execute(_GET, (key,)).fetchone()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise translate(error, self.path) from error
        return None if row is None else _completion(row)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Completion]:
        """Return the stored answers among `keys`."""
        found: dict[bytes, Completion] = {}
        with _translated(self.path), self._reader_lock:
            for start in range(0, len(keys), _MOST_VARIABLES):
                part = keys[start : start + _MOST_VARIABLES]
                marks = ",".join("?" * len(part))
                rows = self._reader.execute(f"SELECT {_COLUMNS}, key FROM answers WHERE key IN ({marks})", part)
                found.update((row[-1], _completion(row)) for row in rows)
        return found

    async def put(self, key: bytes, role: str, completion: Completion) -> None:
        """Store an answer; returns once it is on the disk. A key that is already there keeps its first answer.

        Raises Interrupted (disk full or failing), IntegrityError or RungError; the answer is then not stored.
        """
        c = completion
        text = c.text.encode("utf-8", "surrogatepass")
        tokens = (c.input_tokens, c.output_tokens)
        await self._write(
            _PUT,
            (
                key,
                role,
                c.model,
                text,
                c.finish,
                *tokens,
                c.latency_s,
                c.cost_usd,
                c.price_note,
                c.attempts,
                time.time(),
            ),
        )

    async def lose(self, role: str, usd: float, reason: str) -> None:
        """Store money that an attempt without an answer may have cost, so that a resumed run counts it."""
        await self._write(_LOSE, (role, usd, reason, time.time()))

    def spend(self) -> tuple[Spend, ...]:
        """Return what each role took, over all runs that used this ledger, sorted by role."""
        sums = (
            "SELECT role, count(*), total(input_tokens), total(output_tokens), total(cost_usd), sum(cost_usd IS NULL) "
            "FROM answers GROUP BY role"
        )
        with _translated(self.path), self._reader_lock:
            answers = {row[0]: row[1:] for row in self._reader.execute(sums)}
            lost = dict(self._reader.execute("SELECT role, total(usd) FROM losses GROUP BY role").fetchall())
        nothing = (0, 0, 0, 0.0, 0)
        found: list[Spend] = []
        for role in sorted({*answers, *lost}):
            count, tokens_in, tokens_out, usd, unpriced = answers.get(role, nothing)
            found.append(Spend(role, count, int(tokens_in), int(tokens_out), usd, unpriced, lost.get(role, 0.0)))
        return tuple(found)

    def close(self) -> None:
        """Commit what is under way and close the file; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _write(self, table: tuple[str, int], values: tuple[Any, ...]) -> None:
        if self._closed:
            raise RungError(f"the ledger {self.path} is closed; open it again before asking")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._pending_lock:
            self._pending.append(_Write(table, values, done, loop))
            if len(self._pending) == 1:
                loop.call_soon(self._hand_over)
        await done

    def _hand_over(self) -> None:
        with self._pending_lock:
            writes, self._pending = self._pending, []
        if writes:
            self._queue.put(writes)

    def _write_all(self) -> None:
        """The writer thread: take what has come in, commit it, tell those who wait."""
        last, began = False, 0.0
        while not last:
            groups = [self._queue.get()]
            time.sleep(max(0.0, min(_REST_S, began + _REST_S - time.monotonic())))
            with contextlib.suppress(queue.Empty):
                while True:
                    groups.append(self._queue.get_nowait())
            last = None in groups
            writes = [write for group in groups if group is not None for write in group]
            if writes:
                began = time.monotonic()
                self._commit(writes)

    def _commit(self, writes: list[_Write]) -> None:
        trouble: RungError | None = None
        try:
            with _translated(self.path):
                self._store(list(_statements(writes)))
        except RungError as error:
            trouble = error
        by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
        for write in writes:
            by_loop.setdefault(write.loop, []).append(write)
        for loop, waiting in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, waiting, trouble)

    def _store(self, statements: Sequence[tuple[str, list[Any]]]) -> None:
        """Run the statements as one transaction. The usual single one is its own: each call of SQLite gives up the
        interpreter and must win it back from a busy event loop, so there should be few.
        """
        if len(statements) == 1:
            self._writer.execute(*statements[0])
            return
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                self._writer.execute(statement, values)
            self._writer.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise


def _statements(writes: Sequence[_Write]) -> Iterator[tuple[str, list[Any]]]:
    """Yield inserts of many rows each."""
    for table in (_PUT, _LOSE):
        insert, columns = table
        rows = [write.values for write in writes if write.table is table]
        marks = f"({','.join('?' * columns)})"
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[start : start + _ROWS_A_STATEMENT]
            yield insert + ",".join([marks] * len(part)), list(chain.from_iterable(part))


def _resolve(writes: Sequence[_Write], trouble: RungError | None) -> None:
    for write in writes:
        if not write.done.done():
            if trouble is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(trouble)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    # Folding the log into the file costs several syncs and makes answers wait: every 40 MB, and at the end.
    connection.execute("PRAGMA wal_autocheckpoint = 10000")
    return connection


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    """Check the schema number, then make the tables if they are not there."""
    [schema] = writer.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise NewerFolder(
            f"the ledger {path} was written by a newer rung (ledger schema {schema}, this version reads up to "
            f"{SCHEMA}); upgrade rung or choose another --folder"
        )
    if schema < SCHEMA:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript(_TABLES)
    writer.execute("SELECT key FROM answers LIMIT 1")
    writer.execute("SELECT role FROM losses LIMIT 1")


def _completion(row: tuple[Any, ...]) -> Completion:
    text, model, tokens_in, tokens_out, latency_s, cost_usd, finish, attempts, price_note = row[:9]
    return Completion(
        text.decode("utf-8", "surrogatepass"),
        model,
        tokens_in,
        tokens_out,
        latency_s,
        cost_usd,
        finish,
        True,
        attempts,
        price_note,
    )


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn every SQLite error into a RungError that says what to do."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise translate(error, path) from error


def translate(error: Exception, path: Path) -> RungError:
    """Return what a SQLite error means to the user. Codes: https://www.sqlite.org/rescode.html (primary codes)."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    kept = "everything answered so far is kept"
    if code == sqlite3.SQLITE_FULL:
        return Interrupted(
            f"the disk is full while writing the ledger {path}; {kept}: free some space and run the same command again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return Interrupted(
            f"the disk failed while using the ledger {path} ({error}); {kept}: check the disk and its free space and "
            "run the same command again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FolderBusy(
            f"another process has held the ledger {path} for {_BUSY_S:g} s; wait for it or choose another --folder"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return RungError(f"cannot write the ledger {path} ({error}); choose a folder you may write with --folder")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return IntegrityError(
            f"the ledger {path} is damaged ({error}); restore it from a copy, or move it away: the answers in it will "
            "then be asked and paid again"
        )
    return IntegrityError(
        f"the ledger {path} cannot be used ({type(error).__name__}: {error}); restore it from a copy, or move it away: "
        "the answers in it will then be asked and paid again"
    )
