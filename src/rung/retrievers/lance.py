"""A folder or an object store in LanceDB's format, for more documents than memory should hold: `lance:FOLDER`, `lance:s3://...`.

Words are ranked by Lance's own BM25 over title and text together; vectors are compared one by one, without an approximate
index. Lance has no transaction over several tables: a change is written in an order that a kill in between leaves nothing
listed that cannot be found, and the next `rung docs update` takes up where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from rung.errors import IntegrityError, NewerFolder, RungError
from rung.plugins import located
from rung.retrievers._words import indexed
from rung.types import Document, Passage, Source, StoreChange

SCHEMA = 1
_SCHEMA_FACT = "schema"
# Passages outside the word index are searched one by one: 10 ms for a thousand. From so many on they are taken in: by the write
# itself where they are half as many as those inside, else before the writer searches or closes.
_MANY = 1000
_GRACE = timedelta(minutes=1)  # older versions of a table are kept so long for readers under way
_TRIES = 3
_VALUES = 500  # in one condition
_FRAGMENTS = 32  # pieces of a table of vectors from which they are joined: each write adds one, each search opens all
_WORD = re.compile(r"\w+")
_DOCUMENTS = pa.schema([(n, pa.string()) for n in ("name", "title", "file", "sha256", "parts")])
_FACTS = pa.schema([("name", pa.string()), ("value", pa.string())])
_PASSAGES = pa.schema(
    [("key", pa.int64()), ("document", pa.string()), ("ordinal", pa.int64())]
    + [(n, pa.string()) for n in ("title", "position", "text", "words")]
)
_INDEX = FTS(stem=True, remove_stop_words=False, ascii_folding=True)


class LanceRetriever(BaseModel):
    """A folder or object store in LanceDB's format: for growth beyond what one SQLite file and memory should hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str = Field(min_length=1, description="a folder, or an address such as s3://bucket/path")

    @field_validator("place")
    @classmethod
    def _from_the_root(cls, value: str, info: ValidationInfo) -> str:
        return value if "://" in value else located(value, info)

    def open(self) -> LanceDocumentStore:
        return LanceDocumentStore(self.place)


class LanceDocumentStore:
    """A document store of several tables: documents, facts, and passages and vectors of each size."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._lock = threading.RLock()
        with self._translated():
            # Zero: what another process wrote is seen by the next call.
            self._db = lancedb.connect(place, read_consistency_interval=timedelta(0))
            self._tables: dict[str, Any] = {}
            self._owed: set[str] = set()
            found = self.facts(_SCHEMA_FACT).get(_SCHEMA_FACT, SCHEMA)
            if found > SCHEMA:
                raise NewerFolder(
                    f"the index of documents {place} was written by a newer rung (index version {found}, this one reads up "
                    f"to {SCHEMA}); upgrade rung, or name another place in documents.store: the index is made again from "
                    "the documents"
                )

    def version(self) -> object:
        with self._translated():
            return tuple((name, self._table(name).version) for name in sorted(self._names()))

    def documents(self) -> Mapping[str, str]:
        return dict(sorted((row["name"], row["sha256"]) for row in self._rows("documents", ["name", "sha256"])))

    def read(self, names: Sequence[str] | None = None) -> tuple[Document, ...]:
        columns = ["name", "title", "file", "parts"]
        if names is None:
            rows = list(self._rows("documents", columns))
        else:
            rows = [row for where in _within("name", names) for row in self._rows("documents", columns, where)]
        return tuple(_document(row) for row in sorted(rows, key=lambda row: str(row["name"])))

    def facts(self, prefix: str = "") -> Mapping[str, Any]:
        rows = sorted((row["name"], row["value"]) for row in self._rows("facts", ["name", "value"]))
        return {name: json.loads(value) for name, value in rows if name.startswith(prefix)}

    def sizes(self) -> Mapping[int, int]:
        with self._translated():
            found = sorted(
                int(name.removeprefix("passages_")) for name in self._names() if name.startswith("passages_")
            )
            return {size: self._table(f"passages_{size}").count_rows() for size in found}

    def write(self, change: StoreChange) -> None:
        with self._translated():
            there = set(self._names())
            sizes = sorted(int(name.removeprefix("passages_")) for name in there if name.startswith("passages_"))
            gone = self._take_away([*change.remove, *(d.name for d in change.put)], sizes, there)
            if change.forget_vectors:
                for size in sizes:
                    if f"vectors_{size}" in there:
                        self._drop(f"vectors_{size}")
            known = set(self.documents()) | {d.name for d in change.put} if change.passages else set()
            for size, passages in change.passages.items():
                self._put_passages(size, [p for p in passages if p.document in known])
            for size, vectors in change.vectors.items():
                self._put_vectors(size, vectors)
            if change.put:
                self._made("documents", _DOCUMENTS).add([_row(d) for d in change.put])
            self._put_facts({_SCHEMA_FACT: SCHEMA, **change.facts})
            if gone:
                self._forget()

    def match(self, query: str, k: int, size: int) -> list[tuple[int, float]]:
        words = " ".join(dict.fromkeys(_WORD.findall(indexed(query.lower()))))[:20_000]
        with self._translated():
            if not words or k < 1 or f"passages_{size}" not in self._names():
                return []
            if f"passages_{size}" in self._owed:
                self._join(f"passages_{size}")

            def asked(table: Any) -> Any:
                found = table.search(words, query_type="fts", fts_columns="words").select(["key", "_score"])
                return found.limit(k).to_arrow()

            rows = self._read(f"passages_{size}", asked).to_pylist()
        return sorted(((row["key"], row["_score"]) for row in rows), key=lambda r: (-r[1], r[0]))

    def nearest(self, vector: Sequence[float], k: int, size: int) -> list[tuple[int, float]]:
        with self._translated():
            if k < 1 or f"vectors_{size}" not in self._names():
                return []

            def asked(table: Any) -> Any:
                query = table.search(list(vector), vector_column_name="vector").distance_type("dot")
                return query.select(["key", "_distance"]).limit(k).to_arrow()

            rows = self._read(f"vectors_{size}", asked).to_pylist()
        # Lance's dot distance is 1 minus the product.
        return sorted(((row["key"], 1.0 - row["_distance"]) for row in rows), key=lambda r: (-r[1], r[0]))

    def without_vector(self, size: int, most: int) -> Mapping[int, str]:
        missing = np.setdiff1d(self._keys(f"passages_{size}"), self._keys(f"vectors_{size}"), True)[:most]
        if not len(missing):
            return {}
        # Keys are hashes, so that the lowest ones without a vector are nearly all that lie between them.
        between = f"key >= {missing[0]} AND key <= {missing[-1]}"
        conditions = [between] if len(missing) > _VALUES else list(_within("key", missing.tolist()))
        wanted = set(missing.tolist())
        found = {
            row["key"]: f"{row['title']}\n{row['text']}" if row["title"] else row["text"]
            for where in conditions
            for row in self._rows(f"passages_{size}", ["key", "title", "text"], where)
            if row["key"] in wanted
        }
        return dict(sorted(found.items()))

    def passages(self, keys: Sequence[int], size: int) -> Mapping[int, Passage]:
        columns = ["key", "document", "ordinal", "title", "position", "text"]
        rows = [row for where in _within("key", keys) for row in self._rows(f"passages_{size}", columns, where)]
        return {row.pop("key"): Passage(**row) for row in rows}

    def close(self) -> None:
        with contextlib.suppress(RungError):  # what is owed makes searches faster, no more
            for name in list(self._owed):
                with self._translated():
                    self._join(name)
        self._tables.clear()

    def _take_away(self, names: Sequence[str], sizes: Sequence[int], there: set[str]) -> bool:
        gone = False
        for where in _within("document", list(dict.fromkeys(names))):
            for size in sizes:
                keys = [row["key"] for row in self._rows(f"passages_{size}", ["key"], where)]
                if keys and f"vectors_{size}" in there:
                    for inner in _within("key", keys):
                        self._table(f"vectors_{size}").delete(inner)
                if keys:
                    gone = True
                    self._table(f"passages_{size}").delete(where)
        if "documents" in there:
            for where in _within("name", list(dict.fromkeys(names))):
                if self._table("documents").count_rows(where):
                    gone = True
                    self._table("documents").delete(where)
        return gone

    def _put_passages(self, size: int, passages: Sequence[Passage]) -> None:
        table = self._made(f"passages_{size}", _PASSAGES)
        if not passages:
            return
        table.add(
            [
                {
                    **{"key": _key(p, size), "document": p.document, "ordinal": p.ordinal, "title": p.title},
                    **{"position": p.position, "text": p.text, "words": indexed(f"{p.title}\n{p.text}")},
                }
                for p in passages
            ]
        )
        indices = table.list_indices()
        if not indices:
            table.create_index("words", config=_INDEX)
        else:
            known = table.index_stats(indices[0].name)
            if known.num_unindexed_rows >= max(_MANY, known.num_indexed_rows // 2):
                self._join(f"passages_{size}")
            elif known.num_unindexed_rows >= _MANY:
                self._owed.add(f"passages_{size}")

    def _put_vectors(self, size: int, vectors: Mapping[int, bytes]) -> None:
        if not vectors:
            return
        width = len(next(iter(vectors.values()))) // 4
        schema = pa.schema([("key", pa.int64()), ("vector", pa.list_(pa.float32(), width))])
        given = np.array(list(vectors), dtype=np.int64)
        keys = given[np.isin(given, self._keys(f"passages_{size}"))]
        if not len(keys):
            return
        table = self._made(f"vectors_{size}", schema)
        for where in _within("key", keys[np.isin(keys, self._keys(f"vectors_{size}"))].tolist()):
            table.delete(where)
        numbers = np.frombuffer(b"".join(vectors[key] for key in keys.tolist()), dtype="<f4")
        column = pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)
        table.add(pa.Table.from_arrays([pa.array(keys), column], schema=schema))
        if table.stats()["fragment_stats"]["num_fragments"] >= _FRAGMENTS:
            self._join(f"vectors_{size}")

    def _put_facts(self, facts: Mapping[str, Any]) -> None:
        table = self._made("facts", _FACTS)
        for where in _within("name", list(facts)):
            table.delete(where)
        rows = [{"name": n, "value": json.dumps(v, ensure_ascii=False)} for n, v in facts.items() if v is not None]
        if rows:
            table.add(rows)

    def _join(self, name: str) -> None:
        """Join the pieces of a table, take all rows into its index, and drop versions that nobody reads any more."""
        self._table(name).optimize(cleanup_older_than=_GRACE)
        self._owed.discard(name)

    def _forget(self) -> None:
        """Write the tables anew without what was deleted, and drop the older versions that still hold it."""
        with warnings.catch_warnings():  # it warns that readers of older versions will fail: ours read the newest
            warnings.simplefilter("ignore", UserWarning)
            for name in self._names():
                self._table(name).optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def _keys(self, name: str) -> Any:
        found = self._columns(name, ["key"])
        return np.zeros(0, dtype=np.int64) if found is None else np.sort(found["key"].to_numpy())

    def _rows(self, name: str, columns: list[str], where: str | None = None) -> Iterator[dict[str, Any]]:
        found = self._columns(name, columns, where)
        yield from () if found is None else found.to_pylist()

    def _columns(self, name: str, columns: list[str], where: str | None = None) -> Any:
        """Return these columns of a table's rows in Arrow's form; None where there is no such table."""
        with self._translated():
            if name not in self._names():
                return None

            def asked(table: Any) -> Any:
                query = table.search() if where is None else table.search().where(where)
                return query.select(columns).limit(None).to_arrow()

            return self._read(name, asked)

    def _read(self, name: str, asked: Callable[[Any], Any]) -> Any:
        """Ask a table; once more of its newest version where a removal took away, meanwhile, the one that was being read."""
        for _ in range(_TRIES):
            try:
                return asked(self._table(name))
            except (OSError, RuntimeError) as error:
                if "not found" not in str(error).lower():
                    raise
                self._tables.pop(name, None)
        return asked(self._table(name))

    def _names(self) -> Sequence[str]:
        found: Sequence[str] = self._db.list_tables(limit=1000).tables
        return found

    def _table(self, name: str) -> Any:
        if name not in self._tables:
            self._tables[name] = self._db.open_table(name)
        return self._tables[name]

    def _made(self, name: str, schema: Any) -> Any:
        if name not in self._names():
            self._tables[name] = self._db.create_table(name, schema=schema, exist_ok=True)
        return self._table(name)

    def _drop(self, name: str) -> None:
        self._tables.pop(name, None)
        self._owed.discard(name)
        self._db.drop_table(name)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
                said = " ".join(str(error).split())[:300]
                if any(word in said.lower() for word in ("not exist", "not found", "corrupt", "invalid range")):
                    raise IntegrityError(
                        f"the index of documents {self.place} is damaged ({said}); move it away and run `rung docs update`: "
                        "it is made again from the documents"
                    ) from error
                raise RungError(
                    f"the index of documents {self.place} cannot be used ({said}); check the place named in documents.store "
                    "and that you may write there"
                ) from error


def _key(passage: Passage, size: int) -> int:
    """Return a key of 63 bits made of what the passage is."""
    told = f"{passage.document}\x00{size}\x00{passage.ordinal}\x00{passage.text}"
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def _within(column: str, values: Sequence[Any]) -> Iterator[str]:
    """Yield conditions that together hold for these values."""
    for start in range(0, len(values), _VALUES):
        part = values[start : start + _VALUES]
        listed = ", ".join(str(v) if isinstance(v, int) else "'" + str(v).replace("'", "''") + "'" for v in part)
        yield f"{column} IN ({listed})"


def _row(document: Document) -> dict[str, str]:
    parts = json.dumps([[part.position, part.text] for part in document.parts], ensure_ascii=False)
    names = {"name": document.name, "title": document.title, "file": document.file}
    return {**names, "sha256": document.sha256, "parts": parts}


def _document(row: Mapping[str, str]) -> Document:
    parts = tuple(Source(row["name"], position, text) for position, text in json.loads(row["parts"]))
    return Document(row["name"], row["title"], parts, row["file"])
