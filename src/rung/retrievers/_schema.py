"""The tables of the SQLite index, and what writes to them. Version 2: other words are made of the same text."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.retrievers._words import indexed
from rung.store.limits import OF_THE_SYSTEM, limit_met
from rung.types import Document, Passage

SCHEMA = 2
_VARIABLES = 500  # values in one statement
# FTS5 writes a segment whenever its entries in memory pass 1 MB, and joins segments four at a time: a third of a build. One
# segment a transaction (32 MB of entries: more than 10,000 passages make) and eight at a time: 0.63 instead of 0.78 CPU s.
_BUILDING = {"hashsize": 32 * 2**20, "automerge": 8}
TOKENIZER = "porter unicode61 remove_diacritics 2"

_TABLES = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, file TEXT NOT NULL, title TEXT NOT NULL,
  sha256 TEXT NOT NULL, parts TEXT NOT NULL
);
CREATE INDEX by_file ON documents (file);
CREATE TABLE sizes (words INTEGER PRIMARY KEY);
PRAGMA user_version = {SCHEMA};
"""
# The index keeps no text of its own ("contentless"): to take a passage out, its words are told again.
_SIZE = """
CREATE TABLE passages_{w} (
  id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL, ordinal INTEGER NOT NULL, title TEXT NOT NULL,
  position TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX of_document_{w} ON passages_{w} (document);
CREATE TABLE vectors_{w} (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);
INSERT INTO sizes VALUES ({w});
"""


def checked(db: sqlite3.Connection, path: Path) -> None:
    """Check the schema number, and make the tables in a new file. Raises NewerFolder."""
    [schema] = db.execute("PRAGMA user_version").fetchone()
    if schema > SCHEMA:
        raise NewerFolder(
            f"the index of documents {path} was written by a newer rung (index version {schema}, this one reads up to "
            f"{SCHEMA}); upgrade rung, or name another place in documents.store: the index is made again from the documents"
        )
    if schema == 0:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        try:
            [schema] = db.execute("PRAGMA user_version").fetchone()
            if schema == 0:  # another process may have been quicker
                _run(db, _TABLES)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    if schema == 1:
        _worded_anew(db)
    db.execute("SELECT words FROM sizes LIMIT 1").fetchall()
    db.execute("SELECT name FROM facts LIMIT 1").fetchall()


def _worded_anew(db: sqlite3.Connection) -> None:
    """Make the word indexes of version 1 again: to take a passage out of one, its words must be those that were put in."""
    db.execute("BEGIN IMMEDIATE")
    try:
        [schema] = db.execute("PRAGMA user_version").fetchone()
        for (w,) in db.execute("SELECT words FROM sizes").fetchall() if schema == 1 else []:
            db.execute(f"DROP TABLE fts_{w}")
            _make_words(db, w)
            rows = db.execute(f"SELECT id, title, text FROM passages_{w}").fetchall()
            db.executemany(
                f"INSERT INTO fts_{w}(rowid, title, text) VALUES (?, ?, ?)",
                [(key, indexed(title), indexed(text)) for key, title, text in rows],
            )
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _run(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the transaction under way; `executescript` would commit it first."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


def make_size(db: sqlite3.Connection, words: int) -> None:
    """Make the tables for passages of that many words."""
    _run(db, _SIZE.format(w=int(words)))
    _make_words(db, words)


def _make_words(db: sqlite3.Connection, words: int) -> None:
    """Make the index of the words of passages of that size."""
    db.execute(f"CREATE VIRTUAL TABLE fts_{int(words)} USING fts5(title, text, content='', tokenize='{TOKENIZER}')")
    for setting, value in _BUILDING.items():
        db.execute(f"INSERT INTO fts_{int(words)}(fts_{int(words)}, rank) VALUES ('{setting}', {value})")
    if sqlite3.sqlite_version_info >= (3, 42, 0):
        db.execute(f"INSERT INTO fts_{int(words)}(fts_{int(words)}, rank) VALUES ('secure-delete', 1)")


def take_away(db: sqlite3.Connection, names: Sequence[str], sizes: Sequence[int]) -> bool:
    """Remove documents by name with everything made of them; returns whether anything was there."""
    there = ids_of(db, names)
    for key in there.values():
        row = (key,)
        for w in sizes:
            rows = db.execute(f"SELECT id, title, text FROM passages_{w} WHERE document = ?", row).fetchall()
            db.executemany(
                f"INSERT INTO fts_{w}(fts_{w}, rowid, title, text) VALUES ('delete', ?, ?, ?)",
                [(key, indexed(title), indexed(text)) for key, title, text in rows],
            )
            db.executemany(f"DELETE FROM vectors_{w} WHERE id = ?", [(r[0],) for r in rows])
            db.execute(f"DELETE FROM passages_{w} WHERE document = ?", row)
        db.execute("DELETE FROM documents WHERE id = ?", row)
    return bool(there)


def ids_of(db: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of those documents that are there, by name."""
    wanted = list(dict.fromkeys(names))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _VARIABLES):
        part = wanted[start : start + _VARIABLES]
        found.update(db.execute(f"SELECT name, id FROM documents WHERE name IN ({','.join('?' * len(part))})", part))
    return found


def drop_texts(db: sqlite3.Connection, sizes: Sequence[int]) -> None:
    """Write the word index anew: FTS5 marks deleted entries and leaves their words in the file until segments merge.

    Not needed from SQLite 3.42 on, where `secure-delete` takes them out at once.
    """
    if sqlite3.sqlite_version_info < (3, 42, 0):
        for w in sizes:
            db.execute(f"INSERT INTO fts_{w}(fts_{w}) VALUES ('optimize')")


def forget_vectors(db: sqlite3.Connection, sizes: Sequence[int]) -> None:
    """Remove all vectors, and count that: keys of passages stay, so that others' memory of vectors must go another way."""
    for w in sizes:
        db.execute(f"DELETE FROM vectors_{w}")
    db.execute(f"PRAGMA application_id = {(era_of(db) + 1) % 2**31}")


def era_of(db: sqlite3.Connection) -> int:
    """Return how often all vectors were forgotten: a number in the header that SQLite leaves to applications."""
    return int(db.execute("PRAGMA application_id").fetchone()[0])


def put_documents(db: sqlite3.Connection, documents: Sequence[Document]) -> None:
    """Add documents whose names are free."""
    db.executemany(
        "INSERT INTO documents (name, file, title, sha256, parts) VALUES (?, ?, ?, ?, ?)",
        [(d.name, d.file, d.title, d.sha256, _parts(d)) for d in documents],
    )


def _parts(document: Document) -> str:
    return json.dumps([[part.position, part.text] for part in document.parts], ensure_ascii=False)


def put_passages(db: sqlite3.Connection, size: int, passages: Sequence[Passage]) -> None:
    """Add passages of documents that are there."""
    [last] = db.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (f"passages_{size}",)
    ).fetchone()
    ids = ids_of(db, (p.document for p in passages))
    rows = [  # a document that another process removed meanwhile has no id
        (key, ids[p.document], p.ordinal, p.title, p.position, p.text)
        for key, p in enumerate(passages, last + 1)
        if p.document in ids
    ]
    db.executemany(f"INSERT INTO passages_{size} VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.executemany(
        f"INSERT INTO fts_{size}(rowid, title, text) VALUES (?, ?, ?)",
        [(row[0], indexed(row[3]), indexed(row[5])) for row in rows],
    )


def translate(error: sqlite3.Error, path: Path, busy_s: float) -> RungError:
    """Return what a SQLite error means to the user. Codes: https://www.sqlite.org/rescode.html (primary codes)."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    met = limit_met(path, "-wal", "-journal") if code in OF_THE_SYSTEM else None
    if met is not None:
        return met
    if code == sqlite3.SQLITE_FULL:
        return Interrupted(
            f"the disk is full while writing the index of documents {path}; what was there before is still there: free some "
            "space and run the same command again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return Interrupted(
            f"the disk failed while using the index of documents {path} ({error}); check the disk and run the same command again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FolderBusy(
            f"another process has been writing to the index of documents {path} for {busy_s:g} s; nothing was changed: wait "
            "until it is done and run the same command again, or name another place in documents.store"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return RungError(
            f"cannot write the index of documents {path} ({error}); name a place that you may write in documents.store"
        )
    return IntegrityError(
        f"the index of documents {path} is damaged ({type(error).__name__}: {error}); move it away and run `rung docs "
        "update`: it is made again from the documents, and what was added from elsewhere must be added again"
    )
