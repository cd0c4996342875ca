"""The report for a terminal: the verdict, the ladder with small bars, what was gained, why rows fail, what it took."""

from __future__ import annotations

from rich.box import ASCII, ROUNDED, SIMPLE_HEAD, Box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rung.report import figures
from rung.report.escape import terminal
from rung.report.load import Report, RungReport, load_report
from rung.store.folder import RunFolder
from rung.types import Comparison, Estimate

COLOURS = {"met": "green", "undecided": "yellow", "exhausted": "red", "stopped": "red"}
STATUS_COLOURS = {"met": "green", "not_met": "red", "unclear": "yellow"}
STATE_WORDS = {"met": "met", "not_met": "not met", "unclear": "unclear", "skipped": "skipped", "not_reached": "not reached"}
BAR_WIDTH = 22
WIDE = 104  # columns from which the table has tokens, latency and failures too
FINDINGS_SHOWN = 5


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
    _findings(report, console)
    _line(console, _record(report), "dim")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(terminal(text), style=style), highlight=False)


def _verdict(report: Report, console: Console) -> None:
    verdict = report.verdict
    if verdict is None:
        status = terminal(str(report.head.get("status")))
        body, colour, word = Text(f"Run the same climb again to go on (status: {status})."), "yellow", "no verdict yet"
    else:
        body, colour, word = Text(terminal(verdict.headline), style="bold"), COLOURS[verdict.decision], verdict.decision
        for line in verdict.counterfactuals:
            body.append(f"\n{_sign(console, '•', '-')} {terminal(line)}", style="not bold")
        if verdict.exploratory:
            body.append("\nExploratory: people had seen test rows before this climb.", style="not bold yellow")
        if verdict.provisional:
            body.append(f"\nProvisional: {terminal(verdict.provisional)}", style="not bold yellow")
    title = Text(f" {terminal(report.task.name)}: {word} ")
    box = ROUNDED if _unicode(console) else ASCII
    console.print(Panel(body, title=title, title_align="left", border_style=colour, box=box), highlight=False)


def _ladder(report: Report, console: Console) -> None:
    wide = console.width >= WIDE
    table = Table(box=_table_box(console), pad_edge=False, highlight=False, header_style="dim")
    table.add_column("rung", no_wrap=True)
    table.add_column("quality", no_wrap=True)
    span = _span(report)
    table.add_column(_scale(span, report.task.goal, console), no_wrap=True)
    for name in ("$ / 1,000", "p95", *(("tokens", "failures") if wide else ())):
        table.add_column(name, justify="right" if name != "failures" else "left", no_wrap=name != "failures")
    table.add_column("verdict", no_wrap=wide)
    for rung in report.measured:
        table.add_row(*_row(report, rung, span, console, wide))
    if report.measured:
        console.print(table)
    for rung in report.rungs:
        if rung.result is None:
            _line(console, f"{rung.number} {rung.label} {STATE_WORDS[rung.state]}: {rung.why_not}", "dim")


def _row(report: Report, rung: RungReport, span: tuple[float, float], console: Console, wide: bool) -> list[Text]:
    result, estimate = rung.result, report.estimate(rung)
    chosen = report.verdict is not None and report.verdict.winner == rung.label
    name = Text(f"{rung.number} {terminal(rung.label, 24)}", style="bold" if chosen else "")
    if result is None or estimate is None:
        return [name, Text("unknown: no row has a score")]
    quality = result.quality
    verdict = Text(STATE_WORDS[rung.state], style=STATUS_COLOURS[quality.status])
    verdict.append(f" ({quality.lower:.3f} to {quality.upper:.3f})" if wide else "", style="dim")
    if result.limits_held is not True:
        verdict.append(" breaks a limit" if result.limits_held is False else " limit unknown", style="yellow")
    cells = [
        name,
        Text(_short(estimate)),
        Text(_bar(estimate, span, report.task.goal, console), style=STATUS_COLOURS[quality.status]),
        Text(figures.money(result.cost_per_1k_usd)),
        Text(figures.seconds(result.p95_latency_s)),
    ]
    cells += [Text(figures.tokens(result)), Text(figures.failures(result))] if wide else []
    return [*cells, verdict]


def _short(estimate: Estimate) -> str:
    if estimate.mean is None:
        return f"{estimate.low:.2f} to {estimate.high:.2f} (n={estimate.n})"
    return str(estimate)


def _span(report: Report) -> tuple[float, float]:
    """Return the ends of the bars' scale: all intervals and the goal, to the next tenth."""
    estimates = [e for r in report.measured if (e := report.estimate(r))]
    low = min([e.low for e in estimates] + [report.task.goal - report.task.tolerance])
    high = max([e.high for e in estimates] + [report.task.goal])
    return max(int(low * 10) / 10, 0.0), min(-(int(-high * 10 - 0.999) / 10), 1.0)


def _position(value: float, span: tuple[float, float]) -> int:
    low, high = span
    return min(max(round((value - low) / max(high - low, 1e-9) * (BAR_WIDTH - 1)), 0), BAR_WIDTH - 1)


def _scale(span: tuple[float, float], goal: float, console: Console) -> str:
    ends = f"{span[0]:.1f}", f"{span[1]:.1f}"
    mark = _sign(console, "┊", "|")
    return f"{ends[0]}{f'goal {mark} {goal:.2f}':^{BAR_WIDTH - len(ends[0]) - len(ends[1])}}{ends[1]}"


def _bar(estimate: Estimate, span: tuple[float, float], goal: float, console: Console) -> str:
    """Draw the interval, its middle and the goal as one line of characters."""
    dash, dot, line = (_sign(console, *pair) for pair in (("─", "-"), ("●", "o"), ("┊", "|")))
    cells = [" "] * BAR_WIDTH
    cells[_position(goal, span)] = line
    for i in range(_position(estimate.low, span), _position(estimate.high, span) + 1):
        cells[i] = line if i == _position(goal, span) and estimate.mean is None else dash
    if estimate.mean is not None:
        cells[_position(estimate.mean, span)] = dot
    return "".join(cells)


def _pair(report: Report, pair: Comparison) -> str:
    fixed = "" if pair.fixed_share is None else f"; fixed {figures.percent(pair.fixed_share)} of its failures"
    if pair.p_adjusted >= report.task.alpha:
        word = "not shown to beat"
    else:
        word = "beats" if pair.gain > 0 else "is worse than"
    return (
        f"{pair.upper} {word} {pair.lower}: {figures.signed(pair.gain)} [{figures.signed(pair.low)}, "
        f"{figures.signed(pair.high)}] (n={pair.n}), {pair.wins} wins, {pair.losses} losses, "
        f"{figures.p_value(pair.p_adjusted)} adjusted{fixed}"
    )


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


def _table_box(console: Console) -> Box:
    return SIMPLE_HEAD if _unicode(console) else ASCII


def _sign(console: Console, pretty: str, plain: str) -> str:
    return pretty if _unicode(console) else plain


def _unicode(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")
