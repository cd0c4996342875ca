"""Texts that are made of fields (JSON objects, `slot[value], ...`, `key: value` lines) as mappings from field to value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

SHARE = 0.95  # of the texts must be of the form
_BRACKETED = re.compile(r"\s*([^\[\],;\s][^\[\],;\n]{0,39}?)\s*\[([^\[\]]*)\]\s*(?:[,;\n]|$)")
_PAIRED = re.compile(r"\s*([^\W\d][\w .-]{0,39}?)\s*[:=](.*)")
_JOINTS = (re.compile(r"\n+"), re.compile(r"[;|]"))
DEEPEST = 4  # levels of a JSON value that are read


def fields_of(texts: Sequence[str]) -> list[dict[str, str]] | None:
    """Return each text's fields, in order of the texts; None where fewer than 95 % of them are of one form.

    A text of no or another form has no fields. A list gives its entries under one name, joined by newlines.
    """
    for read in (_object, _bracketed, _pairs):
        found = [read(text) for text in texts]
        good = sum(f is not None for f in found)
        if texts and good >= SHARE * len(texts) and any(found):
            return [f or {} for f in found]
    return None


def _object(text: str) -> dict[str, str] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found: dict[str, list[str]] = {}
    _leaves(value, "", found, 0)
    return {name: "\n".join(values) for name, values in found.items()}


def _leaves(value: Any, name: str, found: dict[str, list[str]], depth: int) -> None:
    if isinstance(value, Mapping) and depth < DEEPEST:
        for key, inner in value.items():
            _leaves(inner, f"{name}.{key}" if name else str(key), found, depth + 1)
    elif isinstance(value, list) and depth < DEEPEST:
        for inner in value:
            _leaves(inner, name, found, depth + 1)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text.strip():
            found.setdefault(name, []).append(text)


def _bracketed(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _BRACKETED.match(text, at)
        if match is None or match.end() == at:
            return None
        found[match[1]] = match[2]
        at = match.end()
    return found or None


def _pairs(text: str) -> dict[str, str] | None:
    for joint in _JOINTS:
        parts = [p for p in joint.split(text) if p.strip()]
        matches = [_PAIRED.fullmatch(p.strip()) for p in parts]
        if len(parts) > 1 and all(matches):
            return {m[1]: m[2].strip() for m in matches if m is not None and m[2].strip()}
    return None
