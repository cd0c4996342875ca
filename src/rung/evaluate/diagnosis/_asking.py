"""A kit that counts what is asked through it, and can ask everything anew."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rung.protocols import Kit, Library, Metric, Workshop
from rung.types import Candidate, Completion, Example, Message, ModelCard, Outcome, Request


@dataclass
class AskingKit:
    """A kit that counts what is asked through it and can ask everything anew (`repeat` 1, 2 ...)."""

    inner: Kit
    repeat: int = 0
    calls: int = 0

    def library(self) -> Library | None:
        return self.inner.library()

    def card(self, role: str) -> ModelCard:
        return self.inner.card(role)

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return self.inner.count_tokens(role, messages)

    async def ask(self, role: str, request: Request) -> Completion:
        self.calls += 1
        return await self.inner.ask(role, _again(request, self.repeat))

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        raise NotImplementedError("an experiment answers rows through Trial.answers")

    def metric(self) -> Metric:
        return self.inner.metric()

    def workshop(self, role: str) -> Workshop:
        return self.inner.workshop(role)

    def rng(self, purpose: str) -> random.Random:
        return self.inner.rng(purpose)

    def say(self, text: str) -> None:
        self.inner.say(text)


def _again(request: Request, repeat: int) -> Request:
    """Return a request asked anew; one that is a repeat by itself, as a judge's, stays apart from the others."""
    return replace(request, repeat=1000 * request.repeat + repeat) if repeat else request
