"""`rung export`: write the rung that won, so that it can be used elsewhere as it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import Screen, print_json

if TYPE_CHECKING:
    from rung.store.folder import RunFolder


def export(
    folder: Path = typer.Argument(..., help="The run folder."),
    rung: str = typer.Option(None, "--rung", help="Which rung; by default the winner, else the one leaned to."),
    form: str = typer.Option(None, "--form", help="prompt, adapter, merged, rows; by default what suits the rung."),
    out: Path = typer.Option(None, "--out", help="An empty or new folder; by default exports/RUNG-FORM of the run."),
    dtype: str = typer.Option(None, "--dtype", help="Number format of merged weights; by default the base's own."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Write the winner: prompt and code, adapter or merged model; or the rows to tune elsewhere.

    Exported weights answer the frozen test rows again and are refused unless they are shown to be the same model.
    """
    import asyncio

    from rung.evaluate.exporting import export as write
    from rung.evaluate.reopen import reopened
    from rung.store.folder import RunFolder, locked

    opened = RunFolder.open(folder)
    label = rung or _chosen(opened)

    async def work() -> tuple[str, Path, str]:
        async with reopened(folder, Screen(quiet=as_json)) as run:
            return await write(run, label, form, out, dtype)

    with locked(opened):
        name, place, said = asyncio.run(work())
    if as_json:
        print_json({"rung": label, "form": name, "out": str(place), "said": said})
    else:
        typer.echo(f"{label} as {name}: {said}\nWritten to {place}")
    return 0


def _chosen(folder: RunFolder) -> str:
    from rung.errors import RungError
    from rung.types import Verdict

    verdict = folder.load("verdict.json", Verdict) if folder.has("verdict.json") else None
    found = (verdict.winner or verdict.lean) if verdict is not None else None
    if found is None:
        raise RungError(f"{folder.path} has no winner and leans to no rung; name one with --rung")
    return found
