"""Read a file into documents: what it holds and where, or a finding that says why it cannot be read. Never a crash."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import ModuleType

from rung.documents.plain import read_markdown, read_text, seen_markdown
from rung.documents.rows import read_csv, read_json, read_jsonl
from rung.documents.scan import KEEP_IT, quoted, scan, seen_text
from rung.documents.trouble import Unreadable
from rung.errors import MissingExtra
from rung.foreign import foreign
from rung.plugins import require
from rung.types import Document, Finding, Source

MOST_BYTES = 64 * 1024 * 1024  # of one file; more is rather a database than a document
MOST_UNPACKED = 4 * MOST_BYTES

Keep = bool  # whether text that no reader sees stays in the document
Read = tuple[tuple[Document, ...], list[str], tuple[Finding, ...]]  # documents, texts that no reader sees, findings
Plain = Callable[[str, bytes], tuple[tuple[Document, ...], tuple[Finding, ...]]]


@dataclass(frozen=True)
class Parsed:
    """What one file gave."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()


_MARKDOWN = (".md", ".markdown")
_PLAIN: Mapping[str, Plain] = {
    **dict.fromkeys(_MARKDOWN, read_markdown),
    **dict.fromkeys((".txt", ".text", ".rst", ".log"), read_text),
    **dict.fromkeys((".csv", ".tsv"), read_csv),
    **dict.fromkeys((".jsonl", ".ndjson"), read_jsonl),
    ".json": read_json,
}
_PAGES = (".html", ".htm", ".xhtml")
# By module and function: these need the packages of the extra "docs".
_RICH: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(_PAGES, ("rung.documents.markup", "read_html")),
    ".pdf": ("rung.documents.pdf", "read_pdf"),
    ".docx": ("rung.documents.word", "read_docx"),
}
SUFFIXES: tuple[str, ...] = (*_PLAIN, *_RICH)


def suffix_of(name: str) -> str:
    """Return the ending that says what a file is; of a gzipped one, the ending before it."""
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def readable(name: str) -> bool:
    """Whether files with such a name are read at all."""
    return suffix_of(name) in SUFFIXES


def parse(name: str, content: bytes, keep: Keep = False) -> Parsed:
    """Read one file; `name` is its path within the folder, with slashes. Whatever a reader raises is a finding about the file.

    `keep`: text that no reader sees at first (closed panels, hidden runs) stays in the document.
    """
    try:
        with foreign(_unexpected, passes=Unreadable):
            return _parsed(name, content, keep)
    except Unreadable as trouble:
        return Parsed(findings=(trouble.finding(name),))


def _unexpected(error: BaseException) -> Unreadable:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:120]
    return Unreadable(f"cannot be read ({said})", next_step="Save it anew from its source, or as plain text.")


def _parsed(name: str, content: bytes, keep: Keep) -> Parsed:
    if name.lower().endswith(".gz"):
        content = _unpacked(content)
    if not content.strip():
        raise Unreadable("is empty", severity="note", next_step="Fill it or take it out of the folder.")
    documents, hidden, findings = _read(name, content, keep)
    markdown = suffix_of(name) in _MARKDOWN and not keep
    seen = [_as_seen(document, hidden, markdown) for document in documents]
    filled = tuple(document for document in seen if document.text.strip())
    if not filled and hidden:
        raise Unreadable(f"holds only text that no reader sees ({quoted(hidden)})", next_step=KEEP_IT)
    if not filled:
        scan_advice = "If it is a scan, put it through text recognition first."
        raise Unreadable(
            "holds no text",
            next_step=scan_advice if suffix_of(name) == ".pdf" else "Fill it or take it out of the folder.",
        )
    page = content.decode("utf-8", "replace") if suffix_of(name) in _PAGES else ""
    return Parsed(filled, (*findings, *scan(name, filled, hidden, page)))


def _read(name: str, content: bytes, keep: Keep) -> Read:
    """Read with whatever reads files of this ending. Raises Unreadable."""
    suffix = suffix_of(name)
    if suffix in _PLAIN:
        documents, findings = _PLAIN[suffix](name, content)
        return documents, [], findings
    if suffix not in _RICH:
        raise Unreadable(
            f"is of a type that is not read ({suffix or 'no ending'})", next_step=f"Read are {', '.join(SUFFIXES)}."
        )
    module, function = _RICH[suffix]
    try:
        reader: ModuleType = require(module, "docs")
    except MissingExtra as error:
        raise Unreadable(
            f"cannot be read without further packages ({error})", next_step="Run pip install 'rung[docs]'."
        ) from error
    document, hidden, read = getattr(reader, function)(name, content, keep)
    return (document,), hidden, read


def _as_seen(document: Document, hidden: list[str], markdown: bool) -> Document:
    """Return the document without what no reader sees, which is put to `hidden`."""
    parts = []
    for part in document.parts:
        text, found = seen_text(part.text)
        hidden += found
        if markdown:
            text, found = seen_markdown(text)
            hidden += found
        parts.append(part if text == part.text else Source(part.document, part.position, text))
    return replace(document, parts=tuple(parts), title=seen_text(document.title)[0])


def _unpacked(content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            found = packed.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"is no whole gzip file ({error})") from error
    if len(found) > MOST_UNPACKED:
        raise Unreadable(f"unpacks to more than {MOST_UNPACKED // 2**20} MiB", next_step="Split it.")
    return found
