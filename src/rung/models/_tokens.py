"""How long a prompt is where no tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Sequence

from rung.types import Message


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Estimate the prompt's tokens from above, for text in any script, without the model's tokenizer.

    A third of a token a character, 0.6 more for each byte beyond one that a character takes in UTF-8 (so 1.5 for a
    Chinese character), 4 a message and 3 a request. English takes about a quarter of a token a character. Dense
    digits or random strings can exceed it; money is therefore reserved by `rung.models.prices.most_tokens`.
    """
    total = 3.0
    for message in messages:
        text = message.content
        extra = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - len(text)
        total += 4 + len(text) / 3 + extra * 0.6
    return int(total) + 1
