"""`rung retrain`: the same experiment again as a new generation, held against the champion on the same test examples."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rung.cli._by import name_of
from rung.cli._experiment import experiment
from rung.cli._permission import permit
from rung.cli._screen import Screen, echo, print_json
from rung.cli.compare import as_data, lines_of

if TYPE_CHECKING:
    from rung.generations.retrain import Retrained


def retrain(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    folder: Path = typer.Option(None, "--folder", help="The folder of generations; by default runs/NAME-generations."),
    first: Path = typer.Option(None, "--first", help="The run that becomes generation 1; by default runs/NAME."),
    by: str = typer.Option(None, "--by", help="Who stands in the history; by default the account."),
    why: str = typer.Option("", "--why", help="What to write beside the reason, such as a ticket."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Climb again with the examples of today, and promote the winner where it is shown better, or not worse and cheaper.

    Test examples of earlier generations stay test examples, new ones join by group. Exit codes: 0 promoted, 1 the champion stays,
    4 incomplete (run again).
    """
    from rung.generations.retrain import NothingNew
    from rung.generations.retrain import retrain as begin
    from rung.report.page import write_page
    from rung.store.generations import Generations
    from rung.store.run import RunFolder

    loaded = experiment(config)
    permit(loaded)
    place = Generations(folder or Path("runs") / f"{loaded.task.name}-generations")
    run = first or Path("runs") / loaded.task.name
    try:
        found = begin(loaded, place, run, name_of(by), why, Screen(quiet=as_json))
    except NothingNew as error:
        print_json({"promoted": False, "why": str(error)}) if as_json else echo(f"{error}.")
        return 1
    page = write_page(RunFolder.open(place.path / found.step.folder))
    if as_json:
        print_json(_as_data(found))
    else:
        _tell(found)
        echo(f"\nReport: {page}")
    return 0 if found.promoted else 1


def _as_data(found: Retrained) -> dict[str, Any]:
    contest = found.contest
    return {
        **asdict(found.step),
        "promoted": found.promoted,
        "champion_before": asdict(found.champion),
        "new_examples": found.examples.new,
        "new_test_examples": len(found.examples.fresh),
        "decided_on_new_alone": contest.fresh if contest is not None else None,
        "decided": as_data(contest.decided) if contest is not None else None,
        "earlier": as_data(contest.earlier) if contest is not None and contest.earlier is not None else None,
    }


def _tell(found: Retrained) -> None:
    contest, step = found.contest, found.step
    if contest is not None:
        new = len(found.examples.fresh)
        older = f"of which all but {new:,} have decided before" if new else "which have decided before"
        echo(
            "On the test examples that decided nothing before:" if contest.fresh else f"On all test examples, {older}:"
        )
        for text in lines_of(contest.decided):
            echo(f"  {text}")
        if contest.earlier is not None:
            echo("On the earlier test examples, which decide nothing here:")
            for text in lines_of(contest.earlier):
                echo(f"  {text}")
    if found.promoted:
        echo(f"Generation {step.generation} ({step.approach}) is the champion: {step.why}")
    else:
        echo(f"Generation {found.champion.generation} ({found.champion.approach}) stays the champion: {step.why}")
