"""Models asked as they are served: straight, with retries and the configured pace; nothing is stored, booked or taken from a cache."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import cast

from rung.config import Config, asked_roles
from rung.contracts import held_model
from rung.errors import Retryable, RungError
from rung.models._fitting import Fitted
from rung.models._pace import Clock, Rate, wait_before
from rung.models.client import Client
from rung.models.settings import ProviderSettings, StoredSettings, configured
from rung.protocols import Model
from rung.types import Completion, Message, ModelCard, Request


class Direct:
    """One model role: of a `Client` all that answering uses. The model is opened when it is first needed."""

    missing = None
    free = False

    def __init__(self, settings: ProviderSettings, role: str) -> None:
        self.settings, self.role = settings, role
        self.concurrency = settings.concurrency
        self.ends = ExitStack()  # what it was lent, and is given back once the model is closed
        self._opened: Model | None = None
        self._places = asyncio.Semaphore(settings.concurrency)
        self._rate = Rate(settings.requests_per_minute, settings.tokens_per_minute, Clock())
        self._draw = random.Random(role)
        self._tuned: list[Direct] = []

    @property
    def _model(self) -> Model:
        if self._opened is None:
            if isinstance(self.settings, StoredSettings):
                raise RungError(
                    f"models.{self.role} holds stored answers to the examples and nobody who could be asked: it cannot be served"
                )
            self._opened = held_model(self.settings.provider, self.settings.connect)
        return self._opened

    def card(self, role: str | None = None) -> ModelCard:
        return self.settings.card(role or self.role)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages)

    async def ask(self, request: Request) -> Completion:
        """Answer one request, with further attempts where one may help. A timeout is final, as it is where latency is measured."""
        number = 1
        while True:
            try:
                async with self._places:
                    if self._rate.limited:
                        longest = self.settings.bound(request).output_tokens
                        await self._rate.wait(self.count_tokens(request.messages) + longest)
                    return await self._model.complete(request)
            except Fitted:
                continue  # in another form: the endpoint did nothing
            except Retryable as error:
                number += 1
                again = number <= self.settings.attempts and not error.timed_out
                wait_s = wait_before(number, error.retry_after_s, self._draw) if again else None
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    def beside(self, settings: ProviderSettings) -> Direct:
        """Open tuned weights of this model."""
        child = Direct(settings, self.role)
        self._tuned.append(child)
        return child

    async def release(self, child: Direct) -> None:
        self._tuned.remove(child)
        await child.close()

    async def close(self) -> None:
        for child in list(self._tuned):
            await self.release(child)
        with self.ends:
            if self._opened is not None:
                await self._opened.close()


@asynccontextmanager
async def open_direct(config: Config) -> AsyncIterator[Mapping[str, Client]]:
    """Yield the models that a climb asks, each opened when it is first asked; close them at the end.

    They stand where clients are wanted to answer; whatever a client books and stores, they do not have.
    """
    known = configured(config)
    async with AsyncExitStack() as ends:
        found = {role: Direct(known[role], role) for role in asked_roles(config)}
        for model in found.values():
            ends.push_async_callback(model.close)
        yield cast(Mapping[str, Client], found)
