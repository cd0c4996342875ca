"""`rung migrate`: the winner's approach on another model, held against the old one on the same test examples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._by import name_of
from rung.cli._experiment import experiment
from rung.cli._permission import permit
from rung.cli._screen import Screen, echo, line, print_json
from rung.cli.compare import as_data, lines_of

if TYPE_CHECKING:
    from rung.generations.migrate import Migrated


def migrate(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment, which names the other model."),
    to: str = typer.Option(..., "--to", help="The role of the other model in `models`."),
    folder: Path = typer.Option(
        None,
        "--folder",
        help="The run, or the folder of generations; by default runs/NAME-generations, else runs/NAME.",
    ),
    margin: float = typer.Option(
        None, "--margin", min=0.001, max=0.5, help="How much worse is as good; else min_gain."
    ),
    by: str = typer.Option(None, "--by", help="Who stands in the history; by default the account."),
    why: str = typer.Option("", "--why", help="What to write beside the reason, such as a date of retirement."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Measure the winner's approach on another model and say what changes: quality, cost, prompt, parameters.

    The winner's prompt is tried as it stands first and rewritten on dev, as the prompt approach does. Exit codes: 0 shown at most the margin
    worse (in a folder of generations it is the champion then), 1 not, 4 incomplete (run again).
    """
    from rung.generations.migrate import migrate as begin
    from rung.generations.migrate import migrate_champion
    from rung.report.page import write_page
    from rung.store.generations import Generations, champion_of
    from rung.store.run import RunFolder

    loaded = experiment(config)
    permit(loaded)
    runs = Path("runs") / loaded.task.name
    place = folder or next((p for p in (Path(f"{runs}-generations"),) if p.is_dir()), runs)
    screen = Screen(quiet=as_json)
    if champion_of(place) is not None:
        found = migrate_champion(loaded, Generations(place), to, name_of(by), why, margin, screen)
    else:
        found = begin(loaded, place, to, margin, screen)
    page = write_page(RunFolder.open(found.folder))
    if as_json:
        print_json(
            {
                "shown": found.shown,
                "why": found.why,
                "level": found.level,
                "approach": found.approach,
                "folder": str(found.folder),
                "changes": list(found.changes),
                "compared": as_data(found.found),
                "step": asdict(found.step) if found.step is not None else None,
            }
        )
    else:
        _tell(found)
        echo(f"Report: {page}")
    return 0 if found.shown else 1


def _tell(found: Migrated) -> None:
    for text in lines_of(found.found):
        echo(text)
    echo("What changes beside the model:" if found.changes else "Nothing changes beside the model.")
    for text in found.changes:
        echo(f"  {line(text)}")
    why = "" if found.fits and found.otherwise is None else f": {found.why}"  # else it stands above
    may = f"{'may' if found.shown else 'may not'} take over (decided at the level {found.level:.3g}){why}"
    echo(f"{found.approach} {may}")
    if found.step is not None and found.shown:
        echo(f"Generation {found.step.generation} is the champion")
    elif found.step is not None:
        echo("The champion stays")
    else:
        echo(f"To serve it: rung serve {found.folder} --approach {found.approach}")
