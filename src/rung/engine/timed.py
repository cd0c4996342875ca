"""A few timed calls for a plan: what one call takes at each model, with as many under way as a run has there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from rung.config import Config
from rung.engine.permission import begin
from rung.errors import ContextOverflow, RefusedByModel, Retryable
from rung.models.client import Client, open_clients
from rung.progress import Progress
from rung.types import Completion, Message, Request

MOST = 16  # calls of one approach that are timed, behind the first, which may wait for a model to be loaded

Ask = Callable[[str, Sequence[tuple[Message, ...]]], float | None]


class Paces:
    """Seconds of a call, by the role of its model. Without `ask` nobody is asked, and nothing is known."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask
        self._slowest: dict[str, float] = {}

    def of(self, role: str, chats: Sequence[tuple[Message, ...]]) -> float | None:
        """Return the seconds of a call with chats like these: elapsed time over calls, with others under way. None: unknown."""
        found = self._ask(role, chats) if self._ask is not None and chats else None
        if found is not None:
            self._slowest[role] = max(found, self._slowest.get(role, 0.0))
        return found

    def slowest(self, role: str) -> float | None:
        """Return the most that a call took at a model so far; None: unknown."""
        return self._slowest.get(role)


@contextmanager
def timing(config: Config, progress: Progress) -> Iterator[Paces]:
    """Yield paces that are measured by asking, under the budget of the configuration.

    The project keeps the answers, so that the run does not pay for them again. Raises NotAllowed for a project from elsewhere, and what
    keeps a model from being opened or paid.
    """
    begin(config)
    with TemporaryDirectory(prefix="rung-plan-") as place, asyncio.Runner() as runner:
        opened = open_clients(config, Path(place), say=progress.say, project=config.root, alone=True)
        clients = runner.run(opened.__aenter__())
        try:
            yield Paces(lambda role, chats: runner.run(_pace(clients[role], chats)) if role in clients else None)
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _pace(client: Client, chats: Sequence[tuple[Message, ...]]) -> float | None:
    """Return the seconds of a call. Answers that are stored tell what they took when they were asked for."""
    first, *rest = [Request(chat) for chat in chats[: MOST + 1]]
    warm = await _answered(client, first)
    began = time.perf_counter()
    limit = asyncio.Semaphore(client.concurrency)

    async def one(request: Request) -> Completion | None:
        async with limit:
            return await _answered(client, request)

    found = [said for said in await asyncio.gather(*(one(request) for request in rest)) if said is not None]
    asked = [said for said in found if not said.cached]
    if asked:
        return (time.perf_counter() - began) / len(asked)
    known = [said.latency_s for said in [*found, *([warm] if warm is not None else [])] if said.latency_s is not None]
    return mean(known) / client.concurrency if known else None


async def _answered(client: Client, request: Request) -> Completion | None:
    """Return an answer; None where this one request got none, which a plan has no use for."""
    try:
        return await client.ask(request)
    except (RefusedByModel, ContextOverflow, Retryable):
        return None
