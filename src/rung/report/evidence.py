"""Evidence keys: `prompt/result#quality.lower` names a value in the run folder that proves a claim."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rung.errors import IntegrityError
from rung.store.run import RunFolder

_OF_A_RUNG = {"result": "rung", "outcomes": "rung", "diagnosis": "why", "fitted": "tried"}
_LISTS = {"comparisons": "pair", "skipped": "skipped", "findings": "finding"}
_PAGES = {"spend": "spend", "verdict": "verdict"}


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
    """Looks keys up in one run folder; each thing is read once."""

    folder: RunFolder
    _read: dict[str, Any] = field(default_factory=dict)

    def look_up(self, key: str) -> Evidence:
        """Return what the key points at. A key that points at nothing is told in `trouble`, not raised."""
        name, _, path = key.partition("#")
        found = self.folder.find(name)
        if found is None:
            return Evidence(key, None, f"{name!r} names nothing of this run", None)
        if not found.exists:
            return Evidence(key, None, f"{name} is not in the run folder", None)
        try:
            if name not in self._read:
                self._read[name] = found.plain()
            value = _walk(self._read[name], path) if path else None
        except IntegrityError as error:
            return Evidence(key, None, str(error), None)
        except KeyError as error:
            return Evidence(key, None, f"{name} has no {error.args[0]!r}", None)
        return Evidence(key, value, None, anchor_of(key))


def written(found: Evidence) -> str:
    """Write the value that a key points at."""
    value = found.value
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "null" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut(text, 80)


def cut(text: str, most: int) -> str:
    """Return at most that many characters, saying how many are left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters in the run folder)"


def slug(text: str) -> str:
    """Return a name as an id for HTML: letters, digits, dash and underscore; other characters as their code."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f".{ord(c):x}" for c in text)


def anchor_of(key: str) -> str | None:
    """Return the id in the page where what a key names is shown, None where it is not."""
    name, _, path = key.partition("#")
    if name in _LISTS:
        first = path.partition(".")[0]
        return f"{_LISTS[name]}-{first}" if first.isdigit() else None
    label, _, thing = name.rpartition("/")
    if label:
        return f"{_OF_A_RUNG[thing]}-{slug(label)}" if thing in _OF_A_RUNG else None
    return _PAGES.get(name)


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
