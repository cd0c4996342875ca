"""How long a prompt is where no tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung.types import Message


@dataclass(frozen=True, slots=True)
class Bound:
    """The most tokens that one attempt can be billed for."""

    input_tokens: int
    output_tokens: int


def most_tokens(messages: Sequence[Message]) -> int:
    """Return a number of input tokens that no tokenizer in use exceeds: what a reservation is made for.

    Byte-level and byte-fallback vocabularies never need more tokens than UTF-8 bytes; 16 a message and 64 a request
    cover the chat template and its default system line.
    """
    return 64 + sum(16 + len(m.content.encode("utf-8", "surrogatepass")) for m in messages)


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Estimate the prompt's tokens from above, for text in any script, without the model's tokenizer.

    A third of a token a character, 0.6 more for each byte beyond one that a character takes in UTF-8 (so 1.5 for a
    Chinese character), 4 a message and 3 a request. English takes about a quarter of a token a character. Dense
    digits or random strings can exceed it; money is therefore reserved by `most_tokens`.
    """
    total = 3.0
    for message in messages:
        text = message.content
        extra = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - len(text)
        total += 4 + len(text) / 3 + extra * 0.6
    return int(total) + 1
