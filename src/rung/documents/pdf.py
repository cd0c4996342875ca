"""PDF: the text of each page. Read by pypdf, which is pure Python and fetches nothing."""

from __future__ import annotations

import io
import logging
import zlib
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from rung.documents.plain import title_of
from rung.documents.trouble import Unreadable, noted
from rung.types import Document, Finding, Source

MOST_PAGES = 3000
_INVISIBLE = 3  # text rendering mode "neither fill nor stroke": ISO 32000-1, table 106
# What a damaged file makes pypdf raise beside its own errors; each was met in the wild.
_DAMAGED = (
    *(PyPdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, OverflowError),
    *(RecursionError, NotImplementedError, zlib.error, OSError, MemoryError, ZeroDivisionError),
)
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells the terminal about every oddity that it mends


def read_pdf(name: str, content: bytes) -> tuple[Document, list[str], tuple[Finding, ...]]:
    """Return the document, texts that are not drawn, and findings. Raises Unreadable."""
    try:
        reader = PdfReader(io.BytesIO(content))
        locked = reader.is_encrypted and not reader.decrypt("")
        count = 0 if locked else len(reader.pages)
        about = None if locked else reader.metadata
        title = str(about.title or "").strip() if about is not None else ""
    except _DAMAGED as error:
        if "cryptography" in str(error) or "AES" in str(error):
            raise Unreadable("is encrypted", next_step="Save a copy without a password.") from error
        raise Unreadable(f"is a damaged PDF ({_said(error)})", next_step="Save it anew from its source.") from error
    if locked:
        raise Unreadable("is encrypted", next_step="Save a copy without a password.")
    parts: list[Source] = []
    hidden: list[str] = []
    failed: list[int] = []
    for number in range(1, min(count, MOST_PAGES) + 1):
        try:
            seen = _Seen()
            text = reader.pages[number - 1].extract_text(visitor_operand_before=seen.operator, visitor_text=seen.text)
        except _DAMAGED:
            failed.append(number)
            continue
        if seen.drawn.strip() and seen.undrawn.strip():  # all of it undrawn: the layer of a text recognition
            hidden.append(" ".join(seen.undrawn.split()))
            text = seen.drawn
        if text.strip():
            parts.append(Source(name, f"page {number}", text.strip()))
    if failed and not parts:
        raise Unreadable("is a damaged PDF (no page can be read)", next_step="Save it anew from its source.")
    return Document(name, title or title_of(name), tuple(parts), name), hidden, tuple(_findings(name, count, failed))


class _Seen:
    """Follows the drawing state of a page, to tell text that is drawn from text that is only there."""

    def __init__(self) -> None:
        self.drawn = ""
        self.undrawn = ""
        self._mode = 0

    def operator(self, operator: bytes, operands: Any, *_: Any) -> None:
        if operator == b"Tr" and operands:
            self._mode = int(operands[0])
        elif operator == b"Q":
            self._mode = 0

    def text(self, text: str, *_: Any) -> None:
        if self._mode == _INVISIBLE:
            self.undrawn += text
        else:
            self.drawn += text


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


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]
