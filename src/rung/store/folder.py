"""Files of a folder: atomic JSON, append-only events, one climb at a time. What lies where is told in `rung.store.run`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from rung import plugins
from rung.errors import FolderBusy, IntegrityError, Interrupted, RungError
from rung.foreign import whole_data
from rung.invisible import escaped
from rung.store.limits import out_of_files, too_long

_BINARY = getattr(os, "O_BINARY", 0)  # without it, Windows writes every line end as two characters
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
SHARED = 0o666  # less the user's umask: of reports, which are made to be passed on
_PART = re.compile(r"\.(\d+)-[0-9a-f]{16}\.part")  # what `part_of` names: the process that writes it, and chance
_LOOK_S = 0.1  # patience with others who only look at the lock, as `at_work` does
CURE = (  # of whatever a climb makes; nothing here may cost an answer that was paid
    "restore it from a copy, or move that one file away and run the same `rung climb` again: it is made anew, and no stored "
    "answer is paid again"
)
T = TypeVar("T")


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def to_json(value: Any, shape: Any) -> bytes:
    """Return a datum of `rung.types` as JSON bytes; floats round-trip exactly. Halves of surrogate pairs become U+FFFD."""
    try:
        return _adapter(shape).dump_json(value, warnings=False)
    except PydanticSerializationError:  # a text that UTF-8 cannot hold, as a metric's code may say it
        return _as_json(_adapter(shape).dump_python(value, mode="json", warnings=False))


def _as_json(value: Any, indent: int | None = None) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent).encode()
    except UnicodeEncodeError:
        return json.dumps(whole_data(value), ensure_ascii=False, indent=indent).encode()


def from_json(text: bytes | str, shape: type[T], source: object = "stored data", cure: str = CURE) -> T:
    """Read a datum back. Raises IntegrityError, naming `source`, when the text does not have that shape."""
    try:
        result: T = _adapter(shape).validate_json(text, context={"learned": plugins.learned_type})  # type: ignore[arg-type, unused-ignore]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(f"{source} is damaged at {where or 'its start'}: {first['msg']}; {cure}") from error
    return result


@contextlib.contextmanager
def disk_errors(what: Path, otherwise: str = "choose a run folder that you may write") -> Iterator[None]:
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
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise out_of_files(what) from error
        if error.errno == errno.EFBIG:
            raise too_long(what) from error
        if error.errno in (errno.ENOENT, errno.ESTALE):
            raise IntegrityError(f"cannot write {what}: its folder is not there; {otherwise}") from error
        if error.errno == errno.EIO:
            raise Interrupted(
                f"the disk failed while writing {what}; everything answered so far is kept: check the disk and run the "
                "same command again"
            ) from error
        raise


def write_atomic(path: Path, data: bytes | Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old or the new content, never half of it. `data` may come in pieces.

    A link at `path` is replaced, never followed. `mode`: its owner's alone; SHARED for what is made to be passed on.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(path)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON that is YAML, too, and that a person reads: indented, every invisible character as an escape."""
    write_atomic(path, (escaped(json.dumps(value, ensure_ascii=False, indent=1)) + "\n").encode())


def part_of(path: Path) -> Path:
    """Return a name beside `path` for what is being written: it cannot be foreseen, so nothing waits there to be followed."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}.part")


def refuse_links(folder: Path) -> None:
    """Look through a folder that may have come from elsewhere, before anything in it is read or written.

    Raises IntegrityError for a link, a pipe or a device: reading or writing by its name would leave the folder or wait
    for ever.
    """
    for entry in _entries(folder):
        kind = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            what = f"a link to {os.readlink(entry.path)}" if stat.S_ISLNK(kind) else "a pipe or a device"
            raise IntegrityError(
                f"{entry.path} is {what}; a run folder holds plain files and folders only: put the file itself there, or "
                "take it away if you do not know it"
            )


def refuse_second_name(found: os.stat_result, path: Path) -> None:
    """Raise IntegrityError for a file that has another name, too: what is written into it in place would stand there as well."""
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise IntegrityError(
            f"{path} is one file with {found.st_nlink} names (hard links), so writing into it would change the others, too: copy the "
            "folder (`cp -r`) and use the copy"
        )


def open_to_others(folder: Path) -> str | None:
    """Return a sentence for a folder that other users of this machine may look into or change; None where they may not."""
    mode = folder.stat().st_mode
    if os.name != "posix" or not mode & 0o077:
        return None
    may = "change" if mode & 0o022 else "look into"
    return f"other users of this machine may {may} {folder}; it holds your examples: `chmod 700 {folder}` closes it"


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half written."""
    for entry in list(_entries(folder)):
        named = _PART.fullmatch(entry.name)
        if named and not _alive(int(named[1])):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def now() -> str:
    """Return the time in UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Folder:
    """A folder whose files are read and written whole, by their names."""

    path: Path
    cure: ClassVar[str] = CURE  # what to do about a damaged file
    missing: ClassVar[str] = "run `rung climb` again to write it"
    depth: ClassVar[int | None] = None  # levels below a run folder; None: no part of one

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def read(self, name: str) -> Any:
        """Return a JSON file as plain data. Raises IntegrityError when it is missing or damaged."""
        path = self._there(name)
        try:
            return json.loads(_content(path))
        except json.JSONDecodeError as error:
            raise IntegrityError(f"{path} is damaged at line {error.lineno}: {error.msg}; {self.cure}") from error
        except UnicodeDecodeError as error:
            raise IntegrityError(f"{path} is damaged at byte {error.start}: it is no UTF-8; {self.cure}") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets a thousand deep
            raise IntegrityError(f"{path} is damaged: {error}; {self.cure}") from error

    def write(self, name: str, value: Any) -> None:
        """Write plain data as JSON, atomically."""
        write_atomic(self._here(name), _as_json(value, indent=1) + b"\n")

    def load(self, name: str, shape: type[T]) -> T:
        """Return a datum of the given shape from a JSON file."""
        path = self._there(name)
        return from_json(_content(path), shape, path, self.cure)

    def save(self, name: str, value: Any, shape: Any) -> None:
        """Write a datum as JSON, atomically."""
        self._write(name, to_json(value, shape) + b"\n")

    def load_rows(self, name: str, shape: type[T]) -> tuple[T, ...]:
        """Return a JSON-lines file, one datum a line."""
        path = self._there(name)
        return tuple(
            from_json(line, shape, f"{path}, line {number}", self.cure)
            for number, line in enumerate(_lines(path), 1)
            if line.strip()
        )

    def save_rows(self, name: str, rows: Sequence[Any], shape: Any) -> None:
        """Write data as JSON lines, atomically."""
        self._write(name, (to_json(row, shape) + b"\n" for row in rows))

    def _write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        try:
            write_atomic(self._here(name), data)
        except IntegrityError:
            self._here(name)  # says so where the folder went between the look and the writing
            raise

    def _here(self, name: str) -> Path:
        """Return where to write. A run folder that was deleted during the climb is not made again, half empty."""
        run = self.path if not self.depth else self.path.parents[self.depth - 1]
        if self.depth is not None and not run.is_dir():
            raise Interrupted(
                f"{run} is not there any more: it was deleted or renamed, and nothing more is asked; put it back and run the same "
                "command again"
            )
        return self.path / name

    def _there(self, name: str) -> Path:
        if not self.has(name):
            raise IntegrityError(f"{self.path / name} is missing from the run; {self.missing}")
        return self.path / name


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unread(path, error) from error


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file as they are read: a large one is never held whole."""
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: OSError) -> RungError:
    return (
        out_of_files(path)
        if error.errno in (errno.EMFILE, errno.ENFILE)
        else RungError(f"cannot read {path}: {error.strerror}")
    )


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append plain data as one line of JSON; durable when this returns. A line torn by a crash is closed first."""
    line = json.dumps(value, ensure_ascii=False) + "\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINK | _BINARY
    with disk_errors(path), os.fdopen(os.open(path, flags, 0o600), "ab+") as file:
        refuse_second_name(os.fstat(file.fileno()), path)
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the JSON objects of a file, one a line, if it is there; any other line, as one cut off by a crash, is left out."""
    found: list[Mapping[str, Any]] = []
    if path.is_file():
        for line in _content(path).decode(errors="replace").split("\n"):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line)
                found += [value] if isinstance(value, dict) else []
    return tuple(found)


def at_work(folder: Folder) -> bool:
    """Whether a climb holds the folder right now; a climb that was killed does not."""
    if not (folder.path / ".lock").is_file():
        return False
    try:
        with _lock_of(folder).acquire(timeout=_LOOK_S, poll_interval=_LOOK_S / 10):
            return False
    except Timeout:
        return True
    except OSError:  # no right to write here, or a file system without locks
        return False


@contextlib.contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Hold the folder for one climb. Raises FolderBusy when another process holds it."""
    with disk_errors(folder.path):
        held = _lock_of(folder)
        try:
            held.acquire(timeout=_LOOK_S, poll_interval=_LOOK_S / 10)
        except Timeout as error:
            raise FolderBusy(
                f"another run is at work in {folder.path}; wait for it or choose another run folder"
            ) from error
        try:
            _sweep(folder.path)
            yield
        finally:
            held.release()


def _lock_of(folder: Folder) -> FileLock:
    """Return the folder's lock, not yet taken. The operating system frees it when its holder dies, however it dies."""
    path = folder.path / ".lock"
    if path.exists():
        refuse_second_name(path.stat(), path)
    return FileLock(path, mode=0o600, thread_local=False)
