"""The page of a run: its sections in their order, made once for all writers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rung.decide.bets import INTRO, points, sentences
from rung.report import (
    advice,
    causes,
    charts,
    economics,
    gains,
    judging,
    knowledge,
    record,
    robustness,
    told_apart,
    tried,
    tuned,
)
from rung.report import blocks as b
from rung.report.economics import economics_of, month
from rung.report.evidence import Evidence, slug, written
from rung.report.failure import first_failure
from rung.report.figures import (
    cost,
    count,
    examples,
    failures,
    goal,
    latencies,
    latency_at,
    models_tried,
    money,
    quality,
    seconds,
    tokens,
)
from rung.report.load import Report, RungReport
from rung.report.rows import ExampleTable, anchor_of_row, side_by_side
from rung.report.sent import command_for
from rung.report.summary import RESULTS, Summary, summary
from rung.types import Bets, Result, Verdict
from rung.usual_names import shown_name

BADGES = {"meets": "Goal met", "inconclusive": "Inconclusive", "misses": "Goal missed", "stopped": "Stopped early"}
IDS_SHOWN = 12
LEGEND = (
    ("dot-key winner", "winner"),
    ("dot-key tentative_pick", "tentative pick"),
    ("dot-key", "other"),
    ("dot-key early", "stopped early"),
    ("dot-key efficient", "Pareto-optimal"),
)


def page_of(report: Report, said: Summary | None = None) -> b.Page:
    """Return the page of a run; every form of it is written from these blocks. `said`: what it says first, where that is made already."""
    verdict, version = report.verdict, report.head["rung_version"]
    badge = BADGES[verdict.decision] if verdict else "No verdict yet"
    return b.Page(
        name=report.task.name,
        title=f"{report.task.name}: {badge}",
        sections=tuple(_sections(report, said or summary(report), badge)),
        footer=(
            f"Written by rung {version} from the run folder ", b.code(report.name), ". This page loads nothing from elsewhere; its one script "
            "searches the examples. Recompute every number with ", b.code("rung verify"), ".",
        ),
        description=verdict.headline if verdict else "",
        generator=f"rung {version}",
    )  # fmt: skip


def _sections(report: Report, said: Summary, badge: str) -> Iterator[b.Section]:
    tables = side_by_side(report)
    ids = _ids({row.anchor for found in tables for row in found.rows})
    state = report.verdict.decision if report.verdict else "none"
    yield b.Section("verdict", "", "", (b.Answer(said, badge, state),), folded=False)
    yield b.Section("ladder", "Approaches", "The approaches", tuple(_ladder(report, said)), folded=False)
    if report.verdict is not None and report.verdict.bets is not None:
        yield b.Section("bets", "Now", "If you have to choose now", tuple(_bets(report, report.verdict.bets)))
    if failure := _failure(tables):
        yield b.Section("failure", "", "First failure", (b.Fold("", failure, style="bare"),), folded=False)
    yield causes.section(report, ids)
    yield from told_apart.sections(report)
    if report.verdict is not None:
        why = tuple(_reasons(report, report.verdict))
        yield b.Section("reasons", "Why", "Why, and what would change the answer", why)
    yield economics.section(report, ids)
    yield gains.section(report, ids)
    for section in (
        judging.section,
        knowledge.section,
        tuned.section,
        tuned.consistency,
        robustness.section,
        advice.section,
    ):
        if found := section(report, ids):
            yield found
    yield b.Section("rows", "Examples", "Examples side by side", (b.Fold("", [*_rows(report, tables)], style="bare"),))
    yield tried.section(report, ids)
    yield record.data(report, ids)
    yield record.spend(report, said)


def _bets(report: Report, bets: Bets) -> Iterator[b.Block]:
    yield b.Text(INTRO, "soft small")
    results = {rung.label: rung.result for rung in report.measured}
    heads = ("Approach", "Expected shortfall|", "Cost per 1,000|", "Good enough with probability|")
    rows = []
    for bet in bets.each:
        result = results.get(bet.label)
        likely = "" if result is None else f"{result.probability_good:.2f}"
        rows.append((shown_name(bet.label), points(bet.shortfall), cost(bet.cost_per_1k_usd), likely))
    yield b.table(heads, rows)
    yield b.Bullets(tuple(sentences(bets)))


def _ids(shown: set[str]) -> b.Ids:
    """Return what writes ids of dev examples, each a link where the page shows it."""

    def write(found: Sequence[str]) -> Sequence[b.Inline]:
        bits: list[b.Inline] = []
        for one in found[:IDS_SHOWN]:
            anchor = anchor_of_row("dev", one)
            bits += [b.Bit(one, "id", f"#{anchor}" if anchor in shown else None), " "]
        return [*bits, b.soft(f"and {count(len(found) - IDS_SHOWN)} more")] if len(found) > IDS_SHOWN else bits

    return write


def _ladder(report: Report, said: Summary) -> Iterator[b.Block]:
    found, task = economics_of(report), report.task
    inner: list[b.Block] = []
    if len(report.measured) > 1:  # one point makes no chart
        inner.append(
            b.Figure(
                charts.ladder(report, 980.0, 380.0, found.efficient),
                charts.ladder(report, 360.0, 400.0, found.efficient),
            )
        )
        inner.append(b.Key(LEGEND))
    bills = {o.label: month(o, found.requests_per_month) for o in found.offers} if found.requests_per_month else None
    heads = b.columns(
        "Approach",
        "Score|",
        "95 % CI|",
        "Cost per 1,000|",
        *([] if bills is None else ["Cost per month|"]),
        "p50|",
        "Result",
    )
    rows = [
        b.Row(
            (line.name, line.score, line.interval, line.cost, *([] if bills is None else [bills.get(line.label, "-")]), line.latency, b.status(line.state, line.result)),
            f"rung-{slug(line.label)}" if line.measured else None,
            "chosen" if line.best else "",
        )
        for line in said.lines
    ]  # fmt: skip
    inner.append(b.Table(heads, rows))
    served = f" p50: median latency, {said.footnote}." if said.footnote else ""
    volume = f" A month: {count(found.requests_per_month)} requests." if found.requests_per_month else ""
    inner.append(
        b.Text(
            (f"{goal(task)} on ", b.code(task.metrics[0].name), f".{served}{volume} This run: {said.spent}."),
            "soft small",
        )
    )
    inner += [b.Text(line, "small") for line in said.frontier]
    yield b.Fold("", inner, style="bare")
    yield b.Fold(
        (b.bold("All figures:"), " ", b.soft("format, tokens, latency, failures, limits")),
        [*_figures(report)],
        told="blocks",
    )


def _figures(report: Report) -> Iterator[b.Block]:
    out = [rung for rung in report.rungs if rung.result is None]
    if out:
        lines = [(b.bold(shown_name(r.label)), " ", b.status(r.state, RESULTS[r.state]), f" {r.why_not}") for r in out]
        yield b.Bullets(lines, "left-out")
    measured = [(rung, rung.result) for rung in report.measured if rung.result is not None]
    if not measured:
        return
    heads = (
        "Approach",
        "Right format|",
        "Tokens a request|",
        "Latency p50 / p95|",
        "Failures",
        "Test examples|",
        "Notes",
    )
    yield b.table(heads, [_all_of(report, rung, result) for rung, result in measured], "cards ladder-table")
    yield b.Bullets(
        [models_tried(r.label, r.fitted.models) for r, _ in measured if r.fitted and r.fitted.models], "plain small"
    )
    yield b.Text(_rules(report), "soft small")


def _all_of(report: Report, rung: RungReport, result: Result) -> tuple[b.Words, ...]:
    task, form, estimate = report.task, result.estimates.get("format"), report.estimate(rung)
    notes = [f"{m.name} {quality(result.estimates[m.name])}" for m in task.metrics[1:] if m.name in result.estimates]
    notes += filter(None, [result.cost_note, result.quality.advice if rung.state == "inconclusive" else None])
    tested: b.Words = count(estimate.n) if estimate is not None else "unknown"
    if result.stopped_early_at is not None:
        tested = (
            count(result.stopped_early_at),
            b.small(f"of {count(report.manifest['test']['rows'])}, certain by then"),
        )
    at = latency_at(result)
    return (
        (shown_name(rung.label), b.small(result.candidate.name)),
        b.soft("no format asked") if form is None else quality(form).partition(" (n=")[0],
        tokens(result),
        (latencies(result), b.small(at)) if at else latencies(result),
        failures(result),
        tested,
        [b.small(note) for note in notes],
    )


def _rules(report: Report) -> str:
    task = report.task
    rule = f"Whether the goal is met is decided by one-sided bounds, each approach at its share of alpha {task.alpha:.3g}, not by the drawn interval."
    failed = (
        "Failed examples are left out of the score."
        if task.failure_score is None
        else f"A failed example counts as {task.failure_score}."
    )
    limits = []
    if task.limits.cost_per_1k_usd is not None:
        limits.append(f"Limit: {money(task.limits.cost_per_1k_usd)} per 1,000 requests.")
    if task.limits.p95_latency_s is not None:
        limits.append(f"Limit: p95 {seconds(task.limits.p95_latency_s)} at concurrency {task.limits.concurrency}.")
    return " ".join([rule, failed, *limits])


def _failure(tables: Sequence[ExampleTable]) -> list[b.Block]:
    found = first_failure(tables)
    if found is None:
        return []
    answer: list[b.Inline] = [
        b.Bit(text, {"same": "", "missing": "del", "added": "ins"}[kind]) for kind, text in found.changes
    ]
    legend: list[b.Block] = []
    if found.changes:
        legend.append(
            b.Text((b.Bit("added", "ins"), " by the answer, ", b.Bit("missing", "del"), " from it"), "soft small")
        )
    link = b.Bit("All examples side by side", link=f"#{found.anchor}")
    facts: list[tuple[str, b.Words]] = [
        *((name, b.Long(text, 400)) for name, text in found.inputs),
        ("expected", b.Bit(found.expected, "text")),
        ("answer", answer or b.soft(found.note)),
    ]
    return [
        b.Text((f"The first dev example that {found.approach} gets wrong. ", link), "intro"),
        b.Facts(facts, "failure"),
        *legend,
    ]


def _reasons(report: Report, verdict: Verdict) -> Iterator[b.Block]:
    if report.counterfactuals:
        yield b.Title("What would change the answer")
        yield b.Bullets(report.counterfactuals)
    yield b.Title("Why")
    for reason in verdict.reasons:
        proofs = [_proof(report.evidence[key]) for key in reason.evidence]
        yield b.Fold(
            reason.claim, [b.Text(reason.rule, "rule"), b.Bullets(proofs, "evidence")], style="long", told="line"
        )
    if verdict.minimum_detectable_effect:
        points = f"{100 * verdict.minimum_detectable_effect:.1f}"
        yield b.Text(
            f"Minimum detectable effect between two approaches on this test set: about {points} points (80 % power).",
            "soft small",
        )
    if report.same_again:
        yield b.Text(report.same_again, "soft small")


def _proof(found: Evidence) -> b.Words:
    key = b.Bit(found.key, "code", f"#{found.anchor}" if found.anchor else None)
    if found.resolves:
        return key, " = ", b.bold(written(found))
    return key, " ", b.status("misses", "does not resolve"), f" {found.trouble}"


def _rows(report: Report, tables: Sequence[ExampleTable]) -> Iterator[b.Block]:
    for found in tables:
        best, part = shown_name(found.best), found.part
        yield b.Title(f"{part.capitalize()} examples")
        used = (
            "These test examples were revealed: the test set is used up, and later runs on it are exploratory. "
            if part == "test"
            else ""
        )
        seen = (
            f"{count(len(found.rows))} of {examples(found.total)} are shown, failures first"
            if found.sampled
            else f"All {examples(found.total)}, failures first"
        )
        kinds = f"{count(found.counts['wrong'])} not right at {best}, {count(found.counts['differs'])} on which approaches differ, {count(found.counts['right'])} right everywhere."
        words: list[b.Inline] = [f"{used}{seen}: {kinds}"]
        if found.chats < len(found.rows):
            words += [
                f" The chats sent are shown for the first {count(found.chats)}; ",
                b.code(command_for(report)),
                " prints any of them.",
            ]
        yield b.Text(words, "intro")
        choices = (
            ("all", "all"),
            ("wrong", f"not right at {best}"),
            ("differs", "approaches differ"),
            ("right", "right everywhere"),
        )
        yield b.Examples(found, choices, [(shown_name(label), None) for label in found.labels])
    if not tables:
        yield b.Text("No approach has answered dev examples yet.", "empty")
    if not report.revealed:
        ask = b.code(f"rung report {report.inside} --reveal-test")
        yield b.Text(
            (
                "Test examples are sealed. ",
                ask,
                " shows them here, writes that down, and makes later runs on them exploratory.",
            ),
            "soft small",
        )
