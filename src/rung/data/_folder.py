"""A folder of texts as rows: `a.input.txt` beside `a.output.txt`, or `input/a.txt` beside `output/a.txt`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rung.data.cells import RawRow, decoded
from rung.errors import DataError
from rung.foreign import file_name

TEXTS = (".txt", ".md", ".json")
NAMED = 5  # files that a message names
FORM = "name the files ROW.COLUMN.txt (a.input.txt, a.output.txt) or put them into one folder a column (input/a.txt, output/a.txt)"


def folder_rows(folder: Path) -> Iterator[RawRow]:
    """Yield one row a name, in order of the names: its columns are the folders, or the last word before the ending.

    The row's name is its cell "id"; bytes of a name that are no UTF-8 are written out. A final line end is not part of a text. Raises DataError for a text without its
    partner, for a folder of another form, and for a link that leads out of the folder.
    """
    columns = _columns(folder)
    names = sorted({name for files in columns.values() for name in files})
    lone = [f"{name} has no {column}" for name in names for column in columns if name not in columns[column]]
    if lone:
        shown = "; ".join(lone[:NAMED]) + (f"; and {len(lone) - NAMED} more" if len(lone) > NAMED else "")
        raise DataError(
            f"{len(lone)} of the texts lack a partner: {shown}. Add them or take the rows out", file=str(folder)
        )
    for place, name in enumerate(names, 1):
        cells = {column: _text(files[name], folder) for column, files in columns.items()}
        yield RawRow(place, {**({} if "id" in cells else {"id": name}), **cells})


def _columns(folder: Path) -> dict[str, dict[str, Path]]:
    """Return column -> row name -> file."""
    here = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
    inner = [p for p in here if p.is_dir()]
    found: dict[str, dict[str, Path]] = {}
    if inner:
        for part in inner:
            files = [p for p in sorted(part.iterdir()) if p.is_file() and p.suffix.lower() in TEXTS]
            found[file_name(part.name)] = _once({}, [(file_name(p.stem), p) for p in files], part)
    else:
        for path in (p for p in here if p.suffix.lower() in TEXTS):
            name, dot, column = file_name(path.stem).rpartition(".")
            if not dot or not name:
                raise DataError(f"the text {path.name!r} does not say which column it is; {FORM}", file=str(folder))
            _once(found.setdefault(column, {}), [(name, path)], folder)
    found = {column: files for column, files in found.items() if files}
    if len(found) < 2:
        held = ", ".join(file_name(p.name) for p in here[:NAMED]) or "nothing"
        raise DataError(
            f"is a folder without pairs of texts (it holds {held}); name the file in it, or {FORM}", file=str(folder)
        )
    return found


def _once(files: dict[str, Path], more: list[tuple[str, Path]], folder: Path) -> dict[str, Path]:
    for name, path in more:
        if name in files:
            raise DataError(
                f"{files[name].name!r} and {path.name!r} are one text twice; take one out", file=str(folder)
            )
        files[name] = path
    return files


def _text(path: Path, folder: Path) -> str:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError("is a link that leads out of the folder; put the text itself there", file=str(path))
    if not path.is_file():
        raise DataError("is a pipe or a device; put the text itself there", file=str(path))
    with path.open("rb") as stream:
        text = "".join(decoded(stream, str(path))).replace("\r\n", "\n")
    return text.removesuffix("\n")
