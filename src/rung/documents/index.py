"""The user's documents as rungs see them: searched by words, by meaning, or both, in passages of any size."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from rung.documents.chunk import chunk
from rung.embedding import Embedder, Vectors, turned
from rung.errors import ConfigError, Problem, RungError
from rung.protocols import DocumentStore
from rung.types import Hit, Passage, Source, StoreChange

DEPTH = 100  # passages of each ranking that are fused
RANK_CONSTANT = 60  # of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009, SIGIR, section 2)
EMBEDDER = "embedder"  # the fact that says whose vectors are on the document store
_PASSAGES_A_CHANGE = 4096  # given vectors in one write: a document store may look through all its keys for each


class StoredDocumentIndex:
    """A DocumentIndex over a document store. Passages of a size, and their vectors, are made when a search first asks for them."""

    def __init__(
        self,
        document_store: DocumentStore,
        size: int,
        embedder: Embedder | None = None,
        say: Callable[[str], None] = lambda _: None,
        relevant: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """`size`: words of a passage where a search names none. `relevant`: row id -> documents that hold its answer."""
        self._shelf = document_store
        self._size = size
        self._embedder = embedder
        self._say = say
        self._relevant = relevant or {}
        self._making = asyncio.Lock()
        self._dimensions: int | None = None  # of the vectors on the document store
        self._hashed: tuple[object, str] | None = (
            None  # the version of the document store, and the hash of its documents then
        )
        self._made: dict[
            tuple[int, bool], object
        ] = {}  # what was found ready -> the version of the document store then

    @property
    def modes(self) -> tuple[str, ...]:
        return ("bm25",) if self._embedder is None else ("bm25", "dense", "hybrid")

    @property
    def sha256(self) -> str:
        version = self._shelf.version()
        if self._hashed is None or self._hashed[0] != version:  # every answer may ask for it
            contents = json.dumps(sorted(self._shelf.documents().items()), ensure_ascii=False)
            self._hashed = version, hashlib.sha256(contents.encode("utf-8", "surrogatepass")).hexdigest()
        return self._hashed[1]

    def relevant(self, example_id: str) -> frozenset[str]:
        """Return the documents that are told to hold the answer to a row; empty where nothing is told."""
        return self._relevant.get(example_id, frozenset())

    def documents(self) -> tuple[Source, ...]:
        return tuple(Source(d.name, "whole", d.text) for d in self._shelf.read())

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the embedder's vectors of texts, (n, dimensions)."""
        assert self._embedder is not None
        return await self._embedder.embed(texts)

    async def search(
        self,
        query: str,
        k: int,
        *,
        mode: str = "bm25",
        dense_weight: float = 0.5,
        chunk_words: int | None = None,
        turn: str = "",
    ) -> tuple[Hit, ...]:
        size = self._size if chunk_words is None else chunk_words
        if mode not in self.modes:
            what = "no embedder is configured" if self._embedder is None else "there is no such way to search"
            raise ConfigError([Problem("documents", what, mode, ", ".join(self.modes))])
        await self._ready(size, dense=mode != "bm25")
        ranked = await self._ranked(query, k, mode, dense_weight, size, turn)
        found = await asyncio.to_thread(self._shelf.passages, [key for key, _ in ranked], size)
        return tuple(hit(found[key], score, size) for key, score in ranked if key in found)

    async def _ranked(
        self, query: str, k: int, mode: str, dense_weight: float, size: int, turn: str
    ) -> list[tuple[int, float]]:
        if mode == "bm25":
            return await asyncio.to_thread(self._shelf.match, query, k, size)
        assert self._embedder is not None
        [vector] = await self._embedder.embed([query])
        if self._dimensions not in (None, len(vector)):
            check_embedder(self._shelf, self._embedder, len(vector))
        vector = turned(vector, turn)
        if mode == "dense":
            return await asyncio.to_thread(self._shelf.nearest, vector.tolist(), k, size)
        depth = max(k, DEPTH)
        words = await asyncio.to_thread(self._shelf.match, query, depth, size)
        near = await asyncio.to_thread(self._shelf.nearest, vector.tolist(), depth, size)
        return fuse(words, near, dense_weight)[:k]

    async def _ready(self, size: int, *, dense: bool) -> None:
        """Make the passages of a size and, for a dense search, the vectors that are not there."""
        if self._made.get((size, dense)) == self._shelf.version():
            return
        async with self._making:
            if size not in self._shelf.sizes():
                await asyncio.to_thread(cut, self._shelf, size)
            if dense and self._embedder is not None:
                check_embedder(self._shelf, self._embedder)
                await embed_missing(self._shelf, size, self._embedder, self._say)
                self._dimensions = self._shelf.facts(EMBEDDER).get(EMBEDDER, {}).get("dimensions")
            self._made[size, dense] = self._shelf.version()


def cut(document_store: DocumentStore, size: int) -> None:
    """Make the passages of another size for all documents of the document store."""
    passages: list[Passage] = [p for document in document_store.read() for p in chunk(document, size)]
    document_store.write(StoreChange(passages={size: passages}))


async def embed_missing(
    document_store: DocumentStore, size: int, embedder: Embedder, say: Callable[[str], None]
) -> int:
    """Give every passage of a size its vector; returns how many were new. What is done is kept if it is interrupted.

    Raises RungError where the document store holds vectors of another embedder.
    """
    done = 0
    while missing := await asyncio.to_thread(document_store.without_vector, size, _PASSAGES_A_CHANGE):
        if not done:
            say(f"embedding passages of {size} words with {embedder.name}")
        vectors = await embedder.embed(list(missing.values()))
        check_embedder(document_store, embedder, vectors.shape[1])
        data = {key: vector.astype("<f4").tobytes() for key, vector in zip(missing, vectors, strict=True)}
        mine = {EMBEDDER: {"name": embedder.name, "identity": embedder.identity, "dimensions": vectors.shape[1]}}
        await asyncio.to_thread(document_store.write, StoreChange(vectors={size: data}, facts=mine))
        done += len(missing)
        if len(missing) == _PASSAGES_A_CHANGE:  # there are more: a long wait, for an endpoint
            say(f"{done:,} passages embedded, {document_store.sizes()[size]:,} are there")
    return done


def check_embedder(document_store: DocumentStore, embedder: Embedder, dimensions: int | None = None) -> None:
    """Raise RungError where the vectors on the document store are another embedder's."""
    fact: Mapping[str, object] | None = document_store.facts(EMBEDDER).get(EMBEDDER)
    if fact is None or (fact["identity"] == embedder.identity and dimensions in (None, fact["dimensions"])):
        return
    makes = f", which makes {dimensions}" if dimensions is not None else ""
    raise RungError(
        f"the index of documents holds vectors of {fact['dimensions']} numbers made by {fact['name']!r}, and documents.embedder "
        f"is now {embedder.name!r}{makes}: vectors of two models cannot be compared. Put {fact['name']!r} back, or run "
        "`rung docs update --embed-again` to make all vectors anew; no vector was written"
    )


def fuse(
    words: Sequence[tuple[int, float]], near: Sequence[tuple[int, float]], dense_weight: float
) -> list[tuple[int, float]]:
    """Join two rankings by weighted reciprocal rank: sum of weight / (60 + rank); at weight 0 the first one stays."""
    scores: dict[int, float] = {}
    for weight, ranking in ((1.0 - dense_weight, words), (dense_weight, near)):
        for rank, (key, _) in enumerate(ranking, 1):
            if weight > 0:
                scores[key] = scores.get(key, 0.0) + weight / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def hit(passage: Passage, score: float, size: int) -> Hit:
    digest = hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    chunk_id = f"{passage.document}@{size}.{passage.ordinal}-{digest}"
    return Hit(Source(passage.document, passage.position, passage.text), score, chunk_id)
