"""What a long stage tells whoever watches: silent by default, drawn by the command line, streamed by a page."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rung.types import Outcome


class Bar(Protocol):
    """One running stage."""

    def advance(self, rows: int = 1, *, usd: float | None = None, note: str | None = None) -> None:
        """Count rows done and, where known, the dollars that they newly cost; `note` is shown beside the bar."""
        ...


class Progress(Protocol):
    """Where stages announce themselves."""

    def say(self, text: str) -> None:
        """Show one short line that stays."""
        ...

    def stage(self, title: str, rows: int) -> AbstractContextManager[Bar]:
        """Show a bar of `rows` steps until the context is left."""
        ...


def paid(outcome: Outcome) -> float | None:
    """Return the dollars that a row newly cost: stored answers cost nothing again; None where a price is unknown."""
    costs = [0.0 if c.cached else c.cost_usd for c in (outcome.answer.calls if outcome.answer else ())]
    return None if None in costs else sum(c for c in costs if c is not None)


class _SilentBar:
    def advance(self, rows: int = 1, *, usd: float | None = None, note: str | None = None) -> None:
        return None


class Silent:
    """Progress that shows nothing."""

    def say(self, text: str) -> None:
        return None

    def stage(self, title: str, rows: int) -> AbstractContextManager[Bar]:
        return nullcontext(_SilentBar())
