"""Every answer received, durable before it counts: one SQLite file (WAL, synchronous FULL, grouped commits)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from rung.errors import IntegrityError, NewerFolder, RungError
from rung.store._errors import MOVE_IT, translate, translated
from rung.store._writer import Writer, connect
from rung.store.folder import disk_errors, refuse_second_name
from rung.store.project import ProjectCache, Row
from rung.store.sessions import Session
from rung.types import Billed, Completion, Request

SCHEMA = 4
FILE = "ledger.sqlite"  # in the run folder
FILES = (FILE, f"{FILE}-wal", f"{FILE}-shm")

_TABLES = f"""
CREATE TABLE IF NOT EXISTS answers (
  key BLOB PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL, text BLOB NOT NULL, finish TEXT NOT NULL,
  input_tokens INTEGER, output_tokens INTEGER, latency_s REAL NOT NULL, cost_usd REAL, price_note TEXT,
  attempts INTEGER NOT NULL, at REAL NOT NULL, thought INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL DEFAULT 'asked',
  billed TEXT
);
CREATE TABLE IF NOT EXISTS losses (role TEXT NOT NULL, usd REAL NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS facts (kind TEXT NOT NULL, name BLOB NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name));
PRAGMA user_version = {SCHEMA};
"""
_PUT = "INSERT OR IGNORE INTO answers VALUES ", 15  # and the number of its columns
_LOSE = "INSERT INTO losses VALUES ", 4
_NOTE = "INSERT OR REPLACE INTO facts VALUES ", 3
_COLUMNS = (
    "text, model, input_tokens, output_tokens, latency_s, cost_usd, finish, attempts, price_note, thought, billed"
)
_GET = f"SELECT {_COLUMNS} FROM answers WHERE key = ?"

# Where a stored answer is from: asked and paid by this run; taken from the project's cache, paid by another run; or put in the
# place of an answer that cannot be had.
Source = Literal["asked", "taken", "instead"]

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Spend:
    """What one role took over all runs of a folder.

    `lost_usd`: attempts that may have been billed without an answer; `bound_usd`: the part of `usd` that was booked from
    above, because the endpoint did not tell; `thoughts`: answers with a thought before them. `taken`: answers that another
    run of the project had paid for, with what they had cost then; none of it is in the other figures.
    """

    role: str
    answers: int
    input_tokens: int
    output_tokens: int
    usd: float  # of the answers with a known price
    unpriced: int  # answers without one
    lost_usd: float
    bound_usd: float = 0.0
    thoughts: int = 0
    taken: int = 0
    taken_usd: float = 0.0


def key_of(identity: bytes, request: Request) -> bytes:
    """Return the cache key (32 bytes): SHA-256 over who answers, what is asked, how, and which repeat it is.

    `identity` is `identity_bytes` of the model, made once per model.
    """
    asked = _encode([[[m.role, m.content] for m in request.messages], dict(request.params), request.repeat])
    return hashlib.sha256(identity + asked.encode("utf-8", "surrogatepass")).digest()


def identity_bytes(identity: Mapping[str, Any]) -> bytes:
    """Return a model's identity as the bytes that open every key of it."""
    return _encode(dict(identity)).encode("utf-8", "surrogatepass") + b"\n"


class AnswerCache:
    """An open cache. Reads happen on the caller's thread, writes on the cache's own."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self.path = path
        self._reader = reader
        self._reader_lock = threading.Lock()
        self._writer = writer
        self._writing = Writer(path, writer, self._share)
        self._closed = False
        self._session: Session | None = None
        self.project: ProjectCache | None = None  # what other runs of the project paid for, where that is shared

    @classmethod
    def open_in(cls, folder: Path) -> AnswerCache:
        """Open or create the answers of a run folder, or of a throw-away one; raises what `open` raises."""
        return cls.open(folder / FILE)

    @staticmethod
    def exists_in(folder: Path) -> bool:
        """Whether anything was ever asked in a folder."""
        return (folder / FILE).exists()

    @classmethod
    def open(cls, path: Path) -> AnswerCache:
        """Open or create the cache at `path` (mode 0600).

        Raises NewerFolder for a later schema, IntegrityError for a damaged file, FolderBusy when another process
        holds it, Interrupted on a full disk, RungError when the place cannot be written.
        """
        with translated(path):
            try:
                with disk_errors(path):
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                for file in (path, path.with_name(f"{path.name}-wal")):
                    if file.exists():
                        refuse_second_name(file.stat(), file)
            except OSError as error:
                raise RungError(
                    f"cannot open the cache {path}: {error.strerror}; choose a run folder that you may write"
                ) from error
            writer = connect(path, durable=True)
            try:
                _prepare(writer, path)
                reader = connect(path, durable=True)
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
        return None if row is None else _completion(row, self.path)

    @property
    def session(self) -> str:
        """What marks the amounts that this session has in flight; empty where it has not begun."""
        return self._session.token if self._session is not None else ""

    def begin(self) -> None:
        """Begin a session: from now on others see that what it has in flight is not lost."""
        with disk_errors(self.path):
            self._session = Session(self.path.parent)

    def elsewhere(self, key: bytes) -> Completion | None:
        """Return the answer that another run of the project paid for, as it was then; None where there is none."""
        row = self.project.get(key) if self.project is not None else None
        return None if row is None or self.project is None else _completion(row[1:], self.project.path)

    async def put(self, key: bytes, role: str, completion: Completion, source: Source = "asked") -> None:
        """Store an answer; returns once it is on the disk. A key that is already there keeps its first answer.

        What was asked is kept for the project's other runs too, where these share their answers. Raises Interrupted (disk full or failing), IntegrityError or RungError; the answer is then not stored.
        """
        c = completion
        text = c.text.encode("utf-8", "surrogatepass")
        tokens = (c.input_tokens, c.output_tokens)
        facts = (
            c.latency_s,
            c.cost_usd,
            c.price_note,
            c.attempts,
            time.time(),
            c.thought,
            source,
            _billed_text(c.billed),
        )
        await self._writing.write((_PUT, (key, role, c.model, text, c.finish, *tokens, *facts)))

    async def lose(self, role: str, usd: float, reason: str) -> None:
        """Store money that an attempt without an answer may have cost, so that a resumed run counts it."""
        await self._writing.write((_LOSE, (role, usd, reason, time.time())))

    async def note(
        self, kind: str, values: Mapping[bytes, str], losses: Mapping[str, float] | None = None, reason: str = ""
    ) -> None:
        """Store facts of one kind by name, in the place of earlier ones, and losses by role with them, in one commit."""
        facts = [(_NOTE, (kind, name, value)) for name, value in values.items()]
        lost = [(_LOSE, (role, usd, reason, time.time())) for role, usd in (losses or {}).items()]
        if facts or lost:
            await self._writing.write(*facts, *lost)

    def noted(self, kind: str) -> dict[bytes, str]:
        """Return the stored facts of one kind by name."""
        with translated(self.path), self._reader_lock:
            rows = self._reader.execute("SELECT name, value FROM facts WHERE kind = ?", (kind,))
            return dict(rows.fetchall())

    def spend(self) -> tuple[Spend, ...]:
        """Return what each role took, over all runs that used this cache, sorted by role."""
        sums = (
            "SELECT role, count(*), total(input_tokens), total(output_tokens), total(cost_usd), sum(cost_usd IS NULL), "
            "total(iif(price_note IS NULL, 0, cost_usd)), sum(thought > 0) FROM answers WHERE source <> 'taken' GROUP BY role"
        )
        others = "SELECT role, count(*), total(cost_usd) FROM answers WHERE source = 'taken' GROUP BY role"
        with translated(self.path), self._reader_lock:
            answers = {row[0]: row[1:] for row in self._reader.execute(sums)}
            taken = {row[0]: row[1:] for row in self._reader.execute(others)}
            lost = dict(self._reader.execute("SELECT role, total(usd) FROM losses GROUP BY role").fetchall())
        nothing = (0, 0, 0, 0.0, 0, 0.0, 0)
        found: list[Spend] = []
        for role in sorted({*answers, *taken, *lost}):
            count, tokens_in, tokens_out, usd, unpriced, bound, thoughts = answers.get(role, nothing)
            tokens = int(tokens_in), int(tokens_out)
            mine = Spend(role, count, *tokens, usd, unpriced, lost.get(role, 0.0), bound, thoughts)
            found.append(replace(mine, taken=taken[role][0], taken_usd=taken[role][1]) if role in taken else mine)
        return tuple(found)

    def close(self) -> None:
        """Commit what is under way and close the file; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._writing.close()
        if self._session is not None:
            self._session.close()
        if self.project is not None:
            self.project.close()
        self._reader.close()
        self._writer.close()

    def _share(self, rows: Sequence[tuple[tuple[str, int], tuple[Any, ...]]]) -> None:
        """Keep for the project what this run has just paid for; called by the writer once it is on the disk."""
        if self.project is not None:
            self.project.add([_shared(values) for table, values in rows if table is _PUT and values[-2] == "asked"])

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    """Check the schema number, then make the tables if they are not there."""
    [schema] = writer.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise NewerFolder(
            f"the cache {path} was written by a newer rung (cache schema {schema}, this version reads up to "
            f"{SCHEMA}); upgrade rung or choose another run folder"
        )
    if schema < SCHEMA:
        writer.execute("PRAGMA journal_mode = WAL")
        if schema == 1:
            writer.execute("ALTER TABLE answers ADD COLUMN thought INTEGER NOT NULL DEFAULT 0")
        if schema in (1, 2):
            writer.execute("ALTER TABLE answers ADD COLUMN source TEXT NOT NULL DEFAULT 'asked'")
        if schema in (1, 2, 3):
            writer.execute("ALTER TABLE answers ADD COLUMN billed TEXT")
        writer.executescript(_TABLES)
    writer.execute("SELECT key FROM answers LIMIT 1")
    writer.execute("SELECT role FROM losses LIMIT 1")


def _shared(values: tuple[Any, ...]) -> Row:
    """Return a row of `answers` as the project keeps it."""
    key, _, model, text, finish, tokens_in, tokens_out, latency_s, cost_usd, note, attempts, at, thought, _, billed = (
        values
    )
    return key, text, model, tokens_in, tokens_out, latency_s, cost_usd, finish, attempts, note, thought, billed, at


def _completion(row: tuple[Any, ...], path: Path) -> Completion:
    """Return the answer in a row. Raises IntegrityError for one that none of us wrote, naming the file at `path`."""
    text, model, tokens_in, tokens_out, latency_s, cost_usd, finish, attempts, price_note, thought, billed = row[:11]
    try:
        said = text.decode("utf-8", "surrogatepass")
        bill = None if billed is None else Billed(*json.loads(billed))
        whole = (attempts, thought, tokens_in or 0, tokens_out or 0)
        if type(model) is not str or type(finish) is not str or not all(type(n) is int for n in whole):
            raise TypeError("another type than it was written with")
        if not (math.isfinite(latency_s) and math.isfinite(cost_usd or 0.0)):
            raise ValueError("a number that is none")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"the cache {path} is damaged (an answer holds {type(error).__name__}: {error}); {MOVE_IT}"
        ) from error
    return Completion(
        *(said, sys.intern(model), tokens_in, tokens_out, latency_s, cost_usd, cast("Any", sys.intern(finish))),
        *(True, attempts, price_note, thought, bill),
    )


def _billed_text(billed: Billed | None) -> str | None:
    return None if billed is None else _encode([billed.cached, billed.written, billed.reasoning, billed.uncached_usd])
