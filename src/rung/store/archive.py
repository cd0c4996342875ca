"""The stored answers of a run that is only looked at: their hash, and a copy where the folder cannot be written."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rung.store._errors import translate
from rung.store.cache import FILE, AnswerCache

_SEEN = (
    "SELECT key, role, model, text, finish, input_tokens, output_tokens, cost_usd FROM answers "
    "WHERE rowid <= ? ORDER BY rowid"
)  # rows are only added: the first so many stay what they were


@contextmanager
def readable_answers(folder: Path) -> Iterator[Path]:
    """Yield a folder in which the stored answers can be opened: this one, or a copy where it is read-only or shares its files."""
    files = [folder / FILE, folder / f"{FILE}-wal"]
    alone = all(file.stat().st_nlink < 2 for file in files if file.exists())
    if alone and all(os.access(place, os.W_OK) for place in (folder, folder / FILE) if place.exists()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="rung-archive-") as copy:
        for name in (FILE, f"{FILE}-wal"):  # the log of a climb that was killed holds its last answers
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(copy) / name)
        yield Path(copy)


def answers_seen(folder: Path, last: int | None = None) -> tuple[int, str] | None:
    """Return the number of the last stored answer (`last`, where one is given) and a hash of all up to it.

    None where nothing was ever asked. Raises what opening the cache raises.
    """
    if not AnswerCache.exists_in(folder):
        return None
    with readable_answers(folder) as place, AnswerCache.open_in(place):  # opened for its checks and its log
        try:
            with closing(sqlite3.connect(place / FILE)) as reader:
                if last is None:
                    [last] = reader.execute("SELECT coalesce(max(rowid), 0) FROM answers").fetchone()
                digest = hashlib.sha256()
                for row in reader.execute(_SEEN, (last,)):
                    digest.update(repr(row).encode("utf-8", "surrogatepass"))
        except sqlite3.Error as error:
            raise translate(error, folder / FILE) from error
    return int(last or 0), digest.hexdigest()
