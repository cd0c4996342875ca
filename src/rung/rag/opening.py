"""From a configuration to the user's documents: the index in step with the folder, and the document index that rungs search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rung import plugins
from rung.config import Config
from rung.config.documents import DocumentsSection
from rung.contracts import held_store
from rung.documents.folder import Synced, contents, files_in, sync
from rung.documents.index import StoredDocumentIndex, check_embedder
from rung.documents.leakage import CHECK as LEAKAGE
from rung.documents.leakage import leakage
from rung.documents.measure import Relevant, read_relevant
from rung.documents.parse import Parsed, parse
from rung.documents.scan import CHECK as SAFETY
from rung.documents.trouble import CHECK, left_out
from rung.embedding import Embedder
from rung.errors import ConfigError, DataError, Problem, RungError
from rung.models.client import Client
from rung.models.settings import ProviderSettings, configured
from rung.progress import Progress, Silent
from rung.protocols import DocumentIndex, DocumentStore
from rung.types import Completion, Document, Example, Finding, Request, content_hash

NO_EMBEDDER = "no embedder is configured: documents are searched by their words alone (BM25)"
ABOUT_DOCUMENTS: tuple[str, ...] = (CHECK, SAFETY, LEAKAGE)  # checks whose findings are made anew in each session


def section_of(config: Config) -> DocumentsSection:
    """Return the section `documents`. Raises ConfigError where the file has none."""
    if config.documents is None:
        raise ConfigError(
            [Problem("documents", "is missing; add documents: {path: FOLDER} to name the folder of your documents")]
        )
    return config.documents


@contextmanager
def open_document_store(config: Config) -> Iterator[DocumentStore]:
    """Open the place where the configured documents are kept, and close it at the end."""
    name, place = section_of(config).retriever
    document_store = held_store(name, plugins.make_at(config.root, "retrievers", name, {"place": place}))
    try:
        yield document_store
    finally:
        document_store.close()


def update(config: Config, document_store: DocumentStore, progress: Progress) -> Synced:
    """Bring an open document store in step with the folder, and tell what was done."""
    section = section_of(config)
    folder = config.resolve(section.path)
    with progress.stage("reading documents", len(files_in(folder))) as bar:
        synced = sync(document_store, folder, section.chunk_words, bar.advance, section.hidden == "keep")
    progress.say(
        f"{len(document_store.documents()):,} documents in {document_store.sizes()[section.chunk_words]:,} passages: "
        f"{len(synced.added) + len(synced.changed):,} files read, {len(synced.removed):,} gone, {synced.unchanged:,} unchanged"
        + (f"; {out:,} that could not be read, left out" if (out := left_out(synced.findings)) else "")
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
    with open_document_store(config) as document_store:
        synced = update(config, document_store, progress)
        given_away = leakage(document_store.read(), rows, hidden) if rows else ()
        findings = (*given_away, *synced.findings)
    if config.embedder is None:
        progress.say(NO_EMBEDDER)
    return findings


def examine(config: Config, rows: Sequence[Example], hidden: Collection[str]) -> tuple[Finding, ...]:
    """Return what `gather` would find in the files of the folder; nothing is written. Raises DataError for bad judgements."""
    if config.documents is None:
        return ()
    documents: list[Document] = []
    findings: list[Finding] = []
    for name, content in contents(config.resolve(config.documents.path)):
        parsed = content if isinstance(content, Parsed) else parse(name, content, config.documents.hidden == "keep")
        documents += parsed.documents
        findings += parsed.findings
    if config.documents.relevant is not None:
        read_relevant(config.resolve(config.documents.relevant), [d.name for d in documents])
    return (*leakage(documents, rows, hidden), *findings)


def relevant_of(config: Config, document_store: DocumentStore) -> Relevant:
    """Return which documents the user's file tells to be relevant to which rows, with grades; nothing without a file.

    Raises DataError for a bad file.
    """
    named = section_of(config).relevant
    if named is None:
        return {}
    path = config.resolve(named)
    if not path.is_file():
        raise DataError("there is no such file; it is named in documents.relevant", file=str(path))
    return read_relevant(path, document_store.documents())


def told_relevant(config: Config, document_store: DocumentStore) -> dict[str, frozenset[str]]:
    """Return the documents that hold the answer to each row, as the user's file tells."""
    judged = relevant_of(config, document_store)
    return {row: frozenset(d for d, grade in grades.items() if grade > 0) for row, grades in judged.items()}


@asynccontextmanager
async def open_document_index(
    config: Config, clients: Mapping[str, Client], progress: Progress
) -> AsyncIterator[DocumentIndex | None]:
    """Open the document index for rungs, None where no documents are configured, and close it at the end.

    Raises RungError where the vectors of the index are another embedder's.
    """
    if config.documents is None:
        yield None
        return
    with open_document_store(config) as document_store:
        embedder = embedder_of(config, clients)
        if embedder is not None:
            check_embedder(document_store, embedder)
        yield StoredDocumentIndex(
            document_store, config.documents.chunk_words, embedder, progress.say, told_relevant(config, document_store)
        )


def index_trouble(config: Config) -> str | None:
    """Say what keeps the index of documents that is there already from being used, such as another embedder's vectors.

    None also where there is no index yet. Nothing is written or asked.
    """
    if config.documents is None or not config.resolve(Path(config.documents.retriever[1])).exists():
        return None
    try:
        with open_document_store(config) as document_store:
            if config.embedder is not None:
                settings = configured(config)[config.embedder]
                check_embedder(document_store, Embedder(settings.name, _identity(settings), _asks_nobody))
    except RungError as error:
        return str(error)
    return None


@contextmanager
def document_index_to_plan(config: Config) -> Iterator[DocumentIndex | None]:
    """Open the document index for an estimate: what is new in the folder is read, and no embedder is asked."""
    if config.documents is None:
        yield None
        return
    gather(config, Silent())
    role = config.embedder
    with open_document_store(config) as document_store:
        embedder = None if role is None else Embedder(role, role, _asks_nobody)
        relevant = told_relevant(config, document_store)
        yield StoredDocumentIndex(document_store, config.documents.chunk_words, embedder, relevant=relevant)


async def _asks_nobody(request: Request) -> Completion:
    raise AssertionError("a plan asks no model")


def embedder_of(config: Config, clients: Mapping[str, Client]) -> Embedder | None:
    """Return the configured embedder, asked through its client."""
    role = config.embedder
    if role is None:
        return None
    client = clients[role]
    return Embedder(client.settings.name, _identity(client.settings), client.ask, client.settings.texts_a_request)


def _identity(settings: ProviderSettings) -> str:
    return content_hash(dict(settings.identity()))
