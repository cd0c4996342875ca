"""Requests that wait together are computed together: one line, one thread, batch by batch. For models in this process."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from rung.errors import ContextOverflow, ModelError
from rung.models.settings import ProviderSettings
from rung.types import Completion, Finish, Json, Message, Request

_QUIET_S = 0.002  # a burst of requests is over when none has come for this long
_BURST_S = 0.03  # and is not waited for longer than this


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt in tokens, and how its answer is to be made. `temperature` 0 is greedy."""

    tokens: tuple[int, ...]
    limit: int
    temperature: float = 0.0
    seed: int = 0
    stops: tuple[str, ...] = ()
    form: str | None = None  # the engine's key of the form that the answer is held to
    logprobs: bool = False  # whether the logarithm of each token's probability is told


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its text, its tokens without the end token, and whether it ended by itself."""

    text: str
    tokens: int
    finish: Finish
    logprobs: tuple[float, ...] | None = None


class Engine(Protocol):
    """What computes: called from one thread at a time, except for `tokens` and `form`."""

    context: int
    batch: int
    stopping: bool  # set from outside: end after the token at hand

    def tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to the mark after which the answer begins."""
        ...

    def form(self, demanded: Json) -> str | None:
        """Return the key of a `response_format`; None where any text is allowed. Raises ModelError for one it cannot hold."""
        ...

    def next_batch(self, asks: Sequence[Ask]) -> list[int]:
        """Return the indices that are best answered together now; the first ask is always among them."""
        ...

    def answer(self, asks: Sequence[Ask]) -> list[Said]:
        """Answer one batch."""
        ...


def cores(wanted: int | None) -> int:
    """Return how many threads to use: as many as wanted (None: all), at most the cores that this process may use."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(wanted or there, there)


@dataclass(frozen=True)
class _Job:
    ask: Ask
    answer: asyncio.Future[Said]


class BatchedModel:
    """The live model: requests wait in one line, and one thread answers them batch by batch."""

    def __init__(self, settings: ProviderSettings, engine: Engine) -> None:
        self.settings = settings
        self.context = min(engine.context, settings.context or engine.context)
        self._engine = engine
        self._name = settings.provider
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        self._waiting: list[_Job] = []
        self._pump: asyncio.Task[None] | None = None

    async def complete(self, request: Request) -> Completion:
        started = time.perf_counter()
        if self._engine.stopping:
            raise ModelError(f"this connection to {self._name} is closed; connect again", provider=self._name)
        tokens = self._engine.tokens(request.messages)
        room = self.context - len(tokens)
        if room < 1:
            message = f"{len(tokens)} prompt tokens leave no room in the context of {self.context}; shorten the prompt"
            raise ContextOverflow(message, provider=self._name, tokens=len(tokens), context=self.context)
        job = _Job(self._asked(request, tokens, room), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._answer_all())
            self._pump.add_done_callback(self._ended)
        said = await job.answer
        taken = time.perf_counter() - started
        name, told = self.settings.name, said.logprobs
        return Completion(said.text, name, len(tokens), said.tokens, taken, None, said.finish, logprobs=told)

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, as it is sent."""
        return self._engine.tokens(messages)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the exact number of prompt tokens, turn marks included."""
        return len(self._engine.tokens(messages))

    async def close(self) -> None:
        """Stop after the token at hand and release the thread; requests still waiting get a ModelError."""
        self._engine.stopping = True
        for job in self._waiting:
            if not job.answer.done():
                job.answer.set_exception(ModelError(f"the connection to {self._name} was closed", provider=self._name))
        self._waiting.clear()
        self._pool.shutdown(wait=False)

    def _asked(self, request: Request, tokens: tuple[int, ...], room: int) -> Ask:
        given = "temperature" in request.params
        temperature = (request.number("temperature") if given else self.settings.temperature) or 0.0
        seed = int(request.number("seed") or 0) * 1_000_003 + request.repeat
        limit = min(int(request.number("max_tokens") or self.settings.max_tokens), room)
        form = self._engine.form(request.params.get("response_format"))
        return Ask(tokens, limit, float(temperature), seed, request.stops, form, bool(request.params.get("logprobs")))

    async def _answer_all(self) -> None:
        """Answer what waits, batch by batch, until nothing does; each batch is chosen anew from all that wait."""
        loop = asyncio.get_running_loop()
        await self._burst()
        while self._waiting:
            self._waiting = [job for job in self._waiting if not job.answer.done()]
            if not self._waiting:
                return
            chosen = set(self._engine.next_batch([job.ask for job in self._waiting]))
            batch = [job for i, job in enumerate(self._waiting) if i in chosen]
            self._waiting = [job for i, job in enumerate(self._waiting) if i not in chosen]
            work = loop.run_in_executor(self._pool, self._engine.answer, [job.ask for job in batch])
            await asyncio.wait([work])
            self._deliver(batch, work)
            await asyncio.sleep(0)

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """Hand an error of the loop itself to all who wait: nobody else would see it."""
        error = None if pump.cancelled() else pump.exception()
        if error is not None:
            for job in self._waiting:
                if not job.answer.done():
                    job.answer.set_exception(error)

    def _deliver(self, batch: Sequence[_Job], work: asyncio.Future[list[Said]]) -> None:
        error = work.exception()
        for place, job in enumerate(batch):
            if job.answer.done():  # its asker gave up
                continue
            if error is not None:
                job.answer.set_exception(error)
            elif self._engine.stopping:
                job.answer.set_exception(ModelError(f"the connection to {self._name} was closed", provider=self._name))
            else:
                job.answer.set_result(work.result()[place])

    async def _burst(self) -> None:
        """Wait until no further request comes, for a moment at most: askers start together, not at once."""
        started, count = time.perf_counter(), 0
        while count != len(self._waiting) < self._engine.batch and time.perf_counter() - started < _BURST_S:
            count = len(self._waiting)
            await asyncio.sleep(_QUIET_S)
