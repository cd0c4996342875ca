"""From a configuration to the user's documents: the index in step with the folder, and the library that rungs search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from rung import plugin
from rung.config import Config
from rung.documents.folder import files_in, sync
from rung.documents.library import ShelvedLibrary, check_embedder
from rung.documents.scan import CHECK as SAFETY
from rung.documents.trouble import CHECK
from rung.embedding import Embedder
from rung.evaluate.progress import Progress
from rung.models.client import Client
from rung.protocols import Library, Retriever, Shelf
from rung.types import Finding, content_hash

ABOUT_DOCUMENTS: tuple[str, ...] = (CHECK, SAFETY)  # checks whose findings are made anew in each sitting


@contextmanager
def open_shelf(config: Config) -> Iterator[Shelf]:
    """Open the place where the configured documents are kept, and close it at the end."""
    assert config.documents is not None
    name, place = config.documents.retriever
    shelf = cast(Retriever, plugin.make_at(config.root, "retrievers", name, {"place": place})).open()
    try:
        yield shelf
    finally:
        shelf.close()


def gather(config: Config, progress: Progress) -> tuple[Finding, ...]:
    """Bring the index in step with the folder; returns what was found in the documents, nothing where there are none."""
    if config.documents is None:
        return ()
    folder = config.resolve(config.documents.path)
    with open_shelf(config) as shelf:
        with progress.stage("reading documents", len(files_in(folder))) as bar:
            synced = sync(shelf, folder, config.documents.chunk_words, bar.advance)
        count = len(shelf.documents())
        passages = shelf.sizes()[config.documents.chunk_words]
    new = len(synced.added) + len(synced.changed)
    progress.say(
        f"{count:,} documents in {passages:,} passages: {new:,} files read, {len(synced.removed):,} gone, "
        f"{synced.unchanged:,} unchanged"
    )
    if config.embedder is None:
        progress.say("no embedder is configured: documents are searched by their words alone (BM25)")
    return synced.findings


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
        yield ShelvedLibrary(shelf, config.documents.chunk_words, embedder, progress.say)


def embedder_of(config: Config, clients: Mapping[str, Client]) -> Embedder | None:
    """Return the configured embedder, asked through its client."""
    role = config.embedder
    if role is None:
        return None
    client = clients[role]
    return Embedder(client.settings.name, content_hash(dict(client.settings.identity())), client.ask)
