"""Is a configured model fit for these rows at all?"""

from __future__ import annotations

from collections.abc import Iterator

from rung.data.audit.audit_input import AuditInput
from rung.types import Finding


def check_models(case: AuditInput) -> Iterator[Finding]:
    """Repeat what a provider says of its own limits, before anything is asked of it."""
    for role, settings in case.models.items():
        note = settings.get("note")
        if note:
            yield Finding(
                "model",
                "warn",
                f"models.{role} is {settings.get('name')}: {note}.",
                "On a shipped example nothing; on your own examples do not read its scores as what a real model would reach.",
                measured={"role": role},
            )
