"""What can be wrong with a file of documents, said as a finding."""

from __future__ import annotations

from collections.abc import Iterable

from rung.types import Finding, Severity

CHECK = "documents"
_LEFT_OUT = "it was left out."


class Unreadable(Exception):
    """A file gives no document. Caught where files are read: it becomes a finding, never an error of the climb."""

    def __init__(
        self, why: str, *, severity: Severity = "warn", next_step: str = "Fix it or take it out of the folder."
    ) -> None:
        self.severity, self.next_step = severity, next_step
        super().__init__(why)

    def finding(self, name: str) -> Finding:
        return Finding(CHECK, self.severity, f"{name} {self}: {_LEFT_OUT}", self.next_step, (), {"file": name})


def noted(name: str, message: str, next_step: str, severity: Severity = "note") -> Finding:
    """Return a finding about a file that was read all the same."""
    return Finding(CHECK, severity, f"{name} {message}", next_step, (), {"file": name})


def left_out(findings: Iterable[Finding]) -> int:
    """Return of how many files these findings say that they gave no document."""
    return sum(f.check == CHECK and f.message.endswith(_LEFT_OUT) for f in findings)
