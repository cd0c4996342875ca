"""Documents as they are read, cut, stored and found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rung.types.plain import Json


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an answer used."""

    document: str
    position: str
    text: str


@dataclass(frozen=True)
class Document:
    """A document as read: parts in reading order, each with the place it stands at (page, heading, row)."""

    name: str
    title: str
    parts: tuple[Source, ...]
    file: str  # the file it was read from; of a table, each row is a document

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that a reader sees: title, places and texts."""
        seen = [self.title, *(words for part in self.parts for words in (part.position, part.text))]
        return hashlib.sha256("\x00".join(seen).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def text(self) -> str:
        """All parts, with an empty line between them."""
        return "\n\n".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is searched and shown as one. `ordinal` counts from 0 within the document."""

    document: str
    ordinal: int
    title: str  # of the document and the headings above: searched too, not shown
    position: str
    text: str


@dataclass(frozen=True)
class StoreChange:
    """What one transaction writes to a document store; removals come first.

    `passages`: size in words -> passages of documents that are put here or stand there already. `vectors`: size ->
    key of a passage -> its vector as little-endian float32. `facts`: name -> plain data; None takes the fact away.
    """

    remove: Sequence[str] = ()
    put: Sequence[Document] = ()
    passages: Mapping[int, Sequence[Passage]] = field(default_factory=dict)
    vectors: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    forget_vectors: bool = False  # all of them, before these are written


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. `score` compares hits of one search only; higher is better."""

    source: Source
    score: float
    chunk: str  # id of the passage: stays while the document's content and the chunking stay
