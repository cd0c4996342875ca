"""What a request costs in service: as measured, and at the volume at which the feature is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rung.types.answers import Answer, Outcome
from rung.types.tasks import Service

HOURS_A_MONTH = 730.0  # 8,760 hours a year over 12
KEPT_S = 300.0  # a prefix cache keeps a beginning so long after its last use (OpenAI: 5 to 10 minutes; Anthropic: 5)


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What one request of an approach costs, in US dollars. None: unknown, `note` says why.

    `usd`: the mean over the test answers as billed in the run, or the share of a rented machine that a request kept busy.
    `uncached_usd`: the same with nothing in the provider's prefix cache. `usd_per_hour`: the rent of the machine, 0 where
    the price is not by time. `cached_share`: of the input tokens, those read from the provider's cache.
    """

    usd: float | None = None
    uncached_usd: float | None = None
    usd_per_hour: float = 0.0
    batch_discount: float = 0.0
    cached_share: float = 0.0
    note: str | None = None

    @classmethod
    def measured(cls, outcomes: Sequence[Outcome], service: Service, role: str | None) -> RequestCost:
        """Return what a request costs by what its answers were billed; `role`: of the model that answered.

        An answer out of our own cache keeps the cost that it had.
        """
        answers = [o.answer for o in outcomes if o.answer is not None]
        asked = base_role(role)
        rent, off = service.usd_per_hour.get(asked, 0.0), service.batch_discount.get(asked, 0.0)
        if not answers:
            return cls(usd_per_hour=rent, batch_discount=off, note="no example was answered")
        known = [c for a in answers if (c := a.cost_usd) is not None]
        anew = [c for a in answers if (c := a.uncached_usd) is not None]
        if len(known) < len(answers):
            notes = [c.price_note for a in answers for c in a.calls if c.price_note]
            note = notes[0] if notes else "the price of this model is unknown"
            return cls(usd_per_hour=rent, batch_discount=off, note=note)
        calls = [c for a in answers for c in a.calls]
        held = sum(c.billed.cached or 0 for c in calls if c.billed is not None)
        share = held / max(sum(c.input_tokens or 0 for c in calls), held, 1)
        return cls(sum(known) / len(known), sum(anew) / len(anew), rent, off, share)

    @property
    def machine_month_usd(self) -> float:
        """Rent of one machine for a month; 0 where the model is not priced by the hour."""
        return HOURS_A_MONTH * self.usd_per_hour

    @property
    def served_a_month(self) -> float | None:
        """Requests that one rented machine serves in a month, all hours busy; None where none is rented or none was timed."""
        return self.machine_month_usd / self.usd if self.usd_per_hour and self.usd else None

    @property
    def linear(self) -> bool:
        """Whether a month grows evenly with the requests: no share of them depends on how warm a cache is."""
        return bool(self.usd_per_hour) or self.uncached_usd is None or self.uncached_usd == self.usd

    def each_usd(self, requests: float | None) -> float | None:
        """Return what one request costs at so many a month, without rent; None: as measured, one straight after the other.

        A request finds the cache warm where another came within `KEPT_S` before it: with probability 1 - exp(-rate x KEPT_S)
        for requests that come at random.
        """
        if self.usd is None:
            return None
        anew = self.usd if self.uncached_usd is None else self.uncached_usd
        cold = 0.0 if requests is None else math.exp(-KEPT_S * requests / (HOURS_A_MONTH * 3600))
        return (self.usd + cold * (anew - self.usd)) * (1 - self.batch_discount)

    def machines(self, requests: float) -> int:
        """Return how many rented machines so many requests a month take; 0 where none is rented."""
        served = self.served_a_month
        return 0 if served is None else max(1, math.ceil(requests / served - 1e-9))

    def month_usd(self, requests: float) -> float | None:
        """Return what a month of so many requests costs; a rented machine is paid for all its hours."""
        each = self.each_usd(requests)
        if each is None:
            return None
        return self.machine_month_usd * self.machines(requests) if self.served_a_month else each * requests

    def per_1k_usd(self, requests: float | None) -> float | None:
        """Return the cost of 1,000 requests at so many a month, rent included; None: a machine, or a cache, always busy."""
        month = self.month_usd(requests) if requests else None
        if requests and month is not None:
            return 1000 * month / requests
        each = self.each_usd(None)
        return None if each is None else 1000 * each

    def basis(self, requests: int | None) -> str | None:
        """Say on what the cost of 1,000 requests rests, where it is more than tokens times their price."""
        if self.usd is None:
            return self.note
        said = []
        if self.served_a_month and requests:
            count = self.machines(requests)
            rented = "a machine" if count == 1 else f"{count:,} machines"
            said.append(f"the rent of {rented} at {requests:,} requests a month")
        elif self.served_a_month:
            said.append("a rented machine that is busy all the time: give volume.requests_per_month for yours")
        if not self.linear and self.cached_share:
            held = f"{100 * self.cached_share:.0f} % of the input came from the provider's cache in this run"
            if requests:
                said.append(f"{held}, reckoned for {requests:,} requests a month")
            else:
                anew = 1000 * (self.uncached_usd or 0.0) * (1 - self.batch_discount)
                said.append(f"{held}, one request straight after the other; ${anew:.2g} where requests are rare")
        if self.batch_discount:
            said.append(f"at the price of a batch API, {100 * self.batch_discount:.0f} % off")
        return "; ".join(said) or None

    def of(self, answer: Answer, requests: int | None) -> float | None:
        """Return what this answer costs in service: the mean over all answers is that of 1,000 requests, over 1,000."""
        usd, anew = answer.cost_usd, answer.uncached_usd
        if usd is None or anew is None:
            return None
        if not self.usd_per_hour:
            return RequestCost(usd, anew, batch_discount=self.batch_discount).each_usd(requests)
        whole = self.per_1k_usd(requests)
        return usd * whole / 1000 / self.usd if whole is not None and self.usd else usd


def base_role(role: str | None) -> str:
    """Return the role of a model as configured: tuned weights are asked under a name made of their base's role."""
    return (role or "").partition("+[")[0]
