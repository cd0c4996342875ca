"""What wrong expected outputs mean for the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rung.decide.wording import mark
from rung.types import Finding, Task


def label_counterfactuals(task: Task, findings: Sequence[Finding], winner: str | None) -> list[str]:
    """Say that the labels may hold every rung down, where none is good enough and the goal is above what they allow."""
    if winner is not None:
        return []
    return [
        f"{f.measured['wrong_share']:.0%} of the expected outputs seem wrong, so that a system which is always right would "
        f"score about {mark(round(f.measured['ceiling'], 2))} here ({f.measured['low']:.2f} to {f.measured['high']:.2f}), below the "
        f"goal of {mark(task.goal)}: with mended test rows, or a goal of {mark(f.measured['ceiling'], down=True)} or less, the "
        "answer may be another."
        for f in findings
        if f.check == "ceiling" and task.goal > f.measured["ceiling"]
    ]
