"""The built-in place for documents: one SQLite file. FTS5 ranks by BM25, vectors are searched exactly in memory."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from rung.bases import Retriever
from rung.errors import RungError
from rung.plugins import located
from rung.retrievers._bm25 import Bm25, Words
from rung.retrievers._matrix import Keys, Matrix
from rung.retrievers._schema import (
    checked,
    drop_texts,
    era_of,
    forget_vectors,
    make_size,
    put_documents,
    put_passages,
    take_away,
    translate,
)
from rung.types import Document, Passage, Source, StoreChange

_VARIABLES = 500


class SqliteRetriever(Retriever):
    """One SQLite file: words and vectors in one transaction, several readers beside one writer, nothing to install."""

    place: str = Field(min_length=1, description="the file")
    busy_s: float = Field(10.0, ge=0, description="how long to wait for another process that is writing")

    @field_validator("place")
    @classmethod
    def _from_the_root(cls, value: str, info: ValidationInfo) -> str:
        return located(value, info)

    def open(self) -> SqliteDocumentStore:
        return SqliteDocumentStore(Path(self.place), self.busy_s)


class SqliteDocumentStore:
    """A document store in one file. One connection, used by one thread at a time; ranking and vectors are kept in memory."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self.path = path
        self._busy_s = busy_s
        self._lock = threading.RLock()
        self._matrices: dict[int, Matrix] = {}
        self._rankings: dict[int, Bm25] = {}
        self._words = Words()
        self._seen = -1
        self._era = -1
        self._writes = 0
        with self._translated():
            self._db = _connect(path, busy_s)
            try:
                checked(self._db, path)
            except BaseException:
                self._db.close()
                raise

    def version(self) -> int:
        with self._translated():
            [other] = self._db.execute("PRAGMA data_version").fetchone()  # moves with the writes of others only
        return int((other << 32) + self._writes)

    def documents(self) -> Mapping[str, str]:
        with self._translated():
            return dict(self._db.execute("SELECT name, sha256 FROM documents ORDER BY name").fetchall())

    def read(self, names: Sequence[str] | None = None) -> tuple[Document, ...]:
        columns = "SELECT name, title, file, parts FROM documents"
        with self._translated():
            if names is None:
                rows = self._db.execute(f"{columns} ORDER BY name").fetchall()
            else:
                rows = sorted(self._in(f"{columns} WHERE name IN", names))
        return tuple(_document(*row) for row in rows)

    def facts(self, prefix: str = "") -> Mapping[str, Any]:
        # A range instead of LIKE: names may hold % and _.
        with self._translated():
            rows = self._db.execute(
                "SELECT name, value FROM facts WHERE name >= ? AND substr(name, 1, ?) = ? ORDER BY name",
                (prefix, len(prefix), prefix),
            ).fetchall()
        return {name: json.loads(value) for name, value in rows}

    def sizes(self) -> Mapping[int, int]:
        with self._translated():
            found = [row[0] for row in self._db.execute("SELECT words FROM sizes ORDER BY words").fetchall()]
            return {w: self._db.execute(f"SELECT count(*) FROM passages_{w}").fetchone()[0] for w in found}

    def write(self, change: StoreChange) -> None:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                have = [row[0] for row in self._db.execute("SELECT words FROM sizes").fetchall()]
                gone = take_away(self._db, [*change.remove, *(d.name for d in change.put)], have)
                put_documents(self._db, change.put)
                for size, passages in change.passages.items():
                    if size not in have:
                        make_size(self._db, size)
                    put_passages(self._db, size, passages)
                if change.forget_vectors:
                    forget_vectors(self._db, have)
                for size, vectors in change.vectors.items():
                    # A passage that went away meanwhile takes no vector with it.
                    rows = [(key, data, key) for key, data in vectors.items()]
                    insert = f"INSERT OR REPLACE INTO vectors_{size} SELECT ?, ? WHERE EXISTS "
                    self._db.executemany(f"{insert}(SELECT 1 FROM passages_{size} WHERE id = ?)", rows)
                for name, value in change.facts.items():
                    if value is None:
                        self._db.execute("DELETE FROM facts WHERE name = ?", (name,))
                    else:
                        stored = json.dumps(value, ensure_ascii=False)
                        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, stored))
                if gone:
                    drop_texts(self._db, have)
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            self._writes += 1
            if gone:  # the write-ahead log still holds what was removed; a reader under way may put this off
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def match(self, query: str, k: int, size: int) -> list[tuple[int, float]]:
        with self._translated():
            self._follow()
            if size not in self._rankings:
                self._rankings[size] = Bm25(self._db, size)
                self._rankings[size].follow(self._keys(size))
            return self._rankings[size].best(self._words.of(query), k)

    def nearest(self, vector: Sequence[float], k: int, size: int) -> list[tuple[int, float]]:
        with self._translated():
            self._follow()
            if size not in self._matrices:
                self._matrices[size] = Matrix()
                self._matrices[size].follow(self._keys(size), partial(self._vectors, size))
            return self._matrices[size].nearest(vector, k)

    def without_vector(self, size: int, most: int) -> Mapping[int, str]:
        with self._translated():
            rows = self._db.execute(
                f"SELECT p.id, p.title, p.text FROM passages_{size} AS p LEFT JOIN vectors_{size} AS v ON v.id = p.id "
                "WHERE v.id IS NULL ORDER BY p.id LIMIT ?",
                (most,),
            ).fetchall()
        return {key: f"{title}\n{text}" if title else text for key, title, text in rows}

    def passages(self, keys: Sequence[int], size: int) -> Mapping[int, Passage]:
        with self._translated():
            rows = self._in(
                "SELECT p.id, d.name, p.ordinal, p.title, p.position, p.text "
                f"FROM passages_{size} AS p JOIN documents AS d ON d.id = p.document WHERE p.id IN",
                keys,
            )
        return {row[0]: Passage(*row[1:]) for row in rows}

    def close(self) -> None:
        with self._lock:
            self._words.close()
            self._db.close()

    def _in(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(values), _VARIABLES):
            part = list(values[start : start + _VARIABLES])
            found += self._db.execute(f"{statement} ({','.join('?' * len(part))})", part).fetchall()
        return found

    def _keys(self, size: int) -> Keys:
        """Return the keys of all passages of a size, sorted. Read from an index: the passages themselves are large."""
        rows = self._db.execute(f"SELECT id FROM passages_{size} INDEXED BY of_document_{size}").fetchall()
        return np.sort(np.array([row[0] for row in rows], dtype=np.int64))

    def _vectors(self, size: int, keys: Sequence[int]) -> Iterable[tuple[int, bytes]]:
        if len(keys) <= _VARIABLES:
            return self._in(f"SELECT id, vector FROM vectors_{size} WHERE id IN", keys)
        wanted = set(keys)
        rows = self._db.execute(f"SELECT id, vector FROM vectors_{size}")
        return (row for row in rows if row[0] in wanted)

    def _follow(self) -> None:
        """Forget what was remembered of the file when anyone has written to it."""
        version = self.version()
        if version == self._seen:
            return
        era = era_of(self._db)
        if era != self._era:  # someone forgot all vectors: those of the same passages may be others now
            self._matrices.clear()
            self._era = era
        for size in {*self._rankings, *self._matrices}:
            keys = self._keys(size)
            if size in self._rankings:
                self._rankings[size].follow(keys)
            if size in self._matrices:
                self._matrices[size].follow(keys, partial(self._vectors, size))
        self._seen = version

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise translate(error, self.path, self._busy_s) from error


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise RungError(
            f"cannot open the index of documents {path}: {error.strerror}; name a place that you may write in documents.store"
        ) from error
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten, not only forgotten
    db.execute("PRAGMA cache_size = -65536")
    return db


def _document(name: str, title: str, file: str, parts: str) -> Document:
    return Document(name, title, tuple(Source(name, position, text) for position, text in json.loads(parts)), file)
