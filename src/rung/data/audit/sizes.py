"""Enough rows? Training rows after the split against the minimum and ideal of the task kind."""

from __future__ import annotations

from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput, counted
from rung.stats.sizes import NEEDS, RULE_OF_THUMB
from rung.types import Finding


def check_size(case: AuditInput) -> Iterator[Finding]:
    """Compare the training part with the needs of its kind; a shortage concerns tuning only, so it is never a stop, and a note where nothing tunes."""
    need, rows, kind = NEEDS[case.task.kind], len(case.parts.train), case.task.kind
    measured = {"train": rows, "minimum": need.minimum, "ideal": need.ideal, "rule_of_thumb": RULE_OF_THUMB}
    thumb = "" if rows >= RULE_OF_THUMB else f" The rule of thumb of {RULE_OF_THUMB} examples is not reached either."
    if rows < need.minimum:
        yield Finding(
            "size",
            "warn" if case.tunes else "note",
            f"{counted(rows, 'training example')} for {kind}: below the minimum of {need.minimum:,} for tuning "
            f"(ideal {need.ideal:,}).{thumb}",
            f"Prompt and few-shot work with these; collect {need.minimum - rows:,} more training examples before a model is "
            "tuned on them.",
            measured=measured,
        )
    elif rows < need.ideal:
        thumb = thumb or f" (ideal {need.ideal:,})."
        yield Finding(
            "size",
            "note",
            f"{counted(rows, 'training example')} for {kind}: above the minimum of {need.minimum:,}"
            + (thumb if thumb.startswith(" (") else f" (ideal {need.ideal:,}).{thumb}"),
            "Enough to try every approach; a tuned model may still gain from more examples.",
            measured=measured,
        )
    else:
        yield Finding(
            "size",
            "note",
            f"{counted(rows, 'training example')} for {kind}: the ideal of {need.ideal:,} is reached.",
            "Nothing to do.",
            measured=measured,
        )
