"""What each rung costs to use: a month at the stated volume, break-even between any two, and which are efficient.

Pure. Money in US dollars. A rung's month costs `fixed + volume * per request`: a model priced by token has no fixed part;
a machine of one's own costs its hours whether it is asked or not, up to the requests that it can serve. What a provider's
cache saves depends on the volume, too (`rung.types.RequestCost`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rung.decide.wording import money
from rung.types import Estimate, RequestCost, Tuning
from rung.usual_names import shown_name

_VOLUMES = tuple(10 ** (step / 20) for step in range(1, 181))  # requests a month, up to a thousand million
UNTOLD = "tell what tuning elsewhere cost as `cost_usd` of the step"
PARTS: Mapping[str, str] = {
    "instruction": "instructions",
    "examples": "examples",
    "passages": "passages",
    "input": "the input itself",
}


@dataclass(frozen=True)
class Offer:
    """What is known of one measured rung. None: unknown, with a note where there is one.

    `cost`: what a request costs at any volume; `cost_per_1k_usd`: 1,000 of them at the volume of the run, as everywhere.
    `one_off_usd`: tuning and the like; 0 where there is none.
    """

    label: str
    quality: Estimate
    cost: RequestCost
    cost_per_1k_usd: float | None
    one_off_usd: float | None = 0.0
    one_off_note: str | None = None
    tokens: Mapping[str, float] | None = None
    output_tokens: float | None = None
    served_p50_s: float | None = None
    served_n: int = 0
    served_p95_s: float | None = None  # where the climb seeks the cheapest
    p95_s: float | None = None

    @property
    def machine_month_usd(self) -> float:
        """Rent of one machine for a month; 0 where the model is not priced by the hour."""
        return self.cost.machine_month_usd

    @property
    def served_a_month(self) -> float | None:
        """Requests that one rented machine can serve in a month, all hours busy; None where no machine is rented."""
        return self.cost.served_a_month

    def month_usd(self, requests: float) -> float | None:
        """Return what a month of so many requests costs; a rented machine is paid for all its hours."""
        return self.cost.month_usd(requests)


@dataclass(frozen=True)
class BreakEven:
    """When `upper` is cheaper a month than `lower`.

    "from": above `requests` a month; "below": under it; "always" and "never" at any volume; "equal"; "unknown".
    `months`: until what `upper` cost once is earned back at the stated volume; None where it is not, or is unknown.
    """

    lower: str
    upper: str
    when: Literal["from", "below", "always", "never", "equal", "unknown"]
    requests: float | None = None
    months: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Economics:
    """All offers side by side. `efficient`: the labels that nothing measured beats on quality for at most their cost."""

    offers: tuple[Offer, ...]
    requests_per_month: int | None
    efficient: tuple[str, ...]
    break_evens: tuple[BreakEven, ...]


def economics(offers: Sequence[Offer], requests_per_month: int | None) -> Economics:
    """Return months, break-even volumes of every pair (in ladder order) and the efficient rungs."""
    pairs = tuple(break_even(a, b, requests_per_month) for a, b in itertools.combinations(offers, 2))
    return Economics(tuple(offers), requests_per_month, efficient(offers), pairs)


def efficient(offers: Sequence[Offer]) -> tuple[str, ...]:
    """Return the labels on the frontier of quality (point estimates) and cost per 1,000; rungs of unknown cost are left out."""
    known = [(o, o.cost_per_1k_usd) for o in offers if o.cost_per_1k_usd is not None]

    def beaten(offer: Offer, usd: float) -> bool:
        mine = offer.quality.point
        return any(
            cost <= usd and o.quality.point >= mine and (cost < usd or o.quality.point > mine)
            for o, cost in known
            if o is not offer
        )

    return tuple(offer.label for offer, usd in known if not beaten(offer, usd))


def break_even(lower: Offer, upper: Offer, requests_per_month: int | None = None) -> BreakEven:
    """Return from which monthly volume on `upper` is the cheaper one, and when its one-off cost is earned back."""
    names = (lower.label, upper.label)
    if lower.cost_per_1k_usd is None or upper.cost_per_1k_usd is None:
        which = lower if lower.cost_per_1k_usd is None else upper
        return BreakEven(*names, "unknown", note=f"what {shown_name(which.label)} costs is unknown")
    months, note = _payback(lower, upper, requests_per_month)
    if not (lower.cost.linear and upper.cost.linear):
        return _warming(lower, upper, months, note)
    (fixed_a, each_a), (fixed_b, each_b) = _line(lower), _line(upper)
    if fixed_a == fixed_b and each_a == each_b:
        return BreakEven(*names, "equal", None, None, note or _rooms(lower, upper))
    if fixed_b <= fixed_a and each_b <= each_a:
        return BreakEven(*names, "always", None, months, note)
    if fixed_b >= fixed_a and each_b >= each_a:
        return BreakEven(*names, "never", None, None, note)
    crossing = (fixed_b - fixed_a) / (each_a - each_b)
    rented = upper if each_b < each_a else lower
    if crossing > (rented.served_a_month or math.inf):  # wholly busy machines cost more a request than the other rung
        return BreakEven(*names, "never" if rented is upper else "always", None, months, note)
    return BreakEven(*names, "from" if rented is upper else "below", crossing, months, note)


def _warming(lower: Offer, upper: Offer, months: float | None, note: str | None) -> BreakEven:
    """Return the break-even where a provider's cache is the warmer the more is asked: the first volume at which it turns."""

    def spares(requests: float) -> float:
        return (lower.month_usd(requests) or 0.0) - (upper.month_usd(requests) or 0.0)

    names, first = (lower.label, upper.label), spares(1.0)
    turned = next((at for at in _VOLUMES if spares(at) * first < 0), None)
    if turned is None:
        return BreakEven(*names, "equal" if first == 0 else "always" if first > 0 else "never", None, months, note)
    low, high = 1.0, turned
    while high > low * (1 + 1e-9):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if spares(middle) * first < 0 else (middle, high)
    return BreakEven(*names, "from" if first < 0 else "below", high, months, note)


def _rooms(lower: Offer, upper: Offer) -> str | None:
    """Say how much two rented machines of one price can serve."""
    if lower.served_a_month is None or upper.served_a_month is None:
        return None
    return (
        f"one machine each, which serves up to {lower.served_a_month:,.0f} requests a month at {shown_name(lower.label)} and "
        f"{upper.served_a_month:,.0f} at {shown_name(upper.label)}"
    )


def _line(offer: Offer) -> tuple[float, float]:
    """Return a month's fixed dollars and dollars a request, within what one machine serves."""
    if offer.served_a_month is not None:
        return offer.machine_month_usd, 0.0
    return 0.0, offer.cost.each_usd(None) or 0.0


def _payback(lower: Offer, upper: Offer, requests: int | None) -> tuple[float | None, str | None]:
    """Return the months in which what `upper` cost once is earned back, or why that is unknown."""
    if upper.one_off_usd is None:
        return None, f"what {shown_name(upper.label)} cost once is unknown" + (
            f": {upper.one_off_note}" if upper.one_off_note else ""
        )
    once = upper.one_off_usd - (lower.one_off_usd or 0.0)
    if once <= 0:
        return None, None
    if requests is None:
        return (
            None,
            f"{shown_name(upper.label)} cost {money(once)} once; give volume.requests_per_month to see when that is earned back",
        )
    before, after = lower.month_usd(requests), upper.month_usd(requests)
    if before is None or after is None or before <= after:
        return (
            None,
            f"the {money(once)} that {shown_name(upper.label)} cost once are not earned back at {requests:,} requests a month",
        )
    return once / (before - after), None


def one_off(tuning: Tuning, rent: float | None) -> tuple[float | None, str | None]:
    """Return what a tuned rung cost once, or why that is unknown: the machine time of its tuning, its teacher's answers, or
    what was told of tuning elsewhere."""
    if tuning.elsewhere:
        return tuning.paid_usd, None if tuning.paid_usd is not None else UNTOLD
    if rent is None:
        return None, f"tuning took {tuning.seconds:,.0f} s on a machine without a price (price.per_hour)"
    if tuning.lesson_usd is None:
        return None, "what the teacher's answers cost is unknown"
    return tuning.seconds / 3600 * rent + tuning.lesson_usd, None


def requests(number: float | None) -> str:
    """Write a number of requests with two significant digits: it is no count but a crossing of two lines."""
    if number is None:
        return "unknown"
    if number < 1:
        return "1"
    digits = -max(math.floor(math.log10(number)) - 1, 0)
    return f"{round(number, digits):,.0f}"


def bill(offered: Offer, requests_per_month: int | None) -> str:
    """Say what a month costs; a rented machine is paid for all its hours.  Nothing where that is not known."""
    usd = offered.month_usd(requests_per_month) if requests_per_month else None
    if usd is None:
        return ""
    count = offered.cost.machines(requests_per_month or 0)
    rent = "" if not count else ", the rent of its machine" if count == 1 else f", the rent of {count:,} machines"
    return f"{money(usd)} a month at {requests_per_month:,} requests{rent}"


def break_even_sentence(pair: BreakEven) -> str:
    """Say when the upper rung of a pair is the cheaper one, and when its one-off cost is earned back."""
    said = {
        "from": f"{shown_name(pair.upper)} is cheaper above {requests(pair.requests)} requests a month",
        "below": f"{shown_name(pair.upper)} is cheaper below {requests(pair.requests)} requests a month",
        "always": f"{shown_name(pair.upper)} is cheaper at any volume",
        "never": f"{shown_name(pair.lower)} is cheaper at any volume",
        "equal": "both cost the same",
        "unknown": "unknown",
    }[pair.when]
    back = f"; what it cost once is earned back in {_months(pair.months)}" if pair.months is not None else ""
    return f"{said}{back}{f' ({pair.note})' if pair.note else ''}"


def _months(months: float) -> str:
    days = months * 30.4
    if days < 1.5:
        return "a day"
    return f"{days:.0f} days" if days < 61 else f"{months:.1f} months"
