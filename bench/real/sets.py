"""The real tasks of the record: each set read, cut to what is asked of it, and divided once by seed into examples to fit on and to be asked.

The two pools share no example, and none of the second is ever shown or learnt from. Every set has one order; what is measured is its beginning,
so that more examples later only add to what is there.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.real.__main__ import rows
from rung.types import Example

SEED = 7
FITTING, MOST = 500, 1000  # examples of the two pools, where a set holds as many
LONGEST = 500  # characters of an input: longer help-desk tickets are threads of many mails
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pools:
    """The examples of a set: to fit on, and to be asked, both in the order in which they are used."""

    fitting: tuple[Example, ...]
    asked: tuple[Example, ...]


@dataclass(frozen=True)
class RealSet:
    """One task: where its examples lie and what is asked of them."""

    name: str
    folder: str
    kind: str
    metric: str
    instruction: str
    max_tokens: int
    read: Callable[
        [Path], tuple[Sequence[Row], Sequence[Row]]
    ]  # rows to fit on and to ask; the same rows twice are divided
    expected: Callable[[str], str] = str
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the metric

    def pools(self, shared: Path, fitting: int = FITTING, asked: int = MOST) -> Pools:
        """Return the pools by seed. Without an input twice, so that nothing is asked that was shown."""
        first, second = self.read(shared / "data" / self.folder)
        draw = random.Random(f"{SEED}/{self.name}")
        fit, ask = list(_once(first)), list(_once(second))
        draw.shuffle(fit)
        if first is second:
            fit, ask = fit[:fitting], fit[fitting:]
        else:
            draw.shuffle(ask)
            shown = {r["input"] for r in fit[:fitting]}
            ask = [r for r in ask if r["input"] not in shown]
        return Pools(tuple(map(self._example, fit[:fitting])), tuple(map(self._example, ask[:asked])))

    def _example(self, row: Row) -> Example:
        several = tuple(dict.fromkeys(map(self.expected, row.get("references", ()))))
        target = several[0] if several else self.expected(row["expected"])
        return Example(row["id"], {"text": row["input"]}, target, row["id"], others=several[1:])


def _once(found: Sequence[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for row in found:
        if row["input"] not in seen:
            seen.add(row["input"])
            yield row


def _train(folder: Path) -> tuple[Sequence[Row], Sequence[Row]]:
    found = [r for r in rows(folder, "train") if len(r["input"]) <= LONGEST]
    return found, found


def _both(folder: Path) -> tuple[Sequence[Row], Sequence[Row]]:
    return list(rows(folder, "train")), list(rows(folder, "test"))


def _commonest(labels: int) -> Callable[[Path], tuple[Sequence[Row], Sequence[Row]]]:
    def read(folder: Path) -> tuple[Sequence[Row], Sequence[Row]]:
        found = list(rows(folder, "train_full"))
        common = {label for label, _ in Counter(r["expected"] for r in found).most_common(labels)}
        kept = [r for r in found if r["expected"] in common]
        return kept, kept

    return read


def fields_of(said: str) -> str:
    """Return `name[Zizzi], area[city centre]` as a JSON object, keys in the order of the text."""
    return json.dumps(dict(re.findall(r"\s*([^,\[]+)\[([^\]]*)\]", said)), ensure_ascii=False)


QUEUE = "Which queue does this message to a bank belong to?"
SETS: Mapping[str, RealSet] = {
    s.name: s
    for s in (
        RealSet("banking77-10", "banking77", "classification", "normalized_match", QUEUE, 24, _commonest(10)),
        RealSet("it-tickets", "it-tickets", "classification", "normalized_match", "Which team handles this help-desk ticket?", 24, _train),
        RealSet("restaurant8k", "restaurant8k", "extraction", "json_fields", "Which slots does the user's turn fill? Answer as a JSON object.", 64, _train),
        RealSet("banking77-20", "banking77", "classification", "normalized_match", QUEUE, 24, _commonest(20)),
        RealSet("e2e-fields", "e2e-label-noise", "extraction", "json_fields", "Which facts does the sentence state about the place? Answer as a JSON object.", 96, _train, fields_of),
        RealSet("e2e-text", "e2e-nlg", "generation", "rouge_l", "Write a sentence that states these facts.", 64, _both),
        RealSet("pubmedqa", "pubmedqa", "classification", "normalized_match", "Answer the question about medicine with yes, no or maybe.", 8, _both),
    )
}  # fmt: skip
