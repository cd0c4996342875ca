"""`rung climb`: measure the ladder on frozen test rows and give a verdict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._experiment import experiment
from rung.cli._permission import permit
from rung.cli._screen import Screen, console, echo, print_json

if TYPE_CHECKING:
    from rung.config import Config


def climb(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment, or a run folder to go on with."),
    folder: Path = typer.Option(None, "--folder", help="The run folder; by default runs/NAME."),
    seed: int = typer.Option(None, "--seed", help="Override split.seed."),
    budget: float = typer.Option(None, "--budget", help="Override limits.budget_usd."),
    only: list[str] = typer.Option(None, "--only", help="Try these approaches only; may be given again."),
    goal: float = typer.Option(None, "--goal", help="Override task.goal."),
    more: Path = typer.Option(
        None,
        "--more",
        help="Add these test examples, once, to a run whose verdict is not that the goal is met, and decide anew.",
    ),
    dev: bool = typer.Option(
        False,
        "--dev",
        help="Run the approaches on dev examples alone: no verdict, no run folder, the test set stays sealed.",
    ),
    quick: bool = typer.Option(
        False,
        "--quick",
        help="Show how your prompt as it stands fails on the first 40 dev examples; the test set stays sealed.",
    ),
    step_down: bool = typer.Option(
        False,
        "--step-down",
        help="Ask whether an approach below the winner of the run suffices by now, and what it saves.",
    ),
    confirm: bool = typer.Option(
        False,
        "--confirm",
        help="Measure what the run chose on the examples that split.confirm kept for this, once.",
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Print all that is known beside the answer."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Climb the ladder; run the same command again to resume. What the project paid for is not paid again.

    Exit codes: 0 meets the goal, 1 misses it (or by a judge's word alone), 2 bad input (also what `rung check` stops at), 3 budget
    spent, 4 incomplete (run again), 5 our fault, 6 inconclusive, provisional, or waiting for a model tuned elsewhere.
    """
    _fit_together(config, folder, more, quick=quick, dev=dev, step_down=step_down, confirm=confirm)
    loaded = _loaded(
        config, {"seed": seed, "budget_usd": budget, "goal": goal, "only": only, "more": _from(config, more)}
    )
    permit(loaded)
    if quick:
        return _quick(loaded, as_json)
    if dev:
        return _on_dev(loaded, as_json)
    where = config if config.is_dir() else folder or Path("runs") / loaded.task.name
    if step_down:
        return _step_down(loaded, where, as_json, verbose)
    if confirm:
        from rung.engine.confirm import confirming

        return climb_and_report(*confirming(where), as_json, verbose)
    return climb_and_report(loaded, where, as_json, verbose)


def _fit_together(
    config: Path, folder: Path | None, more: Path | None, *, quick: bool, dev: bool, step_down: bool, confirm: bool
) -> None:
    """Raise ConfigError for options that mean nothing beside each other."""
    from rung.errors import ConfigError, Problem

    if quick and dev:
        raise ConfigError(
            [Problem("--quick", "and --dev are two kinds of look at dev examples: give one")], "The command"
        )
    if folder is not None and (quick or dev):
        flag = "--quick" if quick else "--dev"
        raise ConfigError(
            [Problem("--folder", f"means nothing beside {flag}, which leaves no run folder")], "The command"
        )
    if step_down and (quick or dev):
        raise ConfigError(
            [Problem("--step-down", "reads the test set, and --quick and --dev do not: give one")], "The command"
        )
    if confirm and (quick or dev or step_down or more is not None):
        raise ConfigError(
            [Problem("--confirm", "stands alone: it measures one approach on examples kept for that")], "The command"
        )
    if confirm and not config.exists():
        says = f"measures what a run chose, and {config} is not there: name its run folder, or its rung.yaml"
        raise ConfigError([Problem("--confirm", says)], "The command")
    if config.is_dir() and folder is not None:
        raise ConfigError([Problem("--folder", f"is given beside the run folder {config}: name one")], "The command")
    if more is not None and (quick or dev):
        raise ConfigError([Problem("--more", "adds test examples, and this looks at none")], "The command")


def _from(named: Path, more: Path | None) -> str | None:
    """Return a file as the configuration names it: from the folder at which its relative paths start."""
    from rung.store.run import RunFolder

    if more is None:
        return None
    root = RunFolder.open(named).config[1] if named.is_dir() else named.parent
    return os.path.relpath(more.resolve(), root.resolve())


def _loaded(named: Path, overrides: Mapping[str, object]) -> Config:
    """Read a rung.yaml, or the configuration that a run folder was made with."""
    from rung.config import overridden, parse_config
    from rung.store.run import RunFolder

    if not named.is_dir():
        return experiment(named, **overrides)
    settings, root = RunFolder.open(named).config
    return parse_config(overridden(settings, overrides, str(named)), root, str(named))


def climb_and_report(config: Config, folder: Path, as_json: bool, verbose: bool = False) -> int:
    """Climb, write the page, print the verdict; return the exit code."""
    from rung.ladder import climb as run_climb
    from rung.report.data import as_data
    from rung.report.page import write_page
    from rung.report.text import render_text
    from rung.store.run import RunFolder

    run = run_climb(config, folder, Screen(quiet=as_json))
    code, unanswered, read_back = run.exit_code, run.unanswered_rows, run.read_back
    del run  # its outcomes, which the report reads again: 200 MB for 100,000 examples
    opened = RunFolder.open(folder)
    if not (read_back and opened.page_is_current):
        write_page(opened)
    if as_json:
        print_json({**as_data(opened), "exit_code": code})
        return code

    render_text(opened, console(), verbose=verbose, place=folder)
    if unanswered:
        echo(f"  {unanswered} test examples got no answer: the same command asks them again")
    echo(f"\nReport: {opened.page}")
    return code


def _step_down(config: Config, source: Path, as_json: bool, verbose: bool) -> int:
    from rung.generations.step_down import saved_a_month, stepping_down
    from rung.store.run import RunFolder

    asked, where = stepping_down(config, source)
    if asked.current is None:
        return _below_tuned(asked, source, where, as_json)
    code = climb_and_report(asked, where, as_json, verbose)
    run = RunFolder.open(where)
    winner, now = run.verdict.need().winner, asked.current
    if winner and now and not as_json:
        results = {label: run.rung(label).result.need() for label in (winner, now)}
        saved = saved_a_month(results, now, winner, asked.volume.requests_per_month)
        echo(saved or "What it saves in a month: give volume.requests_per_month and prices in rung.yaml")
    return code


def _below_tuned(asked: Config, source: Path, where: Path, as_json: bool) -> int:
    """Measure what is below a tuned winner and hold it against that; exit code 0 where an approach suffices, 1 where none does."""
    from rung.cli.compare import as_data, lines_of
    from rung.errors import Interrupted
    from rung.generations.step_down import held_against, saved_a_month
    from rung.ladder import climb as run_climb
    from rung.report.page import write_page
    from rung.store.run import RunFolder
    from rung.usual_names import shown_name

    ended = run_climb(asked, where, Screen(quiet=as_json))
    if ended.unanswered_rows or ended.verdict.decision == "stopped":
        raise Interrupted(f"{where} has not come to its end ({ended.verdict.decision}); the same command goes on")
    held, page = held_against(asked, source, where), write_page(RunFolder.open(where))
    lower = held.suffices
    if as_json:
        compared = {label: as_data(found) for label, found in held.found.items()}
        print_json({"suffices": lower, "level": held.level, "folder": str(where), "compared": compared})
        return 0 if lower else 1
    for found in held.found.values():
        for text in lines_of(found):
            echo(text)
    at = f"(decided at the level {held.level:.3g})"
    if lower is None:
        echo(f"No lower approach is shown to suffice {at}: {shown_name(held.label)} stays")
    else:
        echo(
            f"{shown_name(lower)} suffices in place of {shown_name(held.label)} {at}: rung serve {where} --approach {lower}"
        )
        results = {held.label: held.found[lower].lower.result, lower: held.found[lower].upper.result}
        saved = saved_a_month(results, held.label, lower, asked.volume.requests_per_month)
        echo(saved or "What it saves in a month: give volume.requests_per_month and prices in rung.yaml")
    echo(f"Report: {page}")
    return 0 if lower else 1


def _quick(config: Config, as_json: bool) -> int:
    from rung.engine.quick import look, summary

    seen = look(config, Screen(quiet=as_json))
    if as_json:
        print_json(summary(seen))
    else:
        for line in seen.lines():
            echo(line)
    return 0


def _on_dev(config: Config, as_json: bool) -> int:
    from rung.engine.dev import dev_lines, dev_summary, look_on_dev

    seen = look_on_dev(config, Screen(quiet=as_json))
    if as_json:
        print_json(dev_summary(seen))
    else:
        for line in dev_lines(seen):
            echo(line)
    return 3 if seen.stopped else 0
