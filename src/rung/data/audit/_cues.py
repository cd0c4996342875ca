"""Read fields out of texts by cues that were learnt on other rows, and say where field and text disagree.

For each field (and each of its frequent values) a list of cues is grown: the word sequence that stands in most rows with
the field and in hardly any without it, then the next one among the rows that hold no cue yet, and so on while it is
clearly better than chance. A row that has the field without any cue for it is doubted, and so is a row with cues and
without the field. Missing cues in a text do not spoil a cue, which is why this holds where 40 % of the rows are wrong and
a regression on the words does not (docs/log.md).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rung.data.terms import counted

FOLDS = 5
FEWEST = 30  # rows with a field, and without it, from which it is judged
FEWEST_WITH_VALUE = 20
MOST_VALUES = 40  # frequent values of a field that get cues of their own
MOST_CUES = 200
LONGEST_CUE = 3  # words
CLEAR = 4.0  # standard deviations above chance
PURE = 0.9  # share of a cue's rows that must have the field
READABLE = 0.7  # share of a field's rows that must hold a cue, else the field is not in the texts
COPIED = 0.8  # share of a field's rows from which its values are known to stand in the texts word for word
SHARED_BY = 10  # rows with the same fields count together as one row, up to so many
MOST_WORDS = 1_500_000  # words read in all
_WORD = re.compile(r"[£$€]?\w+|[^\w\s]")
Mask = NDArray[np.bool_]
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row (by place) and a field: `unsupported` (nothing in the text for it) or `missing` (the text has it)."""

    row: int
    field: str
    why: str


@dataclass(frozen=True)
class Reading:
    """What was judged: the fields that can be read in the texts, and the disagreements in order of the rows."""

    fields: tuple[str, ...]
    found: tuple[Disagreement, ...]


def disagreements(fields: Sequence[Mapping[str, str]], texts: Sequence[str]) -> Reading:
    """Compare each row's fields with its text by cues from other rows."""
    words = [_words(text, MOST_WORDS // max(1, len(texts))) for text in texts]
    counts = Counter(name for row in fields for name in row)
    names = [n for n, k in counts.items() if k >= FEWEST]
    literal = {n: _literal(n, fields, words) for n in names}
    copied = [n for n in names if literal[n].sum() >= COPIED * counts[n]]
    cues = _Cues(
        fields,
        [
            _masked(w, row, copied, known)
            for known in [_known(fields, copied)]
            for w, row in zip(words, fields, strict=True)
        ],
    )
    judged: list[str] = []
    found: list[Disagreement] = []
    for name in names:
        has = np.array([name in row for row in fields])
        covered = cues.covered(has, name)
        read = covered | literal[name] if name in copied else covered.copy()
        for value, k in Counter(row[name] for row in fields if name in row).most_common(MOST_VALUES):
            if k >= FEWEST_WITH_VALUE:
                read |= cues.covered(np.array([row.get(name) == value for row in fields]), name)
        if (read & has).sum() < READABLE * has.sum():
            continue
        judged.append(name)
        found.extend(Disagreement(int(i), name, "unsupported") for i in np.flatnonzero(has & ~read))
        if (~has).sum() >= FEWEST:
            found.extend(Disagreement(int(i), name, "missing") for i in np.flatnonzero(~has & covered))
    return Reading(tuple(judged), tuple(sorted(found, key=lambda d: (d.row, d.field))))


def _words(text: str, most: int) -> Words:
    return tuple(_WORD.findall(text.casefold())[: max(1, most)])


def _inside(value: Words, words: Words) -> bool:
    return any(words[i : i + len(value)] == value for i in range(len(words) - len(value) + 1)) if value else False


def _literal(name: str, fields: Sequence[Mapping[str, str]], words: Sequence[Words]) -> Mask:
    """Return in which rows the field's value stands word for word."""
    return np.array([name in row and _inside(_words(row[name], 50), w) for row, w in zip(fields, words, strict=True)])


def _known(fields: Sequence[Mapping[str, str]], copied: Sequence[str]) -> dict[str, list[tuple[Words, str]]]:
    """Return the values of copied fields by first word, the longest first; those of two fields are left out."""
    owners: dict[Words, set[str]] = defaultdict(set)
    for row in fields:
        for name in copied:
            if name in row:
                owners[_words(row[name], 50)].add(name)
    result: dict[str, list[tuple[Words, str]]] = defaultdict(list)
    for value, names in owners.items():
        if len(names) == 1 and any(c.isalpha() for word in value for c in word) and len("".join(value)) > 2:
            result[value[0]].append((value, next(iter(names))))
    for entries in result.values():
        entries.sort(key=lambda e: -len(e[0]))
    return result


def _masked(
    words: Words, row: Mapping[str, str], copied: Sequence[str], known: Mapping[str, list[tuple[Words, str]]]
) -> list[str]:
    """Put a mark of its field in place of each known value, so that one field's values are no cue for another field."""
    own = [(v, n) for n in copied if n in row and (v := _words(row[n], 50))]
    result: list[str] = []
    at = 0
    while at < len(words):
        here = [e for e in own if e[0][0] == words[at]] + known.get(words[at], [])
        value, name = next((e for e in here if words[at : at + len(e[0])] == e[0]), ((words[at],), None))
        result.append(words[at] if name is None else _mark(name))
        at += len(value)
    return result


def _mark(name: str) -> str:
    return f"\0{name}"


class _Cues:
    """Word sequences of all rows, ready to grow cue lists from."""

    def __init__(self, fields: Sequence[Mapping[str, str]], masked: Sequence[Sequence[str]]) -> None:
        found = counted(masked, longest=LONGEST_CUE, fewest_rows=5, once=True, dtype=np.float32)
        self.rows: Any = None if found is None else found.matrix  # None: no sequence stands in five rows
        self.names = [] if found is None else found.terms.texts()
        groups: dict[tuple[tuple[str, str], ...], int] = {}
        group = np.array([groups.setdefault(tuple(sorted(row.items())), len(groups)) for row in fields])
        sizes = np.bincount(group)[group]
        empty = np.array([not row for row in fields])
        self.weight = np.where(empty, 1.0, 1.0 / np.minimum(sizes, SHARED_BY))
        rng = np.random.default_rng(0)
        together = rng.integers(0, FOLDS, len(groups))[group]
        self.fold = np.where(empty | (sizes > SHARED_BY * FOLDS), rng.integers(0, FOLDS, len(fields)), together)

    def covered(self, has: Mask, name: str) -> Mask:
        """Return which rows hold a cue, by lists grown on the rows of other folds."""
        result = np.zeros(len(has), dtype=np.bool_)
        if self.rows is None:
            return result
        foreign = np.array([any(m.startswith("\0") and m != _mark(name) for m in n) for n in self.names])
        for fold in range(FOLDS):
            fit, held = np.flatnonzero(self.fold != fold), np.flatnonzero(self.fold == fold)
            cues = self._grown(fit, has[fit], ~foreign)
            if cues and len(held):
                result[held] = np.asarray(self.rows[held][:, cues].sum(axis=1)).ravel() > 0
        return result

    def _grown(self, fit: NDArray[np.intp], has: Mask, allowed: Mask) -> list[int]:
        rows, weight = self.rows[fit], self.weight[fit]
        columns = rows.tocsc()
        left = np.ones(len(fit), dtype=np.bool_)
        n, hits = rows.T @ weight, rows.T @ (weight * has)
        cues: list[int] = []
        while len(cues) < MOST_CUES:
            chance = (weight * has)[left].sum() / max(weight[left].sum(), 1e-9)
            if not 0.0 < chance < 1.0:
                break
            clear = (hits - n * chance) >= CLEAR * np.sqrt(np.maximum(n, 1e-9) * chance * (1.0 - chance))
            score = np.where(clear & (hits >= PURE * n) & (n >= 2.0) & allowed, hits, -1.0)
            cue = int(score.argmax())
            if score[cue] < 0:
                break
            new = columns.indices[columns.indptr[cue] : columns.indptr[cue + 1]]
            new = new[left[new]]
            left[new] = False
            n = np.maximum(n - rows[new].T @ weight[new], 0.0)
            hits = np.maximum(hits - rows[new].T @ (weight * has)[new], 0.0)
            n[cue] = 0.0
            cues.append(cue)
        return cues
