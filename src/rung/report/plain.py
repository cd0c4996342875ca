"""Blocks as plain text and plain data: what is said, without how it is set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rung.report import blocks as b

LONGEST = 300  # characters of a text of any length


def worded(words: b.Words) -> str:
    """Return running text without its setting; a drawing is said, a long text is cut."""
    return "".join(map(_one, b.pieces(words))).strip()


def _one(piece: b.Inline) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, b.Drawing):
        return piece.said
    if isinstance(piece, b.Long):
        return piece.text if len(piece.text) <= LONGEST else f"{piece.text[:LONGEST]}…"
    return f" ({piece.text})" if piece.kind == "small" else piece.text


def as_sections(page: b.Page) -> list[dict[str, Any]]:
    """Return the sections with their tables and sentences as JSON-able data; drawings, prompts and examples are left out."""
    told = ({"id": s.id, "title": s.title, "blocks": _blocks(s.blocks)} for s in page.sections)
    return [section for section in told if section["blocks"]]


def _blocks(blocks: Sequence[b.Block]) -> list[dict[str, Any]]:
    return [found for block in blocks if (found := _block(block))]


def _block(block: b.Block) -> dict[str, Any]:
    if isinstance(block, b.Text):
        return {"text": worded(block.words)}
    if isinstance(block, b.Title):
        return {"title": worded(block.words)}
    if isinstance(block, b.Bullets):
        return {"list": [worded(item.words if isinstance(item, b.Item) else item) for item in block.items]}
    if isinstance(block, b.Facts):
        return {"facts": {name: worded(said) for name, said in block.facts}}
    if isinstance(block, b.Table):
        rows = [[worded(cell) for cell in row.cells] for row in block.rows]
        return {"columns": [column.head for column in block.columns], "rows": rows}
    if isinstance(block, b.Fold):
        return {"title": worded(block.words), "blocks": inner} if (inner := _blocks(block.blocks)) else {}
    return {}
