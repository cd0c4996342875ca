"""PDF: the text of each page. Read by pypdf, which is pure Python and fetches nothing."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Any

from pypdf import PdfReader

from rung.documents.columns import Start, by_columns, columns_of
from rung.documents.plain import title_of
from rung.documents.trouble import Unreadable, noted
from rung.foreign import foreign
from rung.types import Document, Finding, Source

MOST_PAGES = 3000
_SHOWS = (b"Tj", b"TJ", b"'", b'"')  # the operators that draw text: ISO 32000-1, table 109
_INVISIBLE = 3  # text rendering mode "neither fill nor stroke": ISO 32000-1, table 106
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells the terminal about every oddity that it fixes


def read_pdf(name: str, content: bytes, keep: bool = False) -> tuple[Document, list[str], tuple[Finding, ...]]:
    """Return the document, texts that are not drawn (`keep`: none, they stay in it), and findings. Raises Unreadable."""
    with foreign(_damaged):
        reader = PdfReader(io.BytesIO(content))
        locked = reader.is_encrypted and not reader.decrypt("")
        count = 0 if locked else len(reader.pages)
        about = None if locked else reader.metadata
        title = str(about.title or "").strip() if about is not None else ""
    if locked:
        raise Unreadable("is encrypted", next_step="Save a copy without a password.")
    parts: list[Source] = []
    hidden: list[str] = []
    failed: list[int] = []
    pictures: list[int] = []
    for number in range(1, min(count, MOST_PAGES) + 1):
        seen = _Seen()
        try:
            with foreign(_damaged):
                page = reader.pages[number - 1]
                text = page.extract_text(visitor_operand_before=seen.operator, visitor_text=seen.text)
                if not text.strip() and _has_picture(page):
                    pictures.append(number)
        except Unreadable:
            failed.append(number)
            continue
        if (
            seen.drawn.strip() and seen.undrawn.strip() and not keep
        ):  # all of it undrawn: the layer of a text recognition
            hidden.append(" ".join(seen.undrawn.split()))
            text = seen.drawn
        elif (columns := columns_of(seen.starts)) > 1:
            text = _in_columns(page, columns) or text
        if text.strip():
            parts.append(
                Source(name, f"page {number}", text.replace("\u00ad\n", "").strip())
            )  # a word cut by its soft hyphen
    if failed and not parts:
        raise Unreadable("is a damaged PDF (no page can be read)", next_step="Save it anew from its source.")
    if parts and (fields := _fields(reader)):
        parts.append(Source(name, "form", "\n".join(f"{key}: {value}" for key, value in fields.items())))
    findings = [*_findings(name, count, failed), *(_not_read(name, reader, pictures) if parts else ())]
    return Document(name, title or title_of(name), tuple(parts), name), hidden, tuple(findings)


def _damaged(error: BaseException) -> Unreadable:
    if "cryptography" in str(error) or "AES" in str(error):
        return Unreadable("is encrypted", next_step="Save a copy without a password.")
    said = " ".join(f"{type(error).__name__}: {error}".split())[:120]
    return Unreadable(f"is a damaged PDF ({said})", next_step="Save it anew from its source.")


class _Seen:
    """Follows the drawing state of a page, to tell text that is drawn from text that is only there."""

    def __init__(self) -> None:
        self.drawn = ""
        self.undrawn = ""
        self.starts: list[Start] = []  # where each piece of text is drawn
        self._mode = 0

    def operator(self, operator: bytes, operands: Any, page: Sequence[float], text: Sequence[float]) -> None:
        """Follow the drawing. `page` and `text`: the matrices of both at that moment, of six numbers."""
        if operator in _SHOWS:
            x, y = text[4], text[5]
            self.starts.append((x * page[0] + y * page[2] + page[4], x * page[1] + y * page[3] + page[5]))
        elif operator == b"Tr" and operands:
            self._mode = int(operands[0])
        elif operator == b"Q":
            self._mode = 0

    def text(self, text: str, *_: Any) -> None:
        if self._mode == _INVISIBLE:
            self.undrawn += text
        else:
            self.drawn += text


def _in_columns(page: Any, columns: int) -> str | None:
    """Return the text of a page that draws columns line by line; None where it is no such text, or cannot be told."""
    try:
        with foreign(_damaged):
            layout = page.extract_text(extraction_mode="layout", layout_mode_space_vertically=False)
    except Unreadable:
        return None
    return by_columns(layout, columns)


def _has_picture(page: Any) -> bool:
    resources = page.get("/Resources")
    held = None if resources is None else resources.get_object().get("/XObject")
    drawn = () if held is None else held.get_object().values()
    return any(thing.get_object().get("/Subtype") == "/Image" for thing in drawn)


def _fields(reader: PdfReader) -> dict[str, str]:
    """Return what is filled into the fields of a form, which stands on no page; nothing where that cannot be told."""
    try:
        with foreign(_damaged):
            return {key: str(value) for key, value in reader.get_form_text_fields().items() if value}
    except Unreadable:
        return {}


def _not_read(name: str, reader: PdfReader, pictures: list[int]) -> list[Finding]:
    """Return what of a document that holds text was not read."""
    found = []
    if pictures:
        where = ", ".join(map(str, pictures[:5])) + (" ..." if len(pictures) > 5 else "")
        said = f"has {len(pictures):,} pages that are pictures without text (page {where})."
        found.append(noted(name, said, "If they are scans, put them through text recognition first."))
    try:
        with foreign(_damaged):
            attached = len(reader.attachments)
    except Unreadable:
        attached = 0
    if attached:
        said = f"holds parts that are not read: {attached:,} attached files."
        found.append(noted(name, said, "Store them as files of their own."))
    return found


def _findings(name: str, pages: int, failed: list[int]) -> list[Finding]:
    found = []
    if failed:
        where = ", ".join(map(str, failed[:5])) + (" ..." if len(failed) > 5 else "")
        said = f"has {len(failed):,} pages that cannot be read (page {where}): they were left out."
        found.append(noted(name, said, "Save it anew from its source.", "warn"))
    if pages > MOST_PAGES:
        said = f"has {pages:,} pages; the first {MOST_PAGES:,} were read."
        found.append(noted(name, said, "Split it into several files.", "warn"))
    return found
