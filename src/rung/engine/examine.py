"""Learn on dev what a measured rung is like, and keep it: why examples failed, and what one request takes."""

from __future__ import annotations

from rung.diagnosis.calibration import check
from rung.diagnosis.experiments import ExperimentBudget
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.evaluate.kit import RunKit
from rung.evaluate.profile import enough, profile
from rung.store.run import RunFolder
from rung.types import Diagnosis, Task


async def examine(subject: Subject, task: Task, kit: RunKit, run: RunFolder, budget: ExperimentBudget) -> Diagnosis:
    """Return why a rung's dev examples failed; what the rungs below predicted of it is checked.

    With an empty budget no failed example is asked again.
    """
    record = run.rung(subject.rung)
    found = await diagnose(subject, kit, budget)
    taken = record.profile.get()
    if taken is None or not enough(taken, subject.candidate, task):
        taken = await profile(subject.candidate, subject.dev, task, kit)
    planned = run.planned
    below = (run.rung(name).diagnosis.get() for name in planned[: planned.index(subject.rung)])
    earlier = [diagnosis for diagnosis in below if diagnosis is not None]
    record.diagnosis.save(found)
    record.profile.save(taken)
    record.predictions.save(check(earlier, subject.rung, subject.outcomes, task))
    return found
