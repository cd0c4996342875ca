"""The embedded model: a real small language model that runs on the CPU without key or network."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from rung import plugin as plugins
from rung.errors import ContextOverflow, IntegrityError, ModelError
from rung.models._settings import ProviderSettings
from rung.types import Completion, Message, Request

if TYPE_CHECKING:
    from rung.models._nano_engine import Ask, Engine, Said

WEIGHTS = Path(__file__).parent / "weights"
NOTE = (
    "this model knows only its own small world, an invented support desk; on other data it will mostly do badly: "
    "point models.main at an endpoint or a Hub model"
)
_QUIET_S = 0.002  # a burst of requests is over when none has come for this long
_BURST_S = 0.03  # and is not waited for longer than this


class Nano(ProviderSettings):
    """A shipped model by `name`, or one of the same family in a `folder`. Greedy at temperature 0.

    Requests that wait together are computed together, so `latency_s` is the time from asking to answer with batch
    mates included; `batch: 1` and `concurrency: 1` measure a single use. More threads than cores are clamped.
    An empty prompt is answered like any other. `response_format` is not enforced.
    """

    name: str = Field("nano-s", description="nano-s or nano-l; any name for a model of your own in `folder`")
    folder: str | None = Field(None, description="folder of a tuned model of the same family")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 may change some answers")
    threads: int | None = Field(None, ge=1, description="default: one per core that this process may use")
    batch: int = Field(64, ge=1, le=1024, description="rows computed together at most")
    concurrency: int = Field(256, ge=1, le=1024, description="requests in flight; many, so that batches fill")
    usd_per_hour: float | None = Field(0.0, ge=0, description="what this machine costs; nothing, unless you say so")
    max_tokens: int = Field(128, ge=1, description="longest answer in tokens, where a request names none")
    note: str | None = NOTE

    @model_validator(mode="after")
    def _shipped(self) -> Nano:
        if self.folder is None:
            shipped = sorted(path.name for path in WEIGHTS.iterdir() if (path / "config.json").is_file())
            if self.name not in shipped:
                raise ValueError(f"no shipped model {self.name!r}; there are: {', '.join(shipped)}; or give a folder")
        elif not (Path(self.folder) / "config.json").is_file():
            raise ValueError(f"folder {self.folder!r} holds no config.json; it must be a saved model of this family")
        return self

    @model_validator(mode="after")
    def _own_context(self) -> Nano:
        """Take the context window from the weights' configuration where the settings name none."""
        if self.context is None:
            window = json.loads((self.path / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
            object.__setattr__(self, "context", window)
        return self

    @property
    def path(self) -> Path:
        return WEIGHTS / self.name if self.folder is None else Path(self.folder)

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the answers: beside the common settings the weights' hash and the number format."""
        return {**super().identity(), "dtype": self.dtype, "weights": dict(self._hashes)}

    def connect(self) -> NanoConnection:
        """Check the files' hashes and load them. Raises IntegrityError for damaged files, MissingExtra without torch."""
        self._check()
        engine = plugins.require("rung.models._nano_engine", "local")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = min(self.threads or cores, cores)
        return NanoConnection(self, engine.Engine(self.path, self.dtype, threads, self.batch), engine.Ask)

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        """SHA-256 of the files that determine answers, as they are on disk."""
        names = ("config.json", "model.safetensors", "tokenizer.json")
        return {name: _sha256(self.path / name) for name in names if (self.path / name).is_file()}

    def _check(self) -> None:
        listed = self.path / "hashes.json"
        if not listed.is_file():
            if self.folder is None:
                raise IntegrityError(f"{listed} is missing, so {self.name} cannot be checked; install rung again")
            return
        try:
            expected: Mapping[str, str] = json.loads(listed.read_text(encoding="utf-8"))
        except ValueError as error:
            raise IntegrityError(f"{listed} is not JSON ({error}); install rung again") from error
        for name, wanted in expected.items():
            path = self.path / name
            found = _sha256(path) if path.is_file() else None
            if found != wanted:
                what = f"has SHA-256 {found[:12]}, not {wanted[:12]}" if found else "is missing"
                cure = "install rung again" if self.folder is None else "save the model again"
                raise IntegrityError(f"{path} of {self.name} {what}: the file is damaged or was changed; {cure}")


@dataclass(frozen=True)
class _Job:
    ask: Ask
    answer: asyncio.Future[Said]


class NanoConnection:
    """The live model: requests wait in one line, and one thread answers them batch by batch."""

    def __init__(self, settings: Nano, engine: Engine, ask: type[Ask]) -> None:
        self.settings = settings
        self.context = min(engine.context, settings.context or engine.context)
        self._engine = engine
        self._ask = ask
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nano")
        self._waiting: list[_Job] = []
        self._pump: asyncio.Task[None] | None = None

    async def complete(self, request: Request) -> Completion:
        started = time.perf_counter()
        if self._engine.stopping:
            raise ModelError("this connection to nano is closed; connect again", provider="nano")
        tokens = self._engine.tokens(request.messages)
        room = self.context - len(tokens)
        if room < 1:
            message = f"{len(tokens)} prompt tokens leave no room in the context of {self.context}; shorten the prompt"
            raise ContextOverflow(message, provider="nano", tokens=len(tokens), context=self.context)
        job = _Job(self._asked(request, tokens, room), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._answer_all())
            self._pump.add_done_callback(self._ended)
        said = await job.answer
        taken = time.perf_counter() - started
        return Completion(said.text, self.settings.name, len(tokens), said.tokens, taken, None, said.finish)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the exact number of prompt tokens, turn marks included."""
        return len(self._engine.tokens(messages))

    async def close(self) -> None:
        """Stop after the token at hand and release the thread; requests still waiting get a ModelError."""
        self._engine.stopping = True
        for job in self._waiting:
            if not job.answer.done():
                job.answer.set_exception(ModelError("the connection to nano was closed", provider="nano"))
        self._waiting.clear()
        self._pool.shutdown(wait=False)

    def _asked(self, request: Request, tokens: tuple[int, ...], room: int) -> Ask:
        params = request.params
        temperature = params.get("temperature", self.settings.temperature) or 0.0
        stop = params.get("stop") or ()
        seed = int(params.get("seed") or 0) * 1_000_003 + request.repeat
        limit = min(int(params.get("max_tokens") or self.settings.max_tokens), room)
        return self._ask(tokens, limit, float(temperature), seed, (stop,) if isinstance(stop, str) else tuple(stop))

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
                job.answer.set_exception(ModelError("the connection to nano was closed", provider="nano"))
            else:
                job.answer.set_result(work.result()[place])

    async def _burst(self) -> None:
        """Wait until no further request comes, for a moment at most: askers start together, not at once."""
        started, count = time.perf_counter(), 0
        while count != len(self._waiting) < self.settings.batch and time.perf_counter() - started < _BURST_S:
            count = len(self._waiting)
            await asyncio.sleep(_QUIET_S)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


plugin = Nano
