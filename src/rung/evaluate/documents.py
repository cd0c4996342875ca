"""From a configuration to the user's documents: the index in step with the folder, and the library that rungs search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from rung import plugin
from rung.config import Config
from rung.config.sections import DocumentsSection
from rung.documents.folder import Synced, contents, files_in, sync
from rung.documents.leakage import CHECK as LEAKAGE
from rung.documents.leakage import leakage
from rung.documents.library import ShelvedLibrary, check_embedder
from rung.documents.measure import Relevant, read_relevant
from rung.documents.parse import Parsed, parse
from rung.documents.scan import CHECK as SAFETY
from rung.documents.trouble import CHECK
from rung.embedding import Embedder
from rung.errors import ConfigError, DataError, Problem
from rung.evaluate.progress import Progress, Silent
from rung.models.client import Client
from rung.protocols import Library, Retriever, Shelf
from rung.types import Completion, Document, Example, Finding, Request, content_hash

NO_EMBEDDER = "no embedder is configured: documents are searched by their words alone (BM25)"
ABOUT_DOCUMENTS: tuple[str, ...] = (CHECK, SAFETY, LEAKAGE)  # checks whose findings are made anew in each sitting


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


def gather(
    config: Config, progress: Progress, rows: Sequence[Example] = (), hidden: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Bring the index in step with the folder; returns what was found in the documents, nothing where there are none.

    `rows` are looked for in the documents, question and answer together; those whose ids are `hidden` are counted only.
    """
    if config.documents is None:
        return ()
    with open_shelf(config) as shelf:
        synced = update(config, shelf, progress)
        given_away = leakage(shelf.read(), rows, hidden) if rows else ()
        findings = (*given_away, *synced.findings)
    if config.embedder is None:
        progress.say(NO_EMBEDDER)
    return findings


def examine(config: Config, rows: Sequence[Example], hidden: Collection[str]) -> tuple[Finding, ...]:
    """Return what `gather` would find in the files of the folder; nothing is written."""
    if config.documents is None:
        return ()
    documents: list[Document] = []
    findings: list[Finding] = []
    for name, content in contents(config.resolve(config.documents.path)):
        parsed = content if isinstance(content, Parsed) else parse(name, content)
        documents += parsed.documents
        findings += parsed.findings
    return (*leakage(documents, rows, hidden), *findings)


def relevant_of(config: Config, shelf: Shelf) -> Relevant:
    """Return which documents the user's file tells to be relevant to which rows, with grades; nothing without a file.

    Raises DataError for a bad file.
    """
    named = section_of(config).relevant
    if named is None:
        return {}
    path = config.resolve(named)
    if not path.is_file():
        raise DataError("there is no such file; it is named in documents.relevant", file=str(path))
    return read_relevant(path, shelf.documents())


def told_relevant(config: Config, shelf: Shelf) -> dict[str, frozenset[str]]:
    """Return the documents that hold the answer to each row, as the user's file tells."""
    judged = relevant_of(config, shelf)
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
        embedder = None if role is None else Embedder(role, role, _asks_nobody)
        relevant = told_relevant(config, shelf)
        yield ShelvedLibrary(shelf, config.documents.chunk_words, embedder, relevant=relevant)


async def _asks_nobody(request: Request) -> Completion:
    raise AssertionError("a plan asks no model")


def embedder_of(config: Config, clients: Mapping[str, Client]) -> Embedder | None:
    """Return the configured embedder, asked through its client."""
    role = config.embedder
    if role is None:
        return None
    client = clients[role]
    return Embedder(client.settings.name, content_hash(dict(client.settings.identity())), client.ask)
