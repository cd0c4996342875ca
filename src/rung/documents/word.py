"""DOCX: paragraphs and tables under their headings. Read by python-docx; macros, links and objects are not touched."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.table import Table
from lxml import etree

from rung.documents.chunk import HEADING
from rung.documents.plain import title_of
from rung.documents.trouble import Unreadable
from rung.types import Document, Source

MOST_UNPACKED = 512 * 1024 * 1024  # bytes; a small file that unpacks to more is a trap
_OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0"  # a compound file: the old .doc, or a .docx with a password
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OpcError, etree.LxmlError, LookupError, ValueError, TypeError),
    *(
        AttributeError,
        AssertionError,
        OSError,
        EOFError,
        RuntimeError,
        OverflowError,
    ),  # RecursionError is a RuntimeError
)


def read_docx(name: str, content: bytes) -> tuple[Document, list[str]]:
    """Return the document, and the texts in it that no reader sees. Raises Unreadable."""
    if content.startswith(_OLD_OR_LOCKED):
        raise Unreadable("is encrypted or an old .doc", next_step="Save a copy as .docx without a password.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(item.file_size for item in packed.infolist())
        if unpacked > MOST_UNPACKED:
            raise Unreadable(f"unpacks to {unpacked / 2**20:,.0f} MiB, and at most {MOST_UNPACKED // 2**20} are read")
        opened = docx.Document(io.BytesIO(content))
        hidden: list[str] = []
        parts = tuple(_parts(name, opened, hidden))
        title = " ".join((opened.core_properties.title or "").split())
    except _DAMAGED as error:
        raise Unreadable("is a damaged DOCX", next_step="Save it anew from its source.") from error
    first = next((p.position.removeprefix(HEADING) for p in parts if p.position.startswith(HEADING)), "")
    return Document(name, title or first.split(" > ")[0] or title_of(name), parts, name), hidden


def _parts(name: str, opened: Any, hidden: list[str]) -> Iterator[Source]:
    above: list[tuple[int, str]] = []
    blocks: list[str] = []
    start = 1
    for number, item in enumerate(opened.iter_inner_content(), 1):
        if isinstance(item, Table):
            blocks.append("\n".join(_rows(item)))
            continue
        text = _text(item, hidden)
        if not text:
            continue
        level = _level(item)
        if level is not None:
            if blocks:
                yield _source(name, above, start, blocks)
            above = [(n, w) for n, w in above if n < level] + [(level, " ".join(text.split()))]
            blocks, start = [], number
        blocks.append(f"- {text}" if "List" in (_style(item) or "") else text)
    if blocks:
        yield _source(name, above, start, blocks)


def _source(name: str, above: list[tuple[int, str]], start: int, blocks: list[str]) -> Source:
    place = HEADING + " > ".join(words for _, words in above) if above else f"paragraph {start}"
    return Source(name, place, "\n\n".join(block for block in blocks if block))


def _text(paragraph: Any, hidden: list[str]) -> str:
    """Return what a reader sees of a paragraph, links included."""
    seen: list[str] = []
    for piece in paragraph.iter_inner_content():
        for run in getattr(piece, "runs", [piece]):
            if run.text and _out_of_sight(run):
                hidden.append(" ".join(run.text.split()))
            else:
                seen.append(run.text)
    return "".join(seen).strip()


def _out_of_sight(run: Any) -> bool:
    font = run.font
    white = font.color is not None and font.color.rgb is not None and str(font.color.rgb) == "FFFFFF"
    shaded = font.highlight_color is not None or bool(run._r.xpath(".//w:shd"))
    return bool(font.hidden) or (white and not shaded) or (font.size is not None and font.size.pt <= 1)


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        cells: list[str] = []
        for cell in row.cells:
            text = " ".join(cell.text.split())
            if not cells or cells[-1] != text:  # a merged cell is told once for every column it covers
                cells.append(text)
        yield " | ".join(cells)


def _style(paragraph: Any) -> str | None:
    style = paragraph.style
    return style.name if style is not None else None


def _level(paragraph: Any) -> int | None:
    """Return the level of a heading; None for any other paragraph."""
    name = _style(paragraph) or ""
    if name == "Title":
        return 0
    return int(name[8:]) if name.startswith("Heading ") and name[8:].isdigit() else None
