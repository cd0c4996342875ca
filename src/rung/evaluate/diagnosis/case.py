"""What every part of a diagnosis is given: the dev rows of one rung, and the failed ones sorted by what their answers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rung.protocols import Kit, Metric
from rung.rungs._labels import denoted, labels_of
from rung.stats.estimate import wilson
from rung.types import Candidate, Estimate, Example, Fitted, Outcome, Task, by_id

RUNGS: tuple[str, ...] = ("baseline", "prompt", "fewshot", "rag", "finetune")
MOST_IDS = 20  # rows listed under a cause


@dataclass(frozen=True)
class Subject:
    """What is diagnosed: the candidate that a rung chose, and its outcomes on dev.

    `earlier` holds the dev outcomes of the rungs below, for suspect labels; `train` the rows that rules and examples
    are made of.
    """

    rung: str
    candidate: Candidate
    outcomes: tuple[Outcome, ...]
    dev: Sequence[Example]
    task: Task
    train: Sequence[Example] = ()
    earlier: Sequence[Sequence[Outcome]] = ()

    @classmethod
    def of(
        cls,
        rung: str,
        fitted: Fitted,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        below: Mapping[str, Sequence[Outcome]],
    ) -> Subject:
        """Return the subject of a fitted rung; `below`: dev outcomes by rung, its own left aside."""
        earlier = [outcomes for name, outcomes in below.items() if name != rung]
        return cls(rung, fitted.candidate, tuple(fitted.dev), dev, task, train, earlier)


@dataclass(frozen=True)
class Case:
    """The dev rows of one rung as every reading and every experiment sees them."""

    subject: Subject
    metric: Metric
    labels: tuple[str, ...] | None
    examples: Mapping[str, Example]

    @classmethod
    def of(cls, subject: Subject, kit: Kit) -> Case:
        return cls(subject, kit.metric(), labels_of(subject.task, subject.dev), by_id(subject.dev))

    @property
    def task(self) -> Task:
        return self.subject.task

    @property
    def asks_model(self) -> bool:
        return self.subject.candidate.model is not None

    @cached_property
    def failed(self) -> tuple[Outcome, ...]:
        """The failed rows, in the order given."""
        return tuple(o for o in self.subject.outcomes if failed(o, self.task))

    def only_form(self, outcome: Outcome) -> bool:
        """Return whether the answer is right once its form is forgiven: read leniently, or by the one label it names."""
        if outcome.answer is None:
            return False
        text, example = outcome.answer.text, self.examples[outcome.example_id]
        lenient = self.metric.lenient(text, example, self.task)
        if lenient is not None and lenient >= self.task.goal:
            return True
        return self.labels is not None and denoted(text, self.labels) in example.targets


def failed(outcome: Outcome, task: Task) -> bool:
    """Return whether a row has no score under the deciding metric, or one below the goal."""
    return outcome.scores is None or outcome.scores[task.metrics[0].name].value < task.goal


def share_of(count: int, n: int) -> Estimate:
    """Return a share of n rows with Wilson's interval."""
    interval = wilson(count, n)
    return Estimate(count / n, interval.low, interval.high, n, "wilson")


def rows_of(count: int) -> str:
    """Write a number of rows in words."""
    return "1 row" if count == 1 else f"{count} rows"


def above(rung: str) -> tuple[str, ...]:
    """Return the rungs above a label, in ladder order; all of them for a label that is no rung of ours."""
    name = rung.split("@")[0]
    return RUNGS[RUNGS.index(name) + 1 :] if name in RUNGS else RUNGS
