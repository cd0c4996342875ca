"""Keep a document store in step with files: read what is new or changed, take out what is gone. Nothing else is touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rung.documents.chunk import chunk
from rung.documents.parse import MOST_BYTES, SUFFIXES, Parsed, parse, readable, suffix_of
from rung.documents.trouble import Unreadable, noted
from rung.errors import DataError
from rung.foreign import file_name
from rung.protocols import DocumentStore
from rung.types import Document, Finding, Passage, StoreChange

FILE = "file/"  # opens the names of facts about files: what was read, and what was found
REMOVED = "removed/"  # ... about files of the folder that the user took out by hand
_PASSAGES_A_CHANGE = 10_000
_NAMED = 5  # files of each type that a finding names


@dataclass(frozen=True)
class Synced:
    """What happened to the document store, by file, with every finding about files that are on it or could not be."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass
class _Log:
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a folder that may hold documents, by name within it (bytes that are no UTF-8 written out); hidden ones are left out.

    Raises DataError for a folder that is not there.
    """
    if not folder.is_dir():
        raise DataError(
            "there is no such folder; name the folder of your documents in documents.path", file=str(folder)
        )
    found: dict[str, Path] = {}
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in names:
            if not name.startswith("."):
                path = Path(here, name)
                found[file_name(path.relative_to(folder).as_posix())] = path
    return dict(sorted(found.items()))


def sync(
    document_store: DocumentStore,
    folder: Path,
    size: int,
    on_file: Callable[[], None] = lambda: None,
    keep: bool = False,
) -> Synced:
    """Bring the document store in step with a folder. `size`: words of the passages that must be there at the end.

    `keep`: text that no reader sees at first is read, too. Files are compared by content; those added from elsewhere stay. Interrupted, it goes on where it was. Raises
    DataError for a folder that is not there or holds no document.
    """
    out = document_store.facts(REMOVED)
    every = files_in(folder)
    here = {name: path for name, path in every.items() if REMOVED + name not in out}
    known = document_store.facts(FILE)
    log = _Log()
    writer = _Writer(document_store, size, keep=keep)
    for name, fact in known.items():
        file = name.removeprefix(FILE)
        if file not in here and not fact.get("added"):
            writer.forget(file, fact)
            log.removed.append(file)
    skipped: list[str] = []
    for file, path in here.items():
        on_file()
        if not readable(file):
            skipped.append(file)
            continue
        _take(writer, folder, file, path, known.get(FILE + file), log)
    writer.flush()
    left_out = sorted(name for name in (n.removeprefix(REMOVED) for n in out) if name.partition("#")[0] in every)
    findings = [*_findings(document_store), *types_not_read(skipped), *_left_out(left_out)]
    if not document_store.documents():
        why = "; ".join(f.message for f in findings[:5]) or "it is empty"
        raise DataError(
            f"holds no document that can be read ({why}); put Markdown, text, HTML, PDF, DOCX, CSV or JSONL files there",
            file=str(folder),
        )
    return Synced(tuple(log.added), tuple(log.changed), tuple(log.removed), log.unchanged, tuple(findings))


def contents(folder: Path) -> Iterator[tuple[str, bytes | Parsed]]:
    """Yield name and content of every file of a folder that is read; a Parsed with its finding where it cannot be opened."""
    for name, path in files_in(folder).items():
        if readable(name):
            try:
                yield name, content_of(path, folder)
            except Unreadable as trouble:
                yield name, Parsed(findings=(trouble.finding(name),))


def add(document_store: DocumentStore, name: str, content: bytes, size: int, keep: bool = False, **fact: Any) -> Parsed:
    """Read one file onto the document store under that name, in place of what had it before; `fact` is kept beside it."""
    before = document_store.facts(FILE + name).get(FILE + name)
    parsed = parse(name, content, keep)
    if parsed.documents:
        back = (name, *(d.name for d in parsed.documents))  # whatever of it was taken out by hand before
        writer = _Writer(document_store, size, back, keep)
        writer.put(name, parsed, {**fact, "sha256": hashlib.sha256(content).hexdigest()}, before)
        writer.flush({f"{REMOVED}{n}": None for n in back})
    return parsed


def remove(document_store: DocumentStore, names: Sequence[str], folder_files: Sequence[str] = ()) -> tuple[str, ...]:
    """Take files or single documents out; returns those that were there. Files of the folder stay out from now on."""
    facts = document_store.facts(FILE)
    documents = document_store.documents()
    gone: list[str] = []
    leave: list[str] = []
    changed: dict[str, Any] = {}
    for name in names:
        fact = facts.get(FILE + name)
        if fact is None and name not in documents:
            continue
        gone.append(name)
        leave += fact["documents"] if fact is not None else [name]
        if fact is not None:
            changed[FILE + name] = None
        if name in folder_files or fact is None:
            changed[REMOVED + name] = True
    document_store.write(StoreChange(remove=leave, facts=changed))
    return tuple(gone)


def _take(writer: _Writer, folder: Path, file: str, path: Path, before: Mapping[str, Any] | None, log: _Log) -> None:
    """Read one file of the folder if it is new or changed. One that gives no document, and gave none, is only a finding."""
    content: bytes | None = None
    parsed = Parsed()
    try:
        content = content_of(path, folder)
        digest = hashlib.sha256(content).hexdigest()
    except Unreadable as trouble:
        digest, parsed = f"not read: {trouble}", Parsed(findings=(trouble.finding(file),))
    if before is not None and before.get("sha256") == digest and before.get("reader") == writer.reader:
        log.unchanged += 1
        return
    if content is not None:
        parsed = parse(file, content, writer.keep)
    if parsed.documents or (before or {}).get("documents"):
        (log.added if before is None or not before["documents"] else log.changed).append(file)
    writer.put(file, parsed, {"sha256": digest}, before)


def content_of(path: Path, folder: Path | None = None) -> bytes:
    """Return a file's bytes. Raises Unreadable for one that leads out of `folder`, is too large or cannot be opened."""
    try:
        if folder is not None and not path.resolve().is_relative_to(folder.resolve()):
            raise Unreadable("is a link that leads out of the folder", next_step="Copy the file into the folder.")
        if not path.is_file():
            raise Unreadable("is no ordinary file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise Unreadable(
                f"has {size / 2**20:,.0f} MiB, and at most {MOST_BYTES // 2**20} are read",
                next_step="Split it, or take out what is no text.",
            )
        return path.read_bytes()
    except RuntimeError as error:  # what pathlib raises for a link to itself
        raise Unreadable("is a link that leads to itself", next_step="Copy the file into the folder.") from error
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror})", next_step="Check its permissions.") from error


VERSION = 2  # of what readers make of a file; a higher number makes everything be read again


class _Writer:
    """Gathers what files gave and writes it in changes of a few thousand passages."""

    def __init__(self, document_store: DocumentStore, size: int, back: Sequence[str] = (), keep: bool = False) -> None:
        self.keep = keep
        self.reader: int | str = f"{VERSION}, hidden kept" if keep else VERSION
        self._shelf = document_store
        self._sizes = sorted({*document_store.sizes(), size})
        self._have = dict(document_store.documents())
        self._out = {name.removeprefix(REMOVED) for name in document_store.facts(REMOVED)} - set(back)
        self._remove: list[str] = []
        self._put: list[Document] = []
        self._passages: dict[int, list[Passage]] = {s: [] for s in self._sizes}
        self._facts: dict[str, Any] = {}

    def forget(self, file: str, fact: Mapping[str, Any]) -> None:
        self._remove += fact["documents"]
        self._facts[FILE + file] = None

    def put(self, file: str, parsed: Parsed, fact: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """Take in a file's documents: only those that are not on the document store just so."""
        names = {d.name for d in parsed.documents}
        self._remove += [n for n in (before or {}).get("documents", ()) if n not in names]
        for document in parsed.documents:
            if document.name in self._out or self._have.get(document.name) == document.sha256:
                continue
            self._put.append(document)
            for size in self._sizes:
                self._passages[size] += chunk(document, size)
            if len(self._passages[self._sizes[0]]) >= _PASSAGES_A_CHANGE:
                self.flush()
        self._facts[FILE + file] = {
            **fact,
            "reader": self.reader,
            "documents": sorted(names - self._out),
            "findings": [[f.check, f.severity, f.message, f.next_step, dict(f.measured)] for f in parsed.findings],
        }

    def flush(self, facts: Mapping[str, Any] | None = None) -> None:
        """Write what was gathered. The fact about a file goes with the last of its documents."""
        change = StoreChange(self._remove, self._put, self._passages, {}, {**self._facts, **(facts or {})})
        if change.remove or change.put or change.facts:
            self._shelf.write(change)
        self._have.update((d.name, d.sha256) for d in self._put)
        self._remove, self._put, self._facts = [], [], {}
        self._passages = {s: [] for s in self._sizes}


def _findings(document_store: DocumentStore) -> Iterator[Finding]:
    for fact in document_store.facts(FILE).values():
        for check, severity, message, next_step, measured in fact["findings"]:
            yield Finding(check, severity, message, next_step, (), measured)


def _left_out(names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        yield noted(
            name,
            "was removed by hand and stays out while it lies in the folder.",
            f"rung docs add {name.partition('#')[0]} brings it back.",
        )


def types_not_read(files: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding that names the files among these whose types are not read, where there are some."""
    by_ending: dict[str, list[str]] = {}
    for file in files:
        if not readable(file):
            by_ending.setdefault(suffix_of(file) or "no ending", []).append(file)
    if by_ending:
        listed = ", ".join(f"{len(found):,} {ending} ({_named(found)})" for ending, found in sorted(by_ending.items()))
        said = f"holds {sum(map(len, by_ending.values())):,} files of types that are not read: {listed}."
        yield noted("The folder", said, "Turn them into text if they matter.")


def told_by_names(folder: Path) -> Iterator[str]:
    """Yield what the names of a folder's files tell before any is opened. Raises DataError where none is of a type that is read."""
    files = list(files_in(folder))
    here = sum(map(readable, files))
    if not here:
        raise DataError(f"holds no file that is read; read are {', '.join(SUFFIXES)}", file=str(folder))
    yield f"{here:,} files of {folder} are read by the first `rung docs update`, `rung docs measure` or `rung climb`"
    for finding in types_not_read(files):
        yield f"{finding.message} {finding.next_step}".removesuffix(".")


def _named(files: Sequence[str]) -> str:
    return ", ".join(files[:_NAMED]) + (f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else "")
