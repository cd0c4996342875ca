"""Room on the disk, looked at before and told of where it ends; and copies that are whole or not there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rung.errors import RungError

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def room(folder: Path, size: int, title: str, lying: Sequence[Path] = ()) -> Iterator[None]:
    """Look whether there is room before, and say so where it ends within. Raises RungError.

    `size`: bytes that lie in the folder at the worst moment. `lying`: files and folders of these that may be there already.
    """
    there = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = min(size, sum(taken(path) for path in lying))
        if shutil.disk_usage(folder).free < size - there:
            raise OSError(errno.ENOSPC, "")
        yield
    except OSError as error:
        if error.errno not in FULL:
            why = error.strerror or str(error)
            raise RungError(
                f"{title} cannot be put into {folder}: {why}; name another folder with --weights"
            ) from error
        before = f", of which {there / 1e6:.0f} MB lay there before" if there else ""
        free = shutil.disk_usage(folder).free
        raise RungError(
            f"{title} takes about {size / 1e6:.0f} MB while it is fetched{before}, and {free / 1e6:.0f} MB are free where {folder} "
            "lies: free some space or name another folder with --weights; what was fetched is kept"
        ) from error


def taken(path: Path) -> int:
    """Return how many bytes a file, or all files of a folder, have; none where nothing is."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def copied(file: Path, to: Path) -> None:
    """Copy a file under another name first, so that what has its own name is whole. Raises OSError."""
    half = to.with_name(f"{to.name}.half")
    try:
        shutil.copyfile(file, half)
        half.replace(to)
    finally:
        half.unlink(missing_ok=True)
