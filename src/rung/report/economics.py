"""The report's economics: a run's measured rungs as offers, and the sentences about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung.decide.economics import Economics, Offer, break_even_sentence, economics, one_off, rent_of
from rung.report.figures import money
from rung.report.load import Report, RungReport

PARTS: Mapping[str, str] = {
    "instruction": "instruction",
    "examples": "examples",
    "passages": "passages",
    "input": "input",
}
PAIRS_SHOWN = 15  # all pairs of six rungs


def economics_of(report: Report) -> Economics:
    """Return what the measured rungs of a run cost to use, at the volume that its configuration states."""
    volume = _config(report).get("volume") or {}
    offers = [_offer(report, rung) for rung in report.measured]
    return economics([o for o in offers if o is not None], volume.get("requests_per_month"))


def _config(report: Report) -> Mapping[str, Any]:
    return report.head.get("config") or {}


def _offer(report: Report, rung: RungReport) -> Offer | None:
    result, estimate, profile = rung.result, report.estimate(rung), rung.profile
    if result is None or estimate is None:
        return None
    hourly = rent_of(_config(report).get("models") or {}, result.candidate.model)
    tuning = rung.fitted.tuning if rung.fitted else None
    once, note = one_off(tuning.seconds, tuning.lesson_usd, hourly) if tuning else (0.0, None)
    return Offer(
        label=rung.label,
        quality=estimate,
        cost_per_1k_usd=result.cost_per_1k_usd,
        cost_note=result.cost_note,
        usd_per_hour=hourly,
        one_off_usd=once,
        one_off_note=note,
        tokens=profile.tokens if profile else None,
        output_tokens=profile.output_tokens if profile else None,
        unloaded_s=profile.unloaded_s if profile else None,
        unloaded_n=profile.n if profile else 0,
        unloaded_p95_s=profile.p95_s if profile else None,
        p95_s=result.p95_latency_s,
    )


def month(offer: Offer, volume: int | None) -> str:
    """Write the monthly bill of an offer, or why it is unknown."""
    if volume is None:
        return "give volume.requests_per_month"
    return money(offer.month_usd(volume), offer.cost_note)


def lines(found: Economics) -> Iterator[str]:
    """Write the economics as plain sentences, for a terminal."""
    if found.efficient:
        yield f"efficient (nothing measured is better for less): {', '.join(found.efficient)}"
    for pair in found.break_evens:
        if pair.when in ("from", "below") or pair.months is not None:
            yield f"{pair.lower} or {pair.upper}: {break_even_sentence(pair)}"
