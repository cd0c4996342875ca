"""How documents are kept and searched: the seam of kind `retrievers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rung.types import Document, Hit, Passage, Source, StoreChange

if TYPE_CHECKING:
    from rung.embedding import Vectors


class DocumentStore(Protocol):
    """Documents with their passages, searched by words and by vectors; one per place, opened by a Retriever.

    A change is written whole or not at all, is on the disk when `write` returns, and is seen by the next call of any
    document store at the same place, in this process or another. Passages of several sizes (in words) stand side by side. Calls
    may come from several threads. What is removed is gone from the files, too. Raises FolderBusy where another process
    keeps writing, IntegrityError for a damaged place, Interrupted for a full disk.
    """

    def version(self) -> object:
        """Return something that differs, for this document store, from what it was before anyone wrote here. Cheap."""
        ...

    def documents(self) -> Mapping[str, str]:
        """Return the SHA-256 of every document by name, sorted by name."""
        ...

    def read(self, names: Sequence[str] | None = None) -> tuple[Document, ...]:
        """Return documents whole, sorted by name; None: all."""
        ...

    def facts(self, prefix: str = "") -> Mapping[str, Any]:
        """Return the facts whose names start so."""
        ...

    def sizes(self) -> Mapping[int, int]:
        """Return the sizes of passages that are there (in words), each with the number of its passages."""
        ...

    def write(self, change: StoreChange) -> None: ...

    def match(self, query: str, k: int, size: int) -> list[tuple[int, float]]:
        """Return the keys of the `k` best passages of this size by BM25, best first, with scores; ties by key."""
        ...

    def nearest(self, vector: Sequence[float], k: int, size: int) -> list[tuple[int, float]]:
        """Return the keys of the `k` passages with the highest dot product, best first, with it; exact."""
        ...

    def without_vector(self, size: int, most: int) -> Mapping[int, str]:
        """Return title and text of passages that have no vector yet, by key."""
        ...

    def passages(self, keys: Sequence[int], size: int) -> Mapping[int, Passage]:
        """Return passages by key; those that are gone are left out."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Retriever(Protocol):
    """Plugin of kind `retrievers`: a kind of place where documents are kept; the settings name the place."""

    def open(self) -> DocumentStore:
        """Open the place, or make it. Raises NewerFolder for one that a later version wrote."""
        ...


class DocumentIndex(Protocol):
    """The user's documents, indexed. What is added, changed or removed is seen by the next search."""

    @property
    def modes(self) -> tuple[str, ...]:
        """Ways to search: "bm25", and with an embedder "dense" and "hybrid"."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the content of all documents, whatever their order: another content, another hash."""
        ...

    def documents(self) -> tuple[Source, ...]:
        """Return every document with its whole text, in the order of their names."""
        ...

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
        """Return the `k` best passages, best first.

        `dense_weight` in [0, 1] weighs dense against BM25 in "hybrid". `chunk_words`: passages of about so many words;
        None: the configured size. `turn`: a map for the query's vector (`rung.embedding.written_turn`), or none. Raises ConfigError for a mode that is not in `modes`, RungError for a broken index.
        """
        ...


@runtime_checkable
class JudgedIndex(Protocol):
    """A document index whose user has told which documents are relevant to which rows."""

    def relevant(self, example_id: str) -> frozenset[str]:
        """Return the names of the documents that hold the answer to a row; empty where nothing is told."""
        ...


@runtime_checkable
class EmbeddingIndex(Protocol):
    """A document index that tells vectors of texts, where it searches by them."""

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, (n, dimensions), each of length 1."""
        ...
