"""How rung.yaml names the rows: a file, a folder of texts, or one sheet of a workbook."""

from __future__ import annotations

from pathlib import Path

WORKBOOKS: tuple[str, ...] = (".xlsx", ".xlsm")
SHEET_MARK = "#"  # book.xlsx#Sheet2


def sheet_of(path: Path) -> tuple[Path, str | None]:
    """Part "book.xlsx#Sheet2" into the file and the sheet; other names, and files that are there, stay whole."""
    name, mark, sheet = path.name.partition(SHEET_MARK)
    if mark and Path(name).suffix.lower() in WORKBOOKS and not path.exists():
        return path.with_name(name), sheet
    return path, None
