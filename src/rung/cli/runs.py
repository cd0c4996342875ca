"""`rung runs`: what lies in a folder of runs, a line for each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from rung.cli._screen import console, echo, line, print_json


def runs(
    folder: Path = typer.Argument(Path("runs"), help="The folder that holds the runs."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """List the runs in a folder: goal, verdict, best approach, cost and date. A run that cannot be read is named, too.

    Below them stands the history of each folder of generations: who promoted which one, when, and why.
    """
    from rung.report.history import histories, steps_of
    from rung.report.runs import DEEPEST, list_runs
    from rung.report.text import render_runs

    found = list_runs(folder)
    if as_json:
        print_json([{**asdict(run), "history": [asdict(s) for s in steps_of(Path(run.place))]} for run in found])
    elif not found:
        echo(f"No runs in {line(str(folder))}. One is made by: rung climb")
    else:
        render_runs(found, console())
        for place, steps in histories(folder, DEEPEST):
            echo(f"\n{line(str(place))}")
            for step in steps:
                echo(f"  {line(step)}")
    return 0
