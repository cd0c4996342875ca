"""Folders of the library `datasets`: what `save_to_disk` writes (Arrow files), and repositories of parquet files, split by split.

Layouts: https://huggingface.co/docs/datasets/process#save and https://huggingface.co/docs/hub/datasets-data-files-configuration.
A split is named as FOLDER#SPLIT. Names alone are looked at here; rows are read by `_parquet`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rung.config.files import SHEET_MARK
from rung.data.cells import RawRow
from rung.errors import DataError
from rung.foreign import file_name
from rung.plugins import require

MOST_FILES = 10_000
_SHARD = re.compile(r"(?P<split>[A-Za-z0-9_.]{1,80}?)(?:-\d{5}-of-\d{5})?(?:-[0-9a-f]{16})?\.(?:parquet|arrow)")
_SAVED, _SAVED_SPLITS, _FOLDERS = "state.json", "dataset_dict.json", ("", "data")
_ONLY = "rows"  # the split of a data set that has none


def splits(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return the files of each split in their order; nothing for a folder that is no data set. Raises DataError where its files are gone."""
    if (folder / _SAVED).is_file():
        return {_ONLY: _saved(folder)}
    if (folder / _SAVED_SPLITS).is_file():
        return {file_name(p.name): _saved(p) for p in sorted(folder.iterdir()) if (p / _SAVED).is_file()}
    found: dict[str, tuple[Path, ...]] = {}
    for place in _FOLDERS:
        for path in _files(folder / place, ".parquet"):
            shard = _SHARD.fullmatch(path.name)
            split = shard["split"] if shard is not None else file_name(path.stem)
            found[split] = (*found.get(split, ()), path)
    return found


def _saved(folder: Path) -> tuple[Path, ...]:
    files = _files(folder, ".arrow")
    if not files:
        raise DataError("is a saved data set without its .arrow files; copy these, too", file=str(folder))
    return files


def _files(folder: Path, suffix: str) -> tuple[Path, ...]:
    """Return the folder's own files of a form. Raises DataError for links out of it, and too many files."""
    if not folder.is_dir():
        return ()
    found = sorted(p for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith("."))
    outside = next((p for p in found if not p.resolve().is_relative_to(folder.resolve())), None)
    if outside is not None:
        raise DataError("is a link that leads out of the folder; put the file itself there", file=str(outside))
    if len(found) > MOST_FILES:
        raise DataError(f"holds more than {MOST_FILES:,} files; take some out", file=str(folder))
    return tuple(found)


def dataset_rows(folder: Path, split: str | None, held: Mapping[str, tuple[Path, ...]]) -> Iterator[RawRow]:
    """Yield the rows of one split, numbered from 1 through all its files. Raises DataError for a split that is not there, or not named."""
    if split is None and len(held) > 1:
        named = f"{folder.name}{SHEET_MARK}{next(iter(held))}"
        raise DataError(f"holds the splits {', '.join(held)}; name one, as {named}", file=str(folder))
    files = held.get(split) if split is not None else next(iter(held.values()))
    if files is None:
        raise DataError(f"has no split {split!r}; it has {', '.join(held)}", file=str(folder))
    number = 0
    for path in files:
        read = (
            require("rung.data._parquet").read_arrow if path.suffix == ".arrow" else require("rung.data._parquet").read
        )
        for row in read(path, None, str):
            number += 1
            yield RawRow(number, row.cells)
