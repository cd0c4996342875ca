"""Untrusted text inside a judge's prompt: fenced so that it cannot end its fence, and a verdict that it cannot write.

Nothing is random. The code of a prompt is a hash over everything in it, the fenced text too: who writes the text cannot
know the code, and a verdict without it does not count.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rung.types import content_hash

LONGEST = 24_000  # characters of one text that a judge is shown; what is left out is said
_CODE = 12  # hex digits
_LOOSE = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")  # categories of characters that a reader does not see
_SPOKEN = re.compile(  # marks by which chat templates part turns: a server may read them inside a text too
    r"<(?=\|)|<(?=/?(?:s|think|tool_call|start_of_turn|end_of_turn|system|user|assistant|instructions?)\b)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM)\b)|<(?=<\s*/?SYS)|<(?=[｜▁])",
    re.IGNORECASE,
)
_WHOLE_FENCE = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge decided, and its reason as it gave it (untrusted)."""

    choice: str
    reason: str


def code_of(*parts: object) -> str:
    """Return the code of a prompt: hex digits of the hash of all that stands in it."""
    return content_hash([str(part) for part in parts])[:_CODE]


def fenced(title: str, text: str, code: str) -> str:
    """Return the text between a BEGIN and an END line with the code, every line of it behind a bar."""
    cut = text if len(text) <= LONGEST else text[:LONGEST]
    lines = [f"| {visible(line)}" for line in (cut.splitlines() or [""])]
    if cut is not text:
        lines.append(f"({len(text) - LONGEST:,} more characters are left out)")
    name = visible(" ".join(title.split()))  # a column may be called anything
    return "\n".join([f"BEGIN {name} {code}", *lines, f"END {name} {code}"])


def visible(line: str) -> str:
    """Write out what a reader would not see, and break the marks by which chats are parted."""
    shown = "".join(c if c == "\t" or unicodedata.category(c) not in _LOOSE else f"\\u{{{ord(c):x}}}" for c in line)
    return _SPOKEN.sub(lambda found: found[0] + "\\", shown)


def read_verdict(text: str, code: str, choices: Sequence[str]) -> Verdict | str:
    """Return the verdict of a reply, or what is wrong with the reply.

    The whole reply must be one JSON object of `verdict` (one of the choices as spelled), `code` and perhaps `reason`,
    each once; only a thought before it and a code fence around all of it are forgiven.
    """
    bare = _THOUGHT.sub("", text, count=1).strip() if text.lstrip().startswith("<think>") else text.strip()
    whole = _WHOLE_FENCE.fullmatch(bare)
    try:
        found = json.loads(whole[1] if whole else bare, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return "it is not one JSON object"
    if not isinstance(found, dict):
        return "it is not one JSON object"
    if not {"verdict", "code"} <= set(found) <= {"verdict", "code", "reason"}:
        return f"its keys are {', '.join(map(repr, list(found)[:5])) or 'none'}"
    if found["verdict"] not in choices:
        return f"its verdict is {str(found['verdict'])[:40]!r}"
    if found["code"] != code:
        return "its code is not that of this judgement"
    reason = found.get("reason", "")
    return Verdict(found["verdict"], reason) if isinstance(reason, str) else "its reason is no text"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found
