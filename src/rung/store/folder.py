"""The run folder: atomic JSON, append-only events, one climb at a time. Paths and shapes: docs/run-folder.md."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.types import Outcome, Result

SCHEMA = 1
T = TypeVar("T")


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def to_json(value: Any, shape: Any) -> bytes:
    """Return a datum of `rung.types` as JSON bytes; floats round-trip exactly."""
    return _adapter(shape).dump_json(value, warnings=False)


def from_json(text: bytes | str, shape: type[T]) -> T:
    """Read a datum back. Raises IntegrityError when the text does not have that shape."""
    try:
        result: T = _adapter(shape).validate_json(text)  # type: ignore[arg-type, unused-ignore]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(
            f"stored data is damaged at {where or 'its start'}: {first['msg']}; restore the file or remove the run folder"
        ) from error
    return result


@contextlib.contextmanager
def disk_errors(what: Path, otherwise: str = "choose a folder you may write with --folder") -> Iterator[None]:
    """Translate a full or read-only disk into a RungError that says what to do; `otherwise` is the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Interrupted(
                f"the disk is full while writing {what}; everything answered so far is kept: free some space and run the "
                "same command again"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RungError(f"cannot write {what}: {error.strerror}; {otherwise}") from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
            raise RungError(f"cannot make {what}: {error.strerror}; {otherwise}") from error
        if error.errno == errno.EIO:
            raise Interrupted(
                f"the disk failed while writing {what}; everything answered so far is kept: check the disk and run the "
                "same command again"
            ) from error
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never half of it; mode 0600."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def now() -> str:
    """Return the time in UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunFolder:
    """A run folder by path. Opening does not lock; `locked` does."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make the folder (mode 0700) if it is not there."""
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not any(path.iterdir()):
                path.chmod(0o700)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run. Raises RungError when there is none, NewerFolder when this version cannot read it."""
        folder = cls(path)
        if not folder.has("run.json"):
            raise RungError(
                f"{path} is not a run folder (no run.json); name one with --folder or start with `rung climb`"
            )
        folder._check_schema()
        return folder

    def _check_schema(self) -> None:
        schema = self.read("run.json").get("schema")
        if not isinstance(schema, int) or schema > SCHEMA:
            raise NewerFolder(
                f"{self.path} was written by a newer rung (folder schema {schema}, this version reads up to {SCHEMA}); "
                "upgrade rung or choose another --folder"
            )

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def read(self, name: str) -> Any:
        """Return a JSON file as plain data. Raises IntegrityError when it is missing or damaged."""
        try:
            return json.loads((self.path / name).read_bytes())
        except FileNotFoundError as error:
            raise IntegrityError(
                f"{self.path / name} is missing from the run; run the climb again to write it"
            ) from error
        except json.JSONDecodeError as error:
            raise IntegrityError(f"{self.path / name} is damaged at line {error.lineno}: {error.msg}") from error

    def write(self, name: str, value: Any) -> None:
        """Write plain data as JSON, atomically."""
        write_atomic(self.path / name, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())

    def load(self, name: str, shape: type[T]) -> T:
        """Return a datum of the given shape from a JSON file."""
        if not self.has(name):
            raise IntegrityError(f"{self.path / name} is missing from the run; run the climb again to write it")
        return from_json((self.path / name).read_bytes(), shape)

    def load_field(self, name: str, field: str, shape: type[T]) -> T:
        """Return one field of a JSON file as a datum of the given shape."""
        content = self.read(name)
        if field not in content:
            raise IntegrityError(f"{self.path / name} has no {field!r}; run the climb again to write it")
        return from_json(json.dumps(content[field]), shape)

    def save(self, name: str, value: Any, shape: Any) -> None:
        """Write a datum as JSON, atomically."""
        write_atomic(self.path / name, to_json(value, shape) + b"\n")

    def load_rows(self, name: str, shape: type[T]) -> tuple[T, ...]:
        """Return a JSON-lines file, one datum a line."""
        if not self.has(name):
            raise IntegrityError(f"{self.path / name} is missing from the run; run the climb again to write it")
        with (self.path / name).open("rb") as file:
            return tuple(from_json(line, shape) for line in file if line.strip())

    def save_rows(self, name: str, rows: Sequence[Any], shape: Any) -> None:
        """Write data as JSON lines, atomically."""
        write_atomic(self.path / name, b"".join(to_json(row, shape) + b"\n" for row in rows))

    def event(self, name: str, **fields: Any) -> None:
        """Append one event; durable when this returns."""
        line = json.dumps({"at": now(), "event": name, **fields}, ensure_ascii=False) + "\n"
        with disk_errors(self.path / "events.jsonl"), (self.path / "events.jsonl").open("ab+") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":  # a line torn by a crash
                line = "\n" + line
            file.write(line.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())

    def events(self) -> list[Mapping[str, Any]]:
        """Return all events, oldest first; a last line cut off by a crash is left out."""
        if not self.has("events.jsonl"):
            return []
        found: list[Mapping[str, Any]] = []
        for line in (self.path / "events.jsonl").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found


def at_work(folder: RunFolder) -> bool:
    """Whether a climb holds the folder right now; a climb that was killed does not."""
    try:
        with (folder.path / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock file, or a file system without locks
        return False
    return False


def load_result(folder: RunFolder, label: str) -> Result:
    """Return a measured rung with its outcomes. Raises IntegrityError when a file is missing or damaged."""
    outcomes = folder.load_rows(f"rungs/{label}/outcomes.jsonl", Outcome)
    return replace(folder.load(f"rungs/{label}/result.json", Result), outcomes=outcomes)


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the folder for one climb. Raises FolderBusy when another process holds it."""
    with disk_errors(folder.path), (folder.path / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderBusy(
                f"another climb is at work in {folder.path}; wait for it or choose another --folder"
            ) from error
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
