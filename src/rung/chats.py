"""How chats and bare examples are written: a form without system turns, and an example as text. One way for all who need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def folded(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat without system turns: their text stands at the head of the first user turn, or is one.

    The first turn of the rest is the user's then, as templates and endpoints without system turns want it.
    """
    system = [str(turn["content"]) for turn in turns if turn["role"] == "system"]
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    if not system:
        return rest
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(system)}, *rest]
    rest[0]["content"] = "\n\n".join([*system, rest[0]["content"]])
    return rest


def heading(column: str) -> str:
    """Return a column's name as people write it: "order_id" becomes "Order id"."""
    spaced = column.replace("_", " ").strip() or column
    return spaced[:1].upper() + spaced[1:]


def bare_row(inputs: Mapping[str, str]) -> str:
    """Return a row as text: one column's value alone, several as "Column: value" lines."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return "\n".join(f"{heading(column)}: {value}" for column, value in inputs.items())
