"""What a call costs: the user's own price, else the public table, else the share of a rented machine; else unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rung.errors import ConfigError, Problem
from rung.models._settings import ProviderSettings
from rung.plugin import require
from rung.types import Message

Basis = Literal["own", "table", "hour", "unknown"]


@dataclass(frozen=True, slots=True)
class Amount:
    """US dollars, or None with the reason. A known amount may carry a note that says how it was arrived at."""

    usd: float | None
    note: str | None


@dataclass(frozen=True)
class Price:
    """How the calls of one model are priced. `source` is a phrase for reports."""

    settings: ProviderSettings
    basis: Basis
    source: str
    table: Any = None  # the module `_price_table`, loaded only where it is needed

    @property
    def known(self) -> bool:
        return self.basis != "unknown"

    @property
    def free(self) -> bool:
        """Whether a call costs nothing for sure: the price is known, and it is zero."""
        own = (self.settings.input_usd_per_mtok, self.settings.output_usd_per_mtok, self.settings.usd_per_hour)
        return self.basis in ("own", "hour") and not any(own)

    def by_tokens(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return the dollars for so many tokens; None where the price is not by token or not known."""
        if self.basis == "own":
            settings = self.settings
            paid_in, paid_out = settings.input_usd_per_mtok or 0.0, settings.output_usd_per_mtok or 0.0
            return (input_tokens * paid_in + output_tokens * paid_out) / 1e6
        if self.basis == "table":
            usd: float | None = self.table.listed_usd(
                self.settings.price_url, self.settings.name, input_tokens, output_tokens
            )
            return usd
        return None

    def of_call(self, input_tokens: int | None, output_tokens: int | None, machine_s: float, upper: int) -> Amount:
        """Price one answered call.

        `machine_s`: its share of the time in which the model was busy; `upper`: the largest number of input tokens it
        can have had, used where the endpoint reports no usage (output then counts at most max_tokens).
        """
        if self.basis == "hour":
            return Amount(machine_s / 3600 * (self.settings.usd_per_hour or 0.0), None)
        if self.basis == "unknown":
            return Amount(None, self.source)
        if input_tokens is None or output_tokens is None:
            return Amount(
                self.by_tokens(upper, self.settings.max_tokens),
                "an upper bound: the endpoint reported no token counts",
            )
        return Amount(self.by_tokens(input_tokens, output_tokens), None)

    def worst_case(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return the most that one attempt can cost; None where the price is unknown."""
        if self.basis == "hour":
            return self.settings.timeout_s / 3600 * (self.settings.usd_per_hour or 0.0)
        return self.by_tokens(input_tokens, output_tokens)


def price_of(settings: ProviderSettings) -> Price:
    """Find out how a model's calls are priced."""
    if settings.input_usd_per_mtok is not None:
        return Price(settings, "own", "price given in the configuration")
    if settings.usd_per_hour is not None:
        return Price(settings, "hour", f"share of a machine at ${settings.usd_per_hour:g} an hour")
    if settings.price_url is None:
        return Price(settings, "unknown", f"no price is known for {settings.name}: {_OWN}")
    table = require("rung.models._price_table")
    if table.listed_usd(settings.price_url, settings.name, 1000, 1000) is None:
        return Price(settings, "unknown", f"no price table lists {settings.name} at {settings.price_url}: {_OWN}")
    return Price(settings, "table", table.source(), table)


_OWN = "set input_usd_per_mtok and output_usd_per_mtok, or usd_per_hour for a machine of yours"


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


def most_tokens(messages: Sequence[Message]) -> int:
    """Return a number of input tokens that no tokenizer in use exceeds: what a reservation is made for.

    Byte-level and byte-fallback vocabularies never need more tokens than UTF-8 bytes; 16 a message and 64 a request
    cover the chat template and its default system line.
    """
    return 64 + sum(16 + len(m.content.encode("utf-8", "surrogatepass")) for m in messages)
