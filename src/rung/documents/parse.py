"""Read a file into documents: what it holds and where, or a finding that says why it cannot be read. Never a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from rung.documents.plain import read_markdown, read_text
from rung.documents.trouble import Unreadable
from rung.types import Document, Finding

MOST_BYTES = 64 * 1024 * 1024  # of one file; more is rather a database than a document

Reader = Callable[[str, bytes], "tuple[tuple[Document, ...], tuple[Finding, ...]]"]
"""(name, content) -> documents and findings. Raises Unreadable."""


@dataclass(frozen=True)
class Parsed:
    """What one file gave."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()


READERS: Mapping[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".rst": read_text,
    ".log": read_text,
}


def suffix_of(name: str) -> str:
    """Return the ending that says what a file is."""
    return PurePosixPath(name).suffix.lower()


def parse(name: str, content: bytes) -> Parsed:
    """Read one file; `name` is its path within the folder, with slashes."""
    reader = READERS.get(suffix_of(name))
    if reader is None:
        return Parsed(findings=(Unreadable(f"files of type {suffix_of(name) or '?'} are not read").finding(name),))
    try:
        if not content.strip():
            raise Unreadable("is empty", severity="note", next_step="Fill it or take it out of the folder.")
        documents, findings = reader(name, content)
        filled = tuple(d for d in documents if d.text.strip())
        if not filled:
            raise Unreadable("holds no text", next_step="If it is a scan, put it through text recognition first.")
    except Unreadable as trouble:
        return Parsed(findings=(trouble.finding(name),))
    return Parsed(filled, findings)
