"""Unstable: does the same row, asked again word for word, pass at times?"""

from __future__ import annotations

from rung.diagnosis.experiments import ExperimentRun
from rung.diagnosis.failed_examples import failed
from rung.types import Cause

NAME = "unstable"
REPEATS = 2


async def unstable(trial: ExperimentRun) -> tuple[Cause, ...]:
    """Ask failed rows again, twice; rows whose repeats do not all fail are as good as drawn by lot."""
    candidate, task = trial.case.subject.candidate, trial.case.task
    rounds = [await trial.answers(candidate, trial.examples, repeat=i + 1) for i in range(REPEATS)]
    passed = frozenset(o.example_id for answers in rounds for o in answers if not failed(o, task))
    first = {o.example_id: o.answer.text if o.answer else None for o in trial.rows}
    other = {
        o.example_id
        for answers in rounds
        for o in answers
        if (o.answer.text if o.answer else None) != first[o.example_id]
    }
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed examples pass at least once when they are asked again {REPEATS} times word "
        f"for word; {len(other)} get another text."
    )
    suggests = "set the temperature to 0, or take the majority of several answers"
    return (trial.cause(NAME, passed, evidence=evidence, suggests=suggests, rung=None),)
