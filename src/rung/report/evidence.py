"""Evidence keys: `rungs/prompt/result.json#quality.lower` names a value in the run folder that proves a claim."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from rung.errors import IntegrityError
from rung.store.folder import RunFolder

_ANCHORS = (
    (re.compile(r"^rungs/(.+)/result\.json$"), "rung-{0}"),
    (re.compile(r"^rungs/(.+)/diagnosis\.json$"), "why-{0}"),
    (re.compile(r"^rungs/(.+)/fit\.json$"), "tried-{0}"),
    (re.compile(r"^rungs/(.+)/outcomes\.jsonl$"), "rung-{0}"),
)
_LISTS = {"comparisons.json": "pair", "skipped.json": "skipped", "findings.json": "finding"}
_PAGES = {"spend.json": "spend", "parts/manifest.json": "data", "run.json": "facts", "verdict.json": "verdict"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One key looked up: the value there, or why there is none; `anchor` is the id in the page that shows it."""

    key: str
    value: Any
    trouble: str | None
    anchor: str | None

    @property
    def resolves(self) -> bool:
        return self.trouble is None


@dataclass
class Archive:
    """Looks keys up in one run folder; each file is read once."""

    folder: RunFolder
    _files: dict[str, Any] = field(default_factory=dict)

    def look_up(self, key: str) -> Evidence:
        """Return what the key points at. A key that points at nothing is told in `trouble`, not raised."""
        name, _, path = key.partition("#")
        if not _inside(name):
            return Evidence(key, None, f"{name!r} is no file of the run folder", None)
        if not self.folder.has(name):
            return Evidence(key, None, f"{name} is not in the run folder", None)
        if name.endswith(".jsonl"):
            trouble = f"{name} holds rows, not values; name a JSON file" if path else None
            return Evidence(key, None, trouble, anchor_of(key))
        try:
            content = self._read(name)
        except IntegrityError as error:
            return Evidence(key, None, str(error), None)
        try:
            value = _walk(content, path) if path else None
        except KeyError as error:
            return Evidence(key, None, f"{name} has no {error.args[0]!r}", None)
        return Evidence(key, value, None, anchor_of(key))

    def _read(self, name: str) -> Any:
        if name not in self._files:
            self._files[name] = self.folder.read(name)
        return self._files[name]


def slug(text: str) -> str:
    """Return a name as an id for HTML: letters, digits, dash and underscore; other characters as their code."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f".{ord(c):x}" for c in text)


def anchor_of(key: str) -> str | None:
    """Return the id in the page where a key's file is shown, None where it is not."""
    name, _, path = key.partition("#")
    if name in _LISTS:
        first = path.partition(".")[0]
        return f"{_LISTS[name]}-{first}" if first.isdigit() else None
    for pattern, anchor in _ANCHORS:
        if found := pattern.match(name):
            return anchor.format(slug(found[1]))
    return _PAGES.get(name)


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


def _walk(value: Any, path: str) -> Any:
    """Follow a dotted path; a key that itself holds dots is found too. Raises KeyError(the part that is missing)."""
    if path == "":
        return value
    parts = path.split(".")
    if isinstance(value, Mapping):
        for taken in range(len(parts), 0, -1):
            if (key := ".".join(parts[:taken])) in value:
                return _walk(value[key], ".".join(parts[taken:]))
    elif isinstance(value, list) and parts[0].isdigit() and int(parts[0]) < len(value):
        return _walk(value[int(parts[0])], ".".join(parts[1:]))
    raise KeyError(path)
