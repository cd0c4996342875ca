"""How good the diagnosis was: what it foretold of a rung, against what that rung really did on the same dev rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rung.evaluate.diagnosis.case import failed, share_of
from rung.types import Diagnosis, Estimate, Outcome, Prediction, Task


@dataclass(frozen=True)
class Foretold:
    """One prediction of a rung's diagnosis, checked on a rung measured later.

    `foretold` and `fixed` are shares of the same rows: expected to be mended, and really mended. `kept`: rows foretold to
    be mended that are; `surprises`: rows foretold to stay wrong that are right all the same.
    """

    at: str
    cause: str
    found_by: Literal["reading", "experiment"]
    rung: str
    foretold: Estimate
    fixed: Estimate
    mended: int
    kept: int
    unmended: int
    surprises: int

    @property
    def right(self) -> Estimate:
        """Share of the rows on which the prediction was right, with Wilson's interval."""
        return share_of(self.kept + self.unmended - self.surprises, self.mended + self.unmended)

    @property
    def tells_apart(self) -> float | None:
        """How much more often rows foretold to be mended were: a difference of shares; None where one kind has no rows."""
        if not self.mended or not self.unmended:
            return None
        return self.kept / self.mended - self.surprises / self.unmended


def check(earlier: Sequence[Diagnosis], rung: str, outcomes: Sequence[Outcome], task: Task) -> tuple[Foretold, ...]:
    """Return what the diagnoses of the rungs below (in ladder order) foretold of `rung`, against its dev outcomes."""
    wrong = {o.example_id: failed(o, task) for o in outcomes}
    found = []
    for place, diagnosis in enumerate(earlier):
        below = place == len(earlier) - 1
        for cause in (*diagnosis.experiments, *diagnosis.causes):
            told = cause.predicts
            if told is None or not _speaks_of(told, rung, below):
                continue
            mended = [wrong[i] for i in told.mended if i in wrong]
            unmended = [wrong[i] for i in told.unmended if i in wrong]
            n = len(mended) + len(unmended)
            if not n:
                continue
            kept, surprises = mended.count(False), unmended.count(False)
            found.append(
                Foretold(
                    at=diagnosis.rung,
                    cause=cause.name,
                    found_by=cause.found_by,
                    rung=rung,
                    foretold=share_of(len(mended), n),
                    fixed=share_of(kept + surprises, n),
                    mended=len(mended),
                    kept=kept,
                    unmended=len(unmended),
                    surprises=surprises,
                )
            )
    return tuple(found)


def _speaks_of(told: Prediction, rung: str, just_below: bool) -> bool:
    """Return whether a prediction is about that rung's label; one about any rung is about the next that is measured."""
    if told.rung is None:
        return just_below
    name, _, role = rung.partition("@")
    return told.rung == (f"@{role}" if told.rung.startswith("@") else name)
