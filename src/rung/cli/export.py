"""`rung export`: write the rung that won, so that it can be used elsewhere as it was measured."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rung.cli._permission import permit_run
from rung.cli._screen import Screen, echo, print_json

CHECK = "Write nothing: answer the frozen test examples through this server (http://HOST/v1)."


def export(
    folder: Path = typer.Argument(..., help="The run folder."),
    rung: str = typer.Option(None, "--rung", help="Which approach; by default the winner, else the tentative pick."),
    form: str = typer.Option(
        None, "--form", help="baseline, prompt, rag, adapter, merged, gguf, rows; by default what suits the approach."
    ),
    out: Path = typer.Option(None, "--out", help="An empty or new folder; by default exports/RUNG-FORM of the run."),
    dtype: str = typer.Option(None, "--dtype", help="Number format of merged weights; by default the base's own."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    check: Annotated[str | None, typer.Option(help=CHECK)] = None,
    model: Annotated[
        str | None, typer.Option(help="With --check: which of its models; by default its only one.")
    ] = None,
    key_env: Annotated[str | None, typer.Option(help="With --check: environment variable that holds its key.")] = None,
) -> int:
    """Write the winner as a folder that runs on its own, or the examples to tune elsewhere.

    Baselines and prompts come with a program for one text or a batch. It answers 50 dev examples again and is refused unless
    every answer is the measured one. Tuned weights (`adapter`, `merged`) answer the frozen test examples again and are
    refused unless they are the same model. `--check URL` re-scores a running server; exit code 1 unless it is shown to be the
    same model.
    """
    from rung.exports.write import chosen, exported
    from rung.store.run import RunFolder

    permit_run(folder)
    label = rung or chosen(RunFolder.open(folder))
    if check:
        from rung.exports.running import check_server

        found = check_server(folder, label, check, model, key_env, Screen(quiet=as_json))
        if as_json:
            print_json({"rung": label, "url": check, **asdict(found)})
        else:
            echo(f"{label} through {check} is {found.sentence}")
        return 0 if found.same or not found.answers_changed else 1
    name, place, said = exported(folder, label, form, out, dtype, Screen(quiet=as_json))
    if as_json:
        print_json({"rung": label, "form": name, "out": str(place), "said": said})
    else:
        echo(f"{label} as {name}: {said}\nWritten to {place}")
    return 0
