"""Tables of measured figures: printed as Markdown, kept as JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Table:
    """A titled table; `runs` says how many simulated runs stand behind a cell (0: exact)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    runs: int = 0
    note: str = ""

    def markdown(self) -> str:
        """Return the table as GitHub Markdown."""
        how = "exact" if self.runs == 0 else f"{self.runs:,} runs a cell"
        lines = [f"**{self.title}** ({how})", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|---" + "|--:" * (len(self.columns) - 1) + "|")
        lines += ["| " + " | ".join("none" if c is None else str(c) for c in row) + " |" for row in self.rows]
        return "\n".join(lines + (["", self.note] if self.note else [])) + "\n"


def percent(share: float, digits: int = 1) -> float:
    """Return a share as a rounded percentage."""
    return round(100.0 * share, digits)


def publish(name: str, tables: Sequence[Table], seconds: float, quick: bool) -> None:
    """Print the tables; write results/NAME.json, unless the run was a quick one."""
    for table in tables:
        print(table.markdown())
    print(f"({name}: {seconds:.0f} s)\n")
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        data = {"seconds": round(seconds, 1), "tables": [asdict(t) for t in tables]}
        (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def run_script(name: str, tables: Callable[[bool], list[Table]]) -> None:
    """Run one simulation from the command line: `--quick` for a tenth of the runs and no file."""
    parser = argparse.ArgumentParser(description=f"Simulate {name}.")
    parser.add_argument("--quick", action="store_true", help="about a tenth of the runs; writes no file")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    publish(name, tables(quick), time.perf_counter() - start, quick)
