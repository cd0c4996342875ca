"""How rung.yaml names the rows: a file, a folder of texts, one sheet of a workbook, or one split of a data set."""

from __future__ import annotations

from pathlib import Path

WORKBOOKS: tuple[str, ...] = (".xlsx", ".xlsm")
SHEET_MARK = "#"  # book.xlsx#Sheet2, folder#train


def sheet_of(path: Path) -> tuple[Path, str | None]:
    """Part "book.xlsx#Sheet2" and "folder#train" into the file and its part; other names, and files that are there, stay whole."""
    name, mark, sheet = path.name.partition(SHEET_MARK)
    if mark and name and not path.exists():
        whole = path.with_name(name)
        if whole.suffix.lower() in WORKBOOKS or whole.is_dir():
            return whole, sheet
    return path, None
