"""What every form of the report says first: answer, evidence, one line an approach, the main cause of failure, the next command.

Made once from a report; the page, the terminal and Markdown only lay it out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rung.data.parts import ASIDE
from rung.decide.bets import first_line
from rung.decide.form import cheapest_fix
from rung.decide.frontier import frontier_lines
from rung.decide.headline import first_upper
from rung.decide.knowledge import NOT_KNOWLEDGE
from rung.decide.limits import latency_open, limits_left_open
from rung.report import figures
from rung.report.economics import economics_of, pareto_line
from rung.report.gains import usual
from rung.report.load import Report, RungReport
from rung.report.told_apart import floor_lines, loss_lines
from rung.store.run import export_place
from rung.types import Diagnosis, Result, rate
from rung.usual_names import shown_name

NO_FIGURE = "-"
RESULTS = {
    "meets": "meets the goal",
    "misses": "misses the goal",
    "inconclusive": "inconclusive",
    "runs_now": "what runs now",
    "waiting": "waiting for its model",
    "skipped": "skipped",
    "not_reached": "not reached",
}


@dataclass(frozen=True, slots=True)
class ApproachLine:
    """One approach in the table, as it is written."""

    label: str
    name: str
    state: str  # of RungReport.state
    score: str
    interval: str
    cost: str  # of 1,000 requests
    latency: str
    result: str
    best: bool
    measured: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command that works when it is pasted, and what it is for."""

    line: str
    why: str


@dataclass(frozen=True)
class Summary:
    """The first screen of a report. `lead` and `rest` are the headline in two; `footnote` says how latency was measured."""

    headline: str
    lead: str
    rest: str
    basis: str
    floors: tuple[str, ...]  # one sentence each
    frontier: tuple[str, ...]  # one sentence an approach, with `objective: frontier`
    pareto: str
    notes: tuple[str, ...]
    goal: str
    warnings: tuple[str, ...]  # examples without a score, and what is wrong with the judge
    data_warnings: int
    lines: tuple[ApproachLine, ...]
    footnote: str
    cause: str
    bet: str  # what to use now, where the verdict is inconclusive and no approach is a tentative pick
    spent: str
    commands: tuple[Command, ...]


def summary(report: Report, place: Path | None = None) -> Summary:
    """Return what is said first. `place`: the run folder as a command names it; None: as it lies beside its rung.yaml."""
    verdict = report.verdict
    if verdict is None:
        headline, basis = f"No answer yet: the run is {report.head.get('status')}.", ""
    else:
        headline, basis = verdict.headline, verdict.basis
    lead, rest = parts(headline)
    results = {rung.label: rung.result for rung in report.measured if rung.result is not None}
    where = shlex.quote(str(place) if place is not None else report.inside)
    return Summary(
        headline=headline,
        lead=lead,
        rest=rest,
        basis=basis,
        floors=tuple(floor_lines(report, basis)),
        frontier=tuple(line for _, line in frontier_lines(report.task, results, report.comparisons)),
        pareto=pareto_line(economics_of(report)),
        notes=tuple(_notes(report)),
        goal=f"{figures.goal(report.task)} on {report.task.metrics[0].name}; every approach answered the same held-out test examples.",
        warnings=tuple(_warnings(report)),
        data_warnings=sum(f.severity != "note" for f in report.open_findings),
        lines=tuple(_line(report, rung) for rung in report.rungs),
        footnote=_footnote(report),
        cause=main_cause(report),
        bet=first_line(verdict.bets) if verdict is not None and verdict.bets and not verdict.tentative_pick else "",
        spent=spent(report),
        commands=tuple(_commands(report, where)),
    )


def parts(headline: str) -> tuple[str, str]:
    """Part a headline where its first clause ends: "No fine-tuning needed", "A better prompt meets the goal."."""
    cuts = [at for mark in (": ", "; ") if (at := headline.find(mark)) > 0]
    if not cuts:
        return headline.rstrip("."), ""
    at = min(cuts)
    return headline[:at], first_upper(headline[at + 2 :])


def _notes(report: Report) -> Iterator[str]:
    yield from report.caveats
    verdict = report.verdict
    if verdict is not None and verdict.provisional:
        yield f"Provisional: {verdict.provisional}"
    yield from loss_lines(report)
    if verdict is not None and verdict.decision == "stopped":
        yield from verdict.counterfactuals[:1]


def _warnings(report: Report) -> Iterator[str]:
    """Say for how many approaches test examples got no score: each by itself where it alone lost some, else all in one sentence."""
    lost = {
        shown_name(r.label): r.result.failures for r in report.measured if r.result is not None and r.result.failures
    }
    if len(lost) == 1:
        [(name, failures)] = lost.items()
        many = sum(failures.values())
        yield f"{figures.examples(many).replace(' ex', ' test ex')} got no score from {name}: {figures.by_cause(failures)}."
    elif lost:
        each = ", ".join(f"{sum(failures.values()):,} from {name}" for name, failures in lost.items())
        causes = sorted({cause for failures in lost.values() for cause in failures})
        yield f"Test examples without a score ({figures.listed(causes)}): {each}."
    if report.trust is not None:
        yield from (f"judge: {warning}" for warning in report.trust.warnings)


def _line(report: Report, rung: RungReport) -> ApproachLine:
    result, estimate = rung.result, report.estimate(rung)
    chosen = {report.verdict.winner, report.verdict.tentative_pick} if report.verdict else set()
    above = report.winner is not None and rung.number > report.winner.number
    return ApproachLine(
        label=rung.label,
        name=", ".join(filter(None, [shown_name(rung.label), result.candidate.asked if result is not None else ""])),
        state=rung.state,
        score=NO_FIGURE if estimate is None or estimate.mean is None else rate(estimate.mean),
        interval=NO_FIGURE if estimate is None else f"{rate(estimate.low)}-{rate(estimate.high)}",
        cost=figures.cost(result.cost_per_1k_usd) if result is not None else NO_FIGURE,
        latency=latency(rung),
        result="not needed" if above and rung.state == "not_reached" else _came_of_it(report, rung, result),
        best=rung.label in chosen,
        measured=result is not None,
    )


def _came_of_it(report: Report, rung: RungReport, result: Result | None) -> str:
    said = RESULTS[rung.state]
    if report.task.as_good_as is not None:
        said = {"meets": "as good", "misses": "worse"}.get(rung.state, said)
    if result is None:
        return said
    if result.quality.status == "meets" and result.status != "meets":
        said = "misses a floor" if result.missed_floors else "a floor is open"
    if result.limits_held is False:
        return f"{said}, over limit"
    if result.status == "meets" and result.saves is False:
        return f"{said}, costs no less"
    left_open = limits_left_open(report.task, result)
    return f"{said}, {left_open}" if left_open else said


def latency(rung: RungReport) -> str:
    """Write the median seconds of one request as it is served; never what was measured under the load of the run."""
    served = rung.result.served if rung.result is not None else None
    if served is not None and served.p50_s is not None:
        return figures.seconds(served.p50_s)
    alone = rung.profile.p50_s if rung.profile is not None else None
    return figures.seconds(alone) if alone is not None else NO_FIGURE


def _footnote(report: Report) -> str:
    if all(latency(rung) == NO_FIGURE for rung in report.rungs):
        return ""
    many = report.task.limits.concurrency
    return "one request at a time" if many == 1 else f"{many} requests at a time"


def diagnosed(report: Report) -> RungReport | None:
    """Return the approach whose failures are told: the one that examples are sorted by, else the last that has some."""
    best = report.best
    if best is not None and best.diagnosis is not None:
        return best if best.diagnosis.causes else None
    return next((r for r in reversed(report.rungs) if r.diagnosis is not None and r.diagnosis.causes), None)


def main_cause(report: Report) -> str:
    """Say why most dev examples failed, and the cheapest fix with its cost and time; empty where none failed."""
    rung = diagnosed(report)
    if rung is None or rung.diagnosis is None:
        return ""
    diagnosis = rung.diagnosis
    said = (
        f"{diagnosis.failed} of {diagnosis.n} dev examples still fail with {shown_name(rung.label)}{_why(diagnosis)}."
    )
    return said if report.winner is not None else f"{said} {_fix(report, diagnosis)}"


def _why(diagnosis: Diagnosis) -> str:
    """Return the commonest cause as the rest of a sentence; where passages are shown, what becomes of each failure with the right one."""
    if diagnosis.knowledge is not None and diagnosis.knowledge.failures:
        parts = sorted(diagnosis.knowledge.failures, key=lambda c: -c.count)
        return ": " + "; ".join(f"{c.count} {c.evidence.partition(': ')[2].rstrip('.')}" for c in parts)
    top = max(diagnosis.causes, key=lambda c: c.count)
    most = "all" if top.count == diagnosis.failed else f"{top.count}"
    return f", {most} of them by {CAUSES.get(top.name, top.name)}"


CAUSES = {"content": "wrong content", "format": "a format error", "unexplained": "an unknown cause"}


def _fix(report: Report, diagnosis: Diagnosis) -> str:
    """Say the cheapest fix: of the form first, else what helped in most experiments; where none was made, what most failures suggest."""
    form = cheapest_fix(diagnosis.form, report.task) if diagnosis.form is not None else None
    if form is not None:
        return f"Cheapest fix: {form} ($0, minutes)."
    helped = [c for c in diagnosis.experiments if c.count]
    if diagnosis.experiments and not helped:
        open_ = diagnosis.next_rung not in (None, *(r.label for r in report.measured))
        ahead = f"; next to try: {shown_name(str(diagnosis.next_rung))}" if open_ else ""
        return f"No change that was tried fixes one of them{ahead}."
    found = max(helped or diagnosis.causes, key=lambda c: c.count)
    of_passages = diagnosis.knowledge.failures if diagnosis.knowledge is not None else ()
    leads_on = found.predicts is None or found.predicts.rung is not None
    takes = usual(diagnosis.next_rung) if diagnosis.next_rung and leads_on and found not in of_passages else ""
    why = f"{found.evidence} " if found.name == NOT_KNOWLEDGE and found not in of_passages else ""
    return f"{why}Cheapest fix: {found.suggests}{f' (usually {takes})' if takes else ''}."


def spent(report: Report) -> str:
    """Say what the run took: dollars, calls, time. Cached answers are told, so that none seems to come from nothing."""
    if report.spend is None:
        return "nothing asked yet"
    calls, cached = report.spend["calls"], report.spend["cached"]
    asked = f"{calls:,} calls" if calls or not cached else f"no new calls, {cached:,} cached answers"
    took = f", {figures.seconds(report.elapsed_s)}" if report.elapsed_s else ""
    return f"{figures.spent(report.spend)}, {asked}{took}"


def _commands(report: Report, where: str) -> Iterator[Command]:
    verdict = report.verdict
    if verdict is None:
        yield Command(f"rung climb {where}", "go on with this run")
    elif verdict.decision == "stopped":
        yield Command(f"rung climb {where} --budget {_more_money(report):g}", "go on with a larger budget")
    elif verdict.provisional:
        yield Command(f"rung label {where}", "give human labels")
    elif verdict.winner is not None:
        if verdict.pairs_to_compare:
            yield Command(
                f"rung label {where}", f"compare {verdict.pairs_to_compare} pairs of answers: is the gain real?"
            )
        feature = report.winner.result.candidate.feature if report.winner is not None and report.winner.result else None
        if feature is not None and feature.as_it_stands:
            yield Command(f"rung serve {where}", f"{feature.name} behind an OpenAI-compatible address")
        elif verdict.winner not in _kept_here(report):
            yield Command(f"rung export {where}", "use the winner")
    elif verdict.decision == "inconclusive":
        yield _decides(report, where)
    else:
        yield Command(f"rung advise {where}", "what the evidence says of each way on")
    if verdict is not None and verdict.exploratory and ASIDE in report.manifest.get("settings", {}):
        yield Command(f"rung climb {where} --confirm", "confirm it on the examples kept for that")
    yield Command(f"rung report {where}", "the full report")


def _kept_here(report: Report) -> set[str]:
    """Return the approaches of which nothing can be exported: stored answers, and what the user has already."""
    return {r.label for r in report.measured if r.result is not None and r.result.candidate.as_it_stands}


def _decides(report: Report, where: str) -> Command:
    """Return how an inconclusive run goes on."""
    open_ = next((r.result for r in report.measured if r.result and r.state == "meets"), None)
    if open_ is not None and open_.cost_per_1k_usd is None and report.task.limits.cost_per_1k_usd is not None:
        return Command("rung climb", f"after adding a price for {open_.candidate.model} to rung.yaml")
    if open_ is not None and latency_open(report.task, open_):
        advice = open_.served.advice if open_.served is not None else None
        return Command(f"rung climb {where}", advice or "ask for the latency")
    if report.tentative_pick is not None and report.tentative_pick.label not in _kept_here(report):
        return Command(f"rung export {where}", "use the tentative pick")
    awaited = next((r for r in report.rungs if r.awaited), None)
    if awaited is not None:
        steps = export_place(Path(where), awaited.label, "rows") / "README.md"
        return Command("rung climb", f"after adding the tuned model to rung.yaml; {steps} says how")
    return Command(f"rung advise {where}", "what the evidence says of each way on")


def _more_money(report: Report) -> float:
    limit = report.task.limits.budget_usd or 0.0
    stop = report.head.get("stopped")
    rest = stop.get("rest_usd") if isinstance(stop, dict) else None
    wanted = limit + rest if isinstance(rest, int | float) else 2 * limit
    return float(f"{max(wanted, 0.01) * 1.05:.2g}")
