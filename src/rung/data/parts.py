"""The parts of the rows, frozen by content hash: written once, read back only when every row is what it was.

The test part is handed to the store here, and read nowhere but in `rung.store.sealed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rung.data.near import Duplicates
from rung.errors import IntegrityError
from rung.store.run import RunFolder
from rung.types import Dataset, Example, Split, content_hash

PARTS: tuple[str, ...] = ("train", "dev", "test")
IDS_NAMED = 5
ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A training row left out because it equals, nearly equals or shares the group of a row of another part."""

    example: Example
    twin: str  # id of the row it resembles
    part: str  # the twin's part: "dev" or "test"
    why: str  # "equal", "near" or "group"


@dataclass(frozen=True)
class Parts:
    """Rows in three parts, each in file order. `given`: the user brought the test part."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    seed: int
    duplicates: Duplicates
    quarantine: tuple[Quarantined, ...] = ()
    given: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)  # what made this split, JSON-able
    aside: tuple[
        Example, ...
    ] = ()  # kept sealed for another run, which confirms; in the run that does, what the first tested on

    @property
    def quarantined(self) -> tuple[str, ...]:
        return tuple(q.example.id for q in self.quarantine)

    @property
    def sealed(self) -> set[str]:
        """The ids of examples that nobody may see: of the test set, and of what is kept for another run."""
        return {e.id for e in (*self.test, *self.aside)}

    @property
    def sizes(self) -> dict[str, int]:
        """Return the rows of each part, and of those set aside."""
        sizes = {name: len(rows) for name, rows in zip(PARTS, (self.train, self.dev, self.test), strict=True)}
        return {**sizes, "quarantined": len(self.quarantine)}

    @property
    def manifest(self) -> dict[str, Any]:
        """Return part -> {rows, groups, sha256, ids: {id: row hash}}, the quarantined rows' hashes, and the settings."""
        return {
            **{name: _entry(rows) for name, rows in zip(PARTS, (self.train, self.dev, self.test), strict=True)},
            "quarantined": {q.example.id: q.example.sha256 for q in self.quarantine},
            "seed": self.seed,
            "given": self.given,
            "settings": {**self.settings, **({ASIDE: {e.id: e.sha256 for e in self.aside}} if self.aside else {})},
        }

    def as_split(self) -> Split:
        """Return what a climb may know: train and dev rows, and of the test part its size and hash."""
        return _as_split(self.train, self.dev, self.manifest)


def part_hash(row_hashes: Iterable[str]) -> str:
    """Return the hash of a part from its rows' hashes, in order."""
    return content_hash(list(row_hashes))


def _entry(rows: Sequence[Example]) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "groups": len({e.group for e in rows}),
        "sha256": part_hash(e.sha256 for e in rows),
        "ids": {e.id: e.sha256 for e in rows},
    }


def freeze(parts: Parts, folder: Path) -> Split:
    """Write the parts into a run folder (atomic, mode 0600), the manifest last.

    Frozen again with the same content it changes nothing. Raises IntegrityError when other parts are frozen there.
    """
    run = RunFolder.create(folder)
    manifest = parts.manifest
    frozen = run.parts.manifest.get()
    if frozen is not None:
        if any(frozen[name]["sha256"] != manifest[name]["sha256"] for name in PARTS):
            raise IntegrityError(
                f"{folder} already holds other frozen parts (seed {frozen['seed']}, {frozen['test']['rows']} test examples); "
                "choose another run folder for these"
            )
        return _as_split(parts.train, parts.dev, frozen)
    run.parts.freeze(parts.train, parts.dev, parts.test, manifest)
    return parts.as_split()


def thaw(folder: Path) -> Split:
    """Read train, dev and the manifest of a run folder; the test file stays shut.

    Raises IntegrityError naming the rows that changed, appeared or vanished, and in which file.
    """
    parts = RunFolder(folder).parts
    manifest = parts.manifest.need()
    train, dev = parts.train.need(), parts.dev.need()
    verify_rows(train, manifest["train"], parts.train.where)
    verify_rows(dev, manifest["dev"], parts.dev.where)
    return _as_split(train, dev, manifest)


def verify_rows(rows: Sequence[Example], entry: Mapping[str, Any], file: Path) -> None:
    """Compare rows with their manifest entry. Raises IntegrityError that says what changed."""
    hashes = {e.id: e.sha256 for e in rows}
    changes = describe_changes(entry["ids"], hashes)
    if not changes and part_hash(e.sha256 for e in rows) != entry["sha256"]:
        changes = "the order of the examples or the manifest itself changed"
    if changes:
        raise IntegrityError(
            f"{file} is not what was frozen: {changes}. Restore the file, or climb in a new run folder"
        )


def check_unchanged(dataset: Dataset, manifest: Mapping[str, Any]) -> None:
    """Compare freshly loaded rows with all frozen ones, wherever each was put.

    For a user's own train and test files give both as one Dataset (see `rung.data.split.joined`).
    Raises IntegrityError that says which rows changed, appeared or vanished.
    """
    settings = manifest["settings"]
    frozen = {**manifest["quarantined"], **settings.get("first", {}), **settings.get(ASIDE, {})}
    for name in PARTS:
        frozen.update(manifest[name]["ids"])
    changes = describe_changes(frozen, {e.id: e.sha256 for e in dataset.examples})
    if changes:
        raise IntegrityError(
            f"{dataset.source} is not what this run was started on: {changes}. The frozen parts stay as they are: put "
            "the old file back, or start a new climb on the new examples in another run folder"
        )


def describe_changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return in words how two {id: row hash} differ; empty when they do not."""
    changed = [i for i, sha in before.items() if i in after and after[i] != sha]
    vanished = [i for i in before if i not in after]
    appeared = [i for i in after if i not in before]
    return "; ".join(
        f"{len(ids)} example{'' if len(ids) == 1 else 's'} {verb} ({', '.join(ids[:IDS_NAMED])}"
        f"{' ...' if len(ids) > IDS_NAMED else ''})"
        for verb, ids in (("changed", changed), ("vanished", vanished), ("appeared", appeared))
        if ids
    )


def _as_split(train: Sequence[Example], dev: Sequence[Example], manifest: Mapping[str, Any]) -> Split:
    test = manifest["test"]
    return Split(
        train=tuple(train),
        dev=tuple(dev),
        seed=manifest["seed"],
        test_size=test["rows"],
        test_groups=test["groups"],
        test_sha256=test["sha256"],
        manifest=manifest,
        quarantined=tuple(manifest["quarantined"]),
    )
