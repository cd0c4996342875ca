"""The report's economics: a run's measured rungs as offers, and the sentences about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rung.decide.economics import Economics, Offer, break_even_sentence, economics, one_off
from rung.report.figures import cost
from rung.report.load import Report, RungReport
from rung.usual_names import shown_name

PARTS: Mapping[str, str] = {
    "instruction": "instruction",
    "examples": "examples",
    "passages": "passages",
    "input": "input",
}


def economics_of(report: Report) -> Economics:
    """Return what the measured rungs of a run cost to use, at the volume that its configuration states."""
    offers = [_offer(report, rung) for rung in report.measured]
    return economics([o for o in offers if o is not None], report.task.service.requests_per_month)


def _offer(report: Report, rung: RungReport) -> Offer | None:
    result, estimate, profile = rung.result, report.estimate(rung), rung.profile
    if result is None or estimate is None:
        return None
    tuning = rung.fitted.tuning if rung.fitted else None
    once, note = one_off(tuning, result.cost.usd_per_hour or None) if tuning else (0.0, None)
    return Offer(
        label=rung.label,
        quality=estimate,
        cost=result.cost,
        cost_per_1k_usd=result.cost_per_1k_usd,
        one_off_usd=once,
        one_off_note=note,
        tokens=profile.tokens if profile else None,
        output_tokens=profile.output_tokens if profile else None,
        served_p50_s=profile.p50_s if profile else None,
        served_n=profile.n if profile else 0,
        served_p95_s=profile.p95_s if profile else None,
        p95_s=result.p95_latency_s,
    )


def month(offer: Offer, volume: int | None) -> str:
    """Write the monthly bill of an offer, or why it is unknown."""
    if volume is None:
        return "give volume.requests_per_month"
    return cost(offer.month_usd(volume))


def pareto_line(found: Economics) -> str:
    """Name the Pareto-optimal approaches; empty where no cost is known."""
    return f"Pareto-optimal: {', '.join(map(shown_name, found.efficient))}." if found.efficient else ""


def break_even_lines(found: Economics) -> Iterator[str]:
    """Say from which volume one approach is cheaper than another, for a terminal."""
    for pair in found.break_evens:
        if pair.when in ("from", "below") or pair.months is not None:
            yield f"{shown_name(pair.lower)} or {shown_name(pair.upper)}: {break_even_sentence(pair)}"
