"""What reports are made of: typed blocks, made once from a run. Writers know blocks only: the page, the terminal, Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

if TYPE_CHECKING:
    from rung.report.rows import ExampleTable
    from rung.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Bit:
    """A piece of running text. `kind`: an HTML tag of TAGS, else the classes of a span; `link`: the id or page that it leads to."""

    text: str
    kind: str = ""
    link: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """An inline chart; `said` stands for it where nothing can be drawn."""

    svg: Markup
    said: str


@dataclass(frozen=True, slots=True)
class Long:
    """A text of any length: folded after `most` characters."""

    text: str
    most: int = 180


Inline = str | Bit | Drawing | Long
Words = Inline | Sequence[Inline]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `style`: its classes. "intro" alone: it explains what the page shows, and other forms leave it out."""

    words: Words
    style: str = ""


@dataclass(frozen=True, slots=True)
class Title:
    """A heading inside a section."""

    words: Words
    style: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list; `icon`: "note", "warn" or "stop"."""

    words: Words
    anchor: str | None = None
    icon: str | None = None


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: Sequence[Words | Item]
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its head, its classes, and what stands before its cells on a phone. Without a head it shares the one before."""

    head: str
    style: str = ""
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; the first cell names it."""

    cells: Sequence[Words]
    anchor: str | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `style` "cards": on a phone each line becomes a card."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    style: str = "cards"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what is known of each."""

    facts: Sequence[tuple[str, Words]]
    style: str = "record"


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, of which there may be a narrow one for phones."""

    wide: Markup
    narrow: Markup | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """What the colours of a chart mean: (classes of the mark, word)."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Code:
    """Text set as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns of a conversation: (role, text)."""

    turns: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks behind a line that unfolds them on the page; `style` "bare": in plain sight there. `told`: by the other forms."""

    words: Words
    blocks: Sequence[Block]
    anchor: str | None = None
    open: bool = False
    style: Literal["fold", "long", "bare"] = "fold"
    told: Literal["nothing", "line", "blocks"] = "nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """What every form says first."""

    said: Summary
    badge: str
    state: str


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples side by side, searched and filtered. `kinds`: (kind, word) of the choices; `pages`: run folders' own, by column."""

    table: ExampleTable
    kinds: Sequence[tuple[str, str]]
    heads: Sequence[tuple[str, str | None]]  # of the columns: name, and the page in which its failures are told


Block = Text | Title | Bullets | Table | Facts | Figure | Key | Code | Chat | Fold | Answer | Examples
Ids = Callable[[Sequence[str]], Sequence[Inline]]
"""Writes ids of dev examples, each a link where the page shows it."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: the id of its element, its word in the navigation (empty: not there), its title. `folded`: on the page."""

    id: str
    word: str
    title: str
    blocks: Sequence[Block]
    folded: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report. `footer`: below everything."""

    name: str
    title: str
    sections: Sequence[Section]
    footer: Words
    description: str = ""
    generator: str = "rung"


def columns(*heads: str | Column) -> tuple[Column, ...]:
    """Return the columns of a table; a head that ends in "|" is set to the right."""
    return tuple(
        h if isinstance(h, Column) else Column(h.removesuffix("|"), "r" if h.endswith("|") else "") for h in heads
    )


def table(heads: Sequence[str | Column], rows: Iterable[Sequence[Words]], style: str = "cards") -> Table:
    """Return a table of plain rows."""
    return Table(columns(*heads), [Row(cells) for cells in rows], style)


def pieces(words: Words) -> Sequence[Inline]:
    """Return the pieces of running text."""
    return (words,) if isinstance(words, str | Bit | Drawing | Long) else words


def joined(*found: Words) -> list[Inline]:
    """Return running text after running text."""
    return [piece for words in found for piece in pieces(words)]


def bold(text: str) -> Bit:
    return Bit(text, "b")


def soft(text: str) -> Bit:
    return Bit(text, "soft")


def small(text: str) -> Bit:
    return Bit(text, "small")


def code(text: str) -> Bit:
    return Bit(text, "code")


def status(state: str, word: str) -> Bit:
    """Return a word set as how something stands: "meets", "misses", "inconclusive" or any other state."""
    return Bit(word, f"status {state}")
