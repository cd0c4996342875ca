"""`rung regression`: what a model can do that tuning must not harm, scored before anything is tuned."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from rung.cli._permission import permit
from rung.cli._screen import Screen, echo, print_json


def regression(
    config: Path = typer.Argument(Path("rung.yaml"), help="The experiment."),
    model: list[str] = typer.Option(
        None, "--model", help="A role under `models`; by default all that the ladder asks."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Score models on 120 examples of general abilities and on the tasks named in `regression_tasks`, as fine-tuning does.

    The examples were written for this: following instructions, formats, reading, arithmetic, declining. They compare a model
    with itself, and rank no models. No test example is touched.
    """
    from rung.config import load_config
    from rung.engine.regression_scores import keeping_scores

    loaded = load_config(config)
    permit(loaded)
    found = keeping_scores(loaded, tuple(model or ()), Screen(quiet=as_json))
    if as_json:
        print_json({role: {name: asdict(e) for name, e in scores.items()} for role, scores in found.items()})
        return 0
    for role, scores in found.items():
        echo(f"models.{role}")
        for name, estimate in scores.items():
            echo(f"  {name:<28} {estimate}")
    return 0
