"""The report for a terminal: the verdict, the ladder with small bars, what was gained, why rows fail, what it took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import ASCII, ROUNDED
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rung.decide.wording import tally
from rung.report import figures
from rung.report.advice import matrix_of
from rung.report.economics import economics_of, lines
from rung.report.escape import terminal
from rung.report.foretelling import summary
from rung.report.gains import mended
from rung.report.judging import facts
from rung.report.knowledge import knowledge_lines
from rung.report.load import Report, RungReport, load_report
from rung.report.tuned import tuning_lines
from rung.store.folder import RunFolder
from rung.types import Comparison, Estimate, Skipped

COLOURS = {"met": "green", "undecided": "yellow", "exhausted": "red", "stopped": "red"}
STATUS_COLOURS = {"met": "green", "not_met": "red", "unclear": "yellow"}
STATE_WORDS = {
    "met": "met",
    "not_met": "not met",
    "unclear": "unclear",
    "skipped": "skipped",
    "not_reached": "not reached",
}
WIDE = 110  # columns from which the table has tokens and bounds too
NARROW = 80  # columns below which it leaves out latency
BAR_WIDE, BAR_NARROW = 24, 17
PLAIN = {"±": "+/-", "−": "-", "…": "...", "“": '"', "”": '"', "→": "->"}  # for terminals that cannot write these
FINDINGS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """Intervals as characters on one scale, with the goal marked."""

    low: float
    high: float
    goal: float
    width: int
    pretty: bool

    @property
    def scale(self) -> str:
        """Write the ends and the goal, as a heading."""
        ends = f"{self.low:.1f}", f"{self.high:.1f}"
        return f"{ends[0]}{f'goal {self.goal:.2f}':^{self.width - len(ends[0]) - len(ends[1])}}{ends[1]}"

    def draw(self, estimate: Estimate) -> str:
        """Draw the interval, its mean (none where there is none) and the goal."""
        dash, dot, line = "─●┊" if self.pretty else "-o|"
        cells = [" "] * self.width
        for i in range(self._at(estimate.low), self._at(estimate.high) + 1):
            cells[i] = dash
        cells[self._at(self.goal)] = line
        if estimate.mean is not None:
            cells[self._at(estimate.mean)] = dot
        return "".join(cells)

    def _at(self, value: float) -> int:
        share = (value - self.low) / max(self.high - self.low, 1e-9)
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)


def render_text(folder: RunFolder, console: Console) -> None:
    """Print a compact report. Reads no row of any part."""
    report = load_report(folder, rows=False)
    _verdict(report, console)
    _ladder(report, console)
    for pair in report.comparisons:
        _line(console, _pair(report, pair))
    for rung in report.rungs:
        if rung.diagnosis and rung.diagnosis.causes:
            causes = ", ".join(f"{c.name} {c.count}" for c in rung.diagnosis.causes)
            _line(console, f"{rung.label}: {rung.diagnosis.failed} of {rung.diagnosis.n} dev rows failed: {causes}")
            tried = ", ".join(f"{c.name} {c.count} of {c.share.n}" for c in rung.diagnosis.experiments)
            if tried:
                _line(console, f"{rung.label}: by experiment these pass: {tried}")
    for line in knowledge_lines(report):
        _line(console, line)
    for line in tuning_lines(report):
        _line(console, line)
    if report.trust is not None:
        for warning in report.trust.warnings:
            _line(console, f"judge: {warning}", "yellow")
        for fact in facts(report.trust):
            _line(console, f"judge: {fact.name} {fact.value}")
    if checked := [f for rung in report.rungs for f in rung.foretold]:
        _line(console, f"diagnosis: {summary(checked)}")
    for line in lines(economics_of(report)):
        _line(console, line)
    if report.measured:
        _line(console, matrix_of(report).sentence)
    _findings(report, console)
    _line(console, _record(report), "dim")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(_fit(console, terminal(text)), style=style), highlight=False)


def _verdict(report: Report, console: Console) -> None:
    verdict = report.verdict
    if verdict is None:
        status = terminal(str(report.head.get("status")))
        on = (
            "The climb is at work." if status == "running" else f"Run the same climb again to go on (status: {status})."
        )
        body, colour, word = Text(_fit(console, on)), "yellow", "no verdict yet"
    else:
        colour, word = COLOURS[verdict.decision], verdict.decision
        body = Text(_fit(console, terminal(verdict.headline)), style="bold")
        for line in verdict.counterfactuals:
            body.append(f"\n{'•' if _unicode(console) else '-'} {_fit(console, terminal(line))}", style="not bold")
        if verdict.exploratory:
            body.append("\nExploratory: people had seen test rows before this climb.", style="not bold yellow")
        if verdict.provisional:
            body.append(f"\nProvisional: {_fit(console, terminal(verdict.provisional))}", style="not bold yellow")
    title = Text(_fit(console, f"{terminal(report.task.name)}: {word}"))
    box = ROUNDED if _unicode(console) else ASCII
    console.print(Panel(body, title=title, title_align="left", border_style=colour, box=box), highlight=False)


def _ladder(report: Report, console: Console) -> None:
    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), highlight=False, header_style="dim")
    table.add_column("rung", no_wrap=True, overflow="crop")
    table.add_column("quality", no_wrap=True, overflow="crop")
    bar = Bar(*_span(report), report.task.goal, BAR_WIDE if wide else BAR_NARROW, _unicode(console))
    table.add_column(bar.scale, no_wrap=True, overflow="crop")
    for name in ("$ / 1,000", *(("p95", "tokens") if wide else ("p95",) if console.width >= NARROW else ())):
        table.add_column(name, justify="right", no_wrap=True, overflow="crop")
    table.add_column("verdict", no_wrap=True, overflow="crop")
    for rung in report.measured:
        table.add_row(
            *(Text(_fit(console, cell.plain), style=cell.style) for cell in _row(report, rung, bar, console.width))
        )
    if report.measured:
        console.print()
        console.print(table)
        console.print()
    unpriced = {r.result.cost_note: None for r in report.measured if r.result and r.result.cost_per_1k_usd is None}
    for note in unpriced:
        _line(console, f"cost unknown: {note or 'no row was answered'}", "dim")
    for rung in report.rungs:
        if rung.result and rung.result.failures:
            _line(console, f"{rung.label} failed on rows: {figures.failures(rung.result)}", "yellow")
        if rung.fitted and rung.fitted.skipped:
            _line(console, f"{rung.label}: {_left_out(rung.fitted.skipped)}", "yellow")
        if rung.result is None:
            _line(console, f"{rung.number} {rung.label} {STATE_WORDS[rung.state]}: {rung.why_not}", "dim")


def _row(report: Report, rung: RungReport, bar: Bar, width: int) -> list[Text]:
    result, estimate = rung.result, report.estimate(rung)
    chosen = report.verdict is not None and report.verdict.winner == rung.label
    name = Text(f"{rung.number} {terminal(rung.label, 24)}", style="bold" if chosen else "")
    if result is None or estimate is None:
        return [name, Text("unknown: no row has a score")]
    quality = result.quality
    verdict = STATE_WORDS[rung.state] + (f" ({quality.lower:.3f} to {quality.upper:.3f})" if width >= WIDE else "")
    if result.limits_held is not True:
        verdict += ", over a limit" if result.limits_held is False else ", limit unknown"
    cells = [
        name,
        Text(_short(estimate)),
        Text(bar.draw(estimate), style=STATUS_COLOURS[quality.status]),
        Text("unknown" if result.cost_per_1k_usd is None else figures.money(result.cost_per_1k_usd)),
    ]
    cells += [Text(figures.seconds(result.p95_latency_s))] if width >= NARROW else []
    cells += [Text(figures.tokens(result).split(":")[0])] if width >= WIDE else []
    return [*cells, Text(verdict, style=STATUS_COLOURS[quality.status])]


def _short(estimate: Estimate) -> str:
    if estimate.mean is None:
        return f"{estimate.low:.2f} to {estimate.high:.2f} (n={estimate.n})"
    return str(estimate)


def _span(report: Report) -> tuple[float, float]:
    """Return the ends of the bars' scale: all intervals and the goal, to the next tenth."""
    estimates = [e for r in report.measured if (e := report.estimate(r))]
    low = min([e.low for e in estimates] + [report.task.goal - report.task.tolerance])
    high = max([e.high for e in estimates] + [report.task.goal])
    return max(math.floor(low * 10) / 10, 0.0), min(math.ceil(high * 10) / 10, 1.0)


def _pair(report: Report, pair: Comparison) -> str:
    if pair.p_adjusted >= report.task.alpha:
        word = "not shown to beat"
    else:
        word = "beats" if pair.gain > 0 else "is worse than"
    return (
        f"{pair.upper} {word} {pair.lower}: {figures.signed(pair.gain)} [{figures.signed(pair.low)}, "
        f"{figures.signed(pair.high)}] (n={pair.n}), {tally(pair.wins, pair.losses)}, "
        f"{figures.p_value(pair.p_adjusted)} adjusted; {mended(report, pair)}"
    )


def _left_out(skipped: Sequence[Skipped]) -> str:
    """Say how many candidates were not tried, and why the first was not."""
    many = "1 candidate was" if len(skipped) == 1 else f"{len(skipped)} candidates were"
    return f"{many} left out; {skipped[0].what}: {skipped[0].reason}"


def _findings(report: Report, console: Console) -> None:
    grave = [f for severity in ("stop", "warn") for f in report.findings if f.severity == severity]
    for finding in grave[:FINDINGS_SHOWN]:
        text = f"{finding.severity}: {finding.message} Next: {finding.next_step}"
        _line(console, text, "red" if finding.severity == "stop" else "yellow")
    if len(grave) > FINDINGS_SHOWN:
        _line(console, f"and {len(grave) - FINDINGS_SHOWN} more findings in the page", "yellow")


def _record(report: Report) -> str:
    spent = "nothing asked yet"
    if report.spend:
        spent = f"spent {figures.money(report.spend['usd'], report.spend.get('note'))}, {report.spend['calls']:,} calls"
    took = f", {figures.seconds(report.elapsed_s)}" if report.elapsed_s else ""
    return f"{spent}{took}; test part opened {report.opened} {'time' if report.opened == 1 else 'times'}"


def _fit(console: Console, text: str) -> str:
    """Return the text in characters that the terminal's encoding has."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        for pretty, plain in PLAIN.items():
            text = text.replace(pretty, plain)
        return text.encode(console.encoding, "backslashreplace").decode(console.encoding)
    return text


def _unicode(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")
