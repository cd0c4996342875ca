"""`rung check`: what keeps a climb from beginning, an audit of the rows, a look at the documents; nothing is written or asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._experiment import experiment
from rung.cli._screen import Screen, console, echo, print_json
from rung.invisible import visible

if TYPE_CHECKING:
    from rung.types import Finding

IDS_SHOWN = 5


def check(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    folder: Path = typer.Option(None, "--folder", help="The run folder; by default runs/NAME."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Audit the examples, and say all that keeps a run from beginning: keys, prices, packages, files, another run in its folder.

    The audit looks at their number, repeats, leaks, labels, balance and length, and at what the test set can show.

    Exit codes: 0 nothing stops a run or a step of it, 1 a finding does, 2 bad input.
    """
    from rung.engine.check import check as look_over

    loaded = experiment(config)
    found = look_over(loaded, Screen(quiet=as_json), folder or Path("runs") / loaded.task.name)
    code = 1 if found.stops else 0
    if as_json:
        from dataclasses import asdict

        print_json({**asdict(found), "source": Path(found.source).name, "stops": found.stops, "exit_code": code})
        return code
    held = ", ".join(f"{n:,} {part}" for part, n in found.parts.items() if n)
    echo(f"{found.rows:,} examples of {found.kind}: {held} (as they would be split; {found.shares})")
    _table(found.findings)
    warns = sum(f.severity == "warn" for f in found.findings)
    echo(f"{found.stops} stop, {warns} warn, {len(found.findings) - found.stops - warns} note")
    return code


def _table(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "finding and next step", box=None, pad_edge=False, show_edge=False)
    colours = {"stop": "bold red", "warn": "yellow", "note": "dim"}
    for f in findings:
        named = ", ".join(f.example_ids[:IDS_SHOWN]) + (" ..." if len(f.example_ids) > IDS_SHOWN else "")
        words = f"{f.message} Examples: {named}." if named else f.message
        said = Text(visible(words))
        if f.severity != "note":
            said.append(f"\n-> {visible(f.next_step)}", style="bold")
        table.add_row(Text(f.severity, style=colours[f.severity]), Text(visible(f.check)), said)
    console().print(table)
