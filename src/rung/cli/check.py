"""`rung check`: load, split and audit the rows, look through the documents; nothing is written and no model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import Screen, print_json

if TYPE_CHECKING:
    from rung.types import Finding

IDS_SHOWN = 5


def check(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Audit the rows: enough of them, repeats, leaks, labels, balance, length, and what the test part can show.

    Exit codes: 0 nothing stops a climb, 1 a finding does, 2 bad input.
    """
    from rung.config import load_config
    from rung.data.audit import CHECKS, audit
    from rung.evaluate.documents import examine
    from rung.evaluate.prepare import as_task, part_rows, read_rows
    from rung.models._settings import facts

    loaded = load_config(config)
    screen = Screen(quiet=as_json)
    with screen.stage("reading and splitting", len(CHECKS) + 2) as bar:
        rows = read_rows(loaded)
        bar.advance()
        kind, parts = part_rows(loaded, rows)
        bar.advance()
        task = as_task(loaded, kind, (*parts.train, *parts.dev))
        found = audit(
            parts, task, planned_rungs=len(loaded.planned), models=facts(loaded), on_check=lambda _: bar.advance()
        )
    about_documents = examine(loaded, rows.whole.examples, {e.id for e in parts.test})
    findings = (*found, *rows.findings, *about_documents)
    stops = sum(f.severity == "stop" for f in findings)
    code = 1 if stops else 0
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "source": Path(rows.whole.source).name,
                "rows": len(rows.whole),
                "kind": kind,
                "parts": parts.sizes,
                "findings": [asdict(f) for f in findings],
                "stops": stops,
                "exit_code": code,
            }
        )
        return code
    held = ", ".join(f"{n:,} {part}" for part, n in parts.sizes.items() if n)
    typer.echo(f"{len(rows.whole):,} rows of {kind}: {held} (as they would be split)")
    _table(findings)
    warns = sum(f.severity == "warn" for f in findings)
    typer.echo(f"{stops} stop, {warns} warn, {len(findings) - stops - warns} note")
    return code


def _table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "finding and next step", box=None, pad_edge=False, show_edge=False)
    colours = {"stop": "bold red", "warn": "yellow", "note": "dim"}
    for f in findings:
        named = ", ".join(f.example_ids[:IDS_SHOWN]) + (" ..." if len(f.example_ids) > IDS_SHOWN else "")
        words = f"{f.message} Rows: {named}." if named else f.message
        said = Text(printable(words))
        if f.severity != "note":
            said.append(f"\n-> {printable(f.next_step)}", style="bold")
        table.add_row(Text(f.severity, style=colours[f.severity]), Text(f.check), said)
    Console(highlight=False).print(table)


def printable(text: str) -> str:
    """Return the text without control characters: values of rows may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
