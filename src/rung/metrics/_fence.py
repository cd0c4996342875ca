"""Untrusted text inside a judge's prompt: fenced so that it cannot end its fence, and a verdict that it cannot write.

Nothing is random. The code of a prompt is a hash over everything in it, the fenced text too: who writes the text cannot
know the code, and a verdict without it does not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rung.invisible import written_out
from rung.metrics.text import normalise
from rung.metrics.unwrap import after_thought, json_objects, mended
from rung.types import content_hash

LONGEST = 24_000  # characters of one text that a judge is shown; what is left out is said
_CODE = 12  # hex digits
_SPOKEN = re.compile(  # marks by which chat templates part turns: a server may read them inside a text too
    r"<(?=\|)|<(?=/?(?:s|think|tool_call|start_of_turn|end_of_turn|system|user|assistant|instructions?)\b)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM)\b)|<(?=<\s*/?SYS)|<(?=[｜▁])",
    re.IGNORECASE,
)


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
    shown = written_out(line, lambda char: f"\\u{{{ord(char):x}}}", kept="\t")
    return _SPOKEN.sub(lambda found: found[0] + "\\", shown)


def read_verdict(text: str, code: str, choices: Sequence[str]) -> Verdict | str:
    """Return the verdict of a reply, or what is wrong with the reply.

    The verdict stands in the one JSON object of the reply that bears the code, wherever it stands after a thought; a second one makes
    the reply unreadable. Its keys and its verdict (one of the choices) may be in upper or lower case; other keys are passed over.
    """
    bare = after_thought(text)
    for written in (bare, mended(bare)):
        found = [o for outer in json_objects(written, _READER) for o in _bearing(outer, code)]
        if found:
            break
    if not found:
        return "no JSON object in it bears the code of this judgement"
    if len(found) > 1:
        return f"{len(found)} JSON objects in it bear the code of this judgement"
    fields = {key.strip().casefold(): value for key, value in found[0].items()}
    if "verdict" not in fields or len(fields) < len(found[0]):
        return f"its keys are {', '.join(map(repr, list(found[0])[:5]))}"
    said = fields["verdict"]
    choice = _chosen(str(said), choices) if isinstance(said, str | int) and not isinstance(said, bool) else None
    if choice is None:
        return f"its verdict is {str(said)[:40]!r}"
    reason = fields.get("reason")
    return Verdict(choice, reason if isinstance(reason, str) else "")


def _bearing(value: Any, code: str) -> Iterator[dict[str, Any]]:
    """Yield the objects in a JSON value that bear the code."""
    fields = value if isinstance(value, dict) else {}
    if any(key.strip().casefold() == "code" and str(said).strip().casefold() == code for key, said in fields.items()):
        yield fields
    for inner in fields.values() if fields else value if isinstance(value, list) else ():
        yield from _bearing(inner, code)


def _chosen(said: str, choices: Sequence[str]) -> str | None:
    """Return the choice that is meant; None where it is none, or where two are spelled too much alike."""
    if said in choices:
        return said
    alike = [choice for choice in choices if normalise(choice) == normalise(said)]
    return alike[0] if len(alike) == 1 else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


_READER = json.JSONDecoder(object_pairs_hook=_once)
