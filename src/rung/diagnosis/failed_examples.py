"""What every part of a diagnosis is given: the dev rows of one rung, and the failed ones sorted by what their answers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rung import plugins
from rung.evaluate.first_answers import repeats_itself
from rung.metrics.unwrap import after_thought
from rung.prompts.class_labels import denoted, labels_of, named
from rung.protocols import Kit, Metric
from rung.stats.estimate import wilson
from rung.types import Candidate, Estimate, Example, FitInput, Fitted, Outcome, Task, by_id

ROOM = 40  # characters beyond twice the longest label: a cut-off answer of that length had room for any
MOST_IDS = 20  # rows listed under a cause


@dataclass(frozen=True)
class Subject:
    """What is diagnosed: the candidate that a rung chose, and its outcomes on dev.

    `earlier` holds the dev outcomes of the rungs below, for suspect labels; `train` the rows that rules and examples
    are made of; `ladder` the planned steps by label, from which a plug-in's rung takes its place among the usual ones;
    `met`: the rung is shown to be good enough, so that nothing above it is advised.
    """

    rung: str
    candidate: Candidate
    outcomes: tuple[Outcome, ...]
    dev: Sequence[Example]
    task: Task
    train: Sequence[Example] = ()
    earlier: Sequence[Sequence[Outcome]] = ()
    ladder: Sequence[str] = ()
    met: bool = False
    models: tuple[str, ...] = ()  # roles that were tried for it, where several were candidates

    @classmethod
    def of(cls, rung: str, fitted: Fitted, given: FitInput, below: Mapping[str, Sequence[Outcome]]) -> Subject:
        """Return the subject of a fitted rung; `below`: dev outcomes by rung, its own left aside."""
        earlier = [outcomes for name, outcomes in below.items() if name != rung]
        tried = tuple(m.role for m in fitted.models if m.mean is not None)
        return cls(rung, fitted.candidate, tuple(fitted.dev), given.dev, given.task, given.train, earlier, models=tried)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All rungs that may be named, lowest first: the usual ones, and those of plug-ins where the ladder has them."""
        return plugins.usual_order(step.split("@")[0] for step in self.ladder)

    @cached_property
    def above(self) -> tuple[str, ...]:
        """The rungs above this one; all of them for a label that is no rung."""
        name = self.rung.split("@")[0]
        return self.order[self.order.index(name) + 1 :] if name in self.order else self.order

    def fixers(self, cause: str) -> tuple[str, ...]:
        """Return the rungs that attack a cause, lowest first."""
        return tuple(name for name in self.order if cause in plugins.rung_type(name).fixes)


@dataclass(frozen=True)
class FailedExamples:
    """The dev rows of one rung as every reading and every experiment sees them."""

    subject: Subject
    metric: Metric
    labels: tuple[str, ...] | None
    examples: Mapping[str, Example]

    @classmethod
    def of(cls, subject: Subject, kit: Kit) -> FailedExamples:
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
        if (
            self.labels is not None
            and named(after_thought(text), self.labels) is not None
            and self.denoted(outcome) is None
        ):
            return False  # a label that is denied, or only repeated from the input, is no answer
        lenient = self.metric.lenient(text, example, self.task)
        if lenient is not None and lenient >= self.task.goal:
            return True
        return self.labels is not None and self.denoted(outcome) in example.targets

    def denoted(self, outcome: Outcome) -> str | None:
        """Return the label that an answer means, where there are labels and it means one."""
        if outcome.answer is None or self.labels is None:
            return None
        bare = after_thought(outcome.answer.text)
        return denoted(bare, self.labels, self.examples[outcome.example_id].text)

    def chatters(self, outcome: Outcome) -> bool:
        """Whether a cut-off answer had room for any label and went on about something else: not the limit is what is wrong."""
        if outcome.answer is None or self.labels is None:
            return False
        said = after_thought(outcome.answer.text).strip()
        thinks = any(call.thought for call in outcome.answer.calls) or said.startswith("<think")
        return not thinks and len(said) > ROOM + 2 * max(map(len, self.labels))

    def runs_on(self, outcome: Outcome) -> bool:
        """Whether a cut-off answer says the same again and again, so that no limit would be long enough."""
        cut = outcome.failure is not None and outcome.failure.cause == "truncated"
        return cut and outcome.answer is not None and repeats_itself(outcome.answer.text)


def failed(outcome: Outcome, task: Task) -> bool:
    """Return whether a row has no score under the deciding metric, or one below the goal; without a stored answer nothing failed."""
    if outcome.failure is not None and outcome.failure.cause == "unrecorded":
        return False
    return outcome.scores is None or outcome.scores[task.metrics[0].name].value < task.goal


def share_of(count: int, n: int) -> Estimate:
    """Return a share of n rows with Wilson's interval."""
    interval = wilson(count, n)
    return Estimate(count / n, interval.low, interval.high, n, "wilson")


def rows_of(count: int) -> str:
    """Write a number of rows in words."""
    return "1 example" if count == 1 else f"{count} examples"
