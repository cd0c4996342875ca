"""Who is at work on a cache right now: each session holds a lock file beside it, which ends with its process, however it ends."""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path

from filelock import FileLock, Timeout

_BEFORE, _BEHIND = ".session-", ".lock"
_TOKEN = re.compile(r"[0-9a-f]{16}")
_HELD: dict[str, FileLock] = {}  # by token; not in the session itself, since a lock shows where the run folder lies


class Session:
    """One open session, with a token that marks what it has under way."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(8)
        self._path = _lock_at(folder, self.token)
        _HELD[self.token] = FileLock(self._path, mode=0o600, thread_local=False)
        _HELD[self.token].acquire(timeout=0)

    def close(self) -> None:
        """End the session; ending it twice does nothing."""
        held = _HELD.pop(self.token, None)
        if held is not None:
            with contextlib.suppress(OSError):  # the folder is gone, or the system forbids it while the file is open
                self._path.unlink(missing_ok=True)
            held.release()


def alive(folder: Path, token: str) -> bool:
    """Whether the session is still at work; what one that died has left is removed."""
    if not _TOKEN.fullmatch(token) or not _lock_at(folder, token).is_file():
        return False
    path = _lock_at(folder, token)
    if path.stat().st_nlink > 1:  # no lock of ours: taking it would empty the file under its other names, too
        return False
    try:
        with FileLock(path, thread_local=False).acquire(timeout=0):
            path.unlink(missing_ok=True)
    except Timeout:
        return True
    except OSError:  # no locks here: what is in flight is rather booked twice than not at all
        return False
    return False


def _lock_at(folder: Path, token: str) -> Path:
    return folder / f"{_BEFORE}{token}{_BEHIND}"
