"""A new version of the data beside the old one: train.jsonl, test.jsonl and version.json with a reason for each changed row.

The old files stay as they are. The same rows, checks and settings give the same folder and the same bytes, so that a
version that was cut off is simply written again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rung.config.files import sheet_of
from rung.data.audit.private import masked
from rung.data.clean import CleaningPlan
from rung.data.files import raw_rows
from rung.data.load import Columns, is_set_aside
from rung.errors import DataError, IntegrityError, RungError
from rung.store.folder import write_atomic
from rung.types import Example, content_hash, is_file_name

SCHEMA = 1
VERSION = "version.json"
MADE_ID = "id"  # the column of ids that were made from the content
SPARE_ID = "rung_id"  # its name where the file has another column "id"


@dataclass(frozen=True)
class Part:
    """One file to write: the rows of a source file in its order, the ids of those that belong here, and what comes after them."""

    name: str  # "train" or "test"
    source: Path
    read: tuple[Example, ...]
    wanted: frozenset[str]
    added: tuple[Example, ...] = ()  # that no file has yet


@dataclass(frozen=True)
class Version:
    """A data version on disk. `fresh`: it was written just now."""

    folder: Path
    files: Mapping[str, Path]
    id_column: str | None
    fresh: bool


def version_key(dataset_sha256: str, accepted: Iterable[str], settings: Mapping[str, Any], plan: CleaningPlan) -> str:
    """Return the hash of what determines a version: the rows, what was accepted, and the changes that came of it."""
    changes = [asdict(c) for c in plan.changes]
    return content_hash([SCHEMA, dataset_sha256, sorted(set(accepted)), dict(settings), changes])


def default_folder(source: Path, key: str, made: str = "clean") -> Path:
    """Return where a version stands by default: beside its source."""
    file, _ = sheet_of(source)
    return file.parent / f"{file.name.split('.')[0]}.{made}-{key[:8]}"


def write_version(
    folder: Path, key: str, parts: Sequence[Part], columns: Columns, plan: CleaningPlan, about: Mapping[str, Any]
) -> Version:
    """Write the files, version.json last; where the very version stands already, check and keep it.

    Raises RungError where another version stands, IntegrityError where its files were changed since.
    """
    ids = columns.id or _made_id(columns)
    there = _standing(folder, key, parts, ids)
    if there is not None:
        return there
    files: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    for part in parts:
        path = folder / f"{part.name}.jsonl"
        text = _encoded("".join(canonical_line(cells) for cells in _cells(part, columns, ids, plan)), part.source)
        write_atomic(path, text)
        files[part.name], hashes[path.name] = path, hashlib.sha256(text).hexdigest()
    record = {
        "schema": SCHEMA,
        "key": key,
        **about,
        "parent": _parent(parts[0].source),
        "files": hashes,
        "changes": [{k: v for k, v in asdict(c).items() if v is not None} for c in plan.changes],
        "test_rows_kept": plan.counts(plan.kept_test),
    }
    write_atomic(folder / VERSION, (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
    return Version(folder, files, ids, True)


def _encoded(text: str, source: Path) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise DataError(
            "a column that the task does not name, or its name, holds half of a surrogate pair, which no UTF-8 file can keep; "
            f"take it out (row {line} of the new version)",
            file=str(source),
        ) from error


def canonical_line(cells: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON, its columns in their order."""
    return json.dumps(cells, ensure_ascii=False, allow_nan=False) + "\n"


def _made_id(columns: Columns) -> str:
    return SPARE_ID if MADE_ID in columns.named() else MADE_ID


def _standing(folder: Path, key: str, parts: Sequence[Part], ids: str) -> Version | None:
    if not (folder / VERSION).exists():
        if folder.exists() and any(p.suffix != ".part" and p.name not in _names(parts) for p in folder.iterdir()):
            raise RungError(f"{folder} is there already and holds other files; name a new folder")
        return None
    record = _record(folder / VERSION)
    if record is None:
        raise IntegrityError(
            f"{folder / VERSION} is damaged, or none of rung's: take the folder away, or name a new one"
        )
    if record["key"] != key:
        raise RungError(
            f"{folder} holds another version of the data (accepted: {', '.join(record['accepted'])}); name a new folder"
        )
    for name, sha in record["files"].items():
        path = folder / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha:
            raise IntegrityError(
                f"{path} is not what was written there; your changes are kept: take the folder away or name a new one"
            )
    return Version(folder, {p.name: folder / f"{p.name}.jsonl" for p in parts}, ids, False)


def _names(parts: Sequence[Part]) -> set[str]:
    return {f"{p.name}.jsonl" for p in parts}


def _parent(source: Path) -> dict[str, Any] | None:
    """Return key and checks of the version that the source file is part of."""
    path = source.parent / VERSION
    if not path.is_file():
        return None
    record = _record(path)
    if record is None or source.name not in record["files"]:
        return None
    return {"key": record["key"], "accepted": record["accepted"], "parent": record.get("parent")}


def _record(path: Path) -> Mapping[str, Any] | None:
    """Return what a version.json says; None where it is no such file of ours, as other programs write some, too."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    ours = isinstance(found, dict) and all(
        isinstance(found.get(name), shape) for name, shape in (("key", str), ("files", dict), ("accepted", list))
    )
    named = ours and all(map(is_file_name, found["files"])) and all(isinstance(a, str) for a in found["accepted"])
    return found if named else None


def _cells(part: Part, columns: Columns, ids: str, plan: CleaningPlan) -> Iterator[dict[str, Any]]:
    """Yield the rows that stay, all their columns, in the order of the source file; made ids become a column."""
    fixes, masks, dropped = plan.corrections, plan.masks, plan.dropped
    named: bool | None = None
    rows = (row for row in raw_rows(part.source) if not is_set_aside(row.cells, columns))
    for example, row in zip(part.read, rows, strict=True):
        named = columns.id is not None or (MADE_ID in row.cells and ids == MADE_ID) if named is None else named
        if example.id not in part.wanted or example.id in dropped:
            continue
        cells = dict(row.cells) if named else {ids: example.id, **row.cells}
        answers = (columns.target, *columns.also)
        if example.id in fixes:
            _alter(cells, answers, partial(_corrected, fixes[example.id]))
        if example.id in masks:
            _alter(cells, (*columns.inputs, *answers), partial(masked, kinds=masks[example.id]))
        yield cells
    for example in part.added:
        yield {ids: example.id, **example.inputs, columns.target: example.target}


def _corrected(known: Mapping[str, str], text: str) -> str:
    return known.get(text, text)


def _alter(cells: dict[str, Any], names: Sequence[str], change: Callable[[str], str]) -> None:
    """Change every text of the columns, inside lists and objects too."""
    for name in names:
        keys = [name] if name in cells else name.split(".")
        holder: Any = cells
        for key in keys[:-1]:
            holder = holder[key] = dict(holder[key])
        holder[keys[-1]] = _altered(holder.get(keys[-1]), change)


def _altered(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_altered(v, change) for v in value]
    if isinstance(value, Mapping):
        return {k: _altered(v, change) for k, v in value.items()}
    return value
