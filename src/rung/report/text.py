"""The report for a terminal: answer, evidence, one table, the main cause of failure and the next command, in 25 lines.

All the rest (comparisons, causes, costs, what was left out) follows where it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rung.decide.wording import tally
from rung.report import figures
from rung.report.advice import matrix_of
from rung.report.answer_form import form_lines
from rung.report.economics import break_even_lines, economics_of, pareto_line
from rung.report.escape import terminal, visible
from rung.report.gains import claim, fixed
from rung.report.judging import facts
from rung.report.knowledge import knowledge_lines
from rung.report.load import Report, load_report
from rung.report.predictions import summary as calibration
from rung.report.robustness import robustness_lines
from rung.report.runs import RunLine
from rung.report.summary import ApproachLine, Command, Summary, summary
from rung.report.told_apart import detail_lines
from rung.report.tuned import tuning_lines
from rung.store.run import RunFolder
from rung.types import Comparison, Skipped
from rung.usual_names import shown_name

COLOURS = {"meets": "green", "misses": "red", "inconclusive": "yellow"}
PLAIN = {"−": "-", "…": "...", "“": '"', "”": '"', "→": "->"}  # for terminals that cannot write these
NARROW = 80  # columns below which cost and latency are left out
FLOORS_SHOWN = 3
LONGEST_NAME = 24  # characters of an approach


def render_text(folder: RunFolder, console: Console, *, verbose: bool = False, place: Path | None = None) -> None:
    """Print the answer; all that is known beside it where `verbose`. Reads no example. `place`: the folder as commands name it."""
    report = load_report(folder, rows=False)
    said = summary(report, place)
    _line(console, f"{report.task.name}: {said.lead[:1].lower()}{said.lead[1:]}", "bold")
    _blank(console)
    for line in filter(None, (said.rest, said.basis)):
        _line(console, line, indent=2)
    for line in said.notes:
        _line(console, line, "yellow", indent=2)
    _table(said, console)
    _after(report, said, console)
    if verbose:
        _details(report, said, console)
    _commands(said.commands, console)


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
    """Print a line for each run, and below the table what keeps one from being read. A place is folded only where it is long."""
    whole = max(len(run.place) for run in runs) <= console.width // 2
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", highlight=False)
    for name in ("run", "goal", "verdict", "best", "score", "$/1k req", "date"):
        table.add_column(name, overflow="fold", no_wrap=name != "verdict" and (name != "run" or whole))
    for run in runs:
        cells = (run.place, run.goal, run.verdict, terminal(run.best, 16), run.score, run.cost, run.date)
        table.add_row(*(Text(_fit(console, visible(cell))) for cell in cells))
    console.print(table)
    for note in (run.note for run in runs if run.note):
        _line(console, note, "yellow")


def _cells(line: ApproachLine, wide: bool) -> list[str]:
    name = f"{'>' if line.best else ' '} {terminal(line.name, LONGEST_NAME)}"
    return [name, line.score, line.interval, *((line.cost, line.latency) if wide else ()), line.result]


def _result(line: ApproachLine, console: Console) -> Text:
    return Text(_fit(console, line.result), style=COLOURS.get(line.state, "dim"))


def _after(report: Report, said: Summary, console: Console) -> None:
    """Print what follows the table: why examples fail, what the run took, what to look at."""
    verdict = report.verdict
    if verdict is not None and verdict.decision == "stopped" and verdict.counterfactuals:
        _line(console, verdict.counterfactuals[0], "yellow", indent=2)
    if said.frontier and (line := pareto_line(economics_of(report))):
        _line(console, line, indent=2)
    for line in said.floors[:FLOORS_SHOWN]:
        _line(console, line, indent=2)
    if len(said.floors) > FLOORS_SHOWN:
        _line(console, f"{len(said.floors) - FLOORS_SHOWN} more floors: see the report.", "dim", indent=2)
    if said.cause:
        _line(console, said.cause, indent=2)
    for rung in report.measured:
        if rung.result and rung.result.failures:
            failed = sum(rung.result.failures.values())
            said_of = f"{failed:,} test {'example' if failed == 1 else 'examples'} got no score from {shown_name(rung.label)}: {figures.failures(rung.result)}."
            _line(console, said_of, "yellow", indent=2)
    for warning in report.trust.warnings if report.trust is not None else ():
        _line(console, f"judge: {warning}", "yellow", indent=2)
    warned = sum(f.severity != "note" for f in report.open_findings)
    warnings = (
        "" if not warned else " 1 data warning: rung check." if warned == 1 else f" {warned} data warnings: rung check."
    )
    _line(console, f"Run: {said.spent}.{warnings}", indent=2)


def _commands(commands: Sequence[Command], console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0), highlight=False)
    for number, command in enumerate(commands):
        table.add_row(
            *(Text(_fit(console, visible(t))) for t in ("" if number else "Next:", command.line, command.why))
        )
    _blank(console)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _details(report: Report, said: Summary, console: Console) -> None:
    """Print all the rest, one sentence a fact."""
    _blank(console)
    for line in said.frontier or filter(None, [pareto_line(economics_of(report))]):
        _line(console, line)
    for rung in report.rungs:
        if rung.result is None:
            _line(console, f"{shown_name(rung.label)}: {rung.why_not}", "dim")
        if rung.fitted and rung.fitted.models:
            _line(console, figures.models_tried(rung.label, rung.fitted.models))
        if rung.fitted and rung.fitted.skipped:
            _line(console, f"{shown_name(rung.label)}: {_left_out(rung.fitted.skipped)}", "yellow")
    for rung in report.measured:
        if rung.result is not None:
            _line(
                console,
                f"{shown_name(rung.label)}: p95 {figures.percentile(rung.result)} {figures.latency_at(rung.result)}",
                "dim",
            )
    for note, labels in figures.cost_notes(report.measured).items():
        _line(console, f"cost of {', '.join(map(shown_name, labels))} {note}", "dim")
    for pair in report.comparisons:
        _line(console, _pair(report, pair))
    for rung in report.rungs:
        if rung.diagnosis and rung.diagnosis.causes:
            causes = ", ".join(f"{c.name} {c.count}" for c in rung.diagnosis.causes)
            _line(
                console,
                f"{shown_name(rung.label)}: {rung.diagnosis.failed} of {rung.diagnosis.n} dev examples failed: {causes}",
            )
            tried = ", ".join(f"{c.name} {c.count} of {c.share.n}" for c in rung.diagnosis.experiments)
            if tried:
                _line(console, f"{shown_name(rung.label)}: re-run with one change, these pass: {tried}")
    for line in (*detail_lines(report), *form_lines(report), *knowledge_lines(report)):
        _line(console, line)
    for line in tuning_lines(report):
        _line(console, line)
    if report.trust is not None:
        for fact in facts(report.trust):
            _line(console, f"judge: {fact.name} {fact.value}")
    if checked := [f for rung in report.rungs for f in rung.predicted]:
        _line(console, f"diagnosis: {calibration(checked)}")
    for line in break_even_lines(economics_of(report)):
        _line(console, line)
    if report.measured:
        _line(console, matrix_of(report).sentence)
    _findings(report, console)
    if report.verdict is not None:
        for line in filter(None, (*report.verdict.counterfactuals, report.same_again)):
            _line(console, line)
    for line in robustness_lines(report):
        _line(console, line)


def _line(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    console.print(
        Padding(Text(_fit(console, terminal(text)), style=style), (0, 0, 0, indent), expand=False), highlight=False
    )


def _blank(console: Console) -> None:
    console.print()


def _pair(report: Report, pair: Comparison) -> str:
    return (
        f"{shown_name(pair.upper)} against {shown_name(pair.lower)}: {claim(report, pair)}, {figures.signed(pair.gain)} (95 % CI {figures.span(pair.low, pair.high)}, "
        f"n={pair.n}), {tally(pair.wins, pair.losses)}, {figures.p_values(pair)}; {fixed(report, pair)}"
    )


def _left_out(skipped: Sequence[Skipped]) -> str:
    """Say how many candidates were not tried, and why the first was not."""
    many = "1 candidate was" if len(skipped) == 1 else f"{len(skipped)} candidates were"
    return f"{many} left out; {skipped[0].what}: {skipped[0].reason}"


def _findings(report: Report, console: Console) -> None:
    for finding in (f for severity in ("stop", "warn") for f in report.open_findings if f.severity == severity):
        text = f"{finding.severity}: {finding.message} Next: {finding.next_step}"
        _line(console, text, "red" if finding.severity == "stop" else "yellow")


def _fit(console: Console, text: str) -> str:
    """Return the text in characters that the terminal's encoding has."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        for pretty, plain in PLAIN.items():
            text = text.replace(pretty, plain)
        return text.encode(console.encoding, "backslashreplace").decode(console.encoding)
    return text
