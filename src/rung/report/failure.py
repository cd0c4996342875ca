"""The first failure of the approach that a report is about: its input, what was expected, and the answer, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from rung.report.rows import ExampleTable
from rung.usual_names import shown_name

MOST_WORDS = 400  # of a text that is compared: the search takes time in step with their square
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
Change = Literal["same", "missing", "added"]


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """One failed dev example. `changes`: the answer against what was expected; empty where there is no answer (`note`)."""

    approach: str
    anchor: str
    inputs: tuple[tuple[str, str], ...]
    expected: str
    changes: tuple[tuple[Change, str], ...]
    note: str


def first_failure(tables: Sequence[ExampleTable]) -> FirstFailure | None:
    """Return the first dev example that the best approach gets wrong, one with an answer if there is any; None without one."""
    dev = next((t for t in tables if t.part == "dev"), None)
    if dev is None:
        return None
    wrong = [(row, cell) for row in dev.rows if row.kind == "wrong" for cell in row.cells if cell.rung == dev.best]
    found = next((pair for pair in wrong if pair[1].text), wrong[0] if wrong else None)
    if found is None:
        return None
    row, cell = found
    changes = tuple(changed(row.target, cell.text)) if cell.text else ()
    note = cell.note or cell.word
    return FirstFailure(shown_name(dev.best), row.anchor, row.inputs, row.target, changes, note)


def changed(expected: str, answer: str) -> Iterator[tuple[Change, str]]:
    """Yield the answer in pieces: the same as expected, missing from it, or added by it."""
    before, after = _WORDS.findall(expected)[:MOST_WORDS], _WORDS.findall(answer)[:MOST_WORDS]
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "same", "".join(before[a:b])
            continue
        if a < b:
            yield "missing", "".join(before[a:b])
        if c < d:
            yield "added", "".join(after[c:d])
