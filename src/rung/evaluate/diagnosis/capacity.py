"""Capacity: does the same row pass when a larger configured model is asked the same?"""

from __future__ import annotations

from dataclasses import replace

from rung import plugin
from rung.errors import NotOffered
from rung.evaluate.diagnosis.lab import Trial
from rung.types import Cause

NAME = "capacity"


async def capacity(trial: Trial) -> tuple[Cause, ...]:
    """Ask the larger model for the same rows with the same prompt."""
    candidate = trial.case.subject.candidate
    if plugin.find("rungs", candidate.rung).trains:
        raise NotOffered(f"the rung {candidate.rung} answers with weights of its own")
    role = trial.means.larger_than(candidate.model or "")
    if role is None:
        raise NotOffered(f"no configured model is known to be larger than models.{candidate.model}")
    card = trial.kit.card(role)
    passed = await trial.passed(replace(candidate, name=f"{candidate.name} by {role}", model=role))
    evidence = (
        f"{len(passed)} of {len(trial.rows)} failed rows pass when {card.name} (models.{role}) is asked the same "
        f"({trial.by_reading(passed)})."
    )
    suggests = (
        f"measure this rung with the larger model (model: {role}); if it is too dear, teach the small one its answers"
    )
    return (trial.cause(NAME, passed, evidence=evidence, suggests=suggests, rung=f"@{role}"),)
