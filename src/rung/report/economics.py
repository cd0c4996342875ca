"""The report's economics: a run's measured rungs as offers, and the sentences about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rung.decide.economics import BreakEven, Economics, Offer, economics
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
    hourly = _hourly(report, result.candidate.model)
    one_off, note = _one_off(rung, hourly)
    return Offer(
        label=rung.label,
        quality=estimate,
        cost_per_1k_usd=result.cost_per_1k_usd,
        cost_note=result.cost_note,
        usd_per_hour=hourly,
        one_off_usd=one_off,
        one_off_note=note,
        tokens=profile.tokens if profile else None,
        output_tokens=profile.output_tokens if profile else None,
        unloaded_s=profile.unloaded_s if profile else None,
        unloaded_n=profile.n if profile else 0,
        p95_s=result.p95_latency_s,
    )


def _hourly(report: Report, role: str | None) -> float | None:
    """Return the rent of the machine that a role's model runs on, by the configuration."""
    base = (role or "").partition("+[")[0]  # tuned weights are asked under a name made of their base's role
    settings = (_config(report).get("models") or {}).get(base) or {}
    rent = settings.get("usd_per_hour")
    return float(rent) if rent else None


def _one_off(rung: RungReport, hourly: float | None) -> tuple[float | None, str | None]:
    """Return what a rung cost once: the machine time of its tuning."""
    tuning = rung.fitted.tuning if rung.fitted else None
    if tuning is None:
        return 0.0, None
    if hourly is None:
        return None, f"tuning took {tuning.seconds:,.0f} s on a machine without a price (usd_per_hour)"
    return tuning.seconds / 3600 * hourly, None


def requests(number: float | None) -> str:
    """Write a number of requests with two significant digits: it is no count but a crossing of two lines."""
    if number is None:
        return "unknown"
    if number < 1:
        return "1"
    digits = -max(math.floor(math.log10(number)) - 1, 0)
    return f"{round(number, digits):,.0f}"


def break_even_sentence(pair: BreakEven) -> str:
    """Say when the upper rung of a pair is the cheaper one, and when its one-off cost is earned back."""
    said = {
        "from": f"{pair.upper} is cheaper above {requests(pair.requests)} requests a month",
        "below": f"{pair.upper} is cheaper below {requests(pair.requests)} requests a month",
        "always": f"{pair.upper} is cheaper at any volume",
        "never": f"{pair.lower} is cheaper at any volume",
        "equal": "both cost the same",
        "unknown": "unknown",
    }[pair.when]
    back = f"; what it cost once is earned back in {_months(pair.months)}" if pair.months is not None else ""
    return f"{said}{back}{f' ({pair.note})' if pair.note else ''}"


def _months(months: float) -> str:
    days = months * 30.4
    return f"{max(days, 1):.0f} days" if days < 61 else f"{months:.1f} months"


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
