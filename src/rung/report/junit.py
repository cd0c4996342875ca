"""The report as JUnit XML, for build servers: one test case "meets the goal" and one for each floor and limit.

The form is that of https://github.com/testmoapp/junitxml (read 2026-11), which the usual readers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from rung.decide.frontier import pareto
from rung.report import figures
from rung.report.claims import Claim, claims, goal_in_words, named, unfinished
from rung.report.escape import visible
from rung.report.load import Report, RungReport, load_report
from rung.report.told_apart import STATES
from rung.store.run import RunFolder


def render_junit(folder: RunFolder) -> str:
    """Return the report as JUnit XML. Reads no row.

    All test cases pass where an approach is shown to be good enough, whatever the others did. Else a case has a failure
    where the goal is missed or a limit broken, and an error where that cannot be told: inconclusive, a budget spent, a judge
    alone, an unknown cost, no verdict. The headline, the decision and a line for each approach are properties of the suite.
    """
    report = load_report(folder, rows=False)
    cases = _cases(report)
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }
    suites = ET.Element("testsuites", {"name": "rung", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": visible(report.task.name), **counts})
    if report.elapsed_s is not None:
        suite.set("time", f"{report.elapsed_s:.3f}")
    verdict = report.verdict
    about = {
        "decision": verdict.decision if verdict else unfinished(report),
        "headline": verdict.headline if verdict else None,
        "winner": verdict.winner if verdict else None,
        "tentative_pick": verdict.tentative_pick if verdict else None,
        "goal": f"{report.task.goal:g}",
        "metric": report.task.metrics[0].name,
        "Pareto-optimal": _pareto(report) if report.task.objective == "frontier" else None,
        **{_property(line): line for line in report.caveats},
        "provisional": verdict.provisional if verdict else None,
        **{f"approach: {rung.label}": _line(report, rung) for rung in report.rungs},
    }
    _properties(suite, about)
    suite.extend(cases)
    ET.indent(suites)
    # Other letters than ASCII as character references: right whatever encoding the output is redirected in.
    body: bytes = ET.tostring(suites, "us-ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body.decode("ascii")}\n'


def _property(caveat: str) -> str:
    """Return the name of the property that holds a caveat: "exploratory", "goal chosen after the result"."""
    return caveat.partition(":")[0].lower()


def _pareto(report: Report) -> str:
    results = {rung.label: rung.result for rung in report.measured if rung.result is not None}
    return ", ".join(pareto(report.task, results))


def _cases(report: Report) -> list[ET.Element]:
    """Return the test cases of a run: green together if and only if an approach is shown to be good enough."""
    goal, *limits = claims(report)
    case = _case(report, goal.name, named(report))
    if goal.red:
        why = unfinished(report) if report.verdict is None else _why(report)
        _add(case, "failure" if goal.state == "fails" else "error", goal.kind, why)
    return [case, *(_limit(report, claim) for claim in limits)]


def _limit(report: Report, claim: Claim) -> ET.Element:
    case = _case(report, claim.name, named(report), claim.measured)
    if claim.state == "unmeasured":
        ET.SubElement(case, "skipped", message=claim.measured)
    elif claim.red:
        _add(case, "failure" if claim.state == "fails" else "error", claim.kind, claim.measured)
    return case


def _case(report: Report, name: str, rung: RungReport | None, measured: str | None = None) -> ET.Element:
    case = ET.Element("testcase", classname=f"rung.{visible(report.task.name)}", name=name)
    result = rung.result if rung is not None else None
    if rung is None or result is None:
        return case
    about = {
        "approach": rung.label,
        "candidate": result.candidate.name,
        "measured": measured,
        "quality": figures.quality(report.estimate(rung)),
        "lower bound": f"{result.quality.lower:.4f}",
        "upper bound": f"{result.quality.upper:.4f}",
        "cost per 1,000": figures.cost(result.cost_per_1k_usd),
        "p95 latency": figures.percentile(result),
        "failed examples": figures.failures(result),
    }
    _properties(case, about)
    return case


def _add(case: ET.Element, tag: str, kind: str, message: str) -> None:
    found = ET.SubElement(case, tag, type=kind, message=visible(message.partition("\n")[0]))
    found.text = visible(message)


def _why(report: Report) -> str:
    """Return the headline and a line for each approach."""
    verdict = report.verdict
    said = [verdict.headline, verdict.provisional] if verdict is not None else []
    return "\n".join([*filter(None, said), *(f"{rung.label}: {_line(report, rung)}" for rung in report.rungs)])


def _line(report: Report, rung: RungReport) -> str:
    """Say in one line what came of an approach."""
    result = rung.result
    if result is None:
        return f"{rung.state.replace('_', ' ')}: {rung.why_not}"
    quality, task = result.quality, report.task
    seen = f"{figures.quality(report.estimate(rung))}, bounds {quality.lower:.3f} to {quality.upper:.3f}"
    aim = f"goal {task.goal:.2f} on {task.metrics[0].name}, tolerance {task.tolerance:g}"
    aim = aim if task.as_good_as is None else f"{task.as_good_as} scores {task.goal:.2f}, margin {task.tolerance:g}"
    word = (
        "what runs now"
        if rung.runs_now
        else {"meets": goal_in_words(report), "misses": "misses the goal"}.get(quality.status, quality.status)
    )
    floors = [
        f"{f.floor.name} {STATES[f.quality.status]} ({figures.quality(f.estimate)}, floor {f.floor.at_least:g})"
        for f in result.floors
    ]
    why = [
        *floors,
        quality.advice,
        rung.diagnosis.sentence if rung.diagnosis is not None and not result.good_enough else None,
    ]
    return "; ".join(filter(None, [f"{word}: {seen}", aim, *why]))


def _properties(parent: ET.Element, values: Mapping[str, str | None]) -> None:
    found = ET.SubElement(parent, "properties")
    for name, value in values.items():
        if value is not None:
            ET.SubElement(found, "property", name=visible(name), value=visible(value))
