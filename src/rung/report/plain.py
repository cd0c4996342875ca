"""Running text of blocks as plain text."""

from __future__ import annotations

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
