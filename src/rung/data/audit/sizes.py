"""Enough rows? Training rows after the split against the minimum and ideal of the task kind (DESIGN section 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rung.data.audit._case import Case, counted
from rung.types import Finding, Kind

RULE_OF_THUMB = 500  # "fewer than 500 examples speak against tuning": the decision matrix's row


@dataclass(frozen=True, slots=True)
class Need:
    """Training rows below which tuning is likely to overfit, and from which more hardly help."""

    minimum: int
    ideal: int


NEEDS: Mapping[Kind, Need] = {
    "classification": Need(200, 2_000),
    "extraction": Need(500, 5_000),
    "style": Need(500, 2_000),
    "knowledge": Need(1_000, 10_000),
    "generation": Need(2_000, 20_000),
}


def check_size(case: Case) -> Iterator[Finding]:
    """Compare the training part with the needs of its kind; a shortage concerns tuning only, so it is never a stop."""
    need, rows, kind = NEEDS[case.task.kind], len(case.parts.train), case.task.kind
    measured = {"train": rows, "minimum": need.minimum, "ideal": need.ideal, "rule_of_thumb": RULE_OF_THUMB}
    thumb = "" if rows >= RULE_OF_THUMB else f" The rule of thumb of {RULE_OF_THUMB} examples is not reached either."
    if rows < need.minimum:
        yield Finding(
            "size",
            "warn",
            f"{counted(rows, 'training row')} for {kind}: below the minimum of {need.minimum:,} for tuning "
            f"(ideal {need.ideal:,}).{thumb}",
            f"Prompt and few-shot work with these; collect {need.minimum - rows:,} more training rows before a model is "
            "tuned on them.",
            measured=measured,
        )
    elif rows < need.ideal:
        thumb = thumb or f" (ideal {need.ideal:,})."
        yield Finding(
            "size",
            "note",
            f"{counted(rows, 'training row')} for {kind}: above the minimum of {need.minimum:,}"
            + (thumb if thumb.startswith(" (") else f" (ideal {need.ideal:,}).{thumb}"),
            "Enough to try every rung; a tuned model may still gain from more rows.",
            measured=measured,
        )
    else:
        yield Finding(
            "size",
            "note",
            f"{counted(rows, 'training row')} for {kind}: the ideal of {need.ideal:,} is reached.",
            "Nothing to do.",
            measured=measured,
        )
