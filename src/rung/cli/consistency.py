"""`rung consistency`: how often a measured rung breaks the asked-for form over many requests, and agrees with itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import Screen, print_json

if TYPE_CHECKING:
    from rung.evaluate.consistency import Consistency
    from rung.evaluate.reopen import Reopened
    from rung.types import Example


def consistency(
    folder: Path = typer.Argument(..., help="The run folder."),
    rung: list[str] = typer.Option(None, "--rung", help="These rungs only; by default every measured one."),
    requests: int = typer.Option(1000, "--requests", min=1, help="Requests to each rung."),
    repeats: int = typer.Option(2, "--repeats", min=1, help="How often each input is asked."),
    metric: str = typer.Option(None, "--metric", help="A metric that knows the form; by default the deciding one."),
    rows: Path = typer.Option(
        None, "--rows", help="Your own rows, with the task's columns; by default dev and unseen training rows."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Ask measured rungs many times and count exact form, extra text, wrong form and self-agreement, with exact intervals.

    Test rows stay shut. What was asked before comes from the run's ledger, so an interrupted call goes on.
    """
    import asyncio

    from rung.evaluate.consistency import Consistency, ask_again
    from rung.evaluate.reopen import measured_rungs, reopened
    from rung.store.folder import RunFolder, locked

    opened = RunFolder.open(folder)
    labels = _wanted(rung, measured_rungs(opened), folder)

    async def ask() -> list[Consistency]:
        async with reopened(folder, Screen(quiet=as_json)) as run:
            own = _rows(run, rows) if rows is not None else None
            return [await ask_again(run, label, requests, repeats, metric=metric, rows=own) for label in labels]

    with locked(opened):
        found = asyncio.run(ask())
        for one in found:
            opened.save(f"rungs/{one.rung}/consistency.json", one, Consistency)
    if as_json:
        print_json([{**asdict(one), "per_10k": one.per_10k} for one in found])
    else:
        for line in _lines(found):
            typer.echo(line)
    return 0


def _wanted(asked: list[str] | None, measured: tuple[str, ...], folder: Path) -> list[str]:
    from rung.errors import RungError

    unknown = [label for label in asked or [] if label not in measured]
    if unknown:
        raise RungError(f"{folder} has no measured rung {', '.join(unknown)}; measured: {', '.join(measured)}")
    return list(asked or measured)


def _rows(run: Reopened, path: Path) -> tuple[Example, ...]:
    from rung.data.load import load

    task, data = run.task, run.config.data
    return load(str(path), inputs=task.inputs, target=task.target, id_column=data.id, group_by=data.group_by).examples


def _lines(found: list[Consistency]) -> list[str]:
    from rung.evaluate.consistency import FORMS

    lines = []
    for one in found:
        lines.append(f"{one.rung}: {one.requests:,} requests, {one.inputs:,} inputs, form by {one.metric}")
        lines += [f"  {words:<38} {one.forms[form]}" for form, words in FORMS.items() if one.forms[form].count]
        if one.agreement is not None:
            lines.append(f"  {'all repeats of an input agree':<38} {one.agreement}")
        lines.append(f"  about {one.per_10k:,.0f} failures of form in 10,000 requests")
    return lines
