"""Runs in a line each: goal, verdict, best approach, cost, date. What cannot be read is said in its line, and the list goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rung.errors import NewerFolder, RungError
from rung.report.load import Report, load_report
from rung.report.summary import NO_FIGURE, RESULTS, summary
from rung.store.run import RunFolder
from rung.types import Verdict

DEEPEST = 3  # folders below the one that is named
STATES = {"running": "being written", "interrupted": "interrupted", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run, as it is written. `note`: what keeps it from being read; all else is a dash then."""

    place: str  # the folder as a command names it
    task: str = NO_FIGURE
    goal: str = NO_FIGURE
    verdict: str = NO_FIGURE
    best: str = NO_FIGURE
    score: str = NO_FIGURE
    interval: str = NO_FIGURE
    cost: str = NO_FIGURE
    date: str = NO_FIGURE
    note: str = ""


def run_folders(folder: Path, deep: int = DEEPEST) -> Iterator[Path]:
    """Yield the run folders at a place, by name: itself, or those below it. Links and hidden folders are left out."""
    if RunFolder(folder).begun:
        yield folder
    elif deep:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from run_folders(child, deep - 1)


def list_runs(folder: Path) -> tuple[RunLine, ...]:
    """Return a line for each run in a folder. Raises RungError where it is none."""
    if not folder.is_dir():
        raise RungError(
            f"{folder} is no folder; name one that holds runs, or run `rung climb`: it writes to `runs/NAME`"
        )
    return tuple(read_run(path)[0] for path in run_folders(folder))


def read_run(path: Path) -> tuple[RunLine, Report | None]:
    """Return a run's line and its report without examples; None, and why in the line, where it cannot be read."""
    try:
        report = load_report(RunFolder.open(path), rows=False)
    except NewerFolder as error:
        return RunLine(str(path), verdict="newer version", note=str(error)), None
    except RungError as error:
        return RunLine(str(path), verdict="cannot be read", note=str(error)), None
    return line_of(report, str(path)), report


def line_of(report: Report, place: str) -> RunLine:
    """Return the line of a run that could be read."""
    verdict, best = report.verdict, report.best
    line = next((found for found in summary(report).lines if best is not None and found.label == best.label), None)
    status = str(report.head.get("status"))
    decided = verdict is not None and status not in ("running", "failed")
    return RunLine(
        place=place,
        task=report.task.name,
        goal=f"{report.task.goal:.2f}",
        verdict=_said(verdict) if verdict is not None and decided else STATES.get(status, "no verdict yet"),
        best=line.name if line is not None else NO_FIGURE,
        score=line.score if line is not None else NO_FIGURE,
        interval=line.interval if line is not None else NO_FIGURE,
        cost=line.cost if line is not None else NO_FIGURE,
        date=str(report.head.get("created") or NO_FIGURE)[:10],
    )


def _said(verdict: Verdict) -> str:
    """Return a verdict in a word, with what it is held back by."""
    caveats = [w for w, holds in (("provisional", verdict.provisional), ("exploratory", verdict.exploratory)) if holds]
    said = RESULTS.get(verdict.decision, verdict.decision)
    return f"{said} ({', '.join(caveats)})" if caveats else said
