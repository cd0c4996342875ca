"""Several runs on one page: a line each, paired differences where the test set is the same, dev examples side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rung.decide.across import Across, across
from rung.decide.compare import adjust
from rung.engine.sides import side
from rung.errors import IntegrityError, RungError
from rung.report import blocks as b
from rung.report.evidence import cut
from rung.report.figures import count, p_values, signed, span
from rung.report.load import LoadedSide, Report, dev_side
from rung.report.rows import (
    LONGEST_TEXT,
    ROWS_SHOWN,
    ExampleCell,
    ExampleRow,
    ExampleTable,
    Kind,
    affordable,
    cell_of,
)
from rung.report.runs import RunLine, read_run
from rung.store.run import RunFolder
from rung.types import Example

KINDS: Mapping[Kind, str] = {
    "regressed": "right before, not right later",
    "wrong": "not right in any run",
    "differs": "runs differ",
    "right": "right in every run",
}


@dataclass(frozen=True)
class RunOnPage:
    """One run among others. `report` None: it cannot be read, and its line says why. `page`: its own page, as a link from here."""

    name: str
    line: RunLine
    report: Report | None
    page: str | None

    @property
    def test_set(self) -> str:
        """The test set and how often it was read."""
        manifest = self.report.manifest.get("test") if self.report is not None else None
        if self.report is None or manifest is None:
            return "-"
        times = "once" if self.report.opened == 1 else f"{self.report.opened} times"
        return f"{manifest['sha256'][:8]}, {manifest['rows']:,} examples, read {times}"


@dataclass(frozen=True, slots=True)
class PairOfRuns:
    """A later run against the first one. `why_not`: what keeps the two from being compared."""

    first: str
    second: str
    found: Across | None = None
    why_not: str = ""

    @property
    def word(self) -> str:
        """What is shown of the difference, the number of later runs counted."""
        return "not compared" if self.found is None else self.found.word


@dataclass(frozen=True)
class Several:
    """The page over several runs. `grid`: None where no two of them share a dev example."""

    runs: tuple[RunOnPage, ...]
    pairs: tuple[PairOfRuns, ...]
    grid: ExampleTable | None


def several(folders: Sequence[Path], page: Path) -> Several:
    """Read the runs, in the order given. `page`: where the page will lie, for its links. Reads no test example.

    Raises RungError for fewer than two different folders.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise RungError("name two or more different run folders, for example `rung report runs/main runs/new-prompt`")
    runs = tuple(_run(folder, name, page) for folder, name in zip(folders, _names(folders), strict=True))
    return Several(runs, tuple(_pairs(runs)), _grid(runs))


def why_not_paired(folder: RunFolder, first: RunFolder, error: IntegrityError) -> str:
    """Say what differs between two runs that cannot be compared row by row, without the places of the folders."""
    here, there = (run.parts.manifest.need()["test"] for run in (folder, first))
    if here["sha256"] != there["sha256"]:
        return (
            f"the test sets differ ({there['rows']:,} examples there, {here['rows']:,} here): only runs on the same frozen examples can be "
            "compared example by example"
        )
    if folder.task.metrics[0] != first.task.metrics[0]:
        return f"it is judged by {first.task.metrics[0].name}, this run by {folder.task.metrics[0].name}, or with other settings"
    return str(error)


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or their whole paths where two are called alike."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _run(folder: Path, name: str, page: Path) -> RunOnPage:
    line, report = read_run(folder)
    own = RunFolder(folder).page
    link = Path(os.path.relpath(own.resolve(), page.resolve().parent)).as_posix() if own.is_file() else None
    return RunOnPage(name, line, report, quote(link) if link else None)


def _pairs(runs: Sequence[RunOnPage]) -> Iterator[PairOfRuns]:
    first = runs[0]
    pairs = [_pair(first, later) for later in runs[1:]]
    compared = [pair.found for pair in pairs if pair.found is not None]
    adjusted = iter(adjust([found.comparison for found in compared], 0))
    for pair in pairs:
        yield pair if pair.found is None else replace(pair, found=replace(pair.found, comparison=next(adjusted)))


def _pair(first: RunOnPage, later: RunOnPage) -> PairOfRuns:
    pair = PairOfRuns(first.name, later.name)
    unread = [run.name for run in (first, later) if run.report is None]
    if unread:
        return replace(pair, why_not=f"{unread[0]} cannot be read")
    try:
        one, two = (replace(side(run.line.place), name=run.name) for run in (first, later))
        return replace(pair, found=across(one, two))
    except IntegrityError as error:
        folders = (RunFolder(Path(later.line.place)), RunFolder(Path(first.line.place)))
        return replace(pair, why_not=why_not_paired(*folders, error))
    except RungError as error:
        return replace(pair, why_not=str(error))


def _grid(runs: Sequence[RunOnPage]) -> ExampleTable | None:
    """Lay the dev examples that runs share side by side: the same one has the same id, input and expected answer."""
    sides = {run.name: found for run in runs if (found := _best_on_dev(run)) is not None}
    seen: dict[tuple[str, str, str], dict[str, Example]] = {}
    for name, found in sides.items():
        for example in found.examples:
            seen.setdefault((example.id, example.text, example.target), {})[name] = example
    shared = [by for by in seen.values() if len(by) > 1]
    if not shared:
        return None
    tasks = {run.name: run.report.task for run in runs if run.report is not None}
    outcomes = {name: next(iter(found.outcomes.values())) for name, found in sides.items()}
    found_rows: dict[Kind, list[ExampleRow]] = {kind: [] for kind in KINDS}
    for number, by in enumerate(shared):
        example = next(iter(by.values()))
        answers = ((name, outcomes[name].get(example.id) if name in by else None) for name in sides)
        cells = tuple(cell_of(name, outcome, tasks[name]) for name, outcome in answers)
        kind = _kind(cells)
        inputs = tuple((name, cut(text, LONGEST_TEXT)) for name, text in example.inputs.items())
        row = ExampleRow(example.id, f"row-{number}", None, inputs, cut(example.target, LONGEST_TEXT), cells, kind)
        found_rows[kind].append(row)
    rows = [row for kind in KINDS for row in found_rows[kind]][:ROWS_SHOWN]
    counts = {kind: len(of_kind) for kind, of_kind in found_rows.items()}
    return ExampleTable("dev", "", tuple(sides), tuple(affordable(rows)), len(shared), counts)


def _best_on_dev(run: RunOnPage) -> LoadedSide | None:
    """Return the dev examples with what the run's best approach made of them; None where there is none, or it cannot be read."""
    if run.report is None or run.report.best is None:
        return None
    try:
        found = dev_side(RunFolder(Path(run.line.place)), [run.report.best.label])
    except RungError:
        return None
    return found if found is not None and found.outcomes else None


def _kind(cells: Sequence[ExampleCell]) -> Kind:
    marks = [cell.mark for cell in cells if cell.mark != "absent"]
    if not marks or all(mark == "right" for mark in marks):
        return "right"
    if marks[0] == "right":
        return "regressed"
    return "differs" if "right" in marks else "wrong"


def page_of_several(found: Several) -> b.Page:
    """Return the page over several runs."""
    many, first = f"{len(found.runs)} runs compared", found.runs[0].name
    said = [
        b.Text((b.bold(run.name), f": {run.report.verdict.headline}"), "intro")
        for run in found.runs
        if run.report and run.report.verdict
    ]
    how = "The best approach of each run, example by example on the test set that both share. p-values are adjusted for the number of pairs (Holm)."
    sections = (
        b.Section("runs", "", many, (_runs_table(found.runs), *said), folded=False),
        b.Section(
            "pairs", "", f"Against {first}", (_pairs_table(found.pairs), b.Text(how, "soft small")), folded=False
        ),
        b.Section("rows", "", "Dev examples", tuple(_examples(found)), folded=False),
    )
    footer = "Written by rung. This page loads nothing from elsewhere; its one script searches the examples. Test examples stay sealed."
    return b.Page(many, many, sections, footer)


def _runs_table(runs: Sequence[RunOnPage]) -> b.Table:
    heads = b.columns(
        "Run",
        "Goal|",
        "Verdict",
        "Best approach",
        "Score|",
        b.Column("95 % CI", "r tight"),
        "Cost per 1,000|",
        "Test set",
        b.Column("Date", "tight"),
    )
    rows = []
    for run in runs:
        line = run.line
        verdict: b.Words = (line.verdict, b.small(line.note)) if line.note else line.verdict
        name = b.Bit(run.name, link=run.page), b.small(line.task)
        rows.append(
            b.Row((name, line.goal, verdict, line.best, line.score, line.interval, line.cost, run.test_set, line.date))
        )
    return b.Table(heads, rows)


def _pairs_table(pairs: Sequence[PairOfRuns]) -> b.Table:
    heads = b.columns("Run", "Gain|", "95 % CI|", "Wins / losses|", "Test examples|", "Difference")
    return b.Table(heads, [b.Row(_pair_cells(pair)) for pair in pairs])


def _pair_cells(pair: PairOfRuns) -> tuple[b.Words, ...]:
    if pair.found is None:
        return pair.second, "-", "-", "-", "-", (pair.word, b.small(pair.why_not))
    c = pair.found.comparison
    word = b.joined(pair.word, b.small(p_values(c)), [b.small(note) for note in pair.found.notes])
    return pair.second, signed(c.gain), span(c.low, c.high), f"{c.wins} / {c.losses}", count(c.n), word


def _examples(found: Several) -> Iterator[b.Block]:
    table = found.grid
    if table is None:
        yield b.Text("No two of these runs share a dev example.", "empty")
        return
    counts = "; ".join(f"{count(table.counts[kind])} {word}" for kind, word in KINDS.items())
    shown = f" The first {count(len(table.rows))} are shown, in this order." if table.sampled else ""
    yield b.Text(f"{count(table.total)} dev examples are in two or more of these runs: {counts}.{shown}", "intro")
    pages = {run.name: run.page for run in found.runs}
    yield b.Examples(table, (("all", "all"), *KINDS.items()), [(name, pages[name]) for name in table.labels])


def several_data(found: Several) -> dict[str, Any]:
    """Return runs and paired differences as JSON-able data."""
    pairs = [
        {
            "first": pair.first,
            "second": pair.second,
            "difference": pair.word,
            "p_adjusted": pair.found.comparison.p_adjusted if pair.found is not None else None,
            "comparison": asdict(pair.found.comparison) if pair.found is not None else None,
            "why_not": pair.why_not or None,
        }
        for pair in found.pairs
    ]
    runs = [{**asdict(run.line), "name": run.name, "test_set": run.test_set} for run in found.runs]
    dev = [
        {"id": row.id, "kind": row.kind, **{cell.rung: cell.word for cell in row.cells}}
        for row in (found.grid.rows if found.grid is not None else ())
    ]
    return {"runs": runs, "pairs": pairs, "dev": dev}
