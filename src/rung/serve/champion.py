"""The champion of a folder of generations at work: a newer one takes over between two requests, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rung.errors import IntegrityError, RungError
from rung.serve.server import Server
from rung.serve.winner import checked, opened
from rung.store.generations import Generations, Step

LOOK_S = 2.0  # between two looks at the alias


@dataclass
class Follower:
    """What keeps a server at the champion. `seen`: the step that was looked at last, taken or not."""

    server: Server
    place: Generations
    seen: Step
    unchecked: bool = False
    _open: AsyncExitStack | None = None
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Look at the alias again and again until the block ends; what was opened is closed then."""
        looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            for task in (looking, *self._leaving):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            if self._open is not None:
                await self._open.aclose()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(IntegrityError):  # a damaged alias: whoever next holds the folder puts it right
                found = self.place.champion.need()
                if found != self.seen:
                    self.seen = found
                    await self._take(found)

    async def _take(self, step: Step) -> None:
        """Open the new champion, see that it answers as it was measured, and let it answer from the next request on."""
        stack, server = AsyncExitStack(), self.server
        try:
            run = await asyncio.to_thread(self.place.run_of, step)
            winner = await stack.enter_async_context(opened(run.path, step.approach, generation=step.generation))
            check = None if self.unchecked else await checked(winner)
        except RungError as error:
            await stack.aclose()
            server.say(f"generation {step.generation} is not taken, and what was served stays: {error}")
            return
        server.winner, server.check = winner, check
        server.say(f"generation {step.generation} ({step.approach}) answers from now on")
        if self._open is not None:
            leaving = asyncio.create_task(self._close_later(self._open))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        self._open = stack

    async def _close_later(self, stack: AsyncExitStack) -> None:
        """Close what answered until now, once the last request that it may answer has met its deadline."""
        try:
            await asyncio.sleep(self.server.limits.deadline_s)
        finally:
            await stack.aclose()


def followed(server: Server, folder: Path, unchecked: bool) -> Follower:
    """Return what keeps the server at the champion of a folder of generations."""
    place = Generations(folder)
    return Follower(server, place, place.champion.need(), unchecked)
