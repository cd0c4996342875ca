"""How many tokens an answer took, as far as the endpoint can be believed.

What cannot be true is "not reported", and is then booked from above: a number that is none, zero for a prompt that holds
something, more than any model reads, or fewer tokens than the text can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rung.types import Billed

MOST_TOKENS = 100_000_000  # no context and no answer is as long as that
_LONGEST_TOKEN = 256  # characters: no vocabulary in use has a longer one


def count_of(value: Any) -> int | None:
    """Return a number of tokens as reported; None for anything that is none or cannot be true."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def prompt_tokens(value: Any, characters: int = 1) -> int | None:
    """Return the tokens of a prompt of so many characters as reported; None where that cannot be true."""
    count = count_of(value)
    return count if count and count * _LONGEST_TOKEN >= characters else None


def answer_tokens(value: Any, characters: int) -> int | None:
    """Return the tokens of an answer of so many characters (thought included) as reported; None where it cannot be true."""
    count = count_of(value)
    return count if count is not None and count * _LONGEST_TOKEN >= characters else None


def usage_in(data: Mapping[str, Any], characters: int) -> tuple[int | None, int | None]:
    """Return input and output tokens of a chat completion, as billed. `characters`: the length of what was received.

    Some endpoints leave the thought out of `completion_tokens` and count it in `total_tokens` or beside it: it is billed as
    output, once. Some count what their prefix cache held beside the prompt, not within it: it is billed as input.
    """
    usage = data.get("usage")
    if not isinstance(usage, Mapping):
        return None, None
    tokens_in = prompt_tokens(_first(usage, _INPUT))
    tokens_out = answer_tokens(_first(usage, _OUTPUT), characters)
    held = _held(data)
    if tokens_in is not None and _beside(usage, tokens_in, tokens_out, held):
        tokens_in += held
    total, thought = count_of(usage.get("total_tokens")), count_of(_first(usage, _REASONING))
    if tokens_in is not None and tokens_out is not None and total is not None:
        tokens_out = max(tokens_out, total - tokens_in)
    if tokens_out is not None and thought is not None and thought > tokens_out:
        tokens_out += thought
    return tokens_in, tokens_out


def billed_in(data: Mapping[str, Any], tokens: tuple[int | None, int | None]) -> Billed | None:
    """Return what else stands on the bill of a chat completion; None where nothing was told. `tokens`: as `usage_in` read them.

    What cannot be part of those tokens is not believed, and they are billed at the full price.
    """
    usage = data.get("usage")
    if not isinstance(usage, Mapping):
        return None
    cached, written = (count_of(_first_told(data, names)) for names in (_CACHED, _WRITTEN))
    if (cached or 0) + (written or 0) > (tokens[0] or 0):
        cached, written = None, None
    thought = count_of(_first(usage, _REASONING))
    thought = thought if thought is not None and thought <= (tokens[1] or 0) else None
    return None if cached is written is thought is None else Billed(cached, written, thought)


# How endpoints name them; a point leads into a mapping.
_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_CACHED = (
    "prompt_tokens_details.cached_tokens",  # OpenAI, Azure, vLLM, xAI, OpenRouter, Groq
    "input_tokens_details.cached_tokens",
    "cache_read_input_tokens",  # Anthropic, and gateways to it
    "prompt_cache_hit_tokens",  # DeepSeek
    "cachedContentTokenCount",  # Gemini
    "cached_content_token_count",
    "cached_tokens",  # Moonshot
)
_WRITTEN = (
    "cache_creation_input_tokens",  # Anthropic, and gateways to it
    "prompt_tokens_details.cache_write_tokens",  # OpenRouter
    "prompt_tokens_details.cache_creation_tokens",
)
_REASONING = (
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
    "thoughtsTokenCount",
)


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first of the named values that is told; None where none is."""
    for name in names:
        outer, _, inner = name.partition(".")
        value = usage.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _first_told(data: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The same, where Gemini's own mapping may stand beside `usage`."""
    beside = data.get("usageMetadata")
    found = _first(data["usage"], names)
    return _first(beside, names) if found is None and isinstance(beside, Mapping) else found


def _held(data: Mapping[str, Any]) -> int:
    """Return the input tokens that were read from or written to the provider's cache."""
    return sum(count_of(_first_told(data, names)) or 0 for names in (_CACHED, _WRITTEN))


def _beside(usage: Mapping[str, Any], tokens_in: int, tokens_out: int | None, held: int) -> bool:
    """Whether the prompt's count leaves out what the cache held: by its names, its size, or the total."""
    total = count_of(usage.get("total_tokens"))
    native = "prompt_tokens" not in usage and any(
        f"cache_{what}_input_tokens" in usage for what in ("read", "creation")
    )
    told = total is not None and tokens_out is not None and total - tokens_in - tokens_out == held > 0
    thought = count_of(_first(usage, _REASONING)) or 0
    return native or held > tokens_in or (told and thought != held)
