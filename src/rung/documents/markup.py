"""HTML: what a reader sees of a page, under its headings. Parsed by lxml; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from rung.documents.chunk import HEADING
from rung.documents.plain import title_of
from rung.documents.scan import speaks_to_a_model
from rung.documents.styles import Styles
from rung.documents.trouble import Unreadable
from rung.types import Document, Source

_LEFT_OUT = {"script", "style", "noscript", "template", "svg", "head", "nav", "iframe", "object", "canvas", "select"}
_BLOCKS = set(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hr li "
    "main ol p pre section table ul h1 h2 h3 h4 h5 h6".split()
)
_HEADINGS = {f"h{n}": n for n in range(1, 7)}


def read_html(name: str, content: bytes) -> tuple[Document, list[str]]:
    """Return the page, and the texts on it that no reader sees. Raises Unreadable."""
    try:
        content.decode("utf-8")
        parser = html.HTMLParser(encoding="utf-8", remove_comments=False)
    except UnicodeDecodeError:
        parser = html.HTMLParser()
    try:
        root = html.document_fromstring(content, parser=parser)
    except (etree.LxmlError, ValueError, LookupError, AssertionError, RecursionError) as error:
        raise Unreadable(f"is no HTML that can be read ({error})") from error
    hidden = [" ".join(c.text.split()) for c in root.iter(etree.Comment) if c.text and speaks_to_a_model(c.text)]
    named = root.findtext(".//title")
    body = root.find("body")
    walk = _Walk(name, hidden, Styles(root))
    walk.over(body if body is not None else root)
    walk.end()
    title = " ".join((named or "").split()) or walk.first_heading or title_of(name)
    return Document(name, title, tuple(walk.parts), name), hidden


class _Walk:
    """Gathers blocks under headings."""

    def __init__(self, name: str, hidden: list[str], styles: Styles) -> None:
        self.parts: list[Source] = []
        self.first_heading = ""
        self._name = name
        self._hidden = hidden
        self._styles = styles
        self._above: list[tuple[int, str]] = []
        self._blocks: list[str] = []

    def over(self, element: Any) -> None:
        """Take in an element with what is below it."""
        line: list[str] = [element.text or ""]
        for child in element:
            self._child(child, line)
            line.append(child.tail or "")
        self._block("".join(line))

    def end(self) -> None:
        """Close the part that is open."""
        if self._blocks:
            place = HEADING + " > ".join(words for _, words in self._above) if self._above else "start"
            self.parts.append(Source(self._name, place, "\n\n".join(self._blocks)))
            self._blocks = []

    def _child(self, child: Any, line: list[str]) -> None:
        """Take in a block for itself, anything else into the line that is open."""
        tag = child.tag
        if not isinstance(tag, str) or tag in _LEFT_OUT:
            return
        if self._hides(child):
            return
        if tag == "br":
            line.append("\n")
        elif tag == "img":
            line.append(child.get("alt") or "")
        elif tag in _BLOCKS or _holds_blocks(child):
            self._block("".join(line))
            line.clear()
            self._as_block(child, tag)
        else:
            line.append("".join(self._inline(child)))

    def _as_block(self, child: Any, tag: str) -> None:
        if tag in _HEADINGS:
            words = " ".join("".join(self._inline(child)).split())
            if words:
                self.end()
                level = _HEADINGS[tag]
                self._above = [(n, w) for n, w in self._above if n < level] + [(level, words)]
                self.first_heading = self.first_heading or words
                self._blocks.append(words)
        elif tag == "table":
            self._block("\n".join(self._rows(child)), lines=True)
        elif tag == "pre":
            self._block("".join(self._inline(child)), lines=True)
        elif tag == "li" and not _holds_blocks(child):
            self._block("- " + " ".join("".join(self._inline(child)).split()))
        else:
            self.over(child)

    def _rows(self, table: Any) -> Iterator[str]:
        for row in self._seen_below(table):
            cells = [
                " ".join("".join(self._inline(c)).split()) for c in row if c.tag in ("td", "th") and not self._hides(c)
            ]
            if any(cells):
                yield " | ".join(cells)

    def _seen_below(self, part: Any) -> Iterator[Any]:
        """Yield the rows of a table, or of a part of it, that a reader sees."""
        for child in part:
            if child.tag in ("tr", "thead", "tbody", "tfoot") and not self._hides(child):
                if child.tag == "tr":
                    yield child
                else:
                    yield from self._seen_below(child)

    def _hides(self, element: Any) -> bool:
        """Whether an element is out of sight; what stands in it is put to the hidden texts."""
        if not self._styles.hide(element):
            return False
        words = " ".join("".join(_words_in(element)).split())
        self._hidden += [words] if words else []
        return True

    def _inline(self, element: Any) -> Iterator[str]:
        yield element.text or ""
        for child in element:
            if isinstance(child.tag, str) and child.tag not in _LEFT_OUT and not self._hides(child):
                if child.tag == "br":
                    yield "\n"
                elif child.tag == "img":
                    yield child.get("alt") or ""
                else:
                    yield from self._inline(child)
            yield child.tail or ""

    def _block(self, text: str, *, lines: bool = False) -> None:
        shown = text.strip("\n") if lines else "\n".join(" ".join(part.split()) for part in text.split("\n")).strip()
        if shown.strip() and shown.strip() != "-":
            self._blocks.append(shown)


def _holds_blocks(element: Any) -> bool:
    return any(isinstance(c.tag, str) and c.tag in _BLOCKS for c in element.iterdescendants())


def _words_in(element: Any) -> Iterator[str]:
    """Yield all text in an element, save what is no text."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
            yield from _words_in(child)
        yield child.tail or ""
