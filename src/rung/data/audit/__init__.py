"""The audit: what is wrong with the rows, how bad it is, and what to do. Each check is one function of a AuditInput."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from rung.data.audit.audit_input import AuditInput
from rung.data.audit.balance import check_balance
from rung.data.audit.contradictions import check_contradictions
from rung.data.audit.duplicates import check_conflicts, check_duplicates, check_leakage, check_spelling
from rung.data.audit.floors import check_floors
from rung.data.audit.length import check_length
from rung.data.audit.models import check_models
from rung.data.audit.noise import check_noise
from rung.data.audit.odd import check_odd
from rung.data.audit.power import check_power
from rung.data.audit.private import check_private
from rung.data.audit.several import check_several
from rung.data.audit.sizes import check_size
from rung.data.parts import Parts
from rung.types import Finding, Task

__all__ = ["CHECKS", "QUICK", "AuditInput", "audit"]

CHECKS: Mapping[str, Callable[[AuditInput], Iterator[Finding]]] = {
    "size": check_size,
    "several answers": check_several,
    "power": check_power,
    "floors": check_floors,
    "duplicates": check_duplicates,
    "conflicts": check_conflicts,
    "contradictions": check_contradictions,
    "leakage": check_leakage,
    "label spelling": check_spelling,
    "balance": check_balance,
    "length": check_length,
    "model": check_models,
    "odd outputs": check_odd,
    "personal data": check_private,
    "suspect labels": check_noise,
}
QUICK: tuple[str, ...] = ("size", "several answers", "power", "balance")  # what `rung init` looks at
OF_SAMPLE: tuple[str, ...] = ("several answers",)  # ... of the first rows of a large file: the others count rows
OF_INPUTS = (
    "power",
    "floors",
    "duplicates",
    "length",
    "model",
    "personal data",
)  # what can be said without expected outputs
_ORDER = {"stop": 0, "warn": 1, "note": 2}


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, and within one in their order."""
    return tuple(sorted(found, key=lambda f: _ORDER[f.severity]))


def audit(
    parts: Parts,
    task: Task,
    *,
    planned_rungs: int = 1,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    on_check: Callable[[str], None] | None = None,
    checks: Collection[str] = tuple(CHECKS),
    tunes: bool = True,
) -> tuple[Finding, ...]:
    """Run the checks (all by default); findings come worst first.

    Test rows are counted, never named or shown. `models`: settings by role, of which `context` (tokens) is read.
    `on_check` hears the name of each check before it runs; `tunes`: whether a planned approach tunes a model. Pure: equal arguments, equal findings.
    """
    case = AuditInput(parts, task, planned_rungs, models or {}, tunes=tunes)
    checks = checks if task.target else [name for name in checks if name in OF_INPUTS]
    found: list[Finding] = []
    for name in (n for n in CHECKS if n in checks):
        if on_check is not None:
            on_check(name)
        found.extend(CHECKS[name](case))
    return worst_first(found)
