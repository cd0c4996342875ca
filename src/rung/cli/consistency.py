"""`rung consistency`: how often a measured rung breaks the asked-for form over many requests, and agrees with itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._permission import permit_run
from rung.cli._screen import Screen, echo, print_json

if TYPE_CHECKING:
    from rung.engine.reopen import Reopened
    from rung.store.records import Consistency
    from rung.types import Example


def consistency(
    folder: Path = typer.Argument(..., help="The run folder."),
    rung: list[str] = typer.Option(None, "--rung", help="These approaches only; by default every measured one."),
    requests: int = typer.Option(1000, "--requests", min=1, help="Requests to each approach."),
    repeats: int = typer.Option(2, "--repeats", min=1, help="How often each input is asked."),
    metric: str = typer.Option(None, "--metric", help="A metric that knows the form; by default the deciding one."),
    rows: Path = typer.Option(
        None, "--rows", help="Your own examples, with the task's columns; by default dev and unseen training examples."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Ask measured approaches many times and count exact form, extra text, wrong form and self-agreement, with exact intervals.

    Test examples stay sealed. What was asked before comes from the run's cache, so an interrupted call goes on.
    """
    import asyncio

    from rung.engine.asking_again import ask_again
    from rung.engine.reopen import reopened
    from rung.engine.sides import measured_label
    from rung.store.folder import locked
    from rung.store.run import RunFolder, measured_rungs

    permit_run(folder)
    opened = RunFolder.open(folder)
    labels = [measured_label(opened, said) for said in rung or measured_rungs(opened)]

    async def ask() -> list[Consistency]:
        async with reopened(folder, Screen(quiet=as_json)) as run:
            own = _rows(run, rows) if rows is not None else None
            return [await ask_again(run, label, requests, repeats, metric=metric, rows=own) for label in labels]

    with locked(opened):
        found = asyncio.run(ask())
        for one in found:
            opened.rung(one.rung).consistency.save(one)
    if as_json:
        print_json([{**asdict(one), "per_10k": one.per_10k} for one in found])
    else:
        for line in _lines(found):
            echo(line)
    return 0


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
        low, high = one.per_10k
        lines.append(f"  {low:,.0f} to {high:,.0f} failures of form in 10,000 requests (95 % CI)")
    return lines
