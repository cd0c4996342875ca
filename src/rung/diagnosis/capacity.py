"""Capacity: does the same row pass when a larger configured model is asked the same?"""

from __future__ import annotations

from dataclasses import replace

from rung.diagnosis.experiments import ExperimentRun
from rung.errors import NotOffered
from rung.types import Cause

NAME = "capacity"


async def capacity(trial: ExperimentRun) -> tuple[Cause, ...]:
    """Ask the larger model for the same rows with the same prompt."""
    candidate = trial.case.subject.candidate
    if candidate.tuned is not None:
        raise NotOffered(f"the approach {candidate.rung} answers with weights of its own")
    role = trial.means.larger_than(candidate.model or "")
    if role is None:
        raise NotOffered(f"no configured model is known to be larger than models.{candidate.model}")
    if role in trial.case.subject.models:
        raise NotOffered(f"models.{role}, the larger model, was tried for this approach already")
    card = trial.kit.card(role)
    passed = await trial.passed(replace(candidate, name=f"{candidate.name} by {role}", model=role))
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed examples pass when {card.name} (models.{role}) is asked the same "
        f"({trial.by_reading(passed)})."
    )
    suggests = f"try the larger model too (models: [{candidate.model}, {role}]); if it is too dear, teach the small one its answers"
    return (trial.cause(NAME, passed, evidence=evidence, suggests=suggests, rung=f"@{role}"),)
