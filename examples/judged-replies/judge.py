"""A judge made of code, so that the example runs offline: it looks for the order number alone, and so passes what has no date.

Its error is known: it passes every good reply, and every reply whose only fault is that it names no day.
"""

from __future__ import annotations

import re
from typing import Any

from rung.testing.judges import Seen, read

ORDER = re.compile(r"[A-Z]\d{5}")


def by_the_number(messages: list[dict[str, Any]]) -> str:
    """Pass a reply that names an order number; of two prefer the one that does, else call it a tie."""
    seen = read(messages)
    if "ANSWER A" in seen.material:
        a, b = _named(seen, "ANSWER A"), _named(seen, "ANSWER B")
        return seen.reply("tie" if a == b else "A" if a else "B", "one names the order, the other does not")
    return seen.reply(seen.choices[-1] if _named(seen, "ANSWER") else seen.choices[0], "by the order number")


def _named(seen: Seen, title: str) -> bool:
    return any(ORDER.search(text) for text in seen.material[title])
