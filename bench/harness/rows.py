"""The work of every measurement: rows of about 60 words whose right answer, and the endpoint's, are known."""

from __future__ import annotations

import re

LABELS = ("billing", "card", "login", "refund")
INSTRUCTION = f"Sort the ticket. Answer with one of: {', '.join(LABELS)}."
ACCURACY = 0.87  # of the endpoint, exactly, over any multiple of 100 rows
_WORDS = (
    "the customer writes that since last week the page shows an old amount and asks whether the change was booked at "
    "all because the letter names another date and nobody in the branch could say more about it than to wait"
).split()
_NUMBER = re.compile(r"ticket (\d+)")


def text_of(number: int) -> str:
    """Return the text of a row: its number, then about 60 words in an order of its own."""
    turn = number % len(_WORDS)
    words = [*_WORDS[turn:], *_WORDS[:turn]]
    return f"ticket {number}: {' '.join(words)}; {' '.join(reversed(words[:20]))}"


def target_of(number: int) -> str:
    return LABELS[number * 7 % len(LABELS)]


def answer(prompt: str) -> str:
    """Return the endpoint's answer: right except for 13 rows in every 100."""
    found = _NUMBER.search(prompt)
    number = int(found.group(1)) if found else 0
    return target_of(number if number % 100 >= 13 else number + 1)
