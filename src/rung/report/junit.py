"""The report as JUnit XML: one test case a rung, for build servers that show such files.

The form is that of https://github.com/testmoapp/junitxml (read 2026-11), which the usual readers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from rung.report import figures
from rung.report.escape import visible
from rung.report.load import Report, RungReport, load_report
from rung.store.folder import RunFolder
from rung.types import Result


def render_junit(folder: RunFolder) -> str:
    """Return the report as JUnit XML. Reads no row.

    A rung that is good enough passes; one that is not met, unclear or not within the limits has a failure that says why;
    one that was not run is skipped. The headline and the decision are properties of the suite.
    """
    report = load_report(folder, rows=False)
    cases = [_case(report, rung) for rung in report.rungs]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }
    suites = ET.Element("testsuites", {"name": "rung", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": visible(report.task.name), **counts})
    if report.elapsed_s is not None:
        suite.set("time", f"{report.elapsed_s:.3f}")
    verdict = report.verdict
    about = {
        "decision": verdict.decision if verdict else f"no verdict yet (status: {report.head.get('status')})",
        "headline": verdict.headline if verdict else None,
        "winner": verdict.winner if verdict else None,
        "lean": verdict.lean if verdict else None,
        "goal": f"{report.task.goal:g}",
        "metric": report.task.metrics[0].name,
        "exploratory": "people had seen test rows before this climb" if verdict and verdict.exploratory else None,
        "provisional": verdict.provisional if verdict else None,
    }
    _properties(suite, about)
    suite.extend(cases)
    ET.indent(suites)
    # Other letters than ASCII as character references: right whatever encoding the output is redirected in.
    body: bytes = ET.tostring(suites, "us-ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body.decode("ascii")}\n'


def _case(report: Report, rung: RungReport) -> ET.Element:
    case = ET.Element("testcase", classname=f"rung.{visible(report.task.name)}", name=visible(rung.label))
    result = rung.result
    if result is None:
        ET.SubElement(case, "skipped", message=visible(f"{rung.state.replace('_', ' ')}: {rung.why_not}"))
        return case
    quality = result.quality
    about = {
        "candidate": result.candidate.name,
        "quality": figures.quality(report.estimate(rung)),
        "lower bound": f"{quality.lower:.4f}",
        "upper bound": f"{quality.upper:.4f}",
        "cost per 1,000": figures.money(result.cost_per_1k_usd, result.cost_note),
        "p95 latency": figures.seconds(result.p95_latency_s),
        "failed rows": figures.failures(result),
    }
    _properties(case, about)
    if not result.good_enough:
        kind, message = _trouble(report, rung, result)
        failure = ET.SubElement(case, "failure", type=kind, message=visible(message))
        lines = [message, *(f"{name}: {value}" for name, value in about.items())]
        if rung.diagnosis is not None:
            lines.append(rung.diagnosis.sentence)
        failure.text = visible("\n".join(lines))
    return case


def _trouble(report: Report, rung: RungReport, result: Result) -> tuple[str, str]:
    """Return why a measured rung is not good enough: a short kind, and one line."""
    quality, task = result.quality, report.task
    seen = f"{figures.quality(report.estimate(rung))}, bounds {quality.lower:.3f} to {quality.upper:.3f}"
    aim = f"goal {task.goal:.2f} on {task.metrics[0].name}, tolerance {task.tolerance:g}"
    if quality.status == "not_met":
        return "not_met", f"not met: {seen}; {aim}"
    if quality.status == "unclear":
        return "unclear", f"unclear: {seen}; {aim}" + (f"; {quality.advice}" if quality.advice else "")
    if result.limits_held is None:
        return "limit_unknown", f"met, but whether it keeps the limits is unknown: {seen}; {aim}"
    return "over_limit", f"met, but over a limit on cost or latency: {seen}; {aim}"


def _properties(parent: ET.Element, values: Mapping[str, str | None]) -> None:
    found = ET.SubElement(parent, "properties")
    for name, value in values.items():
        if value is not None:
            ET.SubElement(found, "property", name=name, value=visible(value))
