"""Examples that were given in memory, kept beside the run they belong to: a later resumption or check reads them there."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rung.store.folder import write_atomic
from rung.store.run import RunFolder

FOLDER = "given"


def keep_given(folder: Path, lines: str) -> Path:
    """Write JSON lines below the run folder and return the file, named by its content: equal rows, equal file."""
    data = lines.encode("utf-8")
    path = RunFolder.create(folder).path / FOLDER / f"{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
    if not path.is_file():
        write_atomic(path, data)
    return path


def root_of(folder: Path) -> Path:
    """Return where relative paths of the run start: as recorded at its first call, else the working directory."""
    return RunFolder.open(folder).config[1] if RunFolder(folder).begun else Path.cwd()
