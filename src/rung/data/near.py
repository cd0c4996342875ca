"""Equal and nearly equal rows: minhash and banding find candidates, the true Jaccard index decides.

Method: Broder 1997 ("On the resemblance and containment of documents"), banding after Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", section 3.4. With 16 bands of 5 values a pair of resemblance 0.8 becomes a candidate with
probability 1 - (1 - 0.8^5)^16 = 0.998, one of 0.5 with 0.40; candidates are then verified, so that none is false.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
CROWD = 60  # a bucket with more rows is linked in a chain instead of pair by pair

Hashes = NDArray[np.uint64]
Shingler = Callable[[str], Hashes]


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
    members: dict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        members[normal_text(example.text)].append(i)
    texts = list(members)
    firsts = [members[text][0] for text in texts]
    words = [text.count(" ") + 1 for text in texts]
    short = [i for i, n in enumerate(words) if n <= SHORT_WORDS]
    long = [i for i, n in enumerate(words) if n >= LONG_WORDS]
    found: dict[tuple[int, int], float] = {}
    for rows, shingler in ((short, _characters), (long, _Words())):
        for i, j, resemblance in _near_pairs([texts[r] for r in rows], shingler, threshold):
            pair = (rows[i], rows[j])
            found[pair] = max(resemblance, found.get(pair, 0.0))
    ties = Ties(len(examples))
    for rows in members.values():
        for row in rows[1:]:
            ties.tie(rows[0], row)
    for i, j in found:
        ties.tie(firsts[i], firsts[j])

    def ids(rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(examples[row].id for row in rows)

    return Duplicates(
        equal=tuple(ids(rows) for rows in members.values() if len(rows) > 1),
        near=tuple(
            NearPair(examples[firsts[i]].id, examples[firsts[j]].id, round(r, 4)) for (i, j), r in sorted(found.items())
        ),
        clusters=tuple(ids(rows) for rows in ties.clusters() if len(rows) > 1),
    )


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


def _characters(text: str) -> Hashes:
    """Return the distinct hashes of all five-character windows, sorted."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    return _windows(codes, CHARACTER_SHINGLE)


@dataclass(frozen=True)
class _Words:
    """Hashes three-word windows; keeps the hash of each word it has met."""

    known: dict[str, int] = field(default_factory=dict)

    def __call__(self, text: str) -> Hashes:
        words = text.split(" ")
        for word in words:
            if word not in self.known:
                digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                self.known[word] = int.from_bytes(digest, "little")
        return _windows(np.fromiter((self.known[word] for word in words), np.uint64, len(words)), WORD_SHINGLE)


def _windows(items: Hashes, size: int) -> Hashes:
    """Return the distinct hashes of all runs of `size` items, sorted. Equal in every process, unlike Python's own."""
    n = len(items) - size + 1
    if n < 1:
        return items[:0]
    result = _mixed(items[:n])
    for k in range(1, size):
        result = _mixed(result + _STEP + items[k : k + n])
    return np.unique(result)


def _near_pairs(texts: Sequence[str], shingler: Shingler, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j, resemblance) with i < j for the texts that are near."""
    hashed = [shingler(text) for text in texts]
    rows = [i for i, own in enumerate(hashed) if len(own)]
    if len(rows) < 2:
        return
    sets = [hashed[i] for i in rows]
    found = _candidates(sets)
    bare = _without_template(sets)
    if bare is not sets:  # in the crowded buckets of a template true pairs would be lost among strangers
        kept = [i for i, own in enumerate(bare) if len(own)]
        found |= {(kept[a], kept[b]) for a, b in _candidates([bare[i] for i in kept])}
    for a, b in sorted(found):
        resemblance = _jaccard(sets[a], sets[b])
        if resemblance >= threshold and (bare is sets or _jaccard(bare[a], bare[b]) >= TELLING):
            yield rows[a], rows[b], resemblance


def _without_template(sets: list[Hashes]) -> list[Hashes]:
    """Return the sets without the shingles that very many rows hold; the very list where there are none."""
    _, places, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    telling = (counts <= max(COMMON_SHARE * len(sets), COMMON_ROWS))[places]
    if telling.all():
        return sets
    ends = np.cumsum([len(own) for own in sets])
    return [own[telling[end - len(own) : end]] for own, end in zip(sets, ends, strict=True)]


def _jaccard(one: Hashes, other: Hashes) -> float:
    """Return the Jaccard index of two sets; 0 for two empty ones."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)


def _candidates(sets: Sequence[Hashes]) -> set[tuple[int, int]]:
    if len(sets) < 2:
        return set()
    signatures = _signatures(sets)
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        columns = np.ascontiguousarray(signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS])
        key = _mixed(columns @ _ODD[:BAND_ROWS])
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        for bucket in np.split(order, edges) if len(edges) < len(order) - 1 else ():
            if len(bucket) > CROWD:
                found.update((int(min(p)), int(max(p))) for p in pairwise(bucket))
                found.update((int(bucket[0]), int(row)) for row in bucket[1:])
            elif len(bucket) > 1:
                found.update((int(a), int(b)) for a, b in combinations(bucket, 2))
    return found


def _signatures(sets: Sequence[Hashes]) -> Hashes:
    """Return the minhash signatures, shape (rows, BANDS * BAND_ROWS); fixed constants, so equal in every run."""
    sizes = np.array([len(s) for s in sets])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    flat = np.concatenate(sets)
    result = np.empty((len(sets), BANDS * BAND_ROWS), dtype=np.uint64)
    for k in range(BANDS * BAND_ROWS):
        scrambled = flat * _ODD[k]
        scrambled ^= scrambled >> np.uint64(31)
        result[:, k] = np.minimum.reduceat(scrambled, starts)
    return result


def _mixed(x: Hashes) -> Hashes:
    """Scramble 64-bit numbers (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_STEP = np.uint64(0x9E3779B97F4A7C15)
_ODD: Hashes = _mixed(np.arange(1, BANDS * BAND_ROWS + 1, dtype=np.uint64)) | np.uint64(1)
