"""What a call costs: the user's own price, else the share of a rented machine, else the public table; else unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rung.config.price import PriceParts
from rung.errors import ConfigError, Problem
from rung.models.settings import ProviderSettings, StoredSettings
from rung.models.tokens import Bound
from rung.models.tokens import most_tokens as most_tokens  # for those who plan
from rung.plugins import require
from rung.types import Billed

UNTOLD = "an upper bound: the endpoint reported no token counts"
_USUAL, _LONGEST = 4, 8  # characters a token, on average: of English, and more than any text in use has

Basis = Literal["own", "table", "hour", "unknown"]


@dataclass(frozen=True, slots=True)
class Amount:
    """US dollars, or None with the reason. A known amount may carry a note that says how it was arrived at.

    `uncached_usd`: what the call would have cost with nothing in the provider's cache; None: the same.
    """

    usd: float | None
    note: str | None
    uncached_usd: float | None = None


@dataclass(frozen=True)
class Price:
    """How the calls of one model are priced. `source` is a phrase for reports."""

    settings: ProviderSettings
    basis: Basis
    source: str
    parts: PriceParts | None = None
    table: Any = None  # the module `_price_table`, loaded only where it is needed

    @property
    def known(self) -> bool:
        return self.basis != "unknown"

    @property
    def free(self) -> bool:
        """Whether a call costs nothing for sure: the price is known, and it is zero."""
        parts = self.parts
        return parts is not None and not (parts.dearest_input or parts.output or parts.hourly)

    def by_tokens(self, input_tokens: int, output_tokens: int, cached: int = 0, written: int = 0) -> float | None:
        """Return the dollars for so many tokens; None where the price is not by token or not known.

        `cached` and `written`: those of the input tokens that were read from, or written to, the provider's cache.
        """
        if self.basis == "own" and self.parts is not None:
            return self.parts.tokens_usd(input_tokens, output_tokens, cached, written)
        if self.basis == "table":
            usd: float | None = self.table.listed_usd(
                self.settings.price_url, self.settings.name, input_tokens, output_tokens, cached, written
            )
            return usd
        return None

    def of_call(
        self,
        tokens: tuple[int | None, int | None],
        bound: Bound,
        *,
        machine_s: float = 0.0,
        received: int = 0,
        billed: Billed | None = None,
    ) -> Amount:
        """Price one answered call from above where the endpoint did not tell its tokens.

        `tokens`: input and output as reported; `machine_s`: the call's share of the time in which the model was busy;
        `received`: characters that came back, counted where they are more than the longest answer can have had;
        `billed`: which of the input tokens the provider's cache held, where the endpoint told.
        """
        if self.basis == "hour":
            return Amount(machine_s / 3600 * self._hourly, None)
        if self.basis == "unknown":
            return Amount(None, self.source)
        tokens_in, tokens_out = tokens
        if tokens_in is not None and tokens_out is not None:
            return self._told(tokens_in, tokens_out, billed)
        if broke_its_length(received, bound):
            return Amount(
                self._dearest(bound.input_tokens, received), f"{UNTOLD}, and the answer is longer than allowed"
            )
        return Amount(self._dearest(bound.input_tokens, max(bound.output_tokens, received // _USUAL)), UNTOLD)

    def worst_case(self, bound: Bound) -> float | None:
        """Return the most that one attempt can cost, nothing in the cache; None where the price is unknown."""
        if self.basis == "hour":
            return self.settings.timeout_s / 3600 * self._hourly
        return self._dearest(bound.input_tokens, bound.output_tokens)

    @property
    def _hourly(self) -> float:
        return (self.parts.hourly if self.parts is not None else None) or 0.0

    def _told(self, tokens_in: int, tokens_out: int, billed: Billed | None) -> Amount:
        if billed is None or not (billed.cached or billed.written):
            return Amount(self.by_tokens(tokens_in, tokens_out), None)
        cached, written = billed.cached or 0, billed.written or 0
        # A provider that charges for writing writes what it did not find; one that caches unasked charges plain input.
        anew = self.by_tokens(tokens_in, tokens_out, 0, cached + written if written else 0)
        return Amount(self.by_tokens(tokens_in, tokens_out, cached, written), None, anew)

    def _dearest(self, tokens_in: int, tokens_out: int) -> float | None:
        """Return the dollars for so many tokens, all of the input at whichever of its prices is the highest."""
        ways = ((0, 0), (tokens_in, 0), (0, tokens_in))  # nothing in the cache, all read from it, all written to it
        prices = [self.by_tokens(tokens_in, tokens_out, *way) for way in ways]
        return None if None in prices else max(usd for usd in prices if usd is not None)


def broke_its_length(received: int, bound: Bound) -> bool:
    """Whether so many characters cannot be an answer of the longest length that was asked for."""
    return received > _LONGEST * bound.output_tokens


def parts_of(settings: ProviderSettings) -> PriceParts | None:
    """Return the price that the configuration gives, whichever way it is written; None: it gives none, at most a discount."""
    own, price = (settings.input_usd_per_mtok, settings.output_usd_per_mtok), settings.price
    if price is not None:
        return price if price.by_token or price.hourly is not None else None
    if own[0] is not None:
        return PriceParts(input=own[0], output=own[1])
    return PriceParts(per_hour=settings.usd_per_hour) if settings.usd_per_hour is not None else None


def rent_of(settings: ProviderSettings | None) -> float | None:
    """Return the dollars an hour of the machine that serves a model; None where the price is not by time, or unknown."""
    parts = parts_of(settings) if settings is not None else None
    return parts.hourly if parts is not None else None


def price_of(settings: ProviderSettings) -> Price:
    """Find out how a model's calls are priced."""
    if isinstance(settings, StoredSettings):
        return Price(
            settings, "own", "stored answers: nothing is asked, nothing is spent", PriceParts(input=0.0, output=0.0)
        )
    parts = parts_of(settings)
    if parts is not None and parts.by_token:
        return Price(settings, "own", "price given in the configuration", parts)
    if parts is not None:
        return Price(settings, "hour", f"share of a machine at ${parts.hourly:g} an hour", parts)
    if settings.price_url is None:
        return Price(settings, "unknown", f"no price is known for {settings.name}: {_OWN}")
    table = require("rung.models._price_table")
    if table.listed_usd(settings.price_url, settings.name, 1000, 1000) is None:
        return Price(settings, "unknown", f"no price table lists {settings.name} at {settings.price_url}: {_OWN}")
    return Price(settings, "table", table.source(), None, table)


_OWN = "set price: {input: ..., output: ...} in US dollars a million tokens, or price: {per_hour: ...} for a machine of yours"


def check_priced(settings: ProviderSettings, path: str = "models.main") -> Problem | None:
    """Return the configuration problem of a model that a budget cannot cover; None where its price is known."""
    price = price_of(settings)
    if price.known:
        return None
    return Problem(path, f"limits.budget_usd is set, but {price.source}; or remove the budget")


def check_budget(limit_usd: float | None, settings: Mapping[str, ProviderSettings]) -> None:
    """Raise ConfigError naming every model (by role) whose unknown price a budget cannot cover."""
    found = [check_priced(s, f"models.{role}") for role, s in settings.items()] if limit_usd is not None else []
    problems = [p for p in found if p is not None]
    if problems:
        raise ConfigError(problems)
