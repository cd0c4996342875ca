"""Which label an answer means, and which labels are taken for which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rung.metrics.text import normalise
from rung.metrics.unwrap import only_named
from rung.types import Example, Outcome, Task

FEW_WORDS = 6  # beside the label, up to which an answer is the label with a word or two around it
_DENIES = re.compile(r"\b(?:not|never|neither|nor|cannot|unsure|unclear)\b|n['\u2019]t\b", re.IGNORECASE)

_SENTENCE_END = re.compile(r"[.!?\n]+")


def labels_of(task: Task, train: Sequence[Example]) -> tuple[str, ...] | None:
    """Return the allowed answers of a classification, from the task or else from train; None for other kinds."""
    if task.kind != "classification":
        return None
    return task.labels or tuple(sorted({e.target for e in train})) or None


def named(answer: str, labels: Sequence[str]) -> str | None:
    """Return the label that an answer equals, else the only one that it names; None if neither."""
    exact = answer.strip()
    if exact in labels:
        return exact
    names = {normalise(label): label for label in labels}
    return only_named(normalise(answer), names) if len(names) == len(labels) else None


def denoted(answer: str, labels: Sequence[str], heard: str = "") -> str | None:
    """Return the label that an answer means: the one that it equals, else the only one that it names; None if neither.

    One that it names in a denial ("I don't think it is ...") is not meant. Nor is one whose words stand in `heard`, the input,
    where the answer is more than a few words: it may only repeat them.
    """
    label = named(answer, labels)
    if label is None or answer.strip() == label:
        return label
    said, name = normalise(answer), normalise(label)
    repeats = len(said.split()) > len(name.split()) + FEW_WORDS and f" {name} " in f" {normalise(heard)} "
    return None if repeats or _denied(answer, name) else label


def _denied(answer: str, name: str) -> bool:
    """Whether the sentence that names a label (as normalised) denies something before it."""
    for sentence in _SENTENCE_END.split(answer):
        before, here, _ = f" {normalise(sentence)} ".partition(f" {name} ")
        if here:
            return _DENIES.search(sentence[: len(before)]) is not None
    return False


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
