"""Rows with several right answers: any one of them counts, whatever the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from rung.protocols import Metric
from rung.types import Example, Failure, Score, Task

T = TypeVar("T")


@dataclass(frozen=True)
class AnyRight:
    """A metric that compares with the best of an example's right answers; the metric itself knows one target."""

    metric: Metric

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        """Return the best score. A failure only where no target gives a score; then the first target's."""
        if not example.others:
            return self.metric.score(answer, example, task)
        found = self._each(lambda one: self.metric.score(answer, one, task), example)
        scores = [score for score in found if isinstance(score, Score)]
        return max(scores, key=lambda s: (s.value, s.adheres is True)) if scores else found[0]

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        if not example.others:
            return self.metric.lenient(answer, example, task)
        found = self._each(lambda one: self.metric.lenient(answer, one, task), example)
        return max((value for value in found if value is not None), default=None)

    def format_rule(self, task: Task) -> str | None:
        return self.metric.format_rule(task)

    def _each(self, judged: Callable[[Example], T], example: Example) -> list[T]:
        return [judged(replace(example, target=target, others=())) for target in example.targets]
