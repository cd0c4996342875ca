"""Measure a rung on the frozen test rows. The only reader of the test part; only stop-or-go-on depends on what it sees."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from rung.evaluate.consistency import Consistency, consistency_of
from rung.evaluate.diagnosis.case import Subject
from rung.evaluate.diagnosis.lab import Means
from rung.evaluate.diagnosis.run import diagnose
from rung.evaluate.kit import RunKit
from rung.evaluate.labels import People, is_opinion, people_of
from rung.evaluate.measure import scored, summarise
from rung.evaluate.profile import profile, requests_of
from rung.evaluate.progress import Progress, paid
from rung.evaluate.record import Record
from rung.stats.sequential import Curtailment
from rung.store.sealed import open_test
from rung.types import Candidate, Diagnosis, Example, Outcome, Result, Task


@dataclass(frozen=True, slots=True)
class Rules:
    """What is fixed before the test part is opened."""

    planned_rungs: int
    stop_early: bool
    seed: int


@dataclass(frozen=True)
class Bench:
    """Where rungs are measured: one task, one frozen test part, one set of rules for all of them."""

    task: Task
    kit: RunKit
    record: Record
    test_sha256: str
    rules: Rules
    progress: Progress
    means: Means

    async def measure(self, label: str, candidate: Candidate, *, whole: bool = False) -> Result:
        """Return the candidate measured on the test rows, from the run folder where it is there already.

        The rows are visited in their one fixed random order, whole groups at a time. With `stop_early`, 0/1 ungrouped
        scores and answers that cost money, a rung whose final verdict is certain to be "not met" stops at a tenth
        (`rung.stats.sequential`), unless `whole` asks for every row. Raises what concerns all rows: BudgetSpent,
        ModelError, IntegrityError.
        """
        people = people_of(self.record.folder, self.task)
        stored = self.record.measured(label, candidate)
        if stored is not None and not (whole and stored.stopped_early_at is not None):
            return stored if people is None else self._labelled(label, stored, people)
        rows = visiting_order(self._test_rows(label), self.rules.seed)
        curtailment = None if whole else self._curtailment(candidate, rows)
        outcomes: list[Outcome] = []
        stopped_at: int | None = None
        with self.progress.stage(f"{label}: {candidate.name} on test", len(rows)) as bar:
            for part in _parts(rows, 10 if curtailment else 1):
                outcomes += await self.kit.answer(candidate, part, lambda row: bar.advance(usd=paid(row)))
                if curtailment and len(outcomes) < len(rows) and _certain(curtailment, outcomes, self.task):
                    stopped_at = len(outcomes)
                    break
        result = summarise(
            candidate,
            tuple(outcomes),
            self.task,
            self.rules.planned_rungs,
            test_sha256=self.test_sha256,
            stopped_at=stopped_at,
            people=people,
        )
        self.record.result(label, result)
        form = consistency_of(label, [outcomes], rows, self.task, self.kit.metric())
        if form is not None:
            self.record.folder.save(f"rungs/{label}/consistency.json", form, Consistency)
        return result

    def _labelled(self, label: str, stored: Result, people: People) -> Result:
        """Return a stored result as today's labels see it."""
        planned = self.rules.planned_rungs
        result = summarise(
            stored.candidate, stored.outcomes, self.task, planned, test_sha256=stored.test_sha256, people=people
        )
        self.record.result(label, result)
        return result

    async def examine(self, subject: Subject, *, experiments: bool) -> Diagnosis:
        """Learn on dev what a measured rung is like, and keep it: why rows failed, and what one request takes.

        What the rungs below foretold of it is checked. Without `experiments` no failed row is asked again.
        """
        found = await diagnose(subject, self.kit, self.means if experiments else Means())
        taken = self.record.profiled(subject.rung, subject.candidate)
        if taken is None or len(taken.seconds) < requests_of(self.task):
            taken = await profile(subject.candidate, subject.dev, self.task, self.kit)
        self.record.examined(subject.rung, found, taken, subject.outcomes, self.task)
        return found

    def _test_rows(self, label: str) -> Sequence[Example]:
        return open_test(self.record.folder.path, f"measure {label}")

    def _curtailment(self, candidate: Candidate, rows: Sequence[Example]) -> Curtailment | None:
        """Return the early-stop rule, or None: off for grouped rows, rows left out, answers that cost nothing, opinions."""
        grouped = len({r.group for r in rows}) < len(rows)
        if (
            is_opinion(self.task)
            or not self.rules.stop_early
            or grouped
            or self.task.on_failure is None
            or self.kit.free(candidate)
        ):
            return None
        task = self.task
        return Curtailment(len(rows), task.goal, task.tolerance, task.alpha, self.rules.planned_rungs)


def visiting_order(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return the rows in the order that every rung visits them: groups shuffled once, each group whole."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    names = sorted(groups)
    random.Random(f"{seed}/visiting order").shuffle(names)
    return [example for name in names for example in groups[name]]


def _certain(curtailment: Curtailment, outcomes: Sequence[Outcome], task: Task) -> bool:
    """Whether the final verdict is certain to be not met; a rung that may win visits all rows."""
    values = [v for _, v in scored(outcomes, task.metrics[0].name, task.on_failure)]
    if any(v not in (0.0, 1.0) for v in values):
        return False
    return curtailment.decide(round(sum(values)), len(values)) == "not_met"


def _parts(rows: Sequence[Example], count: int) -> list[Sequence[Example]]:
    """Cut the rows into `count` runs of nearly equal length."""
    edges = [round(i * len(rows) / count) for i in range(count + 1)]
    return [rows[a:b] for a, b in itertools.pairwise(edges) if b > a]
