"""Where the weights of tuned models lie in a run folder: written whole, named by content, checked before they are used.

A tuner is a plug-in, and the run folder holds test examples. So it never works there: it is handed folders of this machine's
cache, whose parents lead to no run, and what it wrote is moved in afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rung.errors import IntegrityError
from rung.store.folder import Folder, part_of
from rung.store.project import FOLDER
from rung.types import Json, Weights, content_hash

PLACE = "tuned"
_ABANDONED_S = 30 * 86_400.0  # a tuning run that nobody went on with for so long


@dataclass(frozen=True)
class TunedRecord:
    """The tuned models of one run, or of a project's looks at dev. Paths are relative to the folder, as `Weights.path` is, and stay below tuned/."""

    run: Path

    @classmethod
    def of_project(cls, root: Path) -> TunedRecord:
        """Return where looks at dev examples keep tuned models: beside rung.yaml, among what the project has paid for."""
        return cls(root / FOLDER / "dev")

    def adopt(self, name: str, other: TunedRecord) -> None:
        """Take over a finished tuning run that lies elsewhere, without its bytes where both lie on one disk. Raises OSError."""
        source, final = other._place(f"{PLACE}/{name}"), self._place(f"{PLACE}/{name}")
        if final.exists() or not Folder(source).has("notes.json") or other.state(name).exists():
            return
        if any(path.is_symlink() for path in (source, *source.rglob("*"))):
            return
        part = part_of(final)
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copytree(source, part, copy_function=_linked)
        part.rename(final)

    def state(self, name: str) -> Path:
        """Return where a tuning run keeps what it goes on from: outside of the run folder, for the tuner works in it."""
        self._place(f"{PLACE}/{name}")
        return _rooms() / content_hash([str(self.run.resolve()), name])[:16] / "state"

    def step(self, name: str, step: int) -> str:
        """Return the path of the weights of one step."""
        return f"{PLACE}/{name}/step-{step}"

    def checked(self, weights: Weights) -> Path:
        """Return the folder of kept weights. Raises IntegrityError when they are not what was kept."""
        place = self._place(weights.path)
        found = folder_hash(place) if place.is_dir() else None
        if found != weights.sha256:
            what = f"have the hash {found[:12]}, not {weights.sha256[:12]}" if found else "are not there"
            raise IntegrityError(
                f"the tuned weights in {place} {what}: restore them, or remove {self.run / PLACE} and run `rung climb` again"
            )
        return place

    def write(self, path: str, fill: Callable[[Path], None]) -> str:
        """Let `fill` write weights into an empty folder elsewhere, whose content becomes `path` when it is whole; return its hash.

        Raises OSError as the disk does; then nothing half written stays.
        """
        final = self._place(path)
        part = part_of(final)
        try:
            shutil.rmtree(final, ignore_errors=True)
            part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _apart() as room:
                (room / "weights").mkdir(mode=0o700)
                fill(room / "weights")
                shutil.move(room / "weights", part)
            part.rename(final)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return folder_hash(final)

    def hash_of(self, path: str) -> str | None:
        """Return the hash of what lies at `path`; None where nothing does."""
        place = self._place(path)
        return folder_hash(place) if place.is_dir() else None

    def drop(self, path: str) -> None:
        """Remove what lies at `path`, or all below the name of a run; `NAME/state`: what it would go on from alone."""
        path = path.removeprefix(f"{PLACE}/")
        name, _, rest = path.partition("/")
        if rest in ("", "state"):
            shutil.rmtree(self.state(name).parent, ignore_errors=True)
        if rest != "state":
            shutil.rmtree(self._place(f"{PLACE}/{path}"), ignore_errors=True)

    @contextlib.contextmanager
    def copied(self, weights: Weights) -> Iterator[Path]:
        """Lend kept weights as a folder outside of the run folder. Raises IntegrityError as `checked` does."""
        place = self.checked(weights)
        with _apart() as room:
            yield Path(shutil.copytree(place, room / "weights", copy_function=_linked))

    def notes(self, name: str) -> dict[str, Json] | None:
        """Return what was noted of a tuning run."""
        folder = Folder(self._place(f"{PLACE}/{name}"))
        return dict(folder.read("notes.json")) if folder.has("notes.json") else None

    def note(self, name: str, value: Mapping[str, Json]) -> None:
        Folder(self._place(f"{PLACE}/{name}")).write("notes.json", value)

    def free_bytes(self) -> int | None:
        """Return the room left on the disk, of the run folder or of the cache where models are tuned: the smaller."""
        try:
            return min(shutil.disk_usage(place).free for place in (self.run, _rooms()))
        except OSError:
            return None

    def _place(self, path: str) -> Path:
        place = (self.run / path).resolve()
        if not place.is_relative_to((self.run / PLACE).resolve()):
            raise IntegrityError(f"tuned weights {path!r} do not lie in {PLACE}/ of the run folder")
        return place


def _rooms() -> Path:
    """Return the folder of this user's cache in which models are tuned; what was abandoned there is removed."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    rooms = Path(home).expanduser() / "rung" / "tuning"
    try:
        rooms.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:  # no home that can be written
        return _homeless()
    for room in rooms.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - max(p.stat().st_mtime for p in (room, *room.iterdir())) > _ABANDONED_S:
                shutil.rmtree(room, ignore_errors=True)
    return rooms


@cache
def _homeless() -> Path:
    """Return a folder of this process alone: a tuning run that is broken off begins again."""
    return Path(tempfile.mkdtemp(prefix="rung-tuning-"))


@contextlib.contextmanager
def _apart() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="w-", dir=_rooms()) as room:
        yield Path(room)


def _linked(source: str, target: str) -> str:
    """Copy a file without its bytes where both lie on one disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def folder_hash(place: Path) -> str:
    """Return one hash of the names and contents of all files in a folder."""
    files = sorted(p for p in place.rglob("*") if p.is_file())
    return content_hash([[p.relative_to(place).as_posix(), _sha256(p)] for p in files])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
