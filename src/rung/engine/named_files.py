"""Files that models, metrics and steps of rung.yaml name: rubrics, code of the user's own, weights. What they hold makes scores.

A configuration tells their names alone, so that a change in one of them would pass unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from rung.config import Config
from rung.models.settings import configured
from rung.types import content_hash, texts_in

_LONGEST_PATH = 4096
_READ = 1 << 26  # bytes of a file whose content is hashed; a larger one is told by size and time
_BY_CODE = "python"  # the provider whose function may stand in a module, which no path names


def named_files(config: Config) -> dict[str, str]:
    """Hash what these files hold, by who names them: "ladder", "task", and each model by its role. Of a folder its files count by
    name, size and time; beside a file of code all its neighbours count, since it may import them."""
    sections: dict[str, Any] = {"models": True, "ladder": True, "task": {"metrics"}}
    named = config.model_dump(mode="json", include=sections)
    parts = {**{f"models.{role}": held for role, held in named.pop("models").items()}, **named}
    code = {f"models.{r}": s.identity() for r, s in configured(config).items() if s.provider == _BY_CODE}
    told = {part: [list(_told(config.root, t)) for t in dict.fromkeys(texts_in(held))] for part, held in parts.items()}
    return {part: content_hash([[state for state in states if state], code.get(part)]) for part, states in told.items()}


def named_files_sha256(config: Config) -> str:
    """Hash of what all these files hold."""
    return content_hash(named_files(config))


def _told(root: Path, text: str) -> Iterator[Any]:
    """Yield what tells the state of the file or folder that a text names; nothing where it names none."""
    if not text.strip() or len(text) > _LONGEST_PATH or not text.isprintable():
        return
    path, colon, _ = text.rpartition(":")
    place = root / (path if colon and path.endswith(".py") else text)
    try:
        if place.is_dir() and place.resolve() != root.resolve():
            yield from ([file.name, *_stamp(file)] for file in sorted(place.iterdir()) if file.is_file())
        elif place.is_file():
            files = sorted(place.parent.glob("*.py")) if place.suffix == ".py" else [place]
            yield from ([file.name, _content(file)] for file in files if file.is_file())
    except OSError as error:  # too long for a name, or not to be read, which is told where it is opened
        yield type(error).__name__


def _content(file: Path) -> Any:
    large = file.stat().st_size > _READ
    return _stamp(file) if large else sha256(file.read_bytes()).hexdigest()


def _stamp(file: Path) -> list[int]:
    at = file.stat()
    return [at.st_size, at.st_mtime_ns]
