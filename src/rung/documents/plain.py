"""Markdown and plain text. Markdown is kept as it is written: tables and lists tell a model more than their bare words."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rung.documents.chunk import HEADING
from rung.documents.trouble import Unreadable, noted
from rung.plugins import require
from rung.types import Document, Finding, Source

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_FRONT_LINE = re.compile(r"[\w.-]{1,60}\s{0,9}:(?:\s|$)|[ \t]|- |#|$")  # of YAML, as page generators write it
_FRONT_TITLE = re.compile(r"^title:(.+)$", re.MULTILINE)
_CODE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~)[^\n]*$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"<([a-z][a-z0-9]{0,30})(\s[^<>]{0,2000})>", re.IGNORECASE)
_END_TAG = re.compile(r"</([a-z][a-z0-9]{0,30})\s{0,9}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\s(hidden)(?=[\s/]|$)|\sstyle\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_HIDING = re.compile(
    r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|(?:opacity|font-size)\s{0,9}:\s{0,9}0(?![.\d])",
    re.IGNORECASE,
)
_LONGEST_HIDDEN = 4_000  # characters between a tag and its end


@cache
def _markdown() -> MarkdownIt:
    """Return the parser: made for the first page, so that a climb without documents does not load it."""
    parser: MarkdownIt = require("markdown_it").MarkdownIt("commonmark")
    return parser


def decoded(name: str, content: bytes) -> tuple[str, tuple[Finding, ...]]:
    """Return a text file's text: UTF-8, UTF-16 with its mark, else Windows-1252 with a finding. Raises Unreadable."""
    coding = next((coding for mark, coding in _BOMS if content.startswith(mark)), "utf-8")
    findings: tuple[Finding, ...] = ()
    try:
        text = content.decode(coding)
    except UnicodeDecodeError:
        if b"\x00" in content[:65536]:
            raise Unreadable("is binary, whatever its name says") from None
        text = content.decode("cp1252", "replace")
        said = "is not UTF-8; it was read as Windows-1252."
        findings = (noted(name, said, "Check its accented letters, or save it as UTF-8."),)
    if len(_BINARY.findall(text[:65536])) > len(text[:65536]) // 100:
        raise Unreadable("is binary, whatever its name says")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""), findings


def read_text(name: str, content: bytes) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """Read plain text: a part is a paragraph, its place the line it starts at."""
    text, findings = decoded(name, content)
    parts = tuple(Source(name, f"line {line}", block) for line, block in _paragraphs(text))
    return (Document(name, title_of(name), parts, name),), findings


def read_markdown(name: str, content: bytes) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """Read Markdown: a part is what stands under one heading, its place the headings above."""
    text, findings = decoded(name, content)
    title, front = None, _FRONT_MATTER.match(text)
    if (
        front and ":" in front[1] and all(map(_FRONT_LINE.match, front[1].split("\n")))
    ):  # else it is text between two rules
        named = _FRONT_TITLE.search(front[1])
        title = named[1].strip().strip("\"'") if named else None
        text = text[front.end() :]
    lines = text.split("\n")
    headings = list(_headings(text))
    title = title or next((words for _, level, words in headings if level == 1), None) or title_of(name)
    parts = []
    above: list[tuple[int, str]] = []
    if not headings or headings[0][0] > 0:
        parts.append(Source(name, "start", "\n".join(lines[: headings[0][0] if headings else None]).strip("\n")))
    ends = [line for line, _, _ in headings[1:]] + [len(lines)]
    for (line, level, words), end in zip(headings, ends, strict=False):  # no heading: no part either
        above = [(n, w) for n, w in above if n < level] + [(level, words)]
        place = HEADING + " > ".join(w for _, w in above)
        parts.append(Source(name, place, "\n".join(lines[line:end]).strip("\n")))
    return (Document(name, title, tuple(p for p in parts if p.text.strip()), name),), findings


def seen_markdown(text: str) -> tuple[str, list[str]]:
    """Return Markdown without the HTML elements in it that hide themselves, and what was in them; code stays as it is."""
    if "<" not in text:
        return text, []
    hidden: list[str] = []

    pieces = [piece if n % 2 else _without_hidden(piece, hidden) for n, piece in enumerate(_CODE.split(text))]
    return "".join(pieces), hidden


def _without_hidden(text: str, hidden: list[str]) -> str:
    """Return the text without elements that hide themselves; their words are put to `hidden`."""
    kept: list[str] = []
    at = 0
    while (tag := _TAG.search(text, at)) is not None:
        within = slice(tag.end(), tag.end() + _LONGEST_HIDDEN)
        ends = _END_TAG.finditer(text, within.start, within.stop) if _hides_itself(tag[2]) else iter(())
        end = next((e for e in ends if e[1].lower() == tag[1].lower()), None)
        kept.append(text[at : tag.end() if end is None else tag.start()])
        if end is not None:
            hidden += [words for words in [" ".join(text[tag.end() : end.start()].split())] if words]
        at = tag.end() if end is None else end.end()
    return "".join([*kept, text[at:]])


def _hides_itself(attributes: str) -> bool:
    return any(m[1] or _HIDING.search(m[2] or m[3] or "") for m in _ATTRIBUTE.finditer(attributes))


def title_of(name: str) -> str:
    """Return a title made of a file's name: "refund-policy.md" -> "refund policy"."""
    return re.sub(r"[-_\s]+", " ", PurePosixPath(name).name.split(".")[0]).strip() or name


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield line (from 0), level and words of every heading; "#" in a code block is none."""
    tokens = _markdown().parse(text)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.map is not None and token.level == 0:
            shown = "".join(c.content for c in inline.children or () if c.type in ("text", "code_inline"))
            if shown.strip():
                yield token.map[0], int(token.tag[1:]), " ".join(shown.split())


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line (from 1) that a paragraph starts at, and the paragraph."""
    start, held = 1, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            start = start if held else number
            held.append(line)
        elif held:
            yield start, "\n".join(held)
            held = []
