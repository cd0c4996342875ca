"""Where experiments are made: failed dev rows asked again with one thing changed, within a stated number of calls.

An experiment is one async function of a ExperimentRun (see `run.EXPERIMENTS`): it returns the causes that it found, or raises
NotOffered with the reason why it has nothing to try here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rung.config import Config
from rung.config.roles import answering_roles
from rung.contracts import revived
from rung.diagnosis.failed_examples import MOST_IDS, FailedExamples, failed, share_of
from rung.diagnosis.reading import Reading
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.asking import AskingKit
from rung.models.larger import larger_roles, untried_beside
from rung.protocols import Kit
from rung.types import Candidate, Cause, Example, Outcome, Prediction

IN_FLIGHT = 64  # rows worked on at once; the client of each model holds back what is too many for it


@dataclass(frozen=True)
class ExperimentBudget:
    """What a diagnosis may use: calls to models for each rung (0: it only reads), larger models by role, the planned steps,
    and, by the role that answers, the models that no step asks and that are not known to be smaller."""

    calls: int = 0
    larger: Mapping[str, str] = field(default_factory=dict)
    ladder: tuple[str, ...] = ()
    untried: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def other_than(self, role: str | None) -> str | None:
        """Return an untried model to name beside one that falls short: the larger one, else any that is not smaller."""
        others, larger = self.untried.get(role or "", ()), self.larger.get(role or "")
        return larger if larger in others else next(iter(others), None)

    def larger_than(self, role: str) -> str | None:
        return self.larger.get(role)


def experiment_budget(config: Config) -> ExperimentBudget:
    """Return what a configuration allows a diagnosis."""
    larger = larger_roles(config) if config.diagnosis.calls else {}
    asked = {role for step in config.ladder for role in answering_roles(step)}
    return ExperimentBudget(config.diagnosis.calls, larger, config.planned, untried_beside(config, asked))


@dataclass
class ExperimentRun:
    """What one experiment is given: the case, the failed rows it may try (in random order), the means, and the cache."""

    case: FailedExamples
    reading: Reading
    rows: tuple[Outcome, ...]
    kit: Kit
    means: ExperimentBudget
    calls: int = 0  # asked so far, answers from the cache too

    @property
    def examples(self) -> list[Example]:
        return [self.case.examples[o.example_id] for o in self.rows]

    async def answers(self, candidate: Candidate, rows: Sequence[Example], *, repeat: int = 0) -> tuple[Outcome, ...]:
        """Answer and score rows with a candidate of any rung. Raises what concerns all rows, as a climb does."""
        kit, task = AskingKit(self.kit, repeat), self.case.task
        score = scorer({task.metrics[0].name: self.case.metric}, task, kit)
        try:
            return await answer_rows(revived(candidate, task, kit), rows, score, concurrency=IN_FLIGHT)
        finally:
            self.calls += kit.calls

    async def passed(self, candidate: Candidate) -> frozenset[str]:
        """Return the ids of the trial's rows that reach the goal under a changed candidate."""
        outcomes = await self.answers(candidate, self.examples)
        return frozenset(o.example_id for o in outcomes if not failed(o, self.case.task))

    def cause(self, name: str, passed: frozenset[str], *, evidence: str, suggests: str, rung: str | None) -> Cause:
        """Return the cause that an experiment found; `rung` is the one that works like it (see Prediction.rung).

        Where no rung works like it (None), rows that did not pass predict nothing: the next rung may mend them by other means.
        """
        ids = [o.example_id for o in self.rows]
        fixed = tuple(i for i in ids if i in passed)
        share = share_of(len(fixed), len(ids))
        not_fixed = tuple(i for i in ids if i not in passed) if rung is not None else ()
        predicted = Prediction(rung, fixed, not_fixed, share)
        return Cause(name, len(fixed), share, evidence, fixed[:MOST_IDS], suggests, "experiment", predicted)

    def works_like(self, cause: str) -> str | None:
        """Return the lowest rung that attacks a cause as its experiment does; None where none does."""
        return next(iter(self.case.subject.fixers(cause)), None)

    def by_reading(self, passed: frozenset[str]) -> str:
        """Write how many rows of each cause by reading passed: "label confusion 3 of 9, format 2 of 2"."""
        parts = []
        for name, rows in self.reading.rows.items():
            tried = [o.example_id for o in self.rows if o in rows]
            if tried:
                parts.append(f"{name} {sum(i in passed for i in tried)} of {len(tried)}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Experiment:
    """An experiment by name: how often it answers each row, and the function that makes it."""

    name: str
    find: Callable[[ExperimentRun], Awaitable[tuple[Cause, ...]]]
    rounds: int = 1
