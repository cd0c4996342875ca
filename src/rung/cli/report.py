"""`rung report`: the run folder as a page, for the terminal or a pull request, as Markdown, JSON, JUnit XML or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import console, document, echo, writes_any_letter
from rung.report.forms import Format, rendered

if TYPE_CHECKING:
    from rung.store.run import RunFolder

STDOUT = Path("-")


def report(
    folder: Path = typer.Argument(None, help="The run folder."),
    named: Path = typer.Option(None, "--folder", help="The run folder, written as other commands take it."),
    form: Format = typer.Option(
        Format.html,
        "--format",
        help="html writes FOLDER/report.html; the others print. junit: a test case for the goal and each limit; csv: the rows; "
        "github: a comment for a pull request; md is markdown.",
    ),
    baseline: Path = typer.Option(
        None,
        "--baseline",
        help="With --format github: the run folder to compare with, as of the last run on the main branch.",
    ),
    output: Path = typer.Option(None, "--output", help="Write to this file instead; - prints."),
    reveal_test: bool = typer.Option(
        False,
        "--reveal-test",
        help="Show test rows too. It is written down: the test set is spent, later climbs on it are exploratory.",
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="With --format text: print all that is known."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON: the same as --format json."),
) -> int:
    """Write the report of a run, finished or not, from what its folder holds."""
    from rung.errors import RungError
    from rung.store.folder import locked
    from rung.store.run import RunFolder
    from rung.store.sealed import sealed_test

    where = folder or named
    if where is None or (folder and named and folder != named):
        raise RungError("name one run folder, for example `rung report runs/ticket-routing`")
    run = RunFolder.open(where)
    if reveal_test:
        with locked(run):  # the journal and what is noted of it belong together
            rows = sealed_test(run).reveal()
            run.note(events=run.events_until())
        echo(
            f"{len(rows)} test rows are revealed: this is written into the run, and later climbs on these rows are "
            "exploratory",
            err=True,
        )
    form = Format.json if as_json else form
    other = _opened(baseline, form)
    if form is Format.html and output is None:
        from rung.report.page import write_page

        echo(f"Report: {write_page(run)}")
    elif output is None or output == STDOUT:
        if form is Format.text:
            _print_text(run, where, verbose)
        else:
            document(rendered(run, form, ascii_only=not writes_any_letter(), baseline=other))
    else:
        from rung.store.folder import write_atomic

        write_atomic(output, rendered(run, form, baseline=other).encode("utf-8"))
        echo(f"Report: {output}", err=form is Format.json)
    return 0


def _opened(baseline: Path | None, form: Format) -> RunFolder | None:
    from rung.errors import RungError
    from rung.store.run import RunFolder

    if baseline is None:
        return None
    if form is not Format.github:
        raise RungError("--baseline is for `--format github`; any two runs are compared by `rung compare`")
    return RunFolder.open(baseline)


def _print_text(run: RunFolder, where: Path, verbose: bool) -> None:
    from rung.report.text import render_text

    render_text(run, console(), verbose=verbose, place=where)
