"""`rung verify`: recompute every reported number from stored outputs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from rung.cli._permission import permit_run
from rung.cli._screen import echo, print_json


def verify(
    folder: Path = typer.Argument(..., help="The run folder."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Recompute scores, estimates, comparisons and the verdict of a run; exit code 1 when anything differs."""
    from rung.engine.verify import verify as recompute
    from rung.store.run import RunFolder

    permit_run(folder, asks=False)
    checks = recompute(RunFolder.open(folder))
    failed = [c for c in checks if not c.passed]
    if as_json:
        print_json({"passed": not failed, "checks": [{**asdict(c), "passed": c.passed} for c in checks]})
    else:
        for check in checks:
            mark = "ok " if check.passed else "NOT"
            echo(f"{mark}  {check.what} ({check.compared:,} compared)" + (f": {check.differs}" if failed else ""))
        total = sum(c.compared for c in checks)
        echo(f"{total:,} numbers recomputed; " + (f"{len(failed)} checks differ" if failed else "all equal"))
    return 1 if failed else 0
