"""A feature that exists already: a function of the user's own code answers, so that it can be measured and beaten."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, get_args

from pydantic import Field, ValidationInfo, field_validator

from rung.errors import ModelError, Retryable
from rung.foreign import foreign
from rung.models._callable import Place, fault_of
from rung.models.settings import ProviderSettings
from rung.models.tokens import estimated_tokens
from rung.plugins import located
from rung.types import Completion, Finish, Message, Request

_MOST_HUNG = 100  # threads given up on; a thread cannot be stopped, so more would only fill the memory


class PythonFeature(ProviderSettings):
    """A function, sync or async, called with the text of the chat's last user message, or with the whole chat if it has
    a parameter `messages` (a list of {"role", "content"}).

    Without `task.prompt` that text is the bare example: the one input column as it stands, several as "Column: value" lines;
    `task.prompt` may lay the columns out otherwise. A function without `messages` has its own prompt and is measured
    as it stands: rewrites and examples would not reach it. The function returns a text, or a dict or object
    with `text` and, where known, `input_tokens`, `output_tokens` and `finish`; money comes from the price settings.
    Sync functions run in threads, `concurrency` at once. An example on which the function raises, hangs or returns no text is
    tried `attempts` times and then counts as failed; code that cannot work (a missing name or package) and refused access
    stop the climb. `temperature` and `max_tokens` are not passed on. The code runs
    as part of rung, with all its rights.
    """

    name: str = Field("python", min_length=1, description="what reports call the feature")
    attempts: int = Field(2, ge=1, le=100, description="calls for one example, the first included")
    function: str = Field(description="file.py:function, relative to rung.yaml, or module:function")
    version: str = Field(
        "", description="change it when code that the function calls has changed: answers are kept for each version"
    )

    @field_validator("function")
    @classmethod
    def _exists(cls, function: str, info: ValidationInfo) -> str:
        """Find the function without running the file, so that a wrong name is told before anything is paid."""
        place = Place.of(function)
        if place.is_file:
            place = Place(located(place.module, info), place.name)
        place.check()
        return f"{place.module}:{place.name}"

    @property
    def reads_chat(self) -> bool:
        """Whether the function takes `messages`, by its source; where that cannot be seen, it is taken to."""
        return self.place.has_parameter("messages") is not False

    @property
    def place(self) -> Place:
        """Where the function is."""
        return Place.of(self.function)

    def identity(self) -> Mapping[str, Any]:
        """Return the function's name, the hash of its source file and the version: what is known of its answers."""
        return {
            "provider": self.provider,
            "name": self.name,
            "function": str(self.place),
            "source": self.place.source_sha256(),
            "version": self.version,
        }

    def connect(self) -> FeatureConnection:
        """Load the function. Raises ConfigError where that fails or it cannot be called with a text or `messages`."""
        function = self.place.load(self.name)
        return FeatureConnection(self, function, self.place.takes_messages(function, self.name))


class FeatureConnection:
    """The loaded function. A call that hangs is given up after `timeout_s`; its thread cannot be ended, only left."""

    def __init__(self, settings: PythonFeature, function: Callable[..., Any], takes_messages: bool) -> None:
        self._settings = settings
        self._place = settings.place
        self._function = function
        self._takes_messages = takes_messages
        self._is_async = inspect.iscoroutinefunction(function)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._hung: set[threading.Thread] = set()

    async def complete(self, request: Request) -> Completion:
        given = self._given(request.messages)
        async with self._slots:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    returned = await self._answered(given)
            except TimeoutError:
                raise Retryable(
                    f"{self._place} did not return within {self._settings.timeout_s:g} s (timeout_s); a loop or a wait "
                    "without end in it, or a longer timeout_s, would explain that",
                    provider="python",
                    timed_out=True,
                    billed=True,
                ) from None
            return self._read(returned, time.perf_counter() - began)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate: what the function does with the text is not known."""
        return estimated_tokens(messages)

    async def close(self) -> None:
        """Nothing is held: threads of calls that hang do not keep the program from ending."""

    def _given(self, messages: Sequence[Message]) -> Mapping[str, Any]:
        if self._takes_messages:
            return {"messages": [m.as_dict() for m in messages]}
        users = [m.content for m in messages if m.role == "user"]
        return {"text": users[-1] if users else messages[-1].content}

    async def _answered(self, given: Mapping[str, Any]) -> Any:
        """Call the function; what it returns is awaited where that can be. Raises ModelError for what it raises."""
        returned = self._call(given) if self._is_async else await self._in_thread(given)
        if not inspect.isawaitable(returned):
            return returned
        with foreign(self._fault, passes=ModelError):
            return await returned

    def _call(self, given: Mapping[str, Any]) -> Any:
        with foreign(self._fault, passes=ModelError):
            return self._function(**given) if self._takes_messages else self._function(given["text"])

    def _fault(self, error: BaseException) -> ModelError:
        return fault_of(error, self._place)

    async def _in_thread(self, given: Mapping[str, Any]) -> Any:
        """Run the call in a thread of its own, which a pool could not leave behind when the program ends."""
        self._hung = {thread for thread in self._hung if thread.is_alive()}
        if len(self._hung) >= _MOST_HUNG:
            raise ModelError(
                f"{len(self._hung)} calls of {self._place} have not returned and hold a thread each; fix the function and "
                "run the same command again",
                provider="python",
            )
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()

        def settle(returned: Any, error: ModelError | None) -> None:
            if ended.done():  # given up
                return
            if error is not None:
                ended.set_exception(error)
            else:
                ended.set_result(returned)

        def work() -> None:
            returned, error = None, None
            try:
                returned = self._call(given)
            except ModelError as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, returned, error)

        thread = threading.Thread(target=work, name=f"rung {self._place}", daemon=True)
        thread.start()
        try:
            return await ended
        finally:
            if ended.cancelled():
                self._hung.add(thread)

    def _read(self, returned: Any, latency_s: float) -> Completion:
        """Read what the function returned. Raises Retryable where that is no text: other rows may fare better."""
        if isinstance(returned, str):
            found: Mapping[str, Any] = {"text": returned}
        elif isinstance(returned, Mapping):
            found = returned
        else:
            found = {key: getattr(returned, key, None) for key in ("text", "input_tokens", "output_tokens", "finish")}
        text = found.get("text")
        if not isinstance(text, str):
            what = f"{type(returned).__name__} without a `text` that is a str" if returned is not None else "None"
            raise self._wrong(f"{what}; return a str, or a dict or object with `text`")
        counts = []
        for key in ("input_tokens", "output_tokens"):
            count = found.get(key)
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
                raise self._wrong(f"{key} {count!r}; return a whole number, or leave it out")
            counts.append(count)
        finish = found.get("finish") or "stop"
        if finish not in get_args(Finish):
            raise self._wrong(f"finish {finish!r}; allowed: {', '.join(get_args(Finish))}")
        return Completion(str(text), self._settings.name, counts[0], counts[1], latency_s, None, cast(Finish, finish))

    def _wrong(self, what: str) -> Retryable:
        return Retryable(f"{self._place} returned {what}", provider="python")
