"""Blocks for a terminal: answer, evidence, one table, the main cause of failure and the next command, in 25 lines.

All the rest follows where it is asked for, a line a fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rung.report import blocks as b
from rung.report.escape import terminal, visible
from rung.report.load import load_report
from rung.report.plain import worded
from rung.report.runs import RunLine
from rung.report.sections import page_of
from rung.report.summary import ApproachLine, Command, Summary, summary
from rung.store.run import RunFolder

COLOURS = {"meets": "green", "misses": "red", "inconclusive": "yellow"}
PLAIN = {"−": "-", "…": "...", "“": '"', "”": '"', "→": "->"}  # for terminals that cannot write these
NARROW = 80  # columns below which cost and latency are left out
FLOORS_SHOWN = 3
ICONS = {"stop": "red", "warn": "yellow"}
LONGEST_NAME = 24  # characters of an approach


def render_text(folder: RunFolder, console: Console, *, verbose: bool = False, place: Path | None = None) -> None:
    """Print the answer; all that is known beside it where `verbose`. Reads no example. `place`: the folder as commands name it."""
    report = load_report(folder, rows=False)
    said = summary(report, place)
    _answer(report.task.name, said, console)
    for section in page_of(report, said).sections if verbose else ():
        lines = [line for block in section.blocks for line in _lines(block)]
        if lines:
            _blank(console)
            _line(console, section.title, "bold")
            for line, style in lines:
                _line(console, line, style)
    _commands(said.commands, console)


def _answer(name: str, said: Summary, console: Console) -> None:
    _line(console, f"{name}: {said.lead[:1].lower()}{said.lead[1:]}", "bold")
    _blank(console)
    for line in filter(None, (said.rest, said.basis)):
        _line(console, line, indent=2)
    for line in said.notes:
        _line(console, line, "yellow", indent=2)
    _table(said, console)
    for line in (*([said.pareto] if said.frontier and said.pareto else []), *said.floors[:FLOORS_SHOWN]):
        _line(console, line, indent=2)
    if len(said.floors) > FLOORS_SHOWN:
        _line(console, f"{len(said.floors) - FLOORS_SHOWN} more floors: see the report.", "dim", indent=2)
    for line in filter(None, (said.bet, said.cause)):
        _line(console, line, indent=2)
    for line in said.warnings:
        _line(console, line, "yellow", indent=2)
    many = said.data_warnings
    warned = "" if not many else " 1 data warning: rung check." if many == 1 else f" {many} data warnings: rung check."
    _line(console, f"Run: {said.spent}.{warned}", indent=2)


def _lines(block: b.Block) -> Iterator[tuple[str, str]]:
    """Yield a block as lines, each with its style; what only a page can hold is left out."""
    if isinstance(block, b.Text) and block.style == "intro":
        return
    if isinstance(block, b.Text | b.Title):
        yield worded(block.words), "dim" if isinstance(block, b.Text) else "bold"
    elif isinstance(block, b.Bullets):
        for item in block.items:
            icon = item.icon if isinstance(item, b.Item) else None
            yield worded(item.words if isinstance(item, b.Item) else item), ICONS.get(icon or "", "")
    elif isinstance(block, b.Facts):
        yield from ((f"{name}: {worded(said)}", "") for name, said in block.facts)
    elif isinstance(block, b.Table):
        yield from ((_row(block.columns, row), "") for row in block.rows)
    elif isinstance(block, b.Fold) and block.told != "nothing":
        yield worded(block.words), "bold" if block.told == "blocks" else ""
        for inner in block.blocks if block.told == "blocks" else ():
            yield from _lines(inner)


def _row(columns: Sequence[b.Column], row: b.Row) -> str:
    """Write a line of a table as one sentence: no terminal is too narrow for it."""
    name, *cells = map(worded, row.cells)
    heads = [column.head[:1].lower() + column.head[1:] for column in columns[1:]]
    said = (f"{head} {cell}".strip() for head, cell in zip(heads, cells, strict=True) if cell)
    return f"{name}: {'; '.join(said)}"


def _table(said: Summary, console: Console) -> None:
    """Print one line an approach: seven columns at most. A terminal under 80 columns goes without cost and latency."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", highlight=False)
    wide = console.width >= NARROW
    for name in (
        "  approach",
        "score",
        "95 % CI",
        *(("$/1k req", "p50*" if said.footnote else "p50") if wide else ()),
        "result",
    ):
        table.add_column(name, overflow="fold", no_wrap=name != "result")
    for line in said.lines:
        table.add_row(*(Text(_fit(console, cell)) for cell in _cells(line, wide)[:-1]), _result(line, console))
    _blank(console)
    console.print(table)
    if wide and said.footnote:
        _line(console, f"* {said.footnote}", "dim", indent=2)
    _blank(console)


def render_runs(runs: Sequence[RunLine], console: Console) -> None:
    """Print a line for each run, and below the table what keeps one from being read.

    Where the terminal is narrow, columns are left out; what is long even then, is folded.
    """
    columns = {
        "run": [run.place for run in runs],
        "goal": [run.goal for run in runs],
        "verdict": [run.verdict for run in runs],
        "best": [terminal(run.best, 16) for run in runs],
        "score": [run.score for run in runs],
        "$/1k req": [run.cost for run in runs],
        "date": [run.date for run in runs],
    }
    for spare in ("$/1k req", "date", "best"):
        if sum(2 + max(cell_len(cell) for cell in (name, *held)) for name, held in columns.items()) > console.width + 2:
            del columns[spare]
    whole = max(map(cell_len, columns["run"])) <= console.width // 2
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", highlight=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name != "verdict" and (name != "run" or whole))
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*(Text(_fit(console, visible(cell))) for cell in cells))
    console.print(table)
    for note in (run.note for run in runs if run.note):
        _line(console, note, "yellow")


def _cells(line: ApproachLine, wide: bool) -> list[str]:
    name = f"{'>' if line.best else ' '} {terminal(line.name, LONGEST_NAME)}"
    return [name, line.score, line.interval, *((line.cost, line.latency) if wide else ()), line.result]


def _result(line: ApproachLine, console: Console) -> Text:
    return Text(_fit(console, line.result), style=COLOURS.get(line.state, "dim"))


def _commands(commands: Sequence[Command], console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0), highlight=False)
    for number, command in enumerate(commands):
        table.add_row(
            *(Text(_fit(console, visible(t))) for t in ("" if number else "Next:", command.line, command.why))
        )
    _blank(console)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _line(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    console.print(
        Padding(Text(_fit(console, terminal(text)), style=style), (0, 0, 0, indent), expand=False), highlight=False
    )


def _blank(console: Console) -> None:
    console.print()


def _fit(console: Console, text: str) -> str:
    """Return the text in characters that the terminal's encoding has."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        for pretty, plain in PLAIN.items():
            text = text.replace(pretty, plain)
        return text.encode(console.encoding, "backslashreplace").decode(console.encoding)
    return text
