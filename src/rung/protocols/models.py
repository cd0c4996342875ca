"""How a model is opened and asked: the seam of kind `models`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from rung.types import Completion, Message, Request


@runtime_checkable
class Model(Protocol):
    """A live connection to one model: one attempt a call, no retries, no cache, no money (the client adds these)."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Returns a Completion whose `cost_usd` is None (the client prices it) and whose `latency_s` is this attempt's.
        Raises Retryable (429, 5xx, drop, timeout, malformed body), RefusedByModel, ContextOverflow, or ModelError.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the prompt tokens of a chat: exact where a tokenizer is at hand, else an upper estimate."""
        ...

    async def close(self) -> None:
        """Release sockets, threads and memory. Called once; may be called after a failure."""
        ...


@runtime_checkable
class Provider(Protocol):
    """Plugin of kind `models`: the settings of one configured model; `connect` opens it.

    Common settings (see `rung.models.settings.ProviderSettings`): name, concurrency, context, max_tokens, timeouts,
    rate limits and prices.
    """

    def connect(self) -> Model: ...


@runtime_checkable
class Tunable(Protocol):
    """What a provider offers whose weights can be tuned here, and served through the same code afterwards."""

    @property
    def weights(self) -> str:
        """The folder or Hub name from which transformers loads model and tokenizer."""
        ...

    def with_weights(self, folder: Path) -> Provider:
        """Return these settings on tuned weights: an adapter for this model, or a whole model of its family.

        `folder` is lent until the model is closed, and is another one each time: what determines the answers (`identity`) are
        its files, never its path. Nothing is to be written into it.
        """
        ...


@runtime_checkable
class TokenModel(Protocol):
    """A live model that can say which tokens it is sent: training checks its own rendering against them."""

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return a chat in tokens, up to where the answer begins."""
        ...
