"""Equal and nearly equal rows: minhash and banding find candidates, the true Jaccard index decides.

Method: Broder 1997 ("On the resemblance and containment of documents"), banding after Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", section 3.4. With 16 bands of 5 values a pair of resemblance 0.8 becomes a candidate with
probability 1 - (1 - 0.8^5)^16 = 0.998, one of 0.5 with 0.40; candidates are then verified, so that none is false.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from rung.types import Example

THRESHOLD = 0.8  # resemblance from which two rows count as near
LONG_WORDS = 32  # rows of at least so many words are compared by three-word shingles
SHORT_WORDS = 40  # rows of at most so many by five-character shingles; between the two by either
WORD_SHINGLE, CHARACTER_SHINGLE = 3, 5
BANDS, BAND_ROWS = 16, 5
COMMON_SHARE, COMMON_ROWS = 0.05, 10  # shingles in more rows than both of these are a template's
TELLING = 0.5  # least resemblance of near rows without a template's shingles
AT_ONCE = 4000  # texts worked on together
CROWD = 60  # a bucket with more rows is linked in a chain instead of pair by pair

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two rows (ids, in file order) whose texts resemble each other by `resemblance` in [threshold, 1]."""

    first: str
    second: str
    resemblance: float


@dataclass(frozen=True)
class Duplicates:
    """`equal`: ids of rows with the same text (but for case and white space). `near`: verified pairs of different text.

    Of rows with equal text only the first stands in `near`. `clusters`: rows tied by either, at least two each.
    """

    equal: tuple[tuple[str, ...], ...]
    near: tuple[NearPair, ...]
    clusters: tuple[tuple[str, ...], ...]

    def among(self, ids: Collection[str]) -> Duplicates:
        """Return what lies among these rows alone."""
        within = frozenset(ids).issuperset
        near = tuple(p for p in self.near if within((p.first, p.second)))
        return Duplicates(tuple(filter(within, self.equal)), near, tuple(filter(within, self.clusters)))

    @cached_property
    def cluster_of(self) -> dict[str, int]:
        """Map the id of each clustered row to the place of its cluster."""
        return {row_id: i for i, cluster in enumerate(self.clusters) for row_id in cluster}


def normal_text(text: str) -> str:
    """Return the text as compared: NFKC, case folded, runs of white space as one space."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def find_duplicates(examples: Sequence[Example], *, threshold: float = THRESHOLD) -> Duplicates:
    """Find rows whose inputs are equal, or nearly so: Jaccard index of their shingle sets at least `threshold`.

    So that a template with different fillings makes no near rows, the index must also reach 0.5 without the shingles that
    occur in more than 5 % of the rows (and in more than 10). Rows shorter than one shingle are matched by equality alone.
    """
    equal, found, ties = _compared([e.text for e in examples], threshold)

    def ids(rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(examples[row].id for row in rows)

    return Duplicates(
        equal=tuple(map(ids, equal)),
        near=tuple(NearPair(examples[i].id, examples[j].id, round(r, 4)) for (i, j), r in sorted(found.items())),
        clusters=tuple(ids(rows) for rows in ties.clusters() if len(rows) > 1),
    )


def tied(texts: Sequence[str], *, threshold: float = THRESHOLD) -> tuple[tuple[int, ...], ...]:
    """Return the clusters of `find_duplicates` as places of the texts, at least two each."""
    return tuple(tuple(rows) for rows in _compared(texts, threshold)[2].clusters() if len(rows) > 1)


def _compared(given: Sequence[str], threshold: float) -> tuple[list[list[int]], dict[tuple[int, int], float], Ties]:
    """Return the places of equal texts, the near pairs of the first ones with their resemblance, and what both tie."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(given):
        members[normal_text(text)].append(i)
    texts = list(members)
    firsts = [rows[0] for rows in members.values()]
    equal = [rows for rows in members.values() if len(rows) > 1]
    del members
    found: dict[tuple[int, int], float] = {}
    for rows, sets in _shingles(texts):
        for i, j, resemblance in _near_pairs(sets, threshold):
            pair = (firsts[rows[i]], firsts[rows[j]])
            found[pair] = max(resemblance, found.get(pair, 0.0))
    ties = Ties(len(given))
    for rows in equal:
        for row in rows[1:]:
            ties.tie(rows[0], row)
    for i, j in found:
        ties.tie(i, j)
    return equal, found, ties


def _shingles(texts: Sequence[str]) -> Iterator[tuple[list[int], _Sets]]:
    """Yield texts (places) with their shingles: the short ones by characters, the long ones by words, one kind at a time."""
    words = [text.count(" ") + 1 for text in texts]
    short = [i for i, n in enumerate(words) if n <= SHORT_WORDS]
    long = [i for i, n in enumerate(words) if n >= LONG_WORDS]
    if short:
        yield short, _shingled([texts[i] for i in short], _characters, CHARACTER_SHINGLE)
    if long:
        yield long, _shingled([texts[i] for i in long], _Words().of, WORD_SHINGLE)


class Ties:
    """Rows 0 to n - 1 in growing clusters (union by smaller root, so that equal ties give equal clusters)."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, i: int) -> int:
        """Return the smallest row of i's cluster."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def tie(self, i: int, j: int) -> None:
        a, b = self.root(i), self.root(j)
        self._parent[max(a, b)] = min(a, b)

    def clusters(self) -> list[list[int]]:
        """Return all clusters, single rows too, in order of their first row."""
        found: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._parent)):
            found[self.root(i)].append(i)
        return list(found.values())


@dataclass(frozen=True)
class _Sets:
    """Sets of hashes, one a text, sorted, in one array: the set of row i is `flat[starts[i]:starts[i + 1]]`."""

    flat: Hashes
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, flat: Hashes, sizes: NDArray[np.int64]) -> _Sets:
        return cls(flat, np.concatenate([[0], np.cumsum(sizes)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> Hashes:
        return self.flat[self.starts[row] : self.starts[row + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @property
    def filled(self) -> NDArray[np.intp]:
        """The rows whose set is not empty."""
        return np.flatnonzero(self.sizes)


def _characters(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)


class _Words(dict[str, int]):
    """The hash of each word met."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = found = int.from_bytes(digest, "little")
        return found

    def of(self, text: str) -> Hashes:
        words = text.split(" ")
        return np.fromiter(map(self.__getitem__, words), np.uint64, len(words))


def _shingled(texts: Sequence[str], items_of: Callable[[str], Hashes], size: int) -> _Sets:
    """Return the distinct hashes of all runs of `size` items of each text. Equal in every process, unlike Python's own."""
    parts = [_windows([items_of(t) for t in texts[i : i + AT_ONCE]], size) for i in range(0, len(texts), AT_ONCE)]
    return _Sets.of(np.concatenate([p.flat for p in parts]), np.concatenate([p.sizes for p in parts]))


def _windows(texts: Sequence[Hashes], size: int) -> _Sets:
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    counts = np.maximum(lengths - size + 1, 0)
    items = np.concatenate(texts)
    n = max(0, len(items) - size + 1)
    hashed = _mixed(items[:n])
    for k in range(1, size):
        hashed = _mixed(hashed + _STEP + items[k : k + n])
    row, place = np.repeat(np.arange(len(texts)), counts), np.arange(counts.sum())
    found = hashed[place + np.repeat(np.cumsum(lengths) - lengths - (np.cumsum(counts) - counts), counts)]
    for start, end in pairwise([0, *np.cumsum(counts).tolist()]):
        found[start:end].sort()
    first = np.ones(len(found), dtype=np.bool_)
    first[1:] = (found[1:] != found[:-1]) | (row[1:] != row[:-1])
    return _Sets.of(found[first], np.bincount(row[first], minlength=len(texts)))


def _near_pairs(sets: _Sets, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j, resemblance) with i < j for the texts that are near."""
    found = _candidates(sets)
    bare = _without_template(sets)
    if bare is not sets:  # in the crowded buckets of a template true pairs would be lost among strangers
        found |= _candidates(bare)
    for a, b in sorted(found):
        resemblance = _jaccard(sets[a], sets[b])
        if resemblance >= threshold and (bare is sets or _jaccard(bare[a], bare[b]) >= TELLING):
            yield a, b, resemblance


def _without_template(sets: _Sets) -> _Sets:
    """Return the sets without the shingles that very many rows hold; the very sets where there are none."""
    most = int(max(COMMON_SHARE * len(sets.filled), COMMON_ROWS))
    ordered = np.sort(sets.flat)
    common = np.unique(ordered[most:][ordered[most:] == ordered[:-most]])
    if not len(common):
        return sets
    place = np.minimum(np.searchsorted(common, sets.flat), len(common) - 1)
    telling = common[place] != sets.flat
    row = np.repeat(np.arange(len(sets)), sets.sizes)
    return _Sets.of(sets.flat[telling], np.bincount(row[telling], minlength=len(sets)))


def _jaccard(one: Hashes, other: Hashes) -> float:
    """Return the Jaccard index of two sets; 0 for two empty ones."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)


def _candidates(sets: _Sets) -> set[tuple[int, int]]:
    """Return the pairs of rows (i < j, neither empty) that agree in a band of their signatures."""
    rows = sets.filled
    found: set[tuple[int, int]] = set()
    if len(rows) < 2:
        return found
    for band in range(BANDS):
        key = _band(sets, rows, band)
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
        for place in np.flatnonzero(ends - starts > 1):
            bucket = rows[order[starts[place] : ends[place]]].tolist()
            if len(bucket) > CROWD:
                found.update((min(p), max(p)) for p in pairwise(bucket))
                found.update((bucket[0], row) for row in bucket[1:])
            else:
                found.update(combinations(bucket, 2))
    return found


def _band(sets: _Sets, rows: NDArray[np.intp], band: int) -> Hashes:
    """Return one number a row for a band of its minhash signature; fixed constants, so equal in every run."""
    keys = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        begin = sets.starts[some[0]]
        flat, starts = sets.flat[begin : sets.starts[some[-1] + 1]], sets.starts[some] - begin
        columns = np.empty((len(some), BAND_ROWS), dtype=np.uint64)
        for k in range(BAND_ROWS):
            scrambled = flat * _ODD[band * BAND_ROWS + k]
            scrambled ^= scrambled >> np.uint64(31)
            columns[:, k] = np.minimum.reduceat(scrambled, starts)
        keys.append(_mixed(columns @ _ODD[:BAND_ROWS]))
    return np.concatenate(keys)


def _mixed(x: Hashes) -> Hashes:
    """Scramble 64-bit numbers (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_STEP = np.uint64(0x9E3779B97F4A7C15)
_ODD: Hashes = _mixed(np.arange(1, BANDS * BAND_ROWS + 1, dtype=np.uint64)) | np.uint64(1)
