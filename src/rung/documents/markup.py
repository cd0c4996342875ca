"""HTML: what a reader sees of a page, under its headings. Parsed by lxml; nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from rung.documents.chunk import HEADING
from rung.documents.plain import title_of
from rung.documents.scan import speaks_to_a_model
from rung.documents.styles import Styles
from rung.documents.trouble import Unreadable, noted
from rung.foreign import foreign
from rung.types import Document, Finding, Source

_LEFT_OUT = {"script", "style", "noscript", "template", "svg", "head", "nav", "iframe", "object", "canvas", "select"}
# Elements that stand within a line, as browsers have them; every other one, known or not, is a block of its own.
_INLINE = set(
    "a abbr acronym audio b basefont bdi bdo big blink cite code data datalist del dfn em font i img input ins kbd label map "
    "mark math meter nobr output picture progress q rb rp rt rtc ruby s samp slot small span strike strong sub sup time tt u "
    "var video wbr br area source track param mfenced mfrac mi mn mo mover mpadded mphantom mroot mrow ms mspace msqrt mstyle msub "
    "msubsup msup mtext munder munderover semantics".split()
)
_PANEL_WORDS = re.compile(
    r"accordion|collaps|panel|tab|toggle|faq|answer|drawer|expand|dropdown|details|more", re.IGNORECASE
)
_OPENERS = ("aria-controls", "aria-owns", "data-target", "data-bs-target", "data-toggle-target", "href", "for")
_BUTTONS = ("button", "summary", "dt", "label", "h1", "h2", "h3", "h4", "h5", "h6")
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
# A tag as far as its first ">", and as far as the first one outside of quotes: parsers differ, and either may be meant.
_TAGS = (re.compile(r"<[A-Za-z][^>]*"), re.compile(r"<[A-Za-z](?>[^\"'>]+|\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z))*+"))
_LONG_TAG = 5_000  # characters
MOST_PAIRS = 4_000_000_000  # of words within a tag: libxml2 compares every attribute with every other, 0.7 s for 10^9


def read_html(name: str, content: bytes, keep: bool = False) -> tuple[Document, list[str], tuple[Finding, ...]]:
    """Return the page, the texts on it that no reader sees, and what was not read. Raises Unreadable.

    `keep`: hidden texts stay in the document. Panels that open by a click always do, unless they speak to a model.
    """
    _check_tags(content)
    try:
        content.decode("utf-8")
        parser = html.HTMLParser(encoding="utf-8", remove_comments=False)
    except UnicodeDecodeError:
        parser = html.HTMLParser()
    with foreign(lambda error: Unreadable(f"is no HTML that can be read ({error})")):
        root = html.document_fromstring(content, parser=parser)
    hidden = [" ".join(c.text.split()) for c in root.iter(etree.Comment) if c.text and speaks_to_a_model(c.text)]
    named = root.findtext(".//title")
    body = root.find("body")
    walk = _Walk(name, hidden, None if keep else Styles(root), _opened_by(root))
    walk.over(body if body is not None else root)
    walk.end()
    title = " ".join((named or "").split()) or walk.first_heading or title_of(name)
    return Document(name, title, tuple(walk.parts), name), hidden, tuple(_findings(name, root))


def _check_tags(content: bytes) -> None:
    """Raise Unreadable for tags with so many attributes that parsing them would take minutes."""
    text = content.decode("latin-1")  # a letter a byte, which shows the tags of every encoding
    for pattern in _TAGS:
        tags = (m.end() - m.start() > _LONG_TAG and len(m[0].split()) for m in pattern.finditer(text))
        if sum(words * words for words in tags) > MOST_PAIRS:
            raise Unreadable(
                "holds a tag with tens of thousands of attributes",
                next_step="Save the page anew from its source, or as plain text.",
            )


def _findings(name: str, root: Any) -> Iterator[Finding]:
    counted = {
        **{"frames": "iframe", "objects": "object", "canvases": "canvas", "noscript texts": "noscript"},
        **{"drawings with words": "svg", "lists to choose from": "select"},
    }
    found = {said: sum(tag != "svg" or _has_words(e) for e in root.iter(tag)) for said, tag in counted.items()}
    listed = ", ".join(f"{count:,} {said}" for said, count in found.items() if count)
    if listed:
        yield noted(name, f"holds parts that are not read: {listed}.", "Store what they show as files of their own.")


def _has_words(drawing: Any) -> bool:
    return any((words.text or "").strip() for words in drawing.iter("text", "tspan"))


def _opened_by(root: Any) -> set[str]:
    """Return the ids that something on the page names: a control opens them, or leads there."""
    named: set[str] = set()
    for element in root.iter(etree.Element):
        for attribute in _OPENERS:
            named.update(word.lstrip("#") for word in (element.get(attribute) or "")[:200].split())
    return named


class _Walk:
    """Gathers blocks under headings."""

    def __init__(self, name: str, hidden: list[str], styles: Styles | None, opened: set[str]) -> None:
        self.parts: list[Source] = []
        self.first_heading = ""
        self._name = name
        self._hidden = hidden
        self._styles = styles
        self._opened = opened
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
        elif self._is_block(child) or self._holds_blocks(child):
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
        elif tag == "li" and not self._holds_blocks(child):
            self._block("- " + " ".join("".join(self._inline(child)).split()))
        else:
            self.over(child)

    def _rows(self, table: Any) -> Iterator[str]:
        """Yield the rows; a cell that spans rows stands in each of them."""
        spanning: dict[int, tuple[int, str]] = {}  # column -> rows that are left, text
        for row in self._seen_below(table):
            cells: list[str] = []
            own = iter([row] if row.tag != "tr" else list(self._seen_below(row, ("td", "th"))))
            column = 0
            while True:
                left, text = spanning.pop(column, (0, ""))
                width = 1
                if not left:
                    cell = next(own, None)
                    if cell is None:
                        break
                    text = " ".join("".join(self._inline(cell)).split())
                    left, width = _span(cell, "rowspan"), _span(cell, "colspan")
                if left > 1:
                    spanning[column] = (left - 1, text)
                cells.append(text)
                column += width
            for at in sorted(c for c in spanning if c > column):  # behind the last cell of this row
                left, text = spanning.pop(at)
                cells.append(text)
                if left > 1:
                    spanning[at] = (left - 1, text)
            if any(cells):
                yield " | ".join(cells)

    def _seen_below(self, part: Any, wanted: tuple[str, ...] = ("tr",)) -> Iterator[Any]:
        """Yield the rows of a table or the cells of a row that a reader sees, whatever they are wrapped in, and what stands between."""
        for child in part:
            if not isinstance(child.tag, str) or child.tag in _LEFT_OUT or self._hides(child):
                continue
            inner = child.tag in ("thead", "tbody", "tfoot") or next(child.iterdescendants(*wanted), None) is not None
            if child.tag not in (*wanted, "table") and inner:
                yield from self._seen_below(child, wanted)
            else:
                yield child

    def _hides(self, element: Any) -> bool:
        """Whether an element is out of sight; what stands in it is put to the hidden texts."""
        if self._styles is None or not self._styles.hide(element):
            return False
        words = " ".join("".join(_words_in(element)).split())
        if self._opens(element) and not speaks_to_a_model(words):
            return False
        self._hidden += [words] if words else []
        return True

    def _opens(self, element: Any) -> bool:
        """Whether a reader can open the element: something names it, it calls itself a panel, or it follows a button."""
        if self._styles is None or not self._styles.is_closed(element):
            return False
        words = f"{element.get('class', '')} {element.get('id', '')} {element.get('role', '')}"
        before = element.getprevious()
        return (
            element.get("id", "") in self._opened - {""}
            or element.get("hidden") == "until-found"
            or bool(_PANEL_WORDS.search(words[:500]))
            or (before is not None and (before.tag in _BUTTONS or before.get("role") in ("button", "tab")))
        )

    def _is_block(self, element: Any) -> bool:
        shown = None if self._styles is None else self._styles.display(element)
        return element.tag not in _INLINE if shown is None else shown not in ("inline", "contents")

    def _holds_blocks(self, element: Any) -> bool:
        return any(
            isinstance(c.tag, str) and c.tag not in _LEFT_OUT and self._is_block(c) for c in element.iterdescendants()
        )

    def _inline(self, element: Any) -> Iterator[str]:
        yield element.text or ""
        for child in element:
            if isinstance(child.tag, str) and child.tag not in _LEFT_OUT and not self._hides(child):
                if child.tag == "br":
                    yield "\n"
                elif child.tag == "img":
                    yield child.get("alt") or ""
                elif self._is_block(child):
                    yield " "
                    yield from self._inline(child)
                    yield " "
                else:
                    yield from self._inline(child)
            yield child.tail or ""

    def _block(self, text: str, *, lines: bool = False) -> None:
        shown = text.strip("\n") if lines else "\n".join(" ".join(part.split()) for part in text.split("\n")).strip()
        if shown.strip() and shown.strip() != "-":
            self._blocks.append(shown)


def _span(cell: Any, attribute: str) -> int:
    value = (cell.get(attribute) or "").strip()[:4]
    return min(max(1, int(value)), 1_000) if value.isdecimal() else 1


def _words_in(element: Any) -> Iterator[str]:
    """Yield all text in an element, save what is no text."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
            yield from _words_in(child)
        yield child.tail or ""
