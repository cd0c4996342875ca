"""DOCX: paragraphs and tables under their headings, as they stand with all changes accepted.

Opened by python-docx; its body is walked element by element, since the library's own iterators leave out tracked insertions,
content controls, text boxes and notes. Macros, links and objects are not touched.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import docx
from docx.text.paragraph import Paragraph

from rung.documents.chunk import HEADING
from rung.documents.plain import title_of
from rung.documents.trouble import Unreadable, noted
from rung.foreign import foreign
from rung.types import Document, Finding, Source

MOST_UNPACKED = 512 * 1024 * 1024  # bytes; a small file that unpacks to more is a trap
_OLD_OR_LOCKED = b"\xd0\xcf\x11\xe0"  # a compound file: the old .doc, or a .docx with a password

# Elements by their name without its space: whose content is gone, a setting, or told elsewhere.
_GONE = {
    *("del", "moveFrom", "pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "tblGrid", "trPr", "tcPr", "sectPr", "instrText"),
    *("delText", "delInstrText", "rt", "Fallback", "fldChar", "annotationRef"),
}
_NOT_READ = {
    **{"pic": "pictures", "chart": "charts", "object": "embedded objects", "altChunk": "parts of other files"},
    **{"relIds": "diagrams", "contentPart": "drawings by hand"},
}
HALF_POINTS = 2  # no reader sees letters of this size
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def read_docx(name: str, content: bytes, keep: bool = False) -> tuple[Document, list[str], tuple[Finding, ...]]:
    """Return the document, the texts in it that no reader sees, and what was not read. Raises Unreadable.

    `keep`: hidden texts stay in the document.
    """
    if content.startswith(_OLD_OR_LOCKED):
        raise Unreadable("is encrypted or an old .doc", next_step="Save a copy as .docx without a password.")
    with foreign(_damaged, passes=Unreadable):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(item.file_size for item in packed.infolist())
        if unpacked > MOST_UNPACKED:
            raise Unreadable(f"unpacks to {unpacked / 2**20:,.0f} MiB, and at most {MOST_UNPACKED // 2**20} are read")
        opened = docx.Document(io.BytesIO(content))
        walk = _Walk(opened, keep)
        parts = tuple(_parts(name, opened, walk))
        title = " ".join((opened.core_properties.title or "").split())
        if parts and (margins := list(dict.fromkeys(_margins(opened, walk)))):
            parts = (*parts, Source(name, "header and footer", "\n".join(margins)))
    first = next((p.position.removeprefix(HEADING) for p in parts if p.position.startswith(HEADING)), "")
    document = Document(name, title or first.split(" > ")[0] or title_of(name), parts, name)
    return document, walk.hidden, tuple(_findings(name, walk.not_read))


def _damaged(_: BaseException) -> Unreadable:
    return Unreadable("is a damaged DOCX", next_step="Save it anew from its source.")


def _findings(name: str, not_read: Counter[str]) -> Iterator[Finding]:
    if not_read:
        listed = ", ".join(f"{count:,} {what}" for what, count in sorted(not_read.items()))
        yield noted(name, f"holds parts that are not read: {listed}.", "Write out as text what matters in them.")


def _margins(opened: Any, walk: _Walk) -> Iterator[str]:
    """Yield what stands in headers and footers, but for bare page numbers; comments are counted as not read."""
    for part in sorted(opened.part.package.iter_parts(), key=lambda part: str(part.partname)):
        kind = str(part.partname).rpartition("/")[2].rstrip("0123456789.xml")
        if kind == "comments" and b"<w:t" in part.blob:
            walk.not_read["comments"] += part.blob.count(b"<w:comment ")
        elif kind in ("header", "footer"):
            for block, element in walk.blocks(docx.oxml.parse_xml(part.blob)):
                text = "\n".join(walk.rows(element)) if block == "tbl" else walk.text(element)
                if any(c.isalpha() for c in text):
                    yield text


def _parts(name: str, opened: Any, walk: _Walk) -> Iterator[Source]:
    above: list[tuple[int, str]] = []
    blocks: list[str] = []
    start = 1
    for number, (kind, element) in enumerate(walk.blocks(opened.element.body), 1):
        if kind == "tbl":
            blocks.append("\n".join(walk.rows(element)))
            continue
        paragraph = Paragraph(element, opened._body)
        text = walk.text(element)
        if not text:
            continue
        level = _level(paragraph)
        if level is not None:
            if blocks:
                yield _source(name, above, start, blocks)
            above = [(n, w) for n, w in above if n < level] + [(level, " ".join(text.split()))]
            blocks, start = [], number
        blocks.append(f"- {text}" if "List" in (_style(paragraph) or "") else text)
    if blocks:
        yield _source(name, above, start, blocks)


def _source(name: str, above: list[tuple[int, str]], start: int, blocks: list[str]) -> Source:
    place = HEADING + " > ".join(words for _, words in above) if above else f"paragraph {start}"
    return Source(name, place, "\n\n".join(block for block in blocks if block))


@dataclass
class _Walk:
    """Reads elements of one document; gathers what is hidden, and counts what is not read."""

    opened: Any
    keep: bool
    hidden: list[str] = field(default_factory=list)
    not_read: Counter[str] = field(default_factory=Counter)

    def blocks(self, element: Any) -> Iterator[tuple[str, Any]]:
        """Yield paragraphs and tables in reading order, whatever they are wrapped in, text boxes after their paragraph."""
        for child in element:
            kind = _kind(child)
            if kind in _GONE or (kind == "sdt" and _is_filler(child)):
                continue
            if kind in _NOT_READ:
                self.not_read[_NOT_READ[kind]] += 1
            elif kind in ("p", "tbl"):
                yield kind, child
                if kind == "p":
                    for box in _boxes(child):
                        yield from self.blocks(box)
            else:
                yield from self.blocks(child)

    def text(self, paragraph: Any) -> str:
        """Return what a reader sees of a paragraph."""
        return "".join(self._words(paragraph)).strip()

    def rows(self, table: Any) -> Iterator[str]:
        """Yield the rows of a table; a cell that goes on from the row above repeats its text."""
        above: dict[int, str] = {}  # by the column where a cell begins
        for row in _below(table, "tr"):
            if row.find(f"{_W}trPr/{_W}del") is not None:
                continue
            cells: list[str] = []
            column = _number(row.find(f"{_W}trPr/{_W}gridBefore"), 0)
            for cell in _below(row, "tc"):
                about = cell.find(f"{_W}tcPr")
                goes_on = _goes_on(about, "vMerge")
                if not _goes_on(about, "hMerge"):
                    cells.append(above.get(column, "") if goes_on else self._cell(cell))
                    above[column] = cells[-1]
                column += _number(None if about is None else about.find(f"{_W}gridSpan"), 1)
            yield " | ".join(cells)

    def _cell(self, cell: Any) -> str:
        found = []
        for kind, element in self.blocks(cell):
            found.append("; ".join(self.rows(element)) if kind == "tbl" else self.text(element))
        return " ".join(" ".join(found).split())

    def _words(self, element: Any) -> Iterator[str]:
        for child in element:
            kind = _kind(child)
            if kind in _GONE or (kind == "sdt" and _is_filler(child)):
                continue
            if kind == "r" and child.tag == f"{_W}r":  # one of a formula holds its texts as they are
                yield self._run(child)
            elif kind in _NOT_READ:
                self.not_read[_NOT_READ[kind]] += 1
            elif kind == "t":  # of a formula
                yield child.text or ""
            elif kind != "txbxContent":
                yield from self._words(child)

    def _run(self, run: Any) -> str:
        text = "".join(self._in_run(run))
        if text.strip() and not self.keep and _out_of_sight(run):
            self.hidden.append(" ".join(text.split()))
            return ""
        return text

    def _in_run(self, element: Any) -> Iterator[str]:
        for child in element:
            kind = _kind(child)
            if kind in _MARKS:
                yield _MARKS[kind]
            elif kind == "t":
                yield child.text or ""
            elif kind in ("footnoteReference", "endnoteReference"):
                yield self._note(kind.removesuffix("Reference"), child.get(f"{_W}id"))
            elif kind == "docPr":
                yield child.get("descr") or ""  # what stands for a picture
            elif kind in _NOT_READ:
                self.not_read[_NOT_READ[kind]] += 1
            elif kind not in _GONE and kind != "txbxContent":
                yield from self._in_run(child)

    def _note(self, kind: str, number: str | None) -> str:
        """Return the text of a note, in brackets at the place where it is called."""
        for related in self.opened.part.rels.values():
            if not related.is_external and related.reltype.endswith(f"/{kind}s"):
                root = docx.oxml.parse_xml(related.target_part.blob)
                found = next((n for n in root if n.get(f"{_W}id") == number), None)
                words = "" if found is None else " ".join(self.text(p) for _, p in self.blocks(found)).strip()
                return f" ({words})" if words else ""
        return ""


def _kind(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "del"  # a remark in the XML


def _below(element: Any, kind: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, whatever they are wrapped in."""
    for child in element:
        if _kind(child) == kind:
            yield child
        elif _kind(child) not in _GONE and _kind(child) not in ("tbl", "p"):
            yield from _below(child, kind)


def _boxes(paragraph: Any) -> Iterator[Any]:
    """Yield the text boxes in a paragraph, each once: a copy for old programs stands beside each."""
    for child in paragraph:
        if _kind(child) == "txbxContent":
            yield child
        elif _kind(child) not in _GONE:
            yield from _boxes(child)


def _goes_on(about: Any, merge: str) -> bool:
    found = None if about is None else about.find(f"{_W}{merge}")
    return found is not None and found.get(f"{_W}val", "continue") == "continue"


def _number(element: Any, otherwise: int) -> int:
    value = "" if element is None else element.get(f"{_W}val", "")
    return int(value) if value.isdecimal() else otherwise


def _is_filler(control: Any) -> bool:
    """Whether a content control shows its prompt ("Click to enter text") or a table of contents."""
    about = control.find(f"{_W}sdtPr")
    if about is None:
        return False
    gallery = about.find(f"{_W}docPartObj/{_W}docPartGallery")
    contents = gallery is not None and gallery.get(f"{_W}val") == "Table of Contents"
    return contents or about.find(f"{_W}showingPlcHdr") is not None


def _out_of_sight(run: Any) -> bool:
    """Whether a run is hidden, white on nothing, or too small to see. Read as it stands: what is odd in it hides nothing."""
    about = run.find(f"{_W}rPr")
    if about is None:
        return False
    held = {_kind(child): child.get(f"{_W}val", "").lower() for child in about}
    shaded = held.get("highlight", "none") != "none" or "shd" in held
    white = held.get("color") == "ffffff" and not shaded
    hidden = "vanish" in held and held["vanish"] not in ("0", "false", "off")
    return hidden or white or 0 <= _number(about.find(f"{_W}sz"), 99) <= HALF_POINTS


def _style(paragraph: Any) -> str | None:
    style = paragraph.style
    return style.name if style is not None else None


def _level(paragraph: Any) -> int | None:
    """Return the level of a heading; None for any other paragraph."""
    name = _style(paragraph) or ""
    if name == "Title":
        return 0
    return int(name[8:]) if name.startswith("Heading ") and name[8:].isdigit() else None
