"""`rung climb`: measure the ladder on frozen test rows and give a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import Screen, print_json

if TYPE_CHECKING:
    from rung.config import Config


def climb(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    folder: Path = typer.Option(None, "--folder", help="The run folder; by default runs/NAME."),
    seed: int = typer.Option(None, "--seed", help="Override split.seed."),
    budget: float = typer.Option(None, "--budget", help="Override limits.budget_usd."),
    only: list[str] = typer.Option(None, "--only", help="Climb these rungs only; may be given again."),
    goal: float = typer.Option(None, "--goal", help="Override task.goal."),
    quick: bool = typer.Option(
        False, "--quick", help="Show how your prompt as it stands fails on about 40 dev rows; the test part stays shut."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Climb the ladder; run the same command again to resume.

    Exit codes: 0 good enough, 1 not or undecided, 2 bad input (also rows that `rung check` stops at), 3 budget spent,
    4 incomplete (run again), 5 our fault.
    """
    from rung.config import load_config

    loaded = load_config(config, {"seed": seed, "budget_usd": budget, "goal": goal, "only": only})
    if quick:
        return _quick(loaded, as_json)
    return climb_and_report(loaded, folder or Path("runs") / loaded.task.name, as_json)


def climb_and_report(config: Config, folder: Path, as_json: bool) -> int:
    """Climb, write the page, print the verdict; return the exit code."""
    from rung.ladder import climb as run_climb
    from rung.report.data import as_data
    from rung.report.page import write_page
    from rung.report.text import render_text
    from rung.store.folder import RunFolder

    run = run_climb(config, folder, Screen(quiet=as_json))
    opened = RunFolder.open(folder)
    page = write_page(opened)
    if as_json:
        print_json({**as_data(opened), "exit_code": run.exit_code})
        return run.exit_code
    from rich.console import Console

    render_text(opened, Console())
    if run.unanswered_rows:
        typer.echo(
            f"{run.unanswered_rows} test rows got no answer by transport trouble: the same command asks them again"
        )
    typer.echo(f"\nReport: {page}")
    return run.exit_code


def _quick(config: Config, as_json: bool) -> int:
    from rung.evaluate.quick import look, summary

    seen = look(config, Screen(quiet=as_json))
    if as_json:
        print_json(summary(seen))
    else:
        for line in seen.lines():
            typer.echo(line)
    return 0
