"""Blocks as one self-contained HTML file: no remote load, a strict policy, one script of ours that searches examples."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from rung.report import blocks as b
from rung.report._svg import element
from rung.report.escape import shown, visible
from rung.report.rows import ExampleCell, ExampleRow, anchor_of_row

HERE = Path(__file__).parent
TAGS = {"b", "small", "code", "ins", "del"}
SIGNS = {"right": "✓", "wrong": "✗", "partly": "◐", "failed": "!", "absent": "·"}
ICONS = {"note": "i", "warn": "!", "stop": "×"}
LINES_SHOWN = 4  # of a text, before it is folded
PRINTED = 24  # examples on paper


def render(page: b.Page) -> str:
    """Return the page. Equal blocks give equal pages; every text of them is escaped."""
    style, script = (_ours(name) for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    about = {"viewport": "width=device-width, initial-scale=1", "color-scheme": "light dark", "referrer": "no-referrer"}
    about |= {"generator": page.generator} | ({"description": page.description} if page.description else {})
    sections = _joined(_section(s, "h2" if number else "h1") for number, s in enumerate(page.sections))
    links = [element("a", s.word, href=f"#{s.id}") for s in page.sections if s.word]
    top = (element("span", "rung", cls="brand"), element("span", shown(page.name), cls="task"))
    return "\n".join([
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        *(f'<meta name="{name}" content="{escape(visible(text))}">' for name, text in about.items()),
        f"<title>{escape(visible(page.title))}</title>\n<style>{style}</style>\n</head>\n<body>",
        element("header", *top, *([element("nav", *links)] if links else []), cls="top"),
        f"<main>\n{sections}</main>",
        element("footer", words(page.footer)),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ])  # fmt: skip


@cache
def _ours(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _joined(parts: Iterable[str]) -> Markup:
    return Markup("").join(
        Markup(f"{part}\n") for part in parts
    )  # parts are written by `element` or escaped by `shown`


def _section(section: b.Section, heading: str) -> Markup:
    title = [element(heading, section.title)] if section.title else []
    inner = blocks(section.blocks)
    if section.folded:
        return element("details", element("summary", *title), "\n", inner, cls="part", id=section.id)
    return element("section", *title, "\n", inner, id=section.id, cls=None if title else "verdict")


def blocks(found: Iterable[b.Block]) -> Markup:
    """Write blocks below each other."""
    return _joined(WRITERS[type(block)](block) for block in found)


def words(found: b.Words) -> Markup:
    """Write running text."""
    return Markup("").join(_inline(piece) for piece in b.pieces(found))


def _inline(piece: b.Inline) -> Markup:
    if isinstance(piece, str):
        return shown(piece)
    if isinstance(piece, b.Drawing):
        return piece.svg
    if isinstance(piece, b.Long):
        return _folded(piece.text, piece.most)
    kind, text = piece.kind, shown(piece.text)
    if kind in TAGS:
        text = element(kind, text)
        return text if piece.link is None else element("a", text, href=piece.link)
    if piece.link is not None:
        return element("a", text, cls=kind or None, href=piece.link)
    return element("span", text, cls=kind, title=piece.hint) if kind else text


def _folded(text: str, most: int = 180) -> Markup:
    if len(text) <= most and text.count("\n") <= LINES_SHOWN:
        return element("div", shown(text), cls="text")
    peek = element("span", shown(text[: most - 30]), "…", cls="peek")
    return element("details", element("summary", peek), element("div", shown(text), cls="text"), cls="long")


def _text(block: b.Text) -> Markup:
    return element("p", words(block.words), cls=block.style or None)


def _title(block: b.Title) -> Markup:
    return element("h3", words(block.words), cls=block.style or None)


def _bullets(block: b.Bullets) -> Markup:
    return element("ul", *map(_item, block.items), cls=block.style)


def _item(item: b.Words | b.Item) -> Markup:
    if not isinstance(item, b.Item):
        return element("li", words(item))
    if item.icon is None:
        return element("li", words(item.words), id=item.anchor)
    icon = element("span", ICONS[item.icon], cls="icon", aria_hidden="true")
    return element("li", icon, element("div", words(item.words)), id=item.anchor, cls=item.icon)


def _table(block: b.Table) -> Markup:
    heads = [
        element(
            "th",
            c.head,
            cls="r" if "r" in c.style.split() else None,
            colspan=None if after is None or after.head else 2,
        )
        for c, after in zip(block.columns, (*block.columns[1:], None), strict=True)
        if c.head
    ]
    rows = (element("tr", *_cells(block.columns, row), id=row.anchor, cls=row.style or None) for row in block.rows)
    head = [element("thead", element("tr", *heads))] if heads else []
    inner = element("table", *head, element("tbody", _joined(rows)), cls=block.style or None)
    return element("div", inner, cls="scroll", tabindex=0)


def _cells(columns: Iterable[b.Column], row: b.Row) -> Iterator[Markup]:
    for number, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
        if number == 0:
            yield element("th", words(cell), scope="row")
        else:
            label = column.head if column.label is None else column.label
            yield element("td", words(cell), cls=column.style or None, data_label=label)


def _facts(block: b.Facts) -> Markup:
    pairs = (element("div", element("dt", shown(name)), element("dd", words(said))) for name, said in block.facts)
    return element("dl", *pairs, cls=block.style)


def _figure(block: b.Figure) -> Markup:
    if block.narrow is not None:
        return _joined(
            element("figure", svg, cls=f"chart {c}") for svg, c in ((block.wide, "wide"), (block.narrow, "narrow"))
        )
    caption = [element("figcaption", block.caption)] if block.caption else []
    return element("figure", block.wide, *caption)


def _key(block: b.Key) -> Markup:
    return element(
        "p", *(element("span", element("span", cls=mark), shown(word)) for mark, word in block.entries), cls="key"
    )


def _code(block: b.Code) -> Markup:
    return element("pre", shown(block.text))


def _chat(block: b.Chat) -> Markup:
    return element("div", *(_turn(role, text) for role, text in block.turns), cls="chat")


def _turn(role: str, text: str) -> Markup:
    who = [element("span", role, cls="role")] if role else []
    return element("div", *who, element("div", shown(text), cls="text"), cls=f"turn {role}".strip())


def _fold(block: b.Fold) -> Markup:
    inner = blocks(block.blocks)
    if block.style == "bare":
        return inner
    opened = {"open": ""} if block.open else {}
    return element(
        "details", element("summary", words(block.words)), "\n", inner, cls=block.style, id=block.anchor, **opened
    )


def _answer(block: b.Answer) -> Markup:
    said, command = block.said, block.said.commands[0]
    line = (element("code", shown(command.line), cls="command"), " ", element("span", shown(command.why), cls="soft"))
    return _joined([
        element("p", element("span", block.badge, cls=f"badge {block.state}"), cls="badge-line"),
        element("h1", shown(said.headline)),
        *([element("p", shown(said.basis), cls="lede")] if said.basis else []),
        *(element("p", shown(note), cls="aside") for note in said.notes),
        element("div", element("b", "Next"), " ", *line, cls="next"),
    ])  # fmt: skip


def _examples(block: b.Examples) -> Markup:
    table, part = block.table, block.table.part
    heads = ("Example", "Input", "Expected", *(name for name, _ in block.heads))
    inner = element(
        "table",
        element("thead", element("tr", *(element("th", shown(head)) for head in heads))),
        element("tbody", _joined(_example(block, row) for row in table.rows)),
        cls="cards side",
    )
    boxed = element("div", inner, cls="scroll boxed", tabindex=0, role="region", aria_label=f"{part} examples")
    printed = [element("p", f"Of these, the first {PRINTED} are printed.", cls="print-only small")]
    return element(
        "div", _search(block), *_choices(block), boxed, *(printed if len(table.rows) > PRINTED else ()), cls="filtered"
    )


def _search(block: b.Examples) -> Markup:
    part, causes = block.table.part, block.table.causes
    field = Markup('<input type="search" id="search-{}" autocomplete="off">').format(part)
    options = [element("option", "any", value=""), *(element("option", shown(cause)) for cause in causes)]
    chosen = [" ", element("label", "Cause ", element("select", *options, id=f"cause-{part}"))] if causes else []
    told = element("output", **{"for": f"search-{part}"}, cls="soft small")
    return element("div", element("label", "Search ", field), *chosen, " ", told, cls="search", hidden="")


def _choices(block: b.Examples) -> Iterator[Markup]:
    table, part = block.table, block.table.part
    for kind, word in block.kinds if table.has_choice else ():
        many = sum(kind in ("all", row.kind) for row in table.rows)
        if many:
            name, checked = f"show-{part}-{kind}", Markup(" checked" if kind == "all" else "")
            radio = '<input type="radio" name="show-{}" id="{}" class="show-{}"{}>'
            yield Markup(radio).format(part, name, kind, checked)
            yield element("label", shown(word), " ", element("span", f"{many:,}", cls="soft"), **{"for": name})


def _example(block: b.Examples, row: ExampleRow) -> Markup:
    below = [f"group {row.group}" if row.group else None, row.cause]
    name = element("a", shown(row.id), cls="id", href=f"#{row.anchor}")
    inputs = [
        element("span", shown(column), cls="column") + _folded(text, 240) if len(row.inputs) > 1 else _folded(text, 240)
        for column, text in row.inputs
    ]
    return element(
        "tr",
        element("th", name, *(element("small", shown(text)) for text in below if text), scope="row"),
        element("td", *inputs, data_label="Input", cls="input"),
        element("td", _folded(row.target), data_label="Expected", cls="expected"),
        *(
            element("td", *_answered(cell, row, page), data_label=head, cls="answer")
            for cell, (head, page) in zip(row.cells, block.heads, strict=True)
        ),
        id=row.anchor,
        cls=row.kind,
        data_cause=row.cause,
    )


def _answered(cell: ExampleCell, row: ExampleRow, page: str | None) -> Iterator[Markup]:
    sign = element("span", SIGNS[cell.mark], aria_hidden="true")
    yield element("span", sign, " ", shown(cell.word), cls=f"mark {cell.mark}")
    if cell.loose:
        yield element("span", "form", cls="mark loose")
    if cell.text:
        yield _folded(cell.text)
    if cell.note:
        yield element("div", _folded(cell.note, 120), cls="note")
    if cell.chat:
        turns = element("div", *(_turn(m.role, m.content) for m in cell.chat), cls="chat")
        yield element("details", element("summary", "chat as sent"), turns, cls="long sent")
    for source in cell.sources:
        yield element("div", "from ", _folded(source, 90), cls="note")
    if page and cell.mark not in ("right", "absent"):
        yield element("a", "in its report", cls="note", href=f"{page}#{anchor_of_row('dev', row.id)}")


WRITERS: Mapping[type, Callable[[Any], Markup]] = {
    b.Text: _text,
    b.Title: _title,
    b.Bullets: _bullets,
    b.Table: _table,
    b.Facts: _facts,
    b.Figure: _figure,
    b.Key: _key,
    b.Code: _code,
    b.Chat: _chat,
    b.Fold: _fold,
    b.Answer: _answer,
    b.Examples: _examples,
}
