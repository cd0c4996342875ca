"""HTML: what a reader sees of a page, under its headings. Parsed by lxml; nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from rung.documents.chunk import HEADING
from rung.documents.plain import title_of
from rung.documents.scan import speaks_to_a_model
from rung.documents.trouble import Unreadable
from rung.types import Document, Source

_LEFT_OUT = {"script", "style", "noscript", "template", "svg", "head", "nav", "iframe", "object", "canvas", "select"}
_BLOCKS = set(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hr li "
    "main ol p pre section table ul h1 h2 h3 h4 h5 h6".split()
)
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?<![-\w])opacity\s*:\s*0(?:\.0*)?\s*(?:;|$|!)|font-size\s*:\s*[01](?:\.\d+)?"
    r"(?:px|pt|em|rem|%)?\s*(?:;|$|!)|text-indent\s*:\s*-\d{3,}|(?:left|top)\s*:\s*-\d{4,}|(?<![-\w])(?:height|width)\s*:\s*0",
    re.IGNORECASE,
)
_WHITE = re.compile(
    r"(?<![-\w])color\s*:\s*(?:white|#fff(?:fff)?\b|rgba?\(\s*255\s*,\s*255\s*,\s*255|transparent|rgba\([^)]*,\s*0\s*\))",
    re.I,
)
_DARK = re.compile(r"background", re.I)


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
    walk = _Walk(name, hidden)
    walk.over(body if body is not None else root)
    walk.end()
    title = " ".join((named or "").split()) or walk.first_heading or title_of(name)
    return Document(name, title, tuple(walk.parts), name), hidden


class _Walk:
    """Gathers blocks under headings."""

    def __init__(self, name: str, hidden: list[str]) -> None:
        self.parts: list[Source] = []
        self.first_heading = ""
        self._name = name
        self._hidden = hidden
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
        if _is_hidden(child):
            self._hidden += [words for words in [" ".join("".join(child.itertext()).split())] if words]
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
        for row in table.iter("tr"):
            if not _is_hidden(row):
                cells = [
                    " ".join("".join(self._inline(c)).split())
                    for c in row
                    if c.tag in ("td", "th") and not _is_hidden(c)
                ]
                if any(cells):
                    yield " | ".join(cells)

    def _inline(self, element: Any) -> Iterator[str]:
        yield element.text or ""
        for child in element:
            if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                if _is_hidden(child):
                    self._hidden += [words for words in [" ".join("".join(child.itertext()).split())] if words]
                elif child.tag == "br":
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


def _is_hidden(element: Any) -> bool:
    """Whether an element is styled out of sight. Style sheets are not followed."""
    if element.get("hidden") is not None or (element.get("aria-hidden") == "true" and element.tag != "img"):
        return True
    style = element.get("style")
    if not style:
        return False
    return bool(_HIDDEN_STYLE.search(style) or (_WHITE.search(style) and not _DARK.search(style)))
