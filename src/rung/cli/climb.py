"""`rung climb`: measure the ladder on frozen test rows and give a verdict."""

from __future__ import annotations

from pathlib import Path

import typer

from rung.cli._screen import Screen, print_json


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

    Exit codes: 0 good enough, 1 not or undecided, 2 bad input, 3 budget spent, 4 incomplete (run again), 5 our fault.
    """
    from rung.config import load_config

    overrides = {"seed": seed, "budget_usd": budget, "goal": goal, "only": only}
    loaded = load_config(config, overrides)
    where = folder or Path("runs") / loaded.task.name
    screen = Screen(quiet=as_json)
    if quick:
        return _quick(loaded, screen, as_json)
    from rung.ladder import climb as run_climb
    from rung.report.page import write_page
    from rung.report.text import render_text
    from rung.store.folder import RunFolder

    run = run_climb(loaded, where, screen)
    opened = RunFolder.open(where)
    page = write_page(opened)
    if as_json:
        from rung.report.data import as_data

        print_json({**as_data(opened), "exit_code": run.exit_code})
        return run.exit_code
    from rich.console import Console

    render_text(opened, Console())
    typer.echo(f"\nReport: {page}")
    return run.exit_code


def _quick(config: object, screen: Screen, as_json: bool) -> int:
    from rung.config import Config
    from rung.evaluate.quick import look, summary

    assert isinstance(config, Config)
    seen = look(config, screen)
    if as_json:
        print_json(summary(seen))
    else:
        for line in seen.lines():
            typer.echo(line)
    return 0
