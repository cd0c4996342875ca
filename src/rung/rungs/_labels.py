"""Which label an answer means, and which labels are taken for which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.types import Example, Outcome, Task

_NOT_WORDS = re.compile(r"[\W_]+")


def labels_of(task: Task, train: Sequence[Example]) -> tuple[str, ...] | None:
    """Return the allowed answers of a classification, from the task or else from train; None for other kinds."""
    if task.kind != "classification":
        return None
    return task.labels or tuple(sorted({e.target for e in train})) or None


def bare(text: str) -> str:
    """Return the text's words in lower case with single spaces."""
    return _NOT_WORDS.sub(" ", text.casefold()).strip()


def denoted(answer: str, labels: Sequence[str]) -> str | None:
    """Return the label that an answer means: the one that it equals, else the only one that it names; None if neither."""
    exact = answer.strip()
    if exact in labels:
        return exact
    said = bare(answer)
    equal = [label for label in labels if bare(label) == said and said]
    if len(equal) == 1:
        return equal[0]
    left = f" {said} "
    named: list[str] = []
    for label in sorted(labels, key=lambda x: (-len(x), x)):  # "card lost" before "card"
        word = f" {bare(label)} "
        if word.strip() and word in left:
            named.append(label)
            left = left.replace(word, " | ")
    return named[0] if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows with the label `expected` that were answered with `answered`."""

    expected: str
    answered: str
    example_ids: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.example_ids)


def confusions(
    outcomes: Sequence[Outcome], examples: Mapping[str, Example], labels: Sequence[str]
) -> tuple[Confusion, ...]:
    """Return the pairs of labels that were confused, most rows first, ties by name."""
    rows: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        example = examples[outcome.example_id]
        said = denoted(outcome.answer.text, labels) if outcome.answer is not None else None
        if said is not None and said not in example.targets:
            rows.setdefault((example.target, said), []).append(outcome.example_id)
    counts = Counter({pair: len(ids) for pair, ids in rows.items()})
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return tuple(Confusion(a, b, tuple(rows[a, b])) for a, b in order)
