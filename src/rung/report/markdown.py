"""The report as Markdown: for a pull request or a chat. Nothing in it can be read as markup, mention or link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.report import figures, told_apart
from rung.report.advice import matrix_of
from rung.report.answer_form import form_lines
from rung.report.economics import economics_of, month
from rung.report.escape import code
from rung.report.escape import markdown as safe
from rung.report.gains import fixed
from rung.report.judging import facts
from rung.report.knowledge import knowledge_lines
from rung.report.load import Report, load_report
from rung.report.predictions import summary as calibration
from rung.report.robustness import robustness_lines
from rung.report.summary import Summary, summary
from rung.report.tuned import tuning_lines
from rung.store.run import RunFolder
from rung.usual_names import shown_name


def render_markdown(folder: RunFolder) -> str:
    """Return the report as Markdown. Reads no row."""
    return "\n".join(_lines(load_report(folder, rows=False))) + "\n"


def _lines(report: Report) -> Iterator[str]:
    verdict = report.verdict
    said = summary(report)
    yield f"## rung: {safe(report.task.name)}"
    yield ""
    yield from answer(report, said)
    for lines in filter(None, (said.frontier, said.floors)):
        yield from (f"- {safe(line)}" for line in lines)
        yield ""
    yield from _told_apart(report)
    if said.cause:
        yield safe(said.cause)
        yield ""
    yield f"Next: {code(said.commands[0].line)} ({safe(said.commands[0].why)})"
    yield ""
    yield from _gains(report)
    if verdict is not None and verdict.counterfactuals:
        yield "What would change the answer:"
        yield ""
        yield from (f"- {safe(line)}" for line in verdict.counterfactuals)
        yield ""
    if again := report.same_again:
        yield safe(again)
        yield ""
    if robust := [*robustness_lines(report)]:
        yield from (f"- {safe(line)}" for line in robust)
        yield ""
    yield from _judge(report)
    yield from _costs(report)
    yield from _causes(report)
    yield from _notes(report, said)


def _judge(report: Report) -> Iterator[str]:
    if report.trust is None:
        return
    yield from (f"- **The judge**: {safe(line)}" for line in report.trust.warnings)
    yield from (f"- The judge {safe(fact.name)}: {safe(fact.value)}" for fact in facts(report.trust))
    yield ""


def _told_apart(report: Report) -> Iterator[str]:
    """Write the tables by label, slice and field, each where there is one."""
    found = told_apart.tables(report)
    if found is None:
        return
    if labels := told_apart.label_rows(found):
        rows = [(safe(r.name), f"{r.n:,}", r.score, *r.more) for r in labels]
        yield from table(("label", "test examples", "recall", "precision", "F1"), "lrrrr", rows)
        yield ""
    for title, found_rows in (
        ("average", told_apart.average_rows(found)),
        ("slice", told_apart.slice_rows(found)),
        ("field", told_apart.field_rows(found)),
    ):
        if found_rows:
            rows = [(safe(r.name), f"{r.n:,}", r.score) for r in found_rows]
            yield from table((title, "test examples", "score"), "lrr", rows)
            yield ""


def approaches(report: Report, said: Summary) -> Iterator[str]:
    """Write a line for each approach, as the first screen of every form has them."""
    head = ("approach", "score", "95 % CI", "$ per 1,000 requests", "p50", "result")
    rows = [
        (
            f"**{safe(line.name)}**" if line.best else safe(line.name),
            line.score,
            line.interval,
            line.cost.replace("$", "\\$"),
            line.latency,
            safe(line.result),
        )
        for line in said.lines
    ]
    yield from table(head, "lrrrrl", rows)
    yield ""
    goal, metric = safe(figures.goal(report.task)), safe(report.task.metrics[0].name)
    measured = f" p50: {said.footnote}." if said.footnote else ""
    yield f"{goal} on {metric}; every approach answered the same held-out test examples.{measured}"
    yield ""


def _gains(report: Report) -> Iterator[str]:
    if not report.comparisons:
        return
    head = ("upper over lower", "gain", "interval", "wins / losses", "p", "fixed")
    rows = [
        (
            f"{safe(shown_name(c.upper))} over {safe(shown_name(c.lower))}",
            figures.signed(c.gain),
            f"{figures.span(c.low, c.high)} (n={c.n})",
            f"{c.wins} / {c.losses}",
            figures.p_values(c),
            fixed(report, c),
        )
        for c in report.comparisons
    ]
    yield from table(head, "lrrrrl", rows)
    yield ""


def _causes(report: Report) -> Iterator[str]:
    diagnosed = [r.diagnosis for r in report.rungs if r.diagnosis and r.diagnosis.causes]
    if not diagnosed:
        return
    yield "Why dev examples failed:"
    yield ""
    for diagnosis in diagnosed:
        causes = ", ".join(f"{safe(c.name)} {c.count}" for c in diagnosis.causes)
        tried = ", ".join(f"{safe(c.name)} {c.count} of {c.share.n}" for c in diagnosis.experiments)
        tried = f"; re-run with one change, these pass: {tried}" if tried else ""
        yield f"- **{safe(shown_name(diagnosis.rung))}** ({diagnosis.failed} of {diagnosis.n}): {causes}{tried}"
    yield from (f"- {safe(line)}" for line in (*form_lines(report), *knowledge_lines(report), *tuning_lines(report)))
    yield ""
    if checked := [f for rung in report.rungs for f in rung.predicted]:
        yield f"{safe(calibration(checked))}"
        yield ""


def _costs(report: Report) -> Iterator[str]:
    found = economics_of(report)
    if not found.offers:
        return
    head = (
        "approach",
        "cost per 1,000",
        "cost per month",
        "one-time cost",
        "prompt tokens",
        f"latency at concurrency {report.task.limits.concurrency}",
        "Pareto-optimal",
    )
    rows = [
        (
            safe(shown_name(o.label)),
            safe(figures.cost(o.cost_per_1k_usd)),
            safe(month(o, found.requests_per_month)),
            safe(figures.money(o.one_off_usd, o.one_off_note)),
            safe(
                ", ".join(f"{part} {tokens:.0f}" for part, tokens in (o.tokens or {}).items() if tokens >= 0.5)
                or "unknown"
            ),
            figures.seconds(o.served_p50_s, "not asked")
            + (f", p95 {figures.seconds(o.served_p95_s)}" if o.served_p95_s is not None else ""),
            "yes" if o.label in found.efficient else "",
        )
        for o in found.offers
    ]
    yield from table(head, "lrrrlrl", rows)
    yield ""
    for note, labels in figures.cost_notes(report.measured).items():
        yield f"- cost of {safe(', '.join(map(shown_name, labels)))} {safe(note)}"
    for rung in report.measured:
        if rung.fitted and rung.fitted.models:
            yield f"- {safe(figures.models_tried(rung.label, rung.fitted.models))}"
    yield ""
    yield safe(matrix_of(report).sentence)
    yield ""


def answer(report: Report, said: Summary) -> Iterator[str]:
    """Yield what every Markdown begins with: the headline with its evidence, what limits it, and the table of approaches."""
    yield f"**{safe(said.headline)}**" + (f" {safe(said.basis)}" if said.basis else "")
    for note in said.notes:
        yield f"\n_{safe(note)}_"
    yield ""
    yield from approaches(report, said)


def _notes(report: Report, said: Summary) -> Iterator[str]:
    for finding in report.open_findings:
        if finding.severity != "note":
            yield f"- {finding.severity}: {safe(finding.message)} Next: {safe(finding.next_step)}"
    yield ""
    times = "once" if report.opened == 1 else f"{report.opened} times"
    yield f"<sub>This run: {safe(said.spent)}; test set opened {times}; rung {safe(str(report.head['rung_version']))}.</sub>"


def table(head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write a Markdown table; `align` has one of l, r for each column. Cells are Markdown already."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("--:" if a == "r" else "---" for a in align) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
