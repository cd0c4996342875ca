"""Where experiments are made: failed dev rows asked again with one thing changed, within a stated number of calls.

An experiment is one async function of a Trial (see `run.EXPERIMENTS`): it returns the causes that it found, or raises
NotOffered with the reason why it has nothing to try here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rung import plugin
from rung.config import Config
from rung.evaluate.answering import answer_rows, scorer
from rung.evaluate.diagnosis._asking import AskingKit
from rung.evaluate.diagnosis.case import MOST_IDS, Case, failed, share_of
from rung.evaluate.diagnosis.reading import Reading
from rung.models._larger import larger_roles
from rung.protocols import Kit, Rung
from rung.types import Candidate, Cause, Example, Outcome, Prediction

IN_FLIGHT = 64  # rows worked on at once; the client of each model holds back what is too many for it


@dataclass(frozen=True)
class Means:
    """What a diagnosis may use: calls to models for each rung (0: it only reads), and larger models by role."""

    calls: int = 0
    larger: Mapping[str, str] = field(default_factory=dict)

    def larger_than(self, role: str) -> str | None:
        return self.larger.get(role)


def means_of(config: Config) -> Means:
    """Return what a configuration allows a diagnosis."""
    return Means(config.diagnosis.calls, larger_roles(config) if config.diagnosis.calls else {})


@dataclass
class Trial:
    """What one experiment is given: the case, the failed rows it may try (in random order), the means, and the ledger."""

    case: Case
    reading: Reading
    rows: tuple[Outcome, ...]
    kit: Kit
    means: Means
    calls: int = 0  # asked so far, answers from the ledger too

    @property
    def examples(self) -> list[Example]:
        return [self.case.examples[o.example_id] for o in self.rows]

    async def answers(self, candidate: Candidate, rows: Sequence[Example], *, repeat: int = 0) -> tuple[Outcome, ...]:
        """Answer and score rows with a candidate of any rung. Raises what concerns all rows, as a climb does."""
        kit, task = AskingKit(self.kit, repeat), self.case.task
        rung: Rung = plugin.find("rungs", candidate.rung).model_construct()
        score = scorer({task.metrics[0].name: self.case.metric}, task, kit)
        try:
            return await answer_rows(rung.system(candidate, task, kit), rows, score, concurrency=IN_FLIGHT)
        finally:
            self.calls += kit.calls

    async def passed(self, candidate: Candidate) -> frozenset[str]:
        """Return the ids of the trial's rows that reach the goal under a changed candidate."""
        outcomes = await self.answers(candidate, self.examples)
        return frozenset(o.example_id for o in outcomes if not failed(o, self.case.task))

    def cause(self, name: str, passed: frozenset[str], *, evidence: str, suggests: str, rung: str | None) -> Cause:
        """Return the cause that an experiment found; `rung` is the one that works like it (see Prediction.rung).

        Where no rung works like it (None), rows that did not pass foretell nothing: the next rung may mend them by other means.
        """
        ids = [o.example_id for o in self.rows]
        mended = tuple(i for i in ids if i in passed)
        share = share_of(len(mended), len(ids))
        unmended = tuple(i for i in ids if i not in passed) if rung is not None else ()
        foretold = Prediction(rung, mended, unmended, share)
        return Cause(name, len(mended), share, evidence, mended[:MOST_IDS], suggests, "experiment", foretold)

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
    find: Callable[[Trial], Awaitable[tuple[Cause, ...]]]
    rounds: int = 1
