"""The request log: one JSON line a request, private texts masked. Opt-in; trouble with the disk never stops the service. And what is logged of faults."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

from rung.data.audit.private import masked
from rung.errors import RungError
from rung.store.folder import now


class RequestLog:
    """A file of JSON lines, mode 0600, appended to. `say` is told once when it cannot be written, and once when it can again."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Raises RungError where the file cannot be opened, or is a link."""
        self._path, self._say = path, say
        self._told = self._cut = False
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            path.chmod(0o600)
        except OSError as error:
            raise RungError(
                f"the request log {path} cannot be written ({error.strerror or error}); name another file"
            ) from None

    def write(self, facts: Mapping[str, Any]) -> None:
        """Append one line; what is private in its texts is replaced by a word for its kind."""
        line = json.dumps({"at": now(), **_masked(facts)}).encode() + b"\n"
        try:
            written = os.write(self._file, b"\n" * self._cut + line)
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        self._cut = written < len(line)  # a disk that is nearly full takes a part
        if self._cut:
            self._failed("only a part of a line fitted")
        elif self._told:
            self._told = False
            self._say(f"the request log {self._path} is written again; the requests in between are not in it")

    def _failed(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._say(
                f"the request log {self._path} cannot be written ({why}); requests are answered all the same, without a line"
            )

    def close(self) -> None:
        os.close(self._file)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _masked(inner) for key, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list | tuple) else value


class _Ours(logging.Filter):
    """Lets through what is a fault of this server. What is no HTTP is its caller's: that gets its 400, and nobody a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def faults_alone() -> logging.Logger:
    """Return a logger for faults of this server."""
    found = logging.getLogger("rung.serve")
    if not found.filters:
        found.addFilter(_Ours())
    return found
