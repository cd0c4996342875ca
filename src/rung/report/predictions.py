"""What a diagnosis predicts, and how good that was, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rung.diagnosis.failed_examples import share_of
from rung.report.figures import percent
from rung.store.records import PredictionCheck
from rung.types import Cause


def predicts(cause: Cause) -> str:
    """Say what a cause predicts of which rung."""
    told = cause.predicts
    if told is None:
        return "nothing"
    who = "the next approach" if told.rung is None else told.rung if told.rung[0] != "@" else f"models.{told.rung[1:]}"
    share = told.share
    return f"{who} fixes {percent(share.mean)} ({percent(share.low)} to {percent(share.high)})"


def summary(checked: Sequence[PredictionCheck]) -> str:
    """Say how often the experiments were right about a row, and whether they tell rows apart."""
    made = [f for f in checked if f.found_by == "experiment"]
    if not made:
        return "No prediction was made by experiment."
    fixed, kept = sum(f.fixed for f in made), sum(f.kept for f in made)
    not_fixed, surprises = sum(f.not_fixed for f in made), sum(f.surprises for f in made)
    n = fixed + not_fixed
    right = share_of(kept + not_fixed - surprises, n)
    said = (
        f"By experiment it was right about {percent(right.mean)} of {n} predictions ({percent(right.low)} to "
        f"{percent(right.high)}, as if each stood alone)"
    )
    if not fixed or not not_fixed:
        return f"{said}."
    apart = kept / fixed - surprises / not_fixed
    word = f"{percent(kept / fixed)} of the examples predicted to be fixed were, {percent(surprises / not_fixed)} of the others"
    return f"{said}: {word}{'' if apart > 0 else '; it did not tell them apart'}."
