"""Do the rows fit into the models' contexts? And are there rows with nothing to read?"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from rung.data.audit.audit_input import AuditInput, counted, of_test
from rung.types import Finding

CHARACTERS_PER_TOKEN = 3.0  # cautious: English prose has about 4, other scripts and code fewer


def check_length(case: AuditInput) -> Iterator[Finding]:
    """Compare estimated tokens of prompt, input and expected output with each model's `context`, where it is given."""
    rows = case.rows
    empty = [e.id for e in rows if not e.text.strip()]
    if empty:
        yield Finding(
            "empty-inputs",
            "warn",
            f"{counted(len(empty), 'example has', 'examples have')} nothing in any input column{of_test(case.hidden(empty))}.",
            "Fill them or take them out: their answers can only be guessed.",
            case.seen(empty),
            {"rows": len(empty)},
        )
    fixed = len(case.task.instruction) + sum(len(m.content) for m in case.task.prompt or ())
    tokens = {e.id: (fixed + len(e.text) + len(e.target)) / CHARACTERS_PER_TOKEN for e in rows}
    median, longest = round(statistics.median(tokens.values())), round(max(tokens.values()))
    yield Finding(
        "length",
        "note",
        f"prompt, input and expected output together: median {median:,}, longest {longest:,} tokens (estimated).",
        "Nothing to do.",
        measured={"median_tokens": median, "longest_tokens": longest},
    )
    for role, settings in case.models.items():
        context = _context(settings)
        over = [i for i, n in tokens.items() if context is not None and n > context]
        if over:
            yield Finding(
                "length",
                "warn",
                f"{counted(len(over), 'example')} may exceed the context of {role} ({context:,} tokens)"
                f"{of_test(case.hidden(over))}; they would be scored as failures.",
                "Shorten them, choose a model with a longer context, or correct models."
                f"{role}.context if it is longer than that.",
                case.seen(over),
                {"role": role, "context": context, "rows": len(over)},
            )


def _context(settings: Any) -> int | None:
    found = settings.get("context") if hasattr(settings, "get") else getattr(settings, "context", None)
    return found if isinstance(found, int) else None
