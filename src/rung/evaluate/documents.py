"""From a configuration to the user's documents: the index in step with the folder, and the library that rungs search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from rung import plugin
from rung.config import Config
from rung.config.sections import DocumentsSection
from rung.documents.folder import Synced, files_in, sync
from rung.documents.library import ShelvedLibrary, check_embedder
from rung.documents.measure import read_relevant
from rung.documents.scan import CHECK as SAFETY
from rung.documents.trouble import CHECK
from rung.embedding import Embedder
from rung.errors import ConfigError, DataError, Problem
from rung.evaluate.progress import Progress, Silent
from rung.models.client import Client
from rung.protocols import Library, Retriever, Shelf
from rung.types import Completion, Finding, Request, content_hash

ABOUT_DOCUMENTS: tuple[str, ...] = (CHECK, SAFETY)  # checks whose findings are made anew in each sitting


def section_of(config: Config) -> DocumentsSection:
    """Return the section `documents`. Raises ConfigError where the file has none."""
    if config.documents is None:
        raise ConfigError(
            [Problem("documents", "is missing; add documents: {path: FOLDER} to name the folder of your documents")]
        )
    return config.documents


@contextmanager
def open_shelf(config: Config) -> Iterator[Shelf]:
    """Open the place where the configured documents are kept, and close it at the end."""
    name, place = section_of(config).retriever
    shelf = cast(Retriever, plugin.make_at(config.root, "retrievers", name, {"place": place})).open()
    try:
        yield shelf
    finally:
        shelf.close()


def update(config: Config, shelf: Shelf, progress: Progress) -> Synced:
    """Bring an open shelf in step with the folder, and tell what was done."""
    section = section_of(config)
    folder = config.resolve(section.path)
    with progress.stage("reading documents", len(files_in(folder))) as bar:
        synced = sync(shelf, folder, section.chunk_words, bar.advance)
    progress.say(
        f"{len(shelf.documents()):,} documents in {shelf.sizes()[section.chunk_words]:,} passages: "
        f"{len(synced.added) + len(synced.changed):,} files read, {len(synced.removed):,} gone, {synced.unchanged:,} unchanged"
    )
    return synced


def gather(config: Config, progress: Progress) -> tuple[Finding, ...]:
    """Bring the index in step with the folder; returns what was found in the documents, nothing where there are none."""
    if config.documents is None:
        return ()
    with open_shelf(config) as shelf:
        synced = update(config, shelf, progress)
    if config.embedder is None:
        progress.say("no embedder is configured: documents are searched by their words alone (BM25)")
    return synced.findings


def told_relevant(config: Config, shelf: Shelf) -> dict[str, frozenset[str]]:
    """Return the documents that the user's file tells to hold the answer to each row. Raises DataError for a bad file."""
    if config.documents is None or config.documents.relevant is None:
        return {}
    path = config.resolve(config.documents.relevant)
    if not path.is_file():
        raise DataError("there is no such file; it is named in documents.relevant", file=str(path))
    judged = read_relevant(path, shelf.documents())
    return {row: frozenset(d for d, grade in grades.items() if grade > 0) for row, grades in judged.items()}


@asynccontextmanager
async def open_library(
    config: Config, clients: Mapping[str, Client], progress: Progress
) -> AsyncIterator[Library | None]:
    """Open the library for rungs, None where no documents are configured, and close it at the end.

    Raises RungError where the vectors of the index are another embedder's.
    """
    if config.documents is None:
        yield None
        return
    with open_shelf(config) as shelf:
        embedder = embedder_of(config, clients)
        if embedder is not None:
            check_embedder(shelf, embedder)
        yield ShelvedLibrary(shelf, config.documents.chunk_words, embedder, progress.say, told_relevant(config, shelf))


@contextmanager
def library_to_plan(config: Config) -> Iterator[Library | None]:
    """Open the library for an estimate: what is new in the folder is read, and no embedder is asked."""
    if config.documents is None:
        yield None
        return
    gather(config, Silent())
    role = config.embedder
    with open_shelf(config) as shelf:
        yield ShelvedLibrary(
            shelf, config.documents.chunk_words, None if role is None else Embedder(role, role, _asks_nobody)
        )


async def _asks_nobody(request: Request) -> Completion:
    raise AssertionError("a plan asks no model")


def embedder_of(config: Config, clients: Mapping[str, Client]) -> Embedder | None:
    """Return the configured embedder, asked through its client."""
    role = config.embedder
    if role is None:
        return None
    client = clients[role]
    return Embedder(client.settings.name, content_hash(dict(client.settings.identity())), client.ask)
