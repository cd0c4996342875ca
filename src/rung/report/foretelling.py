"""What a diagnosis foretells, and how good that was, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rung.evaluate.diagnosis.calibration import Foretold
from rung.evaluate.diagnosis.case import share_of
from rung.report.figures import percent
from rung.types import Cause


def foretells(cause: Cause) -> str:
    """Say what a cause predicts of which rung."""
    told = cause.predicts
    if told is None:
        return "nothing"
    who = "the next rung" if told.rung is None else told.rung if told.rung[0] != "@" else f"models.{told.rung[1:]}"
    share = told.share
    return f"{who} mends {percent(share.mean)} ({percent(share.low)} to {percent(share.high)})"


def summary(checked: Sequence[Foretold]) -> str:
    """Say how often the experiments were right about a row, and whether they tell rows apart."""
    made = [f for f in checked if f.found_by == "experiment"]
    if not made:
        return "No prediction was made by experiment."
    mended, kept = sum(f.mended for f in made), sum(f.kept for f in made)
    unmended, surprises = sum(f.unmended for f in made), sum(f.surprises for f in made)
    n = mended + unmended
    right = share_of(kept + unmended - surprises, n)
    said = (
        f"By experiment it was right about {percent(right.mean)} of {n} predictions ({percent(right.low)} to "
        f"{percent(right.high)}, as if each stood alone)"
    )
    if not mended or not unmended:
        return f"{said}."
    apart = kept / mended - surprises / unmended
    word = f"{percent(kept / mended)} of the rows foretold to be mended were, {percent(surprises / unmended)} of the others"
    return f"{said}: {word}{'' if apart > 0 else '; it did not tell them apart'}."
