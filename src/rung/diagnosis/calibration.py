"""How good the diagnosis was: what it predicted of a rung, against what that rung really did on the same dev rows."""

from __future__ import annotations

from collections.abc import Sequence

from rung.diagnosis.failed_examples import failed, share_of
from rung.store.records import PredictionCheck
from rung.types import Diagnosis, Estimate, Outcome, Prediction, Task


def right_about(checked: PredictionCheck) -> Estimate:
    """Return the share of the examples on which a prediction was right, with Wilson's interval."""
    right = checked.kept + checked.not_fixed - checked.surprises
    return share_of(right, checked.fixed + checked.not_fixed)


def check(
    earlier: Sequence[Diagnosis], rung: str, outcomes: Sequence[Outcome], task: Task
) -> tuple[PredictionCheck, ...]:
    """Return what the diagnoses of the rungs below (in ladder order) predicted of `rung`, against its dev outcomes."""
    wrong = {o.example_id: failed(o, task) for o in outcomes}
    found = []
    for place, diagnosis in enumerate(earlier):
        below = place == len(earlier) - 1
        for cause in (*diagnosis.experiments, *diagnosis.causes):
            told = cause.predicts
            if told is None or not _speaks_of(told, rung, below):
                continue
            fixed = [wrong[i] for i in told.fixed if i in wrong]
            not_fixed = [wrong[i] for i in told.not_fixed if i in wrong]
            n = len(fixed) + len(not_fixed)
            if not n:
                continue
            kept, surprises = fixed.count(False), not_fixed.count(False)
            found.append(
                PredictionCheck(
                    at=diagnosis.rung,
                    cause=cause.name,
                    found_by=cause.found_by,
                    rung=rung,
                    predicted=share_of(len(fixed), n),
                    actual=share_of(kept + surprises, n),
                    fixed=len(fixed),
                    kept=kept,
                    not_fixed=len(not_fixed),
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
