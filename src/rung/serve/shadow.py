"""A second approach that answers the same requests: logged and counted, never shown, and never waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rung.errors import RungError
from rung.foreign import foreign
from rung.serve.counts import Counts
from rung.serve.log import RequestLog
from rung.serve.winner import Winner
from rung.types import Answer

MOST = 64  # shadow answers under way; a request beyond them gets none


@dataclass
class Shadow:
    """Asks the second approach once the served answer is on its way."""

    winner: Winner
    log: RequestLog | None = None
    counts: Counts = field(default_factory=Counts)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def follow(self, number: str, inputs: Mapping[str, str], served: Answer) -> None:
        """Begin to answer the same inputs, unless too many are under way."""
        if len(self._tasks) >= MOST:
            self.counts.shadow["skipped"] += 1
            return
        task = asyncio.create_task(self._ask(number, dict(inputs), served))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, number: str, inputs: dict[str, str], served: Answer) -> None:
        began, told = time.perf_counter(), dict[str, Any]()
        try:
            with foreign(RungError):
                answer, _ = await self.winner.answer(inputs)
        except RungError as error:
            kind, told["error"] = "failed", type(error.__cause__ or error).__name__
        else:
            kind, told["answer"] = ("same" if answer.text == served.text else "other"), answer.text
        self.counts.shadow[kind] += 1
        if self.log is not None:
            seconds = round(time.perf_counter() - began, 4)
            self.log.write(
                {"id": number, "shadow": self.winner.label, "same": kind == "same", "seconds": seconds, **told}
            )

    async def close(self) -> None:
        """Break off what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
