"""A folder of generations: which run is the champion, which the challenger, and every step between them (docs/run-folder.md).

The history is written first, and the aliases follow it: what a crash leaves between the two is put right by whoever next holds the lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from rung.errors import IntegrityError, RungError
from rung.store.folder import Folder, disk_errors, locked, now
from rung.store.kept import Kept, One, Rows
from rung.store.run import RunFolder
from rung.store.tuned import TunedRecord
from rung.types import Weights, content_hash

CHAMPION, CHALLENGER = "champion.json", "challenger.json"
What = Literal["begun", "promoted", "migrated", "kept", "rolled back"]
WON: tuple[What, ...] = ("promoted", "migrated")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the history: what it made of a generation, who took it and why.

    `folder`: from the folder of generations to the run. `sha256`: of what answers and of what was measured. `level`: the error at which
    champion and challenger were told apart; None: they were not.
    """

    what: What
    generation: int
    folder: str
    approach: str
    sha256: str
    by: str
    why: str
    level: float | None = None
    at: str = ""


class Generations(Folder):
    """A folder of generations by path."""

    cure: ClassVar[str] = "restore it from a copy"
    missing: ClassVar[str] = "`rung retrain` makes it"
    history = Rows("history.jsonl", Step)
    champion = One(CHAMPION, Step)
    challenger = One(CHALLENGER, Step)
    tested = One("tested.json", dict[str, str])  # id and hash of every test example that has decided here

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step so far, oldest first."""
        return self.history.get() or ()

    @property
    def seen(self) -> frozenset[str]:
        """The ids of what any generation trained on, chose by or left out; a folder that is gone or damaged tells nothing."""
        found: set[str] = set()
        for folder in {step.folder for step in self.steps}:
            with contextlib.suppress(IntegrityError):
                manifest = RunFolder(self.path / folder).parts.manifest.get() or {}
                for ids in (
                    *(manifest[part]["ids"] for part in ("train", "dev") if part in manifest),
                    manifest.get("quarantined", ()),
                ):
                    found.update(ids)
        return frozenset(found)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, making it where it is not there. Raises FolderBusy where another process changes it."""
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self):
            self._follow()
            yield

    def record(self, step: Step) -> Step:
        """Add a step to the history, and let the aliases follow. Only who holds the folder may."""
        found = Step(**{**{name: getattr(step, name) for name in Step.__slots__}, "at": now()})
        self.history.save((*self.steps, found))
        self._follow()
        return found

    def run_of(self, step: Step) -> RunFolder:
        """Open the run of a step. Raises IntegrityError where it is not what was recorded, RungError where it is gone."""
        run = RunFolder.open(self.path / step.folder)
        if fingerprint(run, step.approach) != step.sha256:
            raise IntegrityError(
                f"generation {step.generation} in {run.path} is not what was recorded: restore it from a copy, or go back with "
                "`rung rollback`"
            )
        return run

    def place_of(self, run: RunFolder) -> str:
        """Return the way from here to a run: relative, for the folders may move together."""
        return Path(os.path.relpath(run.path.resolve(), self.path.resolve())).as_posix()

    def _follow(self) -> None:
        made = [s for s in self.steps if s.what != "kept"]
        tried = [s for s in self.steps if s.what in (*WON, "kept")]
        for alias, found in ((self.champion, made), (self.challenger, tried)):
            if found and not (alias.exists and _readable(alias) == found[-1]):
                alias.save(found[-1])


def _readable(alias: Kept[Step]) -> Step | None:
    with contextlib.suppress(IntegrityError):
        return alias.get()
    return None


def champion_of(folder: Path) -> tuple[Path, str, int] | None:
    """Return the run of the champion, its approach and its number; None where the folder is no folder of generations.

    Raises IntegrityError where the champion is not what was promoted.
    """
    found = Generations(folder).champion.get()
    return None if found is None else (Generations(folder).run_of(found).path, found.approach, found.generation)


def run_in(folder: Path) -> RunFolder:
    """Open a run folder, or in a folder of generations the run of its champion. Raises RungError for a folder that is neither."""
    champion = champion_of(folder)
    return RunFolder.open(folder if champion is None else champion[0])


def fingerprint(run: RunFolder, label: str) -> str:
    """Return a hash of what makes an approach answer, and of what was measured. Raises IntegrityError where a part is missing."""
    record = run.rung(label)
    candidate = record.result.need().candidate
    weights = getattr(candidate.learned, "weights", None)
    if isinstance(weights, Weights):
        TunedRecord(run.path).checked(weights)
    files = (record.fitted, record.dev, record.outcomes, run.parts.train, run.parts.dev, run.parts.manifest)
    lost = [kept.where.name for kept in files if not kept.exists]
    if lost:
        raise IntegrityError(f"{run.path} lacks {', '.join(lost)} of {label}: restore it from a copy")
    settings, _ = run.config
    steers = {name: settings.get(name) for name in ("models", "documents")}
    return content_hash([candidate.id, steers, [kept.sha256 for kept in files]])


def need_champion(place: Generations) -> Step:
    """Return the champion. Raises RungError where there is none."""
    found = place.champion.get()
    if found is None:
        raise RungError(f"{place.path} has no champion: `rung retrain` makes a folder of generations")
    return found
