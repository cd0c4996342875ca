"""What must hold of each form in which data are shown, whatever the data hold."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from lxml import etree, html
from markdown_it import MarkdownIt

FORMULA = ("=", "@", "\uff1d", "\uff20")
SIGNS = ("+", "-", "\uff0b", "\uff0d")
OURS = re.compile(
    r"\x1b\[(?:\?25[lh]|[0-9;]*m|2K|1A)|\r(?=\r*(?:\n|\x1b|\Z))"
)  # what rich writes for colours, bars and the cursor
CODES = ("Cc", "Cf", "Cs")


def obeyed(text: str, ours: bool = True) -> set[str]:
    """Return what a terminal might obey or hide; on a terminal our own sequences are left out."""
    rest = OURS.sub("", text) if ours else text
    return {hex(ord(c)) for c in rest if unicodedata.category(c) in CODES and c not in "\n\t"}


def styled(text: str) -> set[str]:
    """Return colours and styles that rung does not use, and sequences that a datum of the corpus wrote."""
    styles = set(re.findall(r"\x1b\[([0-9;]*)m", text))
    theirs = {said for said in ("\x1b[31mred", "\x1b[8m", "\x1b[1A\x1b[2Kx") if said in text}
    return theirs | {style for style in styles if style in ("7", "8", "5", "6")}


def elements(page: str) -> Counter[str]:
    """Return how often each element stands in a page, as an HTML parser reads it; marks of hidden characters left out."""
    root = html.document_fromstring(page)
    return Counter(str(e.tag) for e in root.iter() if e.get("class") != "hid")


def foreign_attributes(page: str) -> list[str]:
    """Return attributes that run or load something."""
    root = html.document_fromstring(page)
    found = []
    for element in root.iter(etree.Element):
        for name, value in element.attrib.items():
            leads = name in ("href", "src", "action", "srcset", "data", "srcdoc", "poster", "formaction")
            if name.startswith("on") or name == "style" or (leads and not re.fullmatch(r"#[\w.-]*", str(value))):
                found.append(f"{element.tag} {name}={str(value)[:60]}")
    return found


def markdown_blocks(text: str) -> list[str]:
    """Return the types of the blocks of a Markdown text, in their order."""
    return [f"{token.type} {token.tag}" for token in _markdown().parse(text)]


_OURS = re.compile(r"^(<!-- rung [0-9a-f]{16} -->|<details><summary>[^<]*</summary>|</details>)$", re.MULTILINE)


def bare_comment(text: str) -> str:
    """Return a pull-request comment without the lines of HTML that are ours: what is left must hold none."""
    return _OURS.sub("", text)


def markdown_foreign(text: str) -> set[str]:
    """Return the types of what data must not bring into a Markdown text: HTML (but our <sub>), links, images, code.

    A bare domain (notes.md is one) is a link for the library, which knows top-level domains, and none for GitHub: left out.
    """
    found = set()
    for token in _markdown().parse(text):
        children = token.children or []
        for child, shown in zip((token, *children), (*children, None, None), strict=False):
            ours = child.type == "html_inline" and child.content in ("<sub>", "</sub>")
            ours = ours or (child.type == "code_inline" and child.content.startswith("rung "))  # the next command
            if child.type.startswith("link_") and child.markup == "linkify":
                ours = shown is None or not re.match(r"www\.|.*//|.*@|mailto:", shown.content, re.IGNORECASE)
            if not ours and child.type not in _PLAIN and not child.type.startswith(_BLOCKS):
                found.add(f"{child.type} {child.content[:40] or child.attrs}")
    return found


_PLAIN = {"text", "text_special", "inline", "strong_open", "strong_close", "em_open", "em_close", "softbreak"}
_BLOCKS = ("paragraph_", "heading_", "bullet_list_", "list_item_", "table_", "thead_", "tbody_", "tr_", "th_", "td_")


def _markdown() -> MarkdownIt:
    return MarkdownIt("gfm-like", {"html": True, "linkify": True})


def formulas(text: str) -> list[str]:
    """Return the cells of a CSV that a spreadsheet would compute, at whatever separator it cuts."""
    return [cell[:60] for cut in ",;\t" for cell in _cells(text, cut) if _computed(cell)]


def _cells(text: str, cut: str) -> Iterator[str]:
    if cut == ",":
        yield from (cell for row in csv.reader(io.StringIO(text, newline=""), strict=True) for cell in row)
        return
    for line in re.split(r"[\r\n]", text):  # quotes that stand within a cell are letters
        yield from line.split(cut)


def _computed(cell: str) -> bool:
    bare = cell.lstrip().lstrip("\ufeff\u200b").lstrip().removeprefix('"').lstrip()
    return bare.startswith(FORMULA) or (bare.startswith(SIGNS) and re.match(r"[^,\"]*[(|!]", bare) is not None)


def read_back(cell: str, text: str) -> bool:
    """Whether a cell says what the text says, but for apostrophes before what could be a formula."""
    return cell.replace("'", "") == text.replace("\x00", "\ufffd").replace("'", "")


def xml_elements(text: str) -> Counter[str]:
    """Return how often each element stands in an XML text. Raises expat's error where it is not well-formed."""
    counts: Counter[str] = Counter()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: counts.update([name])
    parser.Parse(text.encode("utf-8"), True)
    return counts


def without_openings(data: dict[str, Any]) -> dict[str, Any]:
    """Return a report's data without its record of the test set's openings: each look at revealed rows is one more."""
    return data | {"test_opened": 0, "sections": [s for s in data["sections"] if s["id"] != "spend"]}
