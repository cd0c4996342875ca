"""Which metric to begin with, and why: by the task's kind and what the expected outputs look like."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rung.config import DEFAULT_METRIC
from rung.data.columns import ALIKE, NUMBER
from rung.types import Kind

_QUERY = re.compile(
    r"\s*(?:select\b.+\bfrom\b|with\b.+\bselect\b|insert\s+into\b|update\b.+\bset\b|delete\s+from\b)", re.I | re.S
)


@dataclass(frozen=True, slots=True)
class MetricChoice:
    """A metric by plugin name and why it was taken: the end of a sentence, fit for a comment."""

    name: str
    reason: str


WHY: Mapping[str, str] = {
    "classification": "a label is right or wrong; case and punctuation are forgiven",
    "extraction": "field by field: nine of ten right fields count 0.9",
    "style": "line by line; say in its settings what matters, if not every word does",
    "knowledge": "words in common with the expected fact, since its wording may differ",
    "generation": "words in common: a weak word on free text; a judge beside labels is better (docs/judge.md)",
}


def choose_metric(kind: Kind, targets: Sequence[str]) -> MetricChoice:
    """Return the kind's usual metric, or one that fits the expected outputs better: numbers, queries, single words.

    Without expected outputs: a judge.
    """
    if not targets:
        return MetricChoice("judge", "no expected answers to compare with: a rubric, and labels that people give")
    if kind in ("knowledge", "generation") and _alike(targets, lambda t: bool(_QUERY.match(t))):
        if importlib.util.find_spec("sqlglot") is not None:
            return MetricChoice("sql", "queries are compared as parsed, not as written")
        return MetricChoice("normalized_match", "queries; with rung[sql] installed, `sql` compares them as parsed")
    if kind == "knowledge" and _alike(targets, lambda t: bool(NUMBER.fullmatch(t.strip()))):
        return MetricChoice("numeric", "numbers: 1,200 and 1200.0 are equal; set a tolerance if near is right")
    if kind == "knowledge" and _alike(targets, lambda t: len(t.split()) == 1):
        return MetricChoice("normalized_match", "the expected outputs are single words, right or wrong")
    return MetricChoice(DEFAULT_METRIC[kind], WHY[kind])


def _alike(targets: Sequence[str], has: Callable[[str], bool]) -> bool:
    return bool(targets) and sum(map(has, targets)) >= ALIKE * len(targets)
