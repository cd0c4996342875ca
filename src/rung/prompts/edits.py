"""What an accepted prompt changed: its text against the one before it, and the dev rows that moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import unified_diff

from rung.prompts.rewrites import Draft
from rung.prompts.templates import Template
from rung.types import Edit, Example, Outcome, Task


def edit_of(
    before: Draft,
    after: Draft,
    seen: tuple[Mapping[str, Outcome], Mapping[str, Outcome]],
    rows: Sequence[Example],
    task: Task,
) -> Edit:
    """Compare two prompts on those of the rows that both have answered; `seen`: their outcomes by row id."""
    metric, pairs = task.metrics[0].name, []
    for example in rows:
        old, new = (outcomes.get(example.id) for outcomes in seen)
        if old is not None and new is not None and not (old.unjudged or new.unjudged):
            values = [o.value(metric, task.failure_score) or 0.0 for o in (old, new)]
            pairs.append((example.id, values[0], values[1]))
    count = len(pairs)
    return Edit(
        before=before.name,
        after=after.name,
        diff=diff_of(before.template, after.template),
        rows=count,
        mean_before=sum(old for _, old, _ in pairs) / count if count else None,
        mean_after=sum(new for _, _, new in pairs) / count if count else None,
        better=tuple(name for name, old, new in pairs if new > old),
        worse=tuple(name for name, old, new in pairs if new < old),
    )


def diff_of(before: Template, after: Template) -> str:
    """Return the unified diff of two chats, without file names."""
    found = list(unified_diff(_lines(before), _lines(after), lineterm="", n=2))[2:]
    return "\n".join(line for line in found if not line.startswith("@@"))


def _lines(template: Template) -> list[str]:
    return [line for m in template.messages for line in (f"[{m.role}]", *m.content.splitlines())]
