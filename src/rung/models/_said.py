"""Words of an endpoint as our messages quote them: one short line, no part of a key, nothing that steers a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rung.foreign import whole

_SHOWN = 300  # characters of a foreign message that ours quotes
_READ = 20_000  # characters of it that are looked at
_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|rk|gsk|key|xai|hf|ghp|gho|glpat|xox[abp])[-_][A-Za-z0-9_\-*.]{6,}|\bAIza[A-Za-z0-9_\-]{12,}|\bAKIA[A-Z0-9]{12,}|"
    r"\beyJ[A-Za-z0-9_\-]{8,400}\.[A-Za-z0-9_\-.]{8,}|(?i:bearer)\s+[^\s\"',]{6,}"
)
_MASKED = re.compile(r"[\w\-]{0,64}(?:\*{2,}|\.{3,}|…)[\w\-]{0,64}")  # a key as endpoints shorten it: abcd****wxyz
_WORD = re.compile(r"[\w\-]{3,64}")
_KEY_NAMES = re.compile(
    r"(?:x[-_])?(?:api|subscription|access|private|secret)?[-_]?(?:key|token|secret|password|passwd|sig|signature|credential)s?|"
    r"authorization|bearer|code",
    re.IGNORECASE,
)
_PART = 6  # characters of a key in a row that no message may hold
_END = 3  # characters of it at either end, where something else is left out beside them


def scrub(text: str, secrets: Sequence[str]) -> str:
    """Return the text in one short line, without the secrets, parts of them, and anything that looks like a key."""
    text = text[:_READ]
    for secret in secrets:
        text = _without(text, secret)
    text = " ".join(visible(_KEY_LIKE.sub("***", whole(text))).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def holds_key(text: str) -> bool:
    """Return whether something in the text looks like a key."""
    return _KEY_LIKE.search(text) is not None


def names_key(name: str) -> bool:
    """Return whether a field or a part of a query is called as those that hold keys are."""
    return _KEY_NAMES.fullmatch(name) is not None


def keys_in(data: Any) -> Iterator[str]:
    """Yield the path of every text in JSON data that is a key by its look or by the name of its field."""
    stack: list[tuple[str, str, Any]] = [("", "", data)]
    while stack:
        path, name, value = stack.pop()
        if isinstance(value, Mapping):
            stack += [(f"{path}.{key}" if path else str(key), str(key), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            stack += [(f"{path}.{place}", name, inner) for place, inner in enumerate(value)]
        elif isinstance(value, str) and (holds_key(value) or (names_key(name) and _may_be_key(name, value))):
            yield path or "it"


def _may_be_key(name: str, value: str) -> bool:
    return bool(value) and name.lower() != "code" and "{{" not in value


def visible(text: str) -> str:
    """Return the text with every control or formatting character (but blanks) written as its code: U+001B."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c.isspace() else f"U+{ord(c):04X}" for c in text)


def _without(text: str, secret: str) -> str:
    """Return the text without a secret, and without parts of it that endpoints echo ("abcd****wxyz", "ends in wxyz")."""
    if not secret:
        return text
    text = text.replace(secret, "***")
    secret = secret.rpartition(" ")[2]  # without the scheme before it, as in "Token abc"
    if len(secret) < 2 * _PART:
        return text
    parts = {secret[i : i + _PART].lower() for i in range(len(secret) - _PART + 1)}
    low, hidden = text.lower(), bytearray(len(text))
    if len(low) == len(text):
        for i in range(len(low) - _PART + 1):
            if low[i : i + _PART] in parts:
                hidden[i : i + _PART] = b"\x01" * _PART
    text = "".join("\0" if h else c for c, h in zip(text, hidden, strict=True))
    text = re.sub("\0+", "***", text)
    first, last = secret[:_END], secret[-_END:]
    text = _MASKED.sub(lambda m: "***" if m[0].startswith(first) or m[0].endswith(last) else m[0], text)
    return _WORD.sub(
        lambda m: "***" if len(m[0]) >= 4 and (m[0] == secret[: len(m[0])] or m[0] == secret[-len(m[0]) :]) else m[0],
        text,
    )
