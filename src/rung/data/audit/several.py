"""Rows with several right answers: how many there are, so that nobody meets the rule by surprise."""

from __future__ import annotations

from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput, counted
from rung.types import Finding


def check_several(case: AuditInput) -> Iterator[Finding]:
    """Note rows with several right answers, and that any one of them counts."""
    rows = [e for e in case.rows if e.others]
    if not rows:
        return
    most = max(len(e.targets) for e in rows)
    yield Finding(
        "several answers",
        "note",
        f"{counted(len(rows), 'example')} of {len(case.rows):,} hold several right answers (up to {most}): an answer that is right "
        "by any one of them is right; examples in prompts show the first.",
        "Nothing to do. Where a list in the target column is itself the answer, set task.target_lists: whole.",
        case.seen(e.id for e in rows),
        {"rows": len(rows), "most": most},
    )
