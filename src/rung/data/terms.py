"""Words of many texts counted into sparse matrices: the figures of scikit-learn's vectorizers, without the second that it
takes to load. Terms are numbers from the first word to the last column: no run of words is ever written out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rung.plugins import require

WORDS = r"\b\w\w+\b"  # of two letters or more

# Words of English that tell nothing of a text's subject: the list of scikit-learn (BSD-3-Clause; from the Glasgow
# Information Retrieval Group).
ENGLISH = frozenset(
    """
    a about above across after afterwards again against all almost alone along already also although always am
    among amongst amoungst amount an and another any anyhow anyone anything anyway anywhere are around as at back
    be became because become becomes becoming been before beforehand behind being below beside besides between
    beyond bill both bottom but by call can cannot cant co con could couldnt cry de describe detail do done down
    due during each eg eight either eleven else elsewhere empty enough etc even ever every everyone everything
    everywhere except few fifteen fifty fill find fire first five for former formerly forty found four from front
    full further get give go had has hasnt have he hence her here hereafter hereby herein hereupon hers herself
    him himself his how however hundred i ie if in inc indeed interest into is it its itself keep last latter
    latterly least less ltd made many may me meanwhile might mill mine more moreover most mostly move much must my
    myself name namely neither never nevertheless next nine no nobody none noone nor not nothing now nowhere of
    off often on once one only onto or other others otherwise our ours ourselves out over own part per perhaps
    please put rather re same see seem seemed seeming seems serious several she should show side since sincere six
    sixty so some somehow someone something sometime sometimes somewhere still such system take ten than that the
    their them themselves then thence there thereafter thereby therefore therein thereupon these they thick thin
    third this those though three through throughout thru thus to together too top toward towards twelve twenty
    two un under until up upon us very via was we well were what whatever when whence whenever where whereafter
    whereas whereby wherein whereupon wherever whether which while whither who whoever whole whom whose why will
    with within without would yet you your yours yourself yourselves
    """.split()
)


@dataclass(frozen=True)
class Terms:
    """The terms of the columns of a matrix: words, and runs of up to `longest` words.

    A term is one number, and numbers are ordered as their texts are: to the base (words + 1) the first digit is the rank of
    the first word, each further one is 1 more than the rank of the next word, or 0 where the term has ended.
    """

    ranks: dict[str, int]  # word -> its place in the order of all words
    longest: int
    codes: NDArray[np.int64]  # of the columns, ascending

    def columns(self, words: Sequence[str]) -> list[int]:
        """Return the columns of a text's terms, those met twice twice: words first, then pairs; unknown terms left out."""
        ranks = np.array([self.ranks.get(word, -1) for word in words], dtype=np.int64)
        sought, _ = _codes(ranks, np.zeros(len(ranks), np.int32), len(self.ranks) + 1, self.longest)
        places = np.minimum(np.searchsorted(self.codes, sought), len(self.codes) - 1)
        found: list[int] = places[self.codes[places] == sought].tolist()
        return found

    def texts(self) -> list[tuple[str, ...]]:
        """Return the words of each column."""
        names, base = sorted(self.ranks), len(self.ranks) + 1
        digits = [self.codes // base ** (self.longest - 1 - k) % base - (k > 0) for k in range(self.longest)]
        return [tuple(names[d] for d in row if d >= 0) for row in np.stack(digits, axis=1).tolist()]


@dataclass(frozen=True)
class Counted:
    """How often each term stands in each text: `matrix` of shape (texts, terms), scipy CSR, columns ascending in a row."""

    terms: Terms
    matrix: Any  # scipy ships no types


def splitter(pattern: str = WORDS, without: Collection[str] = ()) -> Callable[[str], list[str]]:
    """Return the function from a text to its words: what `pattern` finds in it lower-cased, but for those left out."""
    find, left_out = re.compile(pattern).findall, frozenset(without)

    def split(text: str) -> list[str]:
        words = find(text.lower())
        return [w for w in words if w not in left_out] if left_out else words

    return split


def counted(
    rows: Iterable[Sequence[str]],
    *,
    longest: int = 1,
    most: int | None = None,
    fewest_rows: int = 1,
    once: bool = False,
    dtype: DTypeLike = np.float64,
) -> Counted | None:
    """Count the words of texts, and runs of up to `longest` words; None where no term is left.

    `most`: the columns kept, the commonest terms; `fewest_rows`: texts that a term must stand in; `once`: a term counts as
    one however often a text holds it. Raises ValueError for more than a million different words in runs of three.
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    met = [np.fromiter(map(numbers.__getitem__, words), np.int32, len(words)) for words in rows]
    if not numbers:
        return None
    ranks = {word: rank for rank, word in enumerate(sorted(numbers))}
    if (len(ranks) + 1) ** longest > np.iinfo(np.int64).max:
        raise ValueError(f"{len(ranks):,} different words in runs of {longest} are too many to count")
    rank_of = np.fromiter((ranks[word] for word in numbers), np.int64, len(numbers))
    lengths = np.fromiter(map(len, met), np.int64, len(met))
    words, row = rank_of[np.concatenate(met)], np.repeat(np.arange(len(met), dtype=np.int32), lengths)
    codes: NDArray[np.int64] = np.arange(len(ranks), dtype=np.int64)
    column: NDArray[Any] = words
    if longest > 1:
        every, row = _codes(words, row, len(ranks) + 1, longest)
        codes, column = _numbered(every)
        del every, words
    shape, ones = (len(met), len(codes)), np.ones(len(row), np.float32)
    matrix = require("scipy.sparse").csr_matrix((ones, (row, column)), shape).astype(dtype)  # adds equal cells up
    if once:
        matrix.data[:] = 1
    kept = _kept(matrix, most, fewest_rows)
    if not len(kept):
        return None
    if len(kept) < len(codes):
        matrix, codes = matrix[:, kept], codes[kept]
    matrix.sort_indices()
    return Counted(Terms(ranks, longest, codes), matrix)


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the different codes, ascending, and the place of each code among them: `np.unique` in half the memory."""
    order = np.argsort(codes)
    ordered = codes[order]
    first = np.ones(len(codes), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    different = ordered[first]
    del ordered
    place = np.empty(len(codes), dtype=np.int32)
    place[order] = np.cumsum(first, dtype=np.int32) - 1
    return different, place


def _codes(
    words: NDArray[np.int64], row: NDArray[np.int32], base: int, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the codes of all runs within a row, single words first, and the row of each; a word below 0 is in no run."""
    start = np.flatnonzero(words >= 0)
    code = words[start] * base ** (longest - 1)
    codes, rows = [code], [row[start]]
    for k in range(1, longest):
        inside = start + k < len(words)
        start, code = start[inside], code[inside]
        goes_on = (words[start + k] >= 0) & (row[start + k] == row[start])
        start, code = start[goes_on], code[goes_on]
        code = code + (words[start + k] + 1) * base ** (longest - 1 - k)
        codes.append(code)
        rows.append(row[start])
    return np.concatenate(codes), np.concatenate(rows)


def _kept(matrix: Any, most: int | None, fewest_rows: int) -> NDArray[np.intp]:
    kept = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]) >= fewest_rows)
    if most is not None and len(kept) > most:
        commonest = (-np.asarray(matrix.sum(axis=0)).ravel()[kept]).argsort()[:most]
        kept = np.sort(kept[commonest])
    return kept


def rarity(matrix: Any) -> NDArray[Any]:
    """Return the weight of each term, of the matrix's type: log((1 + texts) / (1 + texts that hold it)) + 1."""
    held = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(matrix.dtype) + matrix.dtype.type(1)
    weights: NDArray[Any] = np.log(matrix.dtype.type(matrix.shape[0] + 1) / held) + matrix.dtype.type(1)
    return weights


def weighed(matrix: Any, weights: NDArray[Any]) -> Any:
    """Return the matrix as TF-IDF: (1 + log count) * weight, each row of length 1 (a row without terms stays empty)."""
    result = matrix.copy()
    result.data = (np.log(result.data) + result.data.dtype.type(1)) * weights[result.indices]
    row = np.repeat(np.arange(result.shape[0]), np.diff(result.indptr))
    length = np.sqrt(np.bincount(row, weights=result.data * result.data, minlength=result.shape[0]))
    result.data = (result.data / length[row]).astype(matrix.dtype)
    return result
