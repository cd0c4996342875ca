"""Texts to vectors by way of a configured model: one request holds a batch of texts, one answer all their vectors.

An embedding is asked like any other answer, so that cache, retries, rate limits, budget and prices are the same. What
turns texts into vectors is a model under `models:`; a provider that can do it answers requests marked by `is_embedding`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rung.errors import ContextOverflow, ModelError, RefusedByModel
from rung.types import Completion, Message, Request

Vectors = npt.NDArray[np.float32]
TEXTS_A_REQUEST = 64  # halved where an endpoint takes fewer
_AT_ONCE = 8  # batches under way: enough to keep an endpoint busy, few enough to lose little at a kill
_TOO_MANY = (400, 413, 422)  # statuses by which endpoints refuse a batch
_MARK = "embed"


@dataclass(frozen=True)
class Embedder:
    """A model in its role as embedder. `identity`: equal identities give equal vectors for equal texts."""

    name: str
    identity: str
    ask: Callable[[Request], Awaitable[Completion]]
    texts_a_request: int = TEXTS_A_REQUEST

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, in order: float32, shape (n, dimensions), each of length 1 (or 0 for no content).

        Raises ModelError for an answer with another number of vectors than texts.
        """
        found = await self._of(texts[: self.texts_a_request])  # alone: it may show that the endpoint takes fewer
        size, place = max(map(len, found), default=1), sum(map(len, found))
        parts = [texts[i : i + size] for i in range(place, len(texts), size)]
        for start in range(0, len(parts), _AT_ONCE):
            answers = await asyncio.gather(*(self._of(part) for part in parts[start : start + _AT_ONCE]))
            found += [vectors for answer in answers for vectors in answer]
        if len({part.shape[1] for part in found}) > 1:
            sizes = ", ".join(str(n) for n in sorted({part.shape[1] for part in found}))
            raise ModelError(
                f"the embedder {self.name!r} gave vectors of different lengths ({sizes}); check that its endpoint serves one model",
                provider=self.name,
            )
        return unit(np.concatenate(found)) if found else np.zeros((0, 0), dtype=np.float32)

    async def _of(self, texts: Sequence[str]) -> list[Vectors]:
        """Return the vectors of one batch; where the endpoint does not take so many texts, of its halves."""
        if not texts:
            return []
        try:
            return [self._checked(await self.ask(embedding_request(texts)), len(texts))]
        except (RefusedByModel, ContextOverflow):
            if len(texts) == 1:
                raise
        except ModelError as error:
            if len(texts) == 1 or error.status not in _TOO_MANY:
                raise
        half = (len(texts) + 1) // 2
        return [*await self._of(texts[:half]), *await self._of(texts[half:])]

    def _checked(self, answer: Completion, texts: int) -> Vectors:
        vectors = read_vectors(answer.text)
        if vectors is None:
            raise ModelError(
                f"the model {self.name!r} was asked for embeddings and gave something else; name a model that makes embeddings",
                provider=self.name,
            )
        if len(vectors) != texts:
            raise ModelError(wrong_number(self.name, texts, len(vectors)), provider=self.name)
        return vectors


def wrong_number(name: str, texts: int, vectors: int) -> str:
    """Say that an embedder answered with another number of vectors than texts."""
    return (
        f"the embedder {name!r} was given {texts} texts and answered with {vectors} vectors, so nobody can tell which belongs "
        "to which; nothing of this answer was kept: check that the endpoint takes lists of texts, or name another embedder"
    )


def embedding_request(texts: Sequence[str]) -> Request:
    """Return the request for the vectors of these texts. No text is empty: endpoints refuse those."""
    return Request(tuple(Message("user", text if text.strip() else " . ") for text in texts), {_MARK: True})


def is_embedding(request: Request) -> bool:
    """Whether a request asks for vectors instead of an answer."""
    return request.params.get(_MARK) is True


def write_vectors(vectors: Vectors) -> str:
    """Return vectors as the text of a Completion: the number of vectors, a colon, base64 of little-endian float32."""
    data = np.ascontiguousarray(vectors, dtype="<f4")
    return f"{len(data)}:{base64.b64encode(data.tobytes()).decode('ascii')}"


def read_vectors(text: str) -> Vectors | None:
    """Return the vectors in the text of a Completion, shape (n, dimensions); None if it holds none."""
    count, colon, data = text.partition(":")
    if not colon or not count.isascii() or not count.isdigit() or int(count) == 0:
        return None
    try:
        numbers = np.frombuffer(base64.b64decode(data, validate=True), dtype="<f4")
    except (ValueError, binascii.Error):
        return None
    if numbers.size == 0 or numbers.size % int(count) or not np.isfinite(numbers).all():
        return None
    return numbers.reshape(int(count), -1).astype(np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors with length 1; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return found


def written_turn(turn: Vectors) -> str:
    """Write a map for queries, (d, d), as text; half precision is enough for an order of passages."""
    return base64.b64encode(turn.astype("<f2").tobytes()).decode("ascii")


def turned(vector: Vectors, turn: str) -> Vectors:
    """Return a query's vector, (d,), under a map that `written_turn` wrote; as it is where there is none.

    Raises ValueError where the map is of vectors of another length.
    """
    return unit((vector @ _read_turn(turn, len(vector)))[None])[0] if turn else vector


@lru_cache(maxsize=4)
def _read_turn(turn: str, dimensions: int) -> Vectors:
    return np.frombuffer(base64.b64decode(turn), dtype="<f2").reshape(dimensions, dimensions).astype(np.float32)
