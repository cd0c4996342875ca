"""Exact match: the answer is the expected answer, character for character."""

from __future__ import annotations

from rung.bases import Metric
from rung.metrics.normalized_match import NormalizedMatch
from rung.types import Example, Failure, Score, Task


class ExactMatch(Metric):
    """Score 1 if the answer equals the expected one, else 0. Only the white space around both is left out.

    Upper and lower case, punctuation, quotes and code fences count. `normalized_match` forgives these.
    """

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        right = answer.strip() == example.target.strip()
        return Score(float(right), adheres=right or self._forgiving.adheres(answer, example, task))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return 1 if `normalized_match` finds the expected answer under quotes, lead-ins, JSON, or its only mention."""
        return self._forgiving.lenient(answer, example, task)

    def format_rule(self, task: Task) -> str | None:
        return self._forgiving.format_rule(task)

    @property
    def _forgiving(self) -> NormalizedMatch:
        return NormalizedMatch()
