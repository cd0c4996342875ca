"""How long an answer may get, read from the JSON that is sent: every field by which endpoints know that limit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

LENGTHS = frozenset(
    {
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens_to_sample"),
        *("max_gen_len", "max_length", "maxtokens", "maxoutputtokens", "maxnewtokens", "maxcompletiontokens"),
        *("num_predict", "n_predict", "max_generated_tokens", "output_token_limit", "min_tokens", "max_answer_tokens"),
    }
)
THOUGHTS = frozenset({"thinking_budget", "thinkingbudget", "budget_tokens", "reasoning_budget", "max_reasoning_tokens"})
EFFORTS: Mapping[str, int] = {"low": 2048, "medium": 4096, "high": 16384}  # tokens of a thought, on the safe side
MOST_ROOM = 32768  # for an effort above "high"
NO_THOUGHT = ("none", "minimal", "off", "disabled")
CHOICES = frozenset({"n", "best_of", "num_return_sequences", "candidate_count", "candidatecount", "num_generations"})


def longest_answer(body: Any) -> int | None:
    """Return the most output tokens that a request with this body can be billed for; None where it sets no limit.

    The largest of all limits counts, since nobody knows which one an endpoint obeys; a budget for thinking comes on top,
    and each further choice costs as much again.
    """
    lengths, thoughts, choices = [0], [0], [1]
    for _, name, value in fields(body):
        for names, found in ((LENGTHS, lengths), (THOUGHTS, thoughts), (CHOICES, choices)):
            if name in names and _is_count(value):
                found.append(value)
    return (max(lengths) + max(thoughts)) * max(choices) if len(lengths) > 1 else None


def room_for_thought(body: Any) -> int:
    """Return the tokens by which an answer's limit grows where a body asks the model to think: its budget, else by its effort."""
    room = 0
    for _, name, value in fields(body):
        if name in THOUGHTS and _is_count(value):
            room = max(room, value)
        elif name in ("reasoning_effort", "effort") and isinstance(value, str) and value.lower() not in NO_THOUGHT:
            room = max(room, EFFORTS.get(value.lower(), MOST_ROOM))
        elif name in ("enable_thinking", "thinking") and value is True:
            room = max(room, EFFORTS["medium"])
    return room


def unbounded(body: Any) -> str | None:
    """Return the path of a field that leaves an answer without a length, or asks for more than one; None: there is none."""
    for path, name, value in fields(body):
        if name in LENGTHS | THOUGHTS and not _is_count(value):
            return path
        if name in CHOICES and value != 1:
            return path
    return None


def structured_size(body: Mapping[str, Any], without: frozenset[str]) -> int:
    """Return the characters of the texts and lists in a body (tools, schemas): they are billed as part of the prompt."""
    return sum(len(json.dumps(v)) for k, v in body.items() if k not in without and isinstance(v, str | list | dict))


def fields(data: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, name in small letters, value) of every field in JSON data, however deep. A schema is not looked into."""
    stack: list[tuple[str, Any]] = [("", data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            for key, inner in value.items():
                place = f"{path}.{key}" if path else str(key)
                yield place, str(key).lower(), inner
                if key not in ("json_schema", "schema", "parameters", "guided_json", "tools", "functions"):
                    stack.append((place, inner))
        elif isinstance(value, list | tuple):
            stack += [(f"{path}.{place}", inner) for place, inner in enumerate(value)]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
