"""Chats of the kinds that a climb asks: bare, with instructions, with fixed or per-row examples, all lengths mixed."""

from __future__ import annotations

import random

from rung.types import Message

_TOPICS = (
    "the invoice",
    "my new blender",
    "the login page",
    "a late parcel",
    "the warranty",
    "two broken cups",
    "the app",
)
_MOODS = ("I am not happy.", "Thank you!", "Please hurry, it is for a birthday.", "", "This is the third time I write.")
_ASKS = ("Who can help me?", "When will it come?", "Can I get my money back?", "What does it cost?", "Is that normal?")
_TEAMS = ("billing", "delivery", "technical", "returns")
_RULES = (
    "Sort the message into one team. Allowed: billing, delivery, technical, returns. Answer with the team only.",
    "Reply to the customer in three lines. Line 1: the greeting. Line 2: one sentence. Line 3: the sentence 'Your desk'.",
    "Answer the question of the customer in one sentence.",
    'Classify the customer message. Answer as JSON with the key "team".',
)


def chats(
    count: int, seed: int, kinds: tuple[str, ...] = ("bare", "told", "fixed", "own", "inside")
) -> list[tuple[Message, ...]]:
    """Return `count` chats, kinds in turn. `fixed`: eight examples that all rows share; `own`: three of each row's own."""
    rng = random.Random(seed)
    rules, shots = _RULES[0], [(_message(rng), rng.choice(_TEAMS)) for _ in range(8)]
    found: list[tuple[Message, ...]] = []
    for i in range(count):
        kind, question = kinds[i % len(kinds)], _message(rng)
        system = Message("system", rules if kind in ("fixed", "own") else rng.choice(_RULES))
        if kind == "bare":
            found.append((Message("user", question),))
        elif kind == "told":
            found.append((system, Message("user", question)))
        elif kind == "inside":
            found.append((Message("user", f"{_RULES[i % 4]}\n\nMessage: {question}"),))
        else:
            pairs = shots if kind == "fixed" else [(_message(rng), rng.choice(_TEAMS)) for _ in range(3)]
            turns = [turn for q, a in pairs for turn in (Message("user", q), Message("assistant", a))]
            found.append((system, *turns, Message("user", question)))
    return found


def _message(rng: random.Random) -> str:
    parts = [
        f"Hello, I ordered {rng.choice(_TOPICS)} on day {rng.randrange(1, 30)} and it is number {rng.randrange(10**6)}.",
        rng.choice(_MOODS),
        *(rng.choice(_ASKS) for _ in range(rng.randrange(0, 4))),
    ]
    return " ".join(part for part in parts if part)
