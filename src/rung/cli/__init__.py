"""The command line: one small file a verb. Heavy imports happen inside the verbs, so that `rung --help` stays quick."""

from __future__ import annotations

import io
import json
import signal
import sys
import traceback
from types import FrameType

import typer
from typer.exceptions import TyperException

from rung import __version__
from rung.cli import (
    advise,
    check,
    climb,
    compare,
    consistency,
    data,
    demo,
    docs,
    export,
    init,
    keep,
    label,
    plan,
    plugins,
    report,
    verify,
)
from rung.errors import RungError

INTERNAL_ERROR = 5
INTERRUPTED = 4

app = typer.Typer(
    name="rung",
    help="Do you need to fine-tune? Climb from prompt to tuning and stop at the lowest rung that is shown to be good enough.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rung {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    return None


app.command(short_help="Look at a data file and write rung.yaml.")(init.init)
app.command(short_help="Audit the rows before anything is spent.")(check.check)
app.command(short_help="Prompting, retrieval or tuning: thumb and evidence.")(advise.advise)
app.command(short_help="Estimate calls, tokens, dollars, minutes.")(plan.plan)
app.command(short_help="Climb the ladder; run again to resume.")(climb.climb)
app.add_typer(data.data, short_help="Clean the rows: a new version of the data.")
app.command(short_help="Write the report of a run.")(report.report)
app.command(short_help="Compare two rungs row by row.")(compare.compare)
app.command(short_help="Count failures of form over many requests.")(consistency.consistency)
app.command(short_help="Score what tuning must not harm.")(keep.keep)
app.command(short_help="Label answers that a judge judged.")(label.label)
app.command(short_help="Write the winner for use elsewhere.")(export.export)
app.command(short_help="Recompute every number of a run.")(verify.verify)
app.add_typer(docs.app, short_help="The documents that answers come from.")
app.command(short_help="List what rung.yaml can name.")(plugins.plugins)
app.command(short_help="Climb a shipped example, offline.")(demo.demo)


def main() -> None:
    """Run the command line. Exit codes: 0 met, 1 not met or undecided, 2 input, 3 budget, 4 incomplete, 5 our fault."""
    for name in ("SIGTERM", "SIGHUP"):  # a stopped service or a closed terminal ends a climb as Ctrl-C does
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    for stream in (sys.stdout, sys.stderr):  # a terminal without the letters of the rows shows their codes instead
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a shell started this in the background: Ctrl-C is shut off there
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _run() -> int:
    as_json = "--json" in sys.argv
    try:
        result = app(prog_name="rung", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as leave:
        return leave.exit_code
    except RungError as error:
        return _failed(error.exit_code, type(error).__name__, str(error), as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _failed(
            INTERRUPTED,
            "Interrupted",
            "interrupted; what a climb has stored is kept, and the same command goes on",
            as_json,
        )
    except TyperException as error:
        return _failed(2, "UsageError", error.format_message(), as_json)
    except Exception as error:  # noqa: BLE001 - the one place where anything may be caught: it becomes exit code 5
        traceback.print_exc()
        return _failed(INTERNAL_ERROR, type(error).__name__, f"internal error, please report it: {error}", as_json)


def _failed(code: int, name: str, message: str, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps({"error": name, "message": message, "exit_code": code}))
    else:
        typer.echo(message if message.startswith("Usage:") else f"rung: {message}", err=True)
    return code
