"""What the audit says of the parts; a finding that stops a climb is raised."""

from __future__ import annotations

from collections.abc import Callable, Collection

from rung.config import Config
from rung.data.audit import CHECKS, audit
from rung.data.configured import Loaded
from rung.data.parts import Parts
from rung.errors import DataError
from rung.models.settings import facts
from rung.plugins import rung_type
from rung.types import Finding, Task


def audited(config: Config, loaded: Loaded, parts: Parts, task: Task) -> tuple[Finding, ...]:
    """Return the findings of the parts and of reading the files. Raises DataError with those that stop a climb."""
    found = (*of_the_parts(config, parts, task), *loaded.findings)
    blocking = [f for f in found if f.severity == "stop"]
    if blocking:
        raise DataError(
            "; ".join(f"{f.message} {f.next_step}" for f in blocking) + " (`rung check` shows all findings)",
            file=loaded.whole.source,
        )
    return found


def of_the_parts(
    config: Config,
    parts: Parts,
    task: Task,
    on_check: Callable[[str], None] | None = None,
    checks: Collection[str] = tuple(CHECKS),
) -> tuple[Finding, ...]:
    """Return what the checks of the audit find in the parts, for the approaches that are planned."""
    tunes = any(rung_type(step.rung).trains for step in config.ladder)
    planned, models = len(config.planned), facts(config)
    return audit(parts, task, planned_rungs=planned, models=models, on_check=on_check, checks=checks, tunes=tunes)
