"""What verbs print: progress bars on a terminal, plain lines elsewhere, JSON when asked. No other module of the command
line writes to the terminal, and nothing passes here that could move its cursor, set its title or reach its clipboard.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import typer

from rung.invisible import visible, written_out

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

FEW = 8  # answers that come at once, of which the first tells nothing about the time that is left
LINE_EVERY_S = 10.0  # between two lines about one stage, where no terminal draws a bar


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text of any origin: characters that a reader cannot see are written out as ⟦U+XXXX⟧, line ends and tabs stay."""
    _write(visible(text), err=err, nl=nl)


def _write(text: str, *, err: bool = False, nl: bool = True) -> None:
    try:
        typer.echo(text, err=err, nl=nl)
    except BrokenPipeError:
        nobody_reads(sys.stderr if err else sys.stdout)


def nobody_reads(stream: IO[str]) -> None:
    """Let what is still written to a stream go nowhere: whoever read it has gone, and the command goes on to its exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def line(text: str) -> str:
    """Return text, such as the name of a file, that stays in the line it is written into."""
    return visible(text, kept="")


def document(text: str) -> None:
    """Print text that a program may read: exactly as it is into a file or pipe, as `echo` does on a terminal."""
    _write(visible(text) if sys.stdout.isatty() else text, nl=False)


def ask(question: str, default: object = None, accepted: Callable[[str], Any] = str) -> Any:
    """Ask on the terminal until `accepted` takes the answer; what it raises as typer.BadParameter is shown."""
    shown = visible(question if default in (None, "") else f"{question} [{default}]")
    return typer.prompt(shown, default=default, show_default=False, value_proc=accepted)


def console(stderr: bool = False, quiet: bool = False) -> Console:
    """Return what draws tables and bars."""
    from rung.cli._console import SafeConsole  # not at the top: `rung --help` and `--version` draw nothing

    return SafeConsole(stderr=stderr, quiet=quiet)


class ScreenBar:
    """One running stage on the screen."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._usd = 0.0

    def advance(self, rows: int = 1, *, usd: float | None = None, note: str | None = None) -> None:
        self._usd += usd or 0.0
        shown = f"${self._usd:.2f}" if self._usd >= 0.01 else f"${self._usd:.4f}" if self._usd else ""
        self._progress.update(self._task, advance=rows, usd=visible(note) if note is not None else shown)


class PlainBar:
    """One running stage where no terminal draws it: a line now and then, the first once it takes a while."""

    def __init__(self, say: Callable[[str], None], title: str, rows: int) -> None:
        self._say, self._title, self._rows = say, title, rows
        self._done, self._usd, self._started = 0, 0.0, time.monotonic()
        self._said = self._started

    def advance(self, rows: int = 1, *, usd: float | None = None, note: str | None = None) -> None:
        self._done, self._usd = self._done + rows, self._usd + (usd or 0.0)
        now = time.monotonic()
        if now - self._said < LINE_EVERY_S or not self._done:
            return
        self._said = now
        left = (now - self._started) * max(self._rows - self._done, 0) / self._done
        known = f", about {left:.0f} s left" if self._done >= min(FEW, self._rows / 10) else ""
        usd_so_far = f", ${self._usd:.4f}" if self._usd else ""
        self._say(f"{self._title}: {self._done:,} of {self._rows:,}{usd_so_far}{known}")


class Screen:
    """Progress of `rung.progress`, drawn on stderr so that stdout holds results only."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = console(stderr=True, quiet=quiet)

    def say(self, text: str) -> None:
        self.console.print(visible(text), markup=False, soft_wrap=not self.console.is_terminal)

    @contextmanager
    def stage(self, title: str, rows: int) -> Iterator[ScreenBar | PlainBar]:
        from rich import progress as bars

        columns = (
            bars.TextColumn("  {task.description}", markup=False),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[usd]}"),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
        )
        if not self.console.is_terminal:
            yield PlainBar(self.say, title, rows)
            return
        with bars.Progress(*columns, console=self.console, transient=True, refresh_per_second=4) as progress:
            yield ScreenBar(progress, progress.add_task(visible(title), total=rows, usd=""))


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; what a terminal might obey is escaped as JSON escapes it."""
    _write(json_text(value))


def json_text(value: Any, indent: int | None = 1) -> str:
    """Return JSON in which characters that a reader cannot see are escaped, those beyond ASCII too."""
    text = json.dumps(value, ensure_ascii=not writes_any_letter(), indent=indent)
    return written_out(text, lambda char: json.dumps(char)[1:-1])


def writes_any_letter() -> bool:
    """Whether stdout can write every character; where not, JSON escapes them."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
