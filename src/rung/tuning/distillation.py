"""Distillation: a large prompted model labels training rows, the metric filters its answers, a small model learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rung.errors import NotOffered
from rung.protocols import Kit
from rung.types import Candidate, Example, Outcome, Task

FEWEST_SHARE = 0.5  # a teacher that is right on fewer of the rows teaches its mistakes, or hardly anything


@dataclass(frozen=True)
class Lesson:
    """Rows to learn from: the teacher's own answers where they pass, the file's where they do not and `mixed` is set.

    `ids` of `rows` are those of the training rows, so that leaks are found as ever.
    """

    rows: tuple[Example, ...]
    teacher: str
    asked: int
    passed: int
    own_kept: int  # rows whose expected answer stands where the teacher's did not pass
    cost_usd: float | None = 0.0  # of the teacher's answers; None: of unknown price

    @property
    def sentence(self) -> str:
        kept = f"; {self.own_kept:,} others keep the expected answer of the file" if self.own_kept else ""
        return f"{self.teacher} answered {self.asked:,} training examples, {self.passed:,} passed the metric{kept}"


async def teach(kit: Kit, teacher: Candidate, train: Sequence[Example], task: Task, *, mixed: bool = False) -> Lesson:
    """Ask the teacher for every training row and keep the answers that reach the goal by the deciding metric.

    `mixed` keeps the expected answer of the file for the other rows instead of dropping them. Raises NotOffered when fewer
    than half of the answers pass, BudgetSpent like any other question.
    """
    outcomes = await kit.run(teacher, train)
    passing = {o.example_id: o for o in outcomes if _passes(o, task)}
    name = f"{teacher.rung} ({teacher.name}) of models.{teacher.model}"
    if len(passing) < FEWEST_SHARE * len(train):
        raise NotOffered(
            f"the teacher, {name}, is right on {len(passing):,} of {len(train):,} training examples: too few to learn from; tune on "
            "the expected answers instead (no `teacher`), or name a better one"
        )
    rows = []
    for example in train:
        found = passing.get(example.id)
        if found is not None and found.answer is not None:
            rows.append(replace(example, target=found.answer.text.strip()))
        elif mixed:
            rows.append(example)
    costs = [o.answer.cost_usd for o in outcomes if o.answer is not None]
    known = [c for c in costs if c is not None]
    cost = sum(known) if len(known) == len(costs) else None
    return Lesson(tuple(rows), name, len(train), len(passing), len(rows) - len(passing), cost)


def _passes(outcome: Outcome, task: Task) -> bool:
    """Whether an answer may be learnt from: it reaches the goal, and its form is right where the metric knows one."""
    metric = task.metrics[0].name
    value = outcome.value(metric, None)
    return value is not None and value >= task.goal and outcome.adheres(metric) is not False
