"""One look: the wealth of every signal over the days, whether there is an alarm, and which requests are new."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from rung.data.near import normal_text
from rung.stats.watching import ALPHA, YEAR, quick, steady
from rung.watch.baseline import Signal
from rung.watch.served import Served

BLOCK = 25  # requests of a block of the quick process
RECENT = 28  # days whose rate is shown beside the baseline's
SHOWN, WORDS = 5, 10
_WORD = re.compile(r"[^\W\d_]{3,30}")


@dataclass(frozen=True)
class Standing:
    """A signal at the look. `rate` of the last 28 days over `n` requests; `evidence`: its e-value; `examples`: its newest hits."""

    signal: Signal
    rate: float | None
    n: int
    evidence: float
    moved: bool
    examples: tuple[Served, ...] = ()
    new_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What a look saw. `alarm`: the first day of an alarm in the current year of watching; None: all quiet.

    `evidence`: the mean of the signals' e-values; an alarm from `alarm_from` on.
    """

    first: date
    last: date
    requests: int
    alarm: date | None
    evidence: float
    standings: tuple[Standing, ...]
    alarm_from: float = 1.0 / ALPHA


@dataclass
class Record:
    """What was seen of one signal: hits and requests by day, and the means of its blocks."""

    signal: Signal
    hits: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    blocks: list[tuple[int, float]] = field(default_factory=list)  # the day it was full, and its mean
    newest: deque[Served] = field(default_factory=lambda: deque(maxlen=SHOWN))
    words: Counter[str] = field(default_factory=Counter)
    _hits: int = 0
    _size: int = 0

    def take(self, one: Served, known: frozenset[str], restart: bool) -> None:
        hit = self.signal.hit(one)
        if hit is None:
            return
        if restart:
            self._hits = self._size = 0
        self.hits[one.day] += hit
        self.sizes[one.day] += 1
        self._hits, self._size = self._hits + hit, self._size + 1
        if self._size == BLOCK:
            self.blocks.append((one.day, self._hits / BLOCK))
            self._hits = self._size = 0
        if hit:
            self.newest.append(one)
            self.words.update({w for w in _WORD.findall(one.text.casefold()) if w not in known})

    def wealth(self, start: int, days: int) -> NDArray[np.float64]:
        """Return the e-value after each of the days; the last one counts by its full blocks alone, as more may come of it."""
        hits, sizes = (np.array([c[start + d] for d in range(days)], dtype=np.float64) for c in (self.hits, self.sizes))
        slow = (
            np.concatenate([[1.0], steady(hits[:-1], sizes[:-1], self.signal.bound)])[-days:]
            if days > 1
            else np.ones(1)
        )
        own = [(day - start, mean) for day, mean in self.blocks if start <= day < start + days]
        fast = np.ones(days)
        if own:
            on_day = [day for day, _ in own]
            found = quick([mean for _, mean in own], on_day, self.signal.bound)
            after = np.searchsorted(on_day, np.arange(days), side="right")
            fast = np.where(after > 0, found[np.maximum(after - 1, 0)], 1.0)
        return 0.5 * slow + 0.5 * fast


def look(
    served: Iterable[Served], signals: Sequence[Signal], known: frozenset[str], alpha: float = ALPHA
) -> Look | None:
    """Return what the requests say by their last day; None without any. `known`: the words of the examples; `alpha`: of a year's looks."""
    records = [Record(signal) for signal in signals]
    first = last = year = 0
    count = 0
    for one in served:
        first = first or one.day
        restart, year = (one.day - first) // YEAR > year, (one.day - first) // YEAR
        last, count = one.day, count + 1
        for record in records:
            record.take(one, known, restart)
    if not count:
        return None
    start = first + year * YEAR
    days = last - start + 1
    each = np.array([record.wealth(start, days) for record in records])
    total = each.mean(axis=0)
    over = np.flatnonzero(total >= 1.0 / alpha)
    at = int(over[0]) if len(over) else None
    strong = each[:, -1] if at is None else np.maximum(each[:, -1], each[:, at])
    moved = set() if at is None else _moved(strong, alpha)
    standings = tuple(_standing(record, float(strong[i]), i in moved, last) for i, record in enumerate(records))
    alarm = None if at is None else date.fromordinal(start + at)
    return Look(
        date.fromordinal(first), date.fromordinal(last), count, alarm, float(total.max()), standings, 1.0 / alpha
    )


def _moved(evidence: NDArray[np.float64], alpha: float) -> set[int]:
    """Return which signals moved, given an alarm: at most the share `alpha` of them wrongly (e-BH; Wang and Ramdas 2022, JRSS B 84:822), or the
    strongest where that names none."""
    order = np.argsort(-evidence)
    count = len(order)
    held = [j for j in range(1, count + 1) if evidence[order[j - 1]] >= count / (j * alpha)]
    return {int(i) for i in order[: max(held, default=1)]}


def _standing(record: Record, evidence: float, moved: bool, last: int) -> Standing:
    days = range(last - RECENT + 1, last + 1)
    n = sum(record.sizes[d] for d in days)
    rate = sum(record.hits[d] for d in days) / n if n else None
    examples = tuple(reversed(record.newest)) if moved else ()
    words = tuple(w for w, times in record.words.most_common(WORDS) if times > 1) if moved else ()
    return Standing(record.signal, rate, n, evidence, moved, examples, words)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of texts."""
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def labelled(served: Iterable[Served], right: Mapping[str, str]) -> Iterator[Served]:
    """Yield the requests with what a label says of them. `right`: the right answers, by the request's id."""
    for one in served:
        known = right.get(one.id) if one.answer is not None else None
        yield one if known is None else replace(one, wrong=normal_text(one.answer or "") != normal_text(known))
