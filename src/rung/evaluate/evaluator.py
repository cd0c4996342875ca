"""Measure a rung on the frozen test examples: the only reader of them in a climb; only stop-or-go-on depends on what it sees."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rung.evaluate.alpha import level_of, of_both_looks
from rung.evaluate.consistency import consistency_of
from rung.evaluate.kit import RunKit, apart, priced_by_token
from rung.evaluate.measure import as_served, held_beside, summarise, unanswered
from rung.evaluate.profile import enough, is_stored, profile, requests_of
from rung.judging.human_labels import HumanLabels, human_labels_of, is_opinion
from rung.progress import Progress, paid
from rung.stats.sequential import Curtailment
from rung.store.run import RunFolder
from rung.store.sealed import SealedTest
from rung.types import Candidate, Example, Outcome, Result, Task


@dataclass(frozen=True, slots=True)
class Rules:
    """What is fixed before the test examples are read."""

    planned: tuple[str, ...]  # labels, in ladder order
    stop_early: bool
    seed: int
    latest: frozenset[str] = frozenset()  # ids of the latest test examples, where examples are divided by time


@dataclass(frozen=True)
class Evaluator:
    """What measures rungs: one task, one sealed test set, one set of rules for all of them."""

    task: Task
    kit: RunKit
    run: RunFolder
    test: SealedTest
    test_sha256: str
    rules: Rules
    progress: Progress
    current: Result | None = None  # what runs now, once it is measured, where the goal is to be as good as that

    async def measure(
        self, label: str, candidate: Candidate, dev: Sequence[Outcome] = (), *, whole: bool = False
    ) -> Result:
        """Return the candidate measured on the test rows, from the run folder where it is there already.

        The rows are visited in their one fixed random order, whole groups at a time. With `stop_early`, 0/1 ungrouped
        scores and answers that cost money, a rung whose final verdict is certain to be "not met" stops at a tenth
        (`rung.stats.sequential`), unless `whole` asks for every row. `dev`: its outcomes there, which say at what level it is judged, before a
        test row is read. Raises what concerns all rows: BudgetSpent,
        ModelError, IntegrityError.
        """
        people = human_labels_of(self.run, self.task)
        stored = self._stored(label, candidate)
        if stored is not None and not (whole and stored.stopped_early_at is not None):
            return await self._as_served(label, self._as_of_today(stored, people), stored)
        level = None
        if label != self.task.as_good_as:
            level = level_of(label, candidate, dev, self.task, self.run, self.rules.planned)
        rows = visiting_order(self.test.read(f"measure {label}"), self.rules.seed)
        curtailment = None if whole else self._curtailment(candidate, rows, level)
        kit = self.kit.fresh()  # what a metric keeps of test examples must not reach the fit of the next rung
        outcomes: list[Outcome] = []
        stopped_at: int | None = None
        with self.progress.stage(f"{label}: {candidate.name} on test", len(rows)) as bar:
            for part in _parts(rows, curtailment.looks if curtailment else (len(rows),)):
                answered = await kit.answer(candidate, part, lambda row: bar.advance(usd=paid(row)))
                outcomes += apart(kit, answered, part)
                if curtailment and len(outcomes) < len(rows) and _certain(curtailment, outcomes, self.task):
                    stopped_at = len(outcomes)
                    break
        if level is not None:
            level = of_both_looks(level, label, candidate, outcomes, self.task, self.run)
        result = summarise(
            candidate,
            tuple(outcomes),
            self.task,
            len(self.rules.planned),
            test_sha256=self.test_sha256,
            level=level,
            stopped_at=stopped_at,
            people=people,
        )
        load = kit.card(candidate.model).concurrency if candidate.model is not None else None
        result = replace(
            held_beside(result, self.current, self.task, len(self.rules.planned), people, self.rules.latest), load=load
        )
        self.run.rung(label).save_measured(result)
        form = consistency_of(label, [outcomes], rows, self.task, kit.metric())
        if form is not None:
            self.run.rung(label).consistency.save(form)
        return await self._as_served(label, result)

    async def _as_served(self, label: str, result: Result, stored: Result | None = None) -> Result:
        """Return the result with its latency judged on dev requests of its own, where a limit may decide about it.

        As many are asked as the bound needs, at the concurrency of use; they are kept, so that a resumed climb asks what
        got no answer alone. `stored`: what the run folder holds; None: this very result.
        """
        task, candidate = self.task, result.candidate
        kept = result if stored is None else stored
        if task.limits.p95_latency_s is None or result.status == "misses":
            if result != kept:
                self.run.rung(label).save_measured(result)
            return result
        record, planned = self.run.rung(label), len(self.rules.planned)
        level = task.alpha / planned if result.level is None else result.level
        taken = record.profile.get()
        if taken is None or not enough(taken, candidate, task, level):
            asked = requests_of(task, level)
            if not is_stored(candidate, self.kit):
                self.progress.say(
                    f"{label}: {asked} requests on dev examples, {task.limits.concurrency} at a time, for the latency limit"
                )
            taken = await profile(candidate, self.run.parts.dev.need(), task, self.kit, asked)
            record.profile.save(taken)
        untimed = not taken.n and is_stored(candidate, self.kit)
        judged = result if untimed else as_served(result, task, planned, taken)
        if judged != kept:
            record.save_measured(judged)
        return judged

    def _stored(self, label: str, candidate: Candidate) -> Result | None:
        """Return the stored result of this very candidate, as it was written, if every example was answered: nothing is read
        again. What was edited since is measured anew, from the stored answers."""
        record = self.run.rung(label)
        if not record.unedited:
            return None
        stored = record.measured()
        if stored.candidate.id != candidate.id or unanswered(stored.outcomes):
            return None
        return None if stored.cost_per_1k_usd is None and priced_by_token(self.kit, candidate) else stored

    def _as_of_today(self, stored: Result, people: HumanLabels | None) -> Result:
        """Return a stored result as today's labels, limits and volume see it."""
        again = summarise(
            stored.candidate,
            stored.outcomes,
            self.task,
            len(self.rules.planned),
            test_sha256=stored.test_sha256,
            level=stored.level,
            stopped_at=stored.stopped_early_at,
            people=people,
        )
        return replace(
            held_beside(again, self.current, self.task, len(self.rules.planned), people, self.rules.latest),
            load=stored.load,
        )

    def _curtailment(self, candidate: Candidate, rows: Sequence[Example], level: float | None) -> Curtailment | None:
        """Return the early-stop rule, or None: off for grouped rows, rows left out, answers that cost nothing, opinions, averages over labels, and beside what
        runs now or on the frontier, since pairing needs all rows."""
        grouped = len({r.group for r in rows}) < len(rows)
        if (
            level is None
            or self.task.as_good_as is not None
            or self.task.objective == "frontier"
            or is_opinion(self.task)
            or self.task.metrics[0].average is not None
            or not self.rules.stop_early
            or grouped
            or self.task.failure_score is None
            or self.kit.free(candidate)
        ):
            return None
        task = self.task
        return Curtailment(len(rows), task.goal, task.tolerance, task.alpha, task.alpha / level)


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
    bounds = [o.bounds(task.metrics[0].name, task.failure_score) for o in outcomes]
    values = [b[1] for b in bounds if b is not None]  # what got no answer may still be right
    if any(v not in (0.0, 1.0) for v in values):
        return False
    return curtailment.decide(round(sum(values)), len(values)) == "misses"


def _parts(rows: Sequence[Example], ends: Sequence[int]) -> list[Sequence[Example]]:
    """Cut the rows where one may stop: at the looks of the rule, which answers nowhere else."""
    return [rows[a:b] for a, b in itertools.pairwise((0, *ends))]
