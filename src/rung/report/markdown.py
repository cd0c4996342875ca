"""The report as Markdown: for a pull request or a chat. Nothing in it can be read as markup, mention or link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.report import figures
from rung.report.advice import matrix_of
from rung.report.economics import economics_of, month
from rung.report.escape import markdown as safe
from rung.report.foretelling import summary
from rung.report.gains import mended
from rung.report.judging import facts
from rung.report.knowledge import knowledge_lines
from rung.report.load import Report, RungReport, load_report
from rung.report.tuned import tuning_lines
from rung.store.folder import RunFolder

STATUSES = {"met": "met", "not_met": "**not met**", "unclear": "unclear"}
DECISIONS = {"met": "Goal met", "undecided": "Undecided", "exhausted": "Goal not met", "stopped": "Stopped early"}


def render_markdown(folder: RunFolder) -> str:
    """Return the report as Markdown. Reads no row."""
    return "\n".join(_lines(load_report(folder, rows=False))) + "\n"


def _lines(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield f"## rung: {safe(report.task.name)}"
    yield ""
    if verdict is None:
        yield f"No verdict yet (status: {safe(str(report.head.get('status')))}); run the same climb again to go on."
    else:
        yield f"**{DECISIONS[verdict.decision]}.** {safe(verdict.headline)}"
        for note in (
            "Exploratory: people had seen test rows before this climb." if verdict.exploratory else None,
            f"Provisional: {verdict.provisional}" if verdict.provisional else None,
        ):
            if note:
                yield f"\n_{safe(note)}_"
    yield ""
    yield from _ladder(report)
    yield from _gains(report)
    if verdict is not None and verdict.counterfactuals:
        yield "What would change the answer:"
        yield ""
        yield from (f"- {safe(line)}" for line in verdict.counterfactuals)
        yield ""
    yield from _judge(report)
    yield from _costs(report)
    yield from _causes(report)
    yield from _notes(report)


def _judge(report: Report) -> Iterator[str]:
    if report.trust is None:
        return
    yield from (f"- **The judge**: {safe(line)}" for line in report.trust.warnings)
    yield from (f"- The judge {safe(fact.name)}: {safe(fact.value)}" for fact in facts(report.trust))
    yield ""


def _ladder(report: Report) -> Iterator[str]:
    head = ("rung", "candidate", "quality", "right form", "cost / 1,000", "tokens", "p50 / p95", "failures", "verdict")
    rows = [_row(report, rung) for rung in report.rungs]
    yield from table(head, "llrrrrrll", rows)
    yield ""
    yield (
        f"Goal {report.task.goal:.2f} on {safe(report.task.metrics[0].name)}, tolerance {report.task.tolerance:g}; every "
        f"rung answered the same frozen test rows."
    )
    yield ""


def _row(report: Report, rung: RungReport) -> Sequence[str]:
    result = rung.result
    name = f"{rung.number} {safe(rung.label)}"
    if result is None:
        return (name, "", "", "", "", "", "", "", f"{rung.state.replace('_', ' ')}: {safe(rung.why_not)}")
    chosen = report.verdict is not None and report.verdict.winner == rung.label
    quality = result.quality
    latency = f"{figures.seconds(result.p50_latency_s)} / {figures.seconds(result.p95_latency_s)}"
    form = result.estimates.get(figures.FORMAT)
    return (
        f"**{name}**" if chosen else name,
        safe(result.candidate.name),
        figures.quality(report.estimate(rung)),
        figures.quality(form) if form else "no form asked",
        safe(figures.money(result.cost_per_1k_usd, result.cost_note)),
        figures.tokens(result),
        latency,
        safe(figures.failures(result)),
        f"{STATUSES[quality.status]} ({quality.lower:.3f} to {quality.upper:.3f})",
    )


def _gains(report: Report) -> Iterator[str]:
    if not report.comparisons:
        return
    head = ("upper over lower", "gain", "interval", "wins / losses", "adjusted", "mended")
    rows = [
        (
            f"{safe(c.upper)} over {safe(c.lower)}",
            figures.signed(c.gain),
            f"{figures.signed(c.low)} to {figures.signed(c.high)} (n={c.n})",
            f"{c.wins} / {c.losses}",
            figures.p_value(c.p_adjusted),
            mended(report, c),
        )
        for c in report.comparisons
    ]
    yield from table(head, "lrrrrl", rows)
    yield ""


def _causes(report: Report) -> Iterator[str]:
    diagnosed = [r.diagnosis for r in report.rungs if r.diagnosis and r.diagnosis.causes]
    if not diagnosed:
        return
    yield "Why dev rows failed:"
    yield ""
    for diagnosis in diagnosed:
        causes = ", ".join(f"{safe(c.name)} {c.count}" for c in diagnosis.causes)
        tried = ", ".join(f"{safe(c.name)} {c.count} of {c.share.n}" for c in diagnosis.experiments)
        tried = f"; by experiment these pass: {tried}" if tried else ""
        yield f"- **{safe(diagnosis.rung)}** ({diagnosis.failed} of {diagnosis.n}): {causes}{tried}"
    yield from (f"- {safe(line)}" for line in (*knowledge_lines(report), *tuning_lines(report)))
    yield ""
    if checked := [f for rung in report.rungs for f in rung.foretold]:
        yield f"{safe(summary(checked))}"
        yield ""


def _costs(report: Report) -> Iterator[str]:
    found = economics_of(report)
    if not found.offers:
        return
    head = ("rung", "cost / 1,000", "a month", "paid once", "prompt tokens", "latency unloaded", "efficient")
    rows = [
        (
            safe(o.label),
            safe(figures.money(o.cost_per_1k_usd, o.cost_note)),
            safe(month(o, found.requests_per_month)),
            safe(figures.money(o.one_off_usd, o.one_off_note)),
            safe(
                ", ".join(f"{part} {tokens:.0f}" for part, tokens in (o.tokens or {}).items() if tokens >= 0.5)
                or "unknown"
            ),
            figures.seconds(o.unloaded_s, "not asked")
            + (f", p95 {figures.seconds(o.unloaded_p95_s)}" if o.unloaded_p95_s is not None else ""),
            "yes" if o.label in found.efficient else "",
        )
        for o in found.offers
    ]
    yield from table(head, "lrrrlrl", rows)
    yield ""
    yield safe(matrix_of(report).sentence)
    yield ""


def _notes(report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.severity != "note":
            yield f"- {finding.severity}: {safe(finding.message)} Next: {safe(finding.next_step)}"
    yield ""
    times = "once" if report.opened == 1 else f"{report.opened} times"
    spent = figures.money(report.spend["usd"], report.spend.get("note")) if report.spend else "nothing"
    calls = f", {report.spend['calls']:,} calls" if report.spend else ""
    yield f"<sub>Spent {safe(spent)}{calls}; test part opened {times}; rung {safe(str(report.head['rung_version']))}.</sub>"


def table(head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write a Markdown table; `align` has one of l, r for each column. Cells are Markdown already."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("--:" if a == "r" else "---" for a in align) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
