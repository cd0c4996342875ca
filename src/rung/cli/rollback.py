"""`rung rollback`: back to a generation that was champion before, without training anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from rung.cli._by import name_of
from rung.cli._screen import echo, print_json


def rollback(
    folder: Path = typer.Argument(..., help="The folder of generations."),
    to: int = typer.Option(
        None, "--to", min=1, help="A former champion's number; by default the last one before this."
    ),
    by: str = typer.Option(None, "--by", help="Who stands in the history; by default the account."),
    why: str = typer.Option("", "--why", help="The reason that stands in the history."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Make an earlier champion champion again; nothing is trained or asked. What was measured of it must be whole."""
    from rung.errors import RungError
    from rung.generations.rollback import rollback as back
    from rung.report.page import write_page
    from rung.store.generations import Generations

    place = Generations(folder)
    step, passed_over = back(place, name_of(by), why, to)
    try:
        write_page(place.run_of(step))  # its history has one line more
    except RungError as error:
        echo(f"the champion changed, and its page was not written anew: {error}", err=True)
    if as_json:
        print_json({**asdict(step), "passed_over": list(passed_over)})
        return 0
    for text in passed_over:
        echo(f"passed over: {text}")
    echo(f"Generation {step.generation} ({step.approach}) is the champion again, {step.why}")
    return 0
