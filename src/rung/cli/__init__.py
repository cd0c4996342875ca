"""The command line: one small file a verb. Heavy imports happen inside the verbs, so that `rung --help` stays quick."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
import warnings

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
    feedback,
    grow,
    init,
    label,
    migrate,
    plan,
    plugins,
    regression,
    report,
    retrain,
    rollback,
    runs,
    serve,
    verify,
    watch,
)
from rung.cli._screen import echo, json_text, nobody_reads
from rung.errors import Interrupted, RungError
from rung.signals import INTERRUPTED, NO_MEMORY, SAID, is_stop, program

INTERNAL_ERROR = 5
TYPER_INTERRUPTED = 130  # what typer makes of KeyboardInterrupt before we see it (typer/core.py, _main)
LIMITS = {  # by what the system says, what mends it
    errno.EMFILE: "too many files are open: raise the limit (`ulimit -n`) or lower `concurrency`",
    errno.ENFILE: "too many files are open on this machine: close other programs",
    errno.EFBIG: "a file may not grow further: raise the limit (`ulimit -f`)",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your share of the disk is full: free some space",
    errno.EIO: "the disk failed: check it",
    errno.ENOMEM: "there is no memory left: close other programs",
    errno.EAGAIN: "no more processes or threads may start: raise the limit (`ulimit -u`) or close other programs",
}

_NO_ROOM = ("failed to map segment", "annot allocate memory")  # of the loader of libraries, which has no number for it

app = typer.Typer(
    name="rung",
    help="Do you need to fine-tune? Climb from prompt to tuning and stop at the cheapest approach that meets the goal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"rung {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    trust: bool = typer.Option(
        False,
        "--trust",
        help="Allow a project from elsewhere its code, files and keys; may stand anywhere. Also RUNG_TRUST=1.",
    ),
) -> None:
    if trust:
        os.environ["RUNG_TRUST"] = "1"


app.command(short_help="Look at a data file and write rung.yaml.")(init.init)
app.command(short_help="Audit the examples before anything is spent.")(check.check)
app.command(short_help="Prompting, retrieval or tuning: thumb and evidence.")(advise.advise)
app.command(short_help="Estimate calls, tokens, dollars, minutes.")(plan.plan)
app.command(short_help="Climb the ladder; run again to resume.")(climb.climb)
data.data.command(short_help="Write a new version of the data with what feedback taught.")(grow.grow)
app.add_typer(data.data, short_help="Clean or grow the examples: a new version.")
app.command(short_help="Write the report of a run, or of several.")(report.report)
app.command(short_help="List the runs in a folder.")(runs.runs)
app.command(short_help="Compare two approaches, example by example.")(compare.compare)
app.command(short_help="Count failures of form over many requests.")(consistency.consistency)
app.command(short_help="Score what tuning must not harm.")(regression.regression)
app.command(short_help="Label answers that a judge judged.")(label.label)
app.command(short_help="Write the winner for use elsewhere.")(export.export)
app.command(short_help="Serve the winner, OpenAI-compatible.")(serve.serve)
app.command(short_help="Take in what users said.")(feedback.feedback)
app.command(short_help="Say whether service still is as measured.")(watch.watch)
app.command(short_help="Climb again; promote what is shown better.")(retrain.retrain)
app.command(short_help="Go back to an earlier champion.")(rollback.rollback)
app.command(short_help="Try the winner on another model.")(migrate.migrate)
app.command(short_help="Recompute every number of a run.")(verify.verify)
app.add_typer(docs.app, short_help="The documents that answers come from.")
app.command(short_help="List what rung.yaml can name.")(plugins.plugins)
app.command(short_help="Climb a shipped example, offline.")(demo.demo)


def main() -> None:
    """Run the command line from Python, as the program `rung` does."""
    program(lambda: run)


def run() -> int:
    """Run the command line; return the exit code: 0 meets the goal, 1 misses it, 2 input, 3 budget, 4 incomplete, 5 our
    fault, 6 inconclusive."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without the letters of the rows shows their codes instead
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = _outcome("--json" in sys.argv)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads(sys.stdout)
    return code


def _in_our_words(said: str) -> str:
    """Return what is wrong with an option, where pydantic says it, in the words of our other messages."""
    if "Input should" not in said and "Value error" not in said:
        return said
    from rung.config.reading import plain_words

    return plain_words(said)


def _outcome(as_json: bool) -> int:
    try:
        words = [word for word in sys.argv[1:] if word != "--trust"]
        trust = ["--trust"] if len(words) < len(sys.argv) - 1 else []  # told to the top, wherever it stands
        result = app(args=[*trust, *words], prog_name="rung", standalone_mode=False)
        if result == TYPER_INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except typer.Exit as leave:
        return leave.exit_code
    except RungError as error:
        return _failed(error.exit_code, type(error).__name__, str(error), as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _failed(INTERRUPTED, "Interrupted", SAID, as_json)
    except TyperException as error:
        return _failed(2, "UsageError", _in_our_words(error.format_message()), as_json)
    except SystemExit as leave:  # typer's answer to a reader that has gone away
        nobody_reads(sys.stdout)
        return leave.code if isinstance(leave.code, int) else 1
    except MemoryError:
        _throw_away_quietly()
        return _failed(INTERRUPTED, "MemoryError", NO_MEMORY, as_json)
    except Exception as error:  # noqa: BLE001 - the one place where anything may be caught: it becomes exit code 5
        if is_stop(error) or str(error).startswith(
            "KeyboardInterrupt"
        ):  # so C++ code (pybind11) tells an interrupt that fell into it
            return _failed(INTERRUPTED, "Interrupted", SAID, as_json)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return _failed(
                2, "RungError", f"{str(error.filename)[:80]}... is a longer name than a file can have", as_json
            )
        why = _limit(error)
        if why is not None:
            _throw_away_quietly()
            return _failed(INTERRUPTED, "Interrupted", why, as_json)
        echo(traceback.format_exc(), err=True)
        return _failed(INTERNAL_ERROR, type(error).__name__, f"internal error, please report it: {error}", as_json)


def _number_in(error: BaseException) -> int | None:
    """Return the number of a limit that Python tells in words alone: of threads, and of memory for a library."""
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return errno.EAGAIN
    if isinstance(error, ImportError) and any(words in str(error) for words in _NO_ROOM):
        return errno.ENOMEM
    if isinstance(error, SystemError) and "without setting an exception" in str(error) and _memory_is_limited():
        return errno.ENOMEM  # C code of Python that got no memory and did not say so
    return None


def _memory_is_limited() -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _in_a_line(error: BaseException) -> str:
    """Return what an error says, of a page of advice (numpy's, where a library does not load) the line that matters."""
    lines = str(error).splitlines() or [""]
    return next((line for line in lines if any(words in line for words in _NO_ROOM)), lines[0])[:300]


def _limit(error: BaseException | None) -> str | None:
    """Return what to say of a limit of this machine behind an error, wherever it was met; None for any other error."""
    while error is not None:
        number = error.errno if isinstance(error, OSError) else _number_in(error)
        if number in LIMITS:
            return f"{LIMITS[number]} ({_in_a_line(error)}); what a run has stored is kept: run the same command again after that"
        if isinstance(error, MemoryError):
            return NO_MEMORY
        if isinstance(error, RungError) and isinstance(error, Interrupted):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


def _throw_away_quietly() -> None:
    """Let Python say nothing while it throws away what a limit left half made: the sentence tells what happened."""
    sys.unraisablehook = lambda _: None
    warnings.simplefilter("ignore")


def _failed(code: int, name: str, message: str, as_json: bool) -> int:
    if as_json:
        echo(json_text({"error": name, "message": message, "exit_code": code}, indent=None))
    else:
        echo(message if message.startswith("Usage:") else f"rung: {message}", err=True)
    return code
