"""What verbs print: progress bars on a terminal, plain lines elsewhere, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ScreenBar:
    """One running stage on the screen."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._usd = 0.0

    def advance(self, rows: int = 1, *, usd: float | None = None, note: str | None = None) -> None:
        self._usd += usd or 0.0
        shown = f"${self._usd:.2f}" if self._usd >= 0.01 else f"${self._usd:.4f}" if self._usd else ""
        self._progress.update(self._task, advance=rows, usd=note if note is not None else shown)


class Screen:
    """Progress of `rung.evaluate.progress`, drawn on stderr so that stdout holds results only."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextmanager
    def stage(self, title: str, rows: int) -> Iterator[ScreenBar]:
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[usd]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        shown = self.console.is_terminal
        with Progress(
            *columns, console=self.console, disable=not shown, transient=True, refresh_per_second=4
        ) as progress:
            yield ScreenBar(progress, progress.add_task(title, total=rows, usd=""))


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=not writes_any_letter(), indent=1))


def writes_any_letter() -> bool:
    """Whether stdout can write every character; where not, JSON escapes them."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
