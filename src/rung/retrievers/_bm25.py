"""BM25 over the entries of an FTS5 index: what FTS5 stores, ranked in numpy.

FTS5 keeps the index on disk, in the same transaction as the text, and cuts words and stems. Its own `bm25()` looks up the
length of every passage that holds any word of the query: 57 ms for a claim of twelve words over 50,000 passages. Here the
entries of a word are read once, turned into what each adds to the score of its passage, and kept until the index changes.
"""

from __future__ import annotations

import math
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rung.retrievers._matrix import Keys, followed
from rung.retrievers._schema import TOKENIZER
from rung.retrievers._words import indexed

K1, B = 1.2, 0.75  # as FTS5 has them; Robertson and Zaragoza 2009, doi 10.1561/1500000019, section 3.2
TITLE_WEIGHT = 2.0  # a word in the title counts as so many in the text: chosen on scifact's training queries
MOST_KEPT = 6_000_000  # entries of words kept in memory: about 50 MB
MOST_WORDS = 256  # of a query; a longer one is as long as a document
FEW = 500  # passages looked up one by one
LARGE = 5_000  # passages from which words that stand in more than half of them are left out: they tell nearly nothing
LONGEST_QUERY = 20_000  # characters


@dataclass(frozen=True, slots=True)
class _Entries:
    """Places of passages that hold a word (within the sorted keys), and what the word adds to the score of each."""

    places: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


class Words:
    """The words of a query as the index has them."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute(f"CREATE VIRTUAL TABLE q USING fts5(text, tokenize='{TOKENIZER}')")
        self._db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(q, row)")

    def of(self, query: str) -> list[str]:
        """Return the different words, cut and stemmed by the very tokenizer of the index."""
        self._db.execute("DELETE FROM q")
        self._db.execute("INSERT INTO q VALUES (?)", (indexed(query[:LONGEST_QUERY]),))
        return [row[0] for row in self._db.execute("SELECT term FROM v LIMIT ?", (MOST_WORDS,)).fetchall()]

    def close(self) -> None:
        self._db.close()


class Bm25:
    """The passages of one size, as they were when `follow` was last called."""

    def __init__(self, db: sqlite3.Connection, size: int) -> None:
        self._db = db
        self._size = size
        self._keys: Keys = np.zeros(0, dtype=np.int64)
        self._lengths: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)  # words of each passage
        self._norms: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._kept: OrderedDict[str, _Entries] = OrderedDict()
        self._held = 0
        for kind in ("instance", "row"):
            db.execute(
                f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{kind}_{size} USING fts5vocab('main', 'fts_{size}', '{kind}')"
            )

    def follow(self, stored: Keys) -> None:
        """Take over the passages that are there now, by their keys (sorted), and forget what was kept of words."""
        self._keys, self._lengths = followed(self._keys, self._lengths, stored, self._read_lengths)
        mean = max(float(self._lengths.mean()), 1.0) if len(self._keys) else 1.0
        self._norms = (K1 * (1.0 - B + B * self._lengths / mean)).astype(np.float32)
        self._kept.clear()
        self._held = 0

    def _read_lengths(self, new: Keys) -> tuple[Keys, npt.NDArray[np.float32]]:
        """Return the words of these passages, as FTS5 counted them."""
        sizes = f"SELECT id, sz FROM fts_{self._size}_docsize"
        if len(new) <= FEW:
            rows = self._db.execute(f"{sizes} WHERE id IN ({','.join(map(str, new.tolist()))}) ORDER BY id").fetchall()
        else:  # between the first and the last, where those that are known lie among them
            rows = self._db.execute(
                f"{sizes} WHERE id BETWEEN ? AND ? ORDER BY id", (int(new[0]), int(new[-1]))
            ).fetchall()
        keys = np.array([row[0] for row in rows], dtype=np.int64)
        lengths = np.array([_words_in(row[1]) for row in rows], dtype=np.float32)
        wanted = np.isin(keys, new, assume_unique=True)
        return keys[wanted], lengths[wanted]

    def best(self, words: list[str], k: int) -> list[tuple[int, float]]:
        """Return the keys of the `k` best passages with their scores, best first; ties by key."""
        total = np.zeros(len(self._keys), dtype=np.float32)
        for word in words:
            entries = self._entries(word)
            total[entries.places] += entries.scores
        found = np.flatnonzero(total)
        if 0 < k < len(found):
            line = np.partition(total[found], len(found) - k)[len(found) - k]
            found = found[total[found] >= line]
        order = found[np.argsort(-total[found], kind="stable")][: max(k, 0)]
        return [(int(self._keys[i]), float(total[i])) for i in order]

    def _entries(self, word: str) -> _Entries:
        if word in self._kept:
            self._kept.move_to_end(word)
            return self._kept[word]
        entries = self._read_word(word)
        self._kept[word] = entries
        self._held += len(entries.places)
        while self._held > MOST_KEPT and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._held -= len(oldest.places)
        return entries

    def _read_word(self, word: str) -> _Entries:
        nothing = _Entries(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))
        count = len(self._keys)
        row = self._db.execute(f"SELECT doc FROM temp.row_{self._size} WHERE term = ?", (word,)).fetchone()
        if row is None or (count > LARGE and row[0] > count // 2):
            return nothing
        found = self._db.execute(f"SELECT doc, col FROM temp.instance_{self._size} WHERE term = ?", (word,)).fetchall()
        keys = np.array([doc for doc, _ in found], dtype=np.int64)
        weights = np.array([TITLE_WEIGHT if column == "title" else 1.0 for _, column in found], dtype=np.float32)
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        often = np.add.reduceat(weights, first)
        places = np.searchsorted(self._keys, keys[first])
        there = places < count  # another process may have added passages since `follow`; the next search sees them
        there[there] = self._keys[places[there]] == keys[first][there]
        places, often = places[there], often[there]
        held = len(places)
        rarity = math.log(1.0 + (count - held + 0.5) / (held + 0.5))
        scores = rarity * often * (K1 + 1.0) / (often + self._norms[places])
        return _Entries(places.astype(np.int32), scores.astype(np.float32))


def _words_in(sizes: bytes) -> int:
    """Return the words of a passage from the sizes that FTS5 keeps: a variable-length integer a column."""
    if len(sizes) == 2:
        return sizes[0] + sizes[1]
    total = value = 0
    for byte in sizes:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            total, value = total + value, 0
    return total
