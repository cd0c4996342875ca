"""A kit that counts what is asked through it, and can ask everything anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rung.protocols import AnsweringKit
from rung.protocols.kit import AnsweringKitAround
from rung.types import Completion, Request


@dataclass
class AskingKit(AnsweringKitAround[AnsweringKit]):
    """A kit that counts what is asked through it and can ask everything anew (`repeat` 1, 2 ...)."""

    repeat: int = 0
    calls: int = 0

    async def ask(self, role: str, request: Request) -> Completion:
        self.calls += 1
        return await self.inner.ask(role, _again(request, self.repeat))


def _again(request: Request, repeat: int) -> Request:
    """Return a request asked anew; one that is a repeat by itself, as a judge's, stays apart from the others."""
    return replace(request, repeat=1000 * request.repeat + repeat) if repeat else request
