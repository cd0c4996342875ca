"""What a run claims of the approach that it names: it meets the goal and each floor, and keeps each limit. One list for JUnit and pull requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rung.decide.floors import fails_a_floor
from rung.decide.limits import latency
from rung.report import figures
from rung.report.load import Report, RungReport
from rung.types import Result, Status
from rung.usual_names import shown_name


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: it holds, fails, or that cannot be told (`open`, by `kind`). `measured`: the figure that it rests on."""

    name: str
    state: Literal["holds", "fails", "open", "unmeasured"]
    measured: str
    kind: str = ""

    @property
    def red(self) -> bool:
        return self.state in ("fails", "open")


def claims(report: Report) -> tuple[Claim, ...]:
    """Return the claims, the goal first, then floors and limits: all hold if and only if an approach is shown to be good enough."""
    rung = named(report)
    result = rung.result if rung is not None else None
    limits = (*_floors(report, result), *_limits(report, result))
    score = figures.quality(report.estimate(rung)) if rung is not None else "nothing is measured"
    return (_goal(report, result, limits, f"{score}, goal {report.task.goal:g}"), *limits)


def named(report: Report) -> RungReport | None:
    """Return the rung that the claims are about: the winner, else the tentative pick, else one that meets the goal, else the last."""
    measured = [rung for rung in report.rungs if rung.result is not None]
    verdict = {report.verdict.winner, report.verdict.tentative_pick} if report.verdict is not None else set()
    measured = [rung for rung in measured if not rung.runs_now] or measured
    good = [r for r in measured if r.result is not None and r.result.status == "meets"]
    near = [
        r
        for r in measured
        if r.result is not None and r.label == fails_a_floor({m.label: m.result for m in measured if m.result})
    ]
    return next(iter([*(r for r in measured if r.label in verdict), *good, *near, *reversed(measured)]), None)


def goal_in_words(report: Report) -> str:
    """Say what an approach does that is good enough."""
    now = report.task.as_good_as
    return "meets the goal" if now is None else f"is as good as {shown_name(now)}, which runs now"


def unfinished(report: Report) -> str:
    """Say that there is no verdict, and how the run stands."""
    return f"no verdict yet (status: {report.head.get('status')})"


def _goal(report: Report, result: Result | None, limits: tuple[Claim, ...], measured: str) -> Claim:
    name, verdict = goal_in_words(report), report.verdict
    if verdict is None:
        return Claim(name, "open", measured, "unfinished")
    by_limits = result is not None and result.quality.status == "meets" and any(claim.red for claim in limits)
    if verdict.shown or by_limits:
        return Claim(name, "holds", measured)
    kind = "provisional" if verdict.provisional is not None else verdict.decision
    return Claim(name, "fails" if kind == "misses" else "open", measured, kind)


def _floors(report: Report, result: Result | None) -> Iterator[Claim]:
    for index, floor in enumerate(report.task.floors):
        name = f"{floor.name} is at least {floor.at_least:g}"
        found = result.floors[index] if result is not None and index < len(result.floors) else None
        if found is None:
            yield Claim(name, "unmeasured", "no approach is measured")
            continue
        measured = figures.quality(found.estimate) if found.estimate is not None else str(found.quality.advice)
        states: Mapping[Status, Claim] = {
            "meets": Claim(name, "holds", measured),
            "misses": Claim(name, "fails", measured, "floor"),
            "inconclusive": Claim(name, "open", f"not settled: {measured}", "inconclusive"),
        }
        yield states[found.quality.status]


def _limits(report: Report, result: Result | None) -> Iterator[Claim]:
    limits = report.task.limits
    if limits.cost_per_1k_usd is not None:
        yield _cost(f"1,000 requests cost at most ${limits.cost_per_1k_usd:g}", result, limits.cost_per_1k_usd)
    if limits.p95_latency_s is not None:
        yield _latency(f"95 of 100 requests take at most {limits.p95_latency_s:g} s", result)


def _cost(name: str, result: Result | None, limit: float) -> Claim:
    if result is None:
        return Claim(name, "unmeasured", "no approach is measured")
    if result.cost_per_1k_usd is None:
        return Claim(name, "open", result.cost_note or "its cost is unknown", "unknown")
    measured = f"1,000 requests cost {figures.cost(result.cost_per_1k_usd)}"
    return (
        Claim(name, "fails", measured, "over_limit")
        if result.cost_per_1k_usd > limit
        else Claim(name, "holds", measured)
    )


def _latency(name: str, result: Result | None) -> Claim:
    status = result.served.status if result is not None and result.served is not None else None
    if result is None:
        return Claim(name, "unmeasured", "no approach is measured")
    if status == "misses":
        return Claim(name, "fails", latency(result), "over_limit")
    if status == "meets":
        return Claim(name, "holds", latency(result))
    advice = result.served.advice if result.served is not None else None
    return Claim(name, "open", "; ".join(filter(None, [f"not settled: {latency(result)}", advice])), "unknown")
