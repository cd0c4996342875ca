"""A model that turns texts into vectors on this machine: one thread computes, so that whatever else is under way goes on."""

from __future__ import annotations

import asyncio
import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rung.embedding import Vectors, is_embedding, unit, write_vectors
from rung.errors import ModelError
from rung.models.settings import ProviderSettings
from rung.types import Completion, Message, Request


def embeds_only(settings: ProviderSettings, request: Request) -> None:
    """Raise ModelError for a question to a model that makes vectors."""
    if not is_embedding(request):
        raise ModelError(
            f"the model {settings.name!r} makes embeddings and answers no questions; name it under embedder only",
            provider=settings.provider,
        )


def check_whole(folder: Path, names: Sequence[str], what: str) -> None:
    """Raise ValueError where a folder lacks one of these files. `what`: the kind of model that it should hold."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"the folder {folder} holds no {' and no '.join(missing)}; name one with {what}")


def digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 of files, one after the other."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()


class OneThread(ABC):
    """The loaded model, as `rung.protocols.Model`."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=settings.provider)

    @abstractmethod
    def encode(self, texts: list[str]) -> Any:
        """Return one vector a text, (n, dimensions), of any length; called by one thread at a time."""

    @abstractmethod
    def count(self, text: str) -> int:
        """Return how many tokens a text has; called by any thread."""

    async def complete(self, request: Request) -> Completion:
        embeds_only(self.settings, request)
        texts = [message.content for message in request.messages]
        began = time.perf_counter()
        vectors: Vectors = await asyncio.get_running_loop().run_in_executor(self._pool, self.encode, texts)
        taken = time.perf_counter() - began
        tokens = self.count_tokens(request.messages)
        return Completion(write_vectors(unit(vectors)), self.settings.name, tokens, 0, taken, None)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return max(1, sum(self.count(m.content) for m in messages))

    async def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
