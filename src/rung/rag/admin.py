"""What people do with their documents: add, update, remove, list, search. The next search sees each change."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rung.config import Config
from rung.data.configured import as_task, part_rows, read_rows
from rung.documents import folder as folders
from rung.documents.index import EMBEDDER, StoredDocumentIndex, check_embedder, embed_missing
from rung.documents.measure import Measured, Relevant, choose_weight, measure
from rung.documents.trouble import Unreadable, noted
from rung.embedding import Embedder
from rung.errors import ConfigError, DataError, Problem
from rung.models.client import open_clients
from rung.progress import Progress
from rung.protocols import DocumentStore
from rung.rag.gold import gold_of
from rung.rag.opening import NO_EMBEDDER, embedder_of, open_document_store, relevant_of, section_of, update
from rung.store.cache import FILES as ANSWERS
from rung.store.project import hidden_folder
from rung.types import Example, Finding, Hit, StoreChange, Task

PROBE = ("Which texts", "become vectors?")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file on the document store. `added`: it was given by hand and does not follow the folder."""

    file: str
    documents: int
    added: bool
    findings: int


@dataclass(frozen=True)
class DocumentAdmin:
    """The user's documents, open."""

    config: Config
    document_store: DocumentStore
    embedder: Embedder | None
    progress: Progress

    async def update(self, *, embed_again: bool = False) -> folders.Synced:
        """Read what is new or changed in the folder, take out what is gone, embed what has no vector."""
        if embed_again and self.document_store.facts(EMBEDDER):
            if self.embedder is not None:
                await self.embedder.embed(PROBE)  # one that does not work costs no vector
            self.document_store.write(StoreChange(forget_vectors=True, facts={EMBEDDER: None}))
        self._check_embedder()
        synced = update(self.config, self.document_store, self.progress)
        changed, findings = self._follow_added()
        await self._embed()
        return replace(synced, changed=(*synced.changed, *changed), findings=(*synced.findings, *findings))

    @property
    def _keep(self) -> bool:
        return section_of(self.config).hidden == "keep"

    async def add(self, files: Sequence[Path]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        """Read files (or all files of folders) onto the document store at once; returns the names taken, and what was found.

        Raises DataError for a file that is not there.
        """
        self._check_embedder()
        taken: list[str] = []
        findings: list[Finding] = []
        size = section_of(self.config).chunk_words
        for path in _all_files(files):
            name, fact = self._name_of(path)
            try:
                content = folders.content_of(path)
            except Unreadable as trouble:
                findings.append(trouble.finding(name))
                continue
            parsed = folders.add(self.document_store, name, content, size, self._keep, **fact)
            findings += parsed.findings
            taken += [name] if parsed.documents else []
        await self._embed()
        return tuple(taken), tuple(findings)

    def remove(self, names: Sequence[str]) -> tuple[str, ...]:
        """Take files, or single documents of a table, out. Raises DataError for one that is not there; then none goes."""
        known = {
            *self.document_store.documents(),
            *(n.removeprefix(folders.FILE) for n in self.document_store.facts(folders.FILE)),
        }
        wanted = [self._known_as(name, known) for name in names]
        here = folders.files_in(self.config.resolve(section_of(self.config).path))
        return folders.remove(self.document_store, wanted, list(here))

    def listed(self) -> tuple[Listed, ...]:
        """Return the files on the document store, by name."""
        facts = self.document_store.facts(folders.FILE)
        there = self.document_store.documents()
        return tuple(
            Listed(
                name.removeprefix(folders.FILE),
                sum(document in there for document in fact["documents"]),
                bool(fact.get("added")),
                len(fact["findings"]),
            )
            for name, fact in sorted(facts.items())
        )

    async def search(
        self, query: str, k: int, *, mode: str | None, words: int | None, dense_weight: float
    ) -> tuple[Hit, ...]:
        """Search as a rung does; `mode` None: the richest there is. Fills an index that is empty first."""
        await self._filled()
        document_index = StoredDocumentIndex(
            self.document_store, section_of(self.config).chunk_words, self.embedder, self.progress.say
        )
        chosen = mode or document_index.modes[-1]
        return await document_index.search(query, k, mode=chosen, chunk_words=words, dense_weight=dense_weight)

    def _follow_added(self) -> tuple[list[str], list[Finding]]:
        """Read files that were added by hand again where they changed; one that is gone stays on the document store."""
        changed: list[str] = []
        findings: list[Finding] = []
        for key, fact in self.document_store.facts(folders.FILE).items():
            name = key.removeprefix(folders.FILE)
            if "from" not in fact:
                continue
            path = self.config.root / fact["from"]
            if not path.is_file():
                said = "was added by hand, and its file is no longer there: what was read then is kept."
                findings.append(noted(name, said, f"Run rung docs remove {name} if it is out of date."))
                continue
            try:
                content = folders.content_of(path)
            except Unreadable as trouble:
                findings.append(trouble.finding(name))
                continue
            if hashlib.sha256(content).hexdigest() != fact["sha256"]:
                kept = {"added": True, "from": fact["from"]}
                size = section_of(self.config).chunk_words
                folders.add(self.document_store, name, content, size, self._keep, **kept)
                changed.append(name)
        return changed, findings

    async def measure(self, words: int | None = None) -> tuple[Measured, ...]:
        """Measure every way to search on the rows that people may see (train and dev) and that have a relevant document.

        The best comes first. Without judgements in `documents.relevant`, a row's relevant document is the one that holds its
        expected answer, where that can be derived. Fills an index that is empty first. Raises ConfigError where it cannot for any row.
        """
        await self._filled()
        kind, parts = part_rows(self.config, read_rows(self.config))
        rows = (*parts.train, *parts.dev)
        queries = {e.id: e.text for e in rows}
        if section_of(self.config).relevant is not None:
            relevant = relevant_of(self.config, self.document_store)
        else:
            relevant = await self._derived(rows, as_task(self.config, kind, rows))
        size = words or section_of(self.config).chunk_words
        document_index = StoredDocumentIndex(self.document_store, size, self.embedder, self.progress.say)
        if self.embedder is None:
            return (await measure(document_index, queries, relevant, "bm25"),)
        return (
            *await choose_weight(document_index, queries, relevant),
            await measure(document_index, queries, relevant, "dense"),
        )

    async def _derived(self, rows: Sequence[Example], task: Task) -> Relevant:
        """Return for each row the document that holds its expected answer. Raises ConfigError where none does."""
        document_index = StoredDocumentIndex(self.document_store, section_of(self.config).chunk_words)
        golds = {row.id: await gold_of(document_index, row, task) for row in rows}
        found = {row: {gold.passage.document: 1.0} for row, gold in golds.items() if gold is not None}
        if not found:
            what = "is missing, and no document holds an expected answer; name a file with an example's id, a document and a grade a line"
            raise ConfigError([Problem("documents.relevant", what)])
        self.progress.say(
            f"{len(found):,} of {len(rows):,} examples have a document that holds their expected answer; it was found by words, which "
            "favours BM25: judgements in documents.relevant are fairer"
        )
        return found

    async def _filled(self) -> None:
        """Read the folder where the index is empty. Raises DataError, as `update` does, where the folder gives no document."""
        if not self.document_store.documents():
            self.progress.say("the index of documents is empty: the folder is read first")
            for finding in (await self.update()).findings:
                self.progress.say(f"{finding.message} {finding.next_step}")

    def _check_embedder(self) -> None:
        """Raise RungError, before anything is written, where the vectors on the document store are another embedder's."""
        if self.embedder is not None:
            check_embedder(self.document_store, self.embedder)

    async def _embed(self) -> None:
        """Give vectors to what has none, in the sizes that are there; nothing is asked before a first dense search."""
        if self.embedder is not None:
            for size in self.document_store.sizes():
                await embed_missing(self.document_store, size, self.embedder, self.progress.say)
        elif self.config.embedder is None:
            self.progress.say(NO_EMBEDDER)

    def _name_of(self, path: Path) -> tuple[str, dict[str, str | bool]]:
        """Return the name that a file has on the document store, and what is remembered of where it came from."""
        folder = self.config.resolve(section_of(self.config).path).resolve()
        whole = path.resolve()
        if whole.is_relative_to(folder):
            return whole.relative_to(folder).as_posix(), {}
        return path.name, {"added": True, "from": os.path.relpath(whole, self.config.root.resolve())}

    def _known_as(self, name: str, known: set[str]) -> str:
        for form in (name, self._name_of(Path(name))[0]):
            if form in known:
                return form
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`rung docs list` shows what there is"
        raise DataError(f"no document or file is called {name!r}; {hint} Nothing was removed")


@asynccontextmanager
async def open_admin(config: Config, progress: Progress, *, embeds: bool = True) -> AsyncIterator[DocumentAdmin]:
    """Open the document store, and with `embeds` the embedder if one is configured; close them at the end."""
    section_of(config)
    role = config.embedder if embeds else None
    with open_document_store(config) as document_store:
        if role is None:
            yield DocumentAdmin(config, document_store, None, progress)
            return
        place = hidden_folder(
            config.root, *ANSWERS
        )  # embeddings asked for outside of a climb are kept beside the index
        async with open_clients(config, place, (role,), progress.say, project=config.root) as clients:
            yield DocumentAdmin(config, document_store, embedder_of(config, clients), progress)


def _all_files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += folders.files_in(path).values()
        elif path.exists():
            found.append(path)
        else:
            raise DataError("there is no such file; nothing was added", file=str(path))
    return found
