"""What a comparison says in words: claim, failures fixed, missed quality regained."""

from __future__ import annotations

from rung import plugins
from rung.decide.wording import difference
from rung.report.figures import percent
from rung.report.load import Report
from rung.types import TRANSPORT, Comparison


def said_to_fix(label: str) -> float | None:
    """Return the share of the failures below that people say a rung fixes; None where nothing is said."""
    name = label.split("@")[0]
    return plugins.rung_type(name).said_to_fix if name in plugins.available("rungs") else None


def usual(label: str) -> str:
    """Return what teams see by hand, cost and time; empty for a rung that is not installed."""
    name = label.split("@")[0]
    return ", ".join(plugins.rung_type(name).usual_cost) if name in plugins.available("rungs") else ""


def claim(report: Report, pair: Comparison) -> str:
    """Say what a comparison shows."""
    return difference(pair, report.task.alpha)


def fixed_of(report: Report, pair: Comparison) -> str:
    """Write "41 of 98" where the rows lower got wrong can be counted: 0/1 scores of a rung that visited every row."""
    wrong = _missed(report, pair)
    if pair.fixed_share is None or wrong is None or not _whole(wrong):
        return ""
    return f"{round(pair.fixed_share * wrong):,} of {round(wrong):,}"


def regained_of(report: Report, pair: Comparison) -> float | None:
    """Return the share of the missed quality that upper regained, for graded scores; None for 0/1 ones or if unknown."""
    missed = _missed(report, pair)
    return None if missed is None or _whole(missed) or missed <= 0 else pair.gain * pair.n / missed


def fixed(report: Report, pair: Comparison) -> str:
    """Say what share of lower's failures, or of the quality it missed, upper made good."""
    regained = regained_of(report, pair)
    if regained is not None:
        return f"regained {percent(regained)} of the quality missed" if regained > 0 else "regained nothing"
    return "none were left" if pair.fixed_share is None else f"fixed {percent(pair.fixed_share)} of its failures"


def _missed(report: Report, pair: Comparison) -> float | None:
    """Return how much lower's scores lack to 1, summed over what it answered of the pair; None where it did not visit all."""
    below = report.rung(pair.lower)
    estimate = report.estimate(below) if below else None
    if below is None or below.result is None or estimate is None or estimate.mean is None or estimate.n != pair.n:
        return None
    answered = pair.n - sum(count for cause, count in below.result.failures.items() if cause in TRANSPORT)
    return answered * (1 - estimate.mean)


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
