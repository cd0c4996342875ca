"""What the audit says of the parts; a finding that stops a climb is raised."""

from __future__ import annotations

from rung.config import Config
from rung.data.audit import audit
from rung.data.configured import Loaded
from rung.data.parts import Parts
from rung.errors import DataError
from rung.models.settings import facts
from rung.types import Finding, Task


def audited(config: Config, loaded: Loaded, parts: Parts, task: Task) -> tuple[Finding, ...]:
    """Return the findings of the parts and of reading the files. Raises DataError with those that stop a climb."""
    found = (*audit(parts, task, planned_rungs=len(config.planned), models=facts(config)), *loaded.findings)
    blocking = [f for f in found if f.severity == "stop"]
    if blocking:
        raise DataError(
            "; ".join(f"{f.message} {f.next_step}" for f in blocking) + " (`rung check` shows all findings)",
            file=loaded.whole.source,
        )
    return found
