"""The pages of the shipped examples in examples/, written anew from what is kept there of their runs.

python -m docs.examples NAME FOLDER    keep the run folder of an example that was climbed (`rung demo NAME`); then `make docs`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from rung.report.load import load_report
from rung.report.page import render_page
from rung.store.run import RunFolder

EXAMPLES = Path(__file__).parent.parent / "examples"
LEFT_OUT = ("ledger.sqlite", "report.html", ".lock", "tuned/")  # of a run folder: what no page is made of


def kept(name: str) -> Path:
    """Return where the run of an example is kept."""
    return EXAMPLES / "runs" / f"{name}.zip"


def keep(name: str, folder: Path) -> Path:
    """Keep a run folder, the same bytes for the same files."""
    place = kept(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(place, "w") as packed:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            inner = file.relative_to(folder).as_posix()
            if not inner.startswith(LEFT_OUT):
                packed.writestr(ZipInfo(f"run/{inner}"), file.read_bytes(), ZIP_DEFLATED, 9)
    return place


def pages() -> dict[Path, str]:
    """Return the page of each run that is kept."""
    found = {}
    for place in sorted(kept("x").parent.glob("*.zip")):
        with tempfile.TemporaryDirectory() as folder, ZipFile(place) as packed:
            packed.extractall(folder)
            found[EXAMPLES / f"{place.stem}.html"] = render_page(load_report(RunFolder.open(Path(folder) / "run")))
    return found


if __name__ == "__main__":
    print(keep(sys.argv[1], Path(sys.argv[2])))
