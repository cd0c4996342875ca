"""`rung report`: a run folder, or several, as a page, for the terminal or a pull request, as Markdown, JSON, JUnit XML or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rung.cli._screen import console, document, echo, json_text, print_json, writes_any_letter
from rung.report.forms import Format, rendered

if TYPE_CHECKING:
    from rung.store.run import RunFolder

STDOUT = Path("-")
SEVERAL = "comparison.html"  # beside the first of several runs


def report(
    folders: list[Path] = typer.Argument(None, help="The run folder; several make one page that compares them."),
    named: Path = typer.Option(None, "--folder", help="The run folder, written as other commands take it."),
    form: Format = typer.Option(
        Format.html,
        "--format",
        help="html writes FOLDER/report.html, the others print. junit: a test case for the goal and each limit. csv: the examples. "
        "Also github: a comment for a pull request. md is markdown.",
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
        help="Show test examples too. It is written down: the test set is spent, later runs on it are exploratory.",
    ),
    example: str = typer.Option(
        None, "--example", help="Print one dev example by its id: chat, answer and score of each approach."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="With --format text: print all that is known."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON: the same as --format json."),
) -> int:
    """Write the report of a run, finished or not, from what its folder holds; or one page that compares several runs."""
    from rung.errors import RungError
    from rung.store.run import RunFolder

    places = [*(folders or []), *([named] if named and named not in (folders or []) else [])]
    form = Format.json if as_json else form
    if len(places) > 1 and named is None:
        if reveal_test or baseline is not None or example is not None:
            raise RungError("--reveal-test, --baseline and --example are for one run folder")
        return _several(places, form, output)
    if len(places) != 1:
        raise RungError("name one run folder, for example `rung report runs/ticket-routing`")
    run = RunFolder.open(places[0])
    if example is not None:
        return _example(run, example)
    if reveal_test:
        _reveal(run)
    other = _opened(baseline, form)
    if form is Format.text and output in (None, STDOUT):
        _print_text(run, places[0], verbose)
    else:
        _write(run, form, output, other)
    return 0


def _example(run: RunFolder, wanted: str) -> int:
    """Print one dev example."""
    from rung.report.sent import example_lines

    for text in example_lines(run, wanted):
        echo(text)
    return 0


def _reveal(run: RunFolder) -> None:
    """Let test examples be shown, and write that down."""
    from rung.store.folder import locked
    from rung.store.sealed import sealed_test

    with locked(run):  # the journal and what is noted of it belong together
        rows = sealed_test(run).reveal()
        run.note(events=run.events_until())
    echo(
        f"{len(rows)} test examples are revealed: this is written into the run, and later runs on them are exploratory",
        err=True,
    )


def _write(run: RunFolder, form: Format, output: Path | None, other: RunFolder | None) -> None:
    """Write the report into the run folder, to a file, or print it."""
    from rung.report.page import write_page
    from rung.store.folder import SHARED, write_atomic

    if form is Format.html and output is None:
        echo(f"Report: {write_page(run)}")
    elif output in (None, STDOUT):
        document(rendered(run, form, ascii_only=not writes_any_letter(), baseline=other))
    else:
        write_atomic(output, rendered(run, form, baseline=other).encode("utf-8"), SHARED)
        echo(f"Report: {output}", err=form is Format.json)


def _several(folders: list[Path], form: Format, output: Path | None) -> int:
    """Write one page over several runs, beside the first of them; or print its data."""
    from rung.errors import RungError
    from rung.report.page import render_several
    from rung.report.several import several, several_data
    from rung.store.folder import SHARED, write_atomic

    if form not in (Format.html, Format.json):
        raise RungError("several runs are written as html or json; one run has all forms")
    page = output if output not in (None, STDOUT) else folders[0].parent / SEVERAL
    found = several(folders, page)
    if form is Format.json and output in (None, STDOUT):
        print_json(several_data(found))
        return 0
    text = render_several(found) if form is Format.html else json_text(several_data(found))
    if output == STDOUT:
        document(text)
    else:
        write_atomic(page, text.encode("utf-8"), SHARED)
        echo(f"Report: {page}", err=form is Format.json)
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
