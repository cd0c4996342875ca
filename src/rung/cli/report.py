"""`rung report`: the run folder as a page, for the terminal, as Markdown, JSON, JUnit XML or CSV."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import writes_any_letter

if TYPE_CHECKING:
    from rung.store.folder import RunFolder

STDOUT = Path("-")


class Format(StrEnum):
    """What a report is written as."""

    html = "html"
    text = "text"
    markdown = "markdown"
    json = "json"
    junit = "junit"
    csv = "csv"


def report(
    folder: Path = typer.Argument(None, help="The run folder."),
    named: Path = typer.Option(None, "--folder", help="The run folder, written as other verbs take it."),
    form: Format = typer.Option(
        Format.html,
        "--format",
        help="html writes FOLDER/report.html; the others print. junit: a test case a rung; csv: the rows.",
    ),
    output: Path = typer.Option(None, "--output", help="Write to this file instead; - prints."),
    reveal_test: bool = typer.Option(
        False,
        "--reveal-test",
        help="Show test rows too. It is written down: the test part is spent, later climbs on it are exploratory.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON: the same as --format json."),
) -> int:
    """Write the report of a run, finished or not, from what its folder holds."""
    from rung.errors import RungError
    from rung.store.folder import RunFolder
    from rung.store.sealed import reveal

    where = folder or named
    if where is None or (folder and named and folder != named):
        raise RungError("name one run folder, for example `rung report runs/ticket-routing`")
    run = RunFolder.open(where)
    if reveal_test:
        rows = reveal(run.path)
        typer.echo(
            f"{len(rows)} test rows are revealed: this is written into the run, and later climbs on these rows are "
            "exploratory",
            err=True,
        )
    form = Format.json if as_json else form
    if form is Format.html and output is None:
        from rung.report.page import write_page

        typer.echo(f"Report: {write_page(run)}")
    elif output is None or output == STDOUT:
        typer.echo(_rendered(run, form), nl=False) if form is not Format.text else _print_text(run)
    else:
        from rung.store.folder import write_atomic

        write_atomic(output, _rendered(run, form).encode("utf-8"))
        typer.echo(f"Report: {output}", err=form is Format.json)
    return 0


def _rendered(run: RunFolder, form: Format) -> str:
    """Return the report in that form; for a file text comes without colours."""
    if form is Format.html:
        from rung.report.load import load_report
        from rung.report.page import render_page

        return render_page(load_report(run))
    if form is Format.markdown:
        from rung.report.markdown import render_markdown

        return render_markdown(run)
    if form is Format.json:
        from rung.report.data import as_data

        return json.dumps(as_data(run, rows=True), ensure_ascii=not writes_any_letter(), indent=1) + "\n"
    if form is Format.junit:
        from rung.report.junit import render_junit

        return render_junit(run)
    if form is Format.csv:
        from rung.report.sheet import render_csv

        return render_csv(run)
    from io import StringIO

    from rich.console import Console

    from rung.report.text import render_text

    page = StringIO()
    render_text(run, Console(file=page, width=120, no_color=True))
    return page.getvalue()


def _print_text(run: RunFolder) -> None:
    from rich.console import Console

    from rung.report.text import render_text

    render_text(run, Console())
