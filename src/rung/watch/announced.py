"""What providers announce of the models that an approach asks: when they end, and what the measured requests cost by today's list price."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rung.config import Config
from rung.engine.stored import stored_config
from rung.models.ends import End, behind_address, ends_of, ends_told
from rung.models.prices import price_of
from rung.store.run import RunFolder
from rung.types import Result

SAME = 0.01  # of a price: less is none


@dataclass(frozen=True, slots=True)
class Repriced:
    """What 1,000 of the measured requests cost in dollars: when they were measured, and by today's list price (`source`)."""

    measured_usd: float
    today_usd: float
    source: str

    @property
    def moved(self) -> bool:
        """Whether the price is another one."""
        return abs(self.today_usd - self.measured_usd) > SAME * self.measured_usd


@dataclass(frozen=True, slots=True)
class Announced:
    """`ends`: of the models that the approach asked. `price`: None where it is not by a public table."""

    ends: tuple[End, ...]
    price: Repriced | None


def announced(run: RunFolder, label: str, *, ask: bool) -> Announced:
    """Return what is known of the models of an approach. `ask`: what their endpoints tell of an end goes before the table.

    Not inside an event loop where it asks.
    """
    config, result = stored_config(run), run.rung(label).measured()
    names = {c.model for o in result.outcomes if o.answer is not None for c in o.answer.calls}
    roles = [r for r, entry in config.models.items() if r == result.candidate.model or entry.get("name") in names]
    found = {end.role: end for end in ends_of(config.models) if end.role in roles}
    if ask:
        found |= {end.role: end for end in asyncio.run(_told(config, roles))}
    return Announced(tuple(found[role] for role in roles if role in found), repriced(config, result))


async def _told(config: Config, roles: list[str]) -> list[End]:
    told = await asyncio.gather(*(ends_told(config, role) for role in roles))
    return [end for end in told if end is not None]


def repriced(config: Config, result: Result) -> Repriced | None:
    """Return what the measured requests cost by today's public table; None where another price, or none, was theirs."""
    settings = behind_address(config, result.candidate.model) if result.candidate.model is not None else None
    answers = [o.answer for o in result.outcomes if o.answer is not None]
    price = price_of(settings) if settings is not None else None
    if price is None or price.basis != "table" or not answers:
        return None
    before = now = 0.0
    for call in (call for answer in answers for call in answer.calls):
        cached, written = (call.billed.cached or 0, call.billed.written or 0) if call.billed is not None else (0, 0)
        if call.cost_usd is None or call.price_note or call.input_tokens is None or call.output_tokens is None:
            return None
        usd = price.by_tokens(call.input_tokens, call.output_tokens, cached, written)
        if usd is None:
            return None
        before, now = before + call.cost_usd, now + usd
    return Repriced(1000 * before / len(answers), 1000 * now / len(answers), price.source)
