"""What a model costs, as `price:` in rung.yaml states it: by token with its parts, or by the time of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rung.types import Service

TOKEN_PARTS = ("input", "output", "cached_input", "cache_write")
TIME_PARTS = ("per_hour", "per_minute")
MOST_USD = 1e6  # a dollar a token, a machine of a million dollars an hour: nobody asks for as much


def believable(usd: float | None) -> float | None:
    """Raise ValueError for what can be no price: under a cap it would stop the first request, without one make every sum absurd."""
    if usd is not None and usd > MOST_USD:
        raise ValueError(
            f"is ${usd:g}, which nobody asks for: prices are US dollars for a million tokens (1,000 answers, an hour of a machine), "
            f"at most {MOST_USD:,.0f}"
        )
    return usd


class PriceParts(BaseModel):
    """A price in US dollars: of a million tokens by kind, or of a machine by the hour or the minute.

    `cached_input` and `cache_write` default to the price of input. Raises ValidationError in one sentence for a negative
    part, one that lacks its counterpart, or two prices at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    input: float | None = Field(None, ge=0, description="a million input tokens")
    output: float | None = Field(None, ge=0, description="a million output tokens, reasoning included")
    cached_input: float | None = Field(None, ge=0, description="a million input tokens read from the provider's cache")
    cache_write: float | None = Field(None, ge=0, description="a million input tokens written to the provider's cache")
    batch_discount: float = Field(
        0.0, ge=0, lt=1, description="share off the price of tokens where the feature is served by a batch API: 0.5"
    )
    per_hour: float | None = Field(None, ge=0, description="the machine that serves the model, an hour")
    per_minute: float | None = Field(None, ge=0, description="the same by the minute")

    _believable = field_validator(*TOKEN_PARTS, *TIME_PARTS)(believable)

    @model_validator(mode="after")
    def _whole(self) -> PriceParts:
        tokens = [part for part in TOKEN_PARTS if getattr(self, part) is not None]
        times = [part for part in TIME_PARTS if getattr(self, part) is not None]
        missing = [part for part in ("input", "output") if getattr(self, part) is None]
        if not tokens and not times and not self.batch_discount:
            raise ValueError(
                "names no part of a price; give input and output (US dollars a million tokens) or per_hour"
            )
        if tokens and times:
            raise ValueError(f"gives a price by token ({', '.join(tokens)}) and by time ({', '.join(times)}); give one")
        if len(times) > 1:
            raise ValueError("gives per_hour and per_minute; give one of them")
        if tokens and missing:
            raise ValueError(
                f"lacks {' and '.join(missing)}: beside {', '.join(tokens)} give input and output, in US dollars a million tokens"
            )
        if times and self.batch_discount:
            raise ValueError("gives batch_discount beside a price by time; it takes a share off the price of tokens")
        return self

    @property
    def by_token(self) -> bool:
        return self.input is not None

    @property
    def hourly(self) -> float | None:
        """Dollars an hour of the machine; None where the price is not by time."""
        return 60 * self.per_minute if self.per_minute is not None else self.per_hour

    @property
    def dearest_input(self) -> float:
        """The most that a million input tokens can cost, written to a cache or not."""
        return max(self.input or 0.0, self.cache_write or 0.0, self.cached_input or 0.0)

    def tokens_usd(self, input_tokens: int, output_tokens: int, cached: int = 0, written: int = 0) -> float:
        """Return the dollars for so many tokens; `cached` and `written` are part of `input_tokens`."""
        plain = self.input or 0.0
        read = plain if self.cached_input is None else self.cached_input
        write = plain if self.cache_write is None else self.cache_write
        fresh = input_tokens - cached - written
        return (fresh * plain + cached * read + written * write + output_tokens * (self.output or 0.0)) / 1e6


def stated(entry: Mapping[str, Any]) -> PriceParts | None:
    """Return the `price` of an entry under `models:`; None where it states none."""
    price = entry.get("price")
    return None if price is None else PriceParts.model_validate(price)


def rent_of(entry: Mapping[str, Any]) -> float | None:
    """Return the dollars an hour of the machine that an entry's model runs on; None where it is not priced by time."""
    parts = stated(entry)
    rent = entry.get("usd_per_hour") if parts is None else parts.hourly
    return float(rent) if rent else None


def service_of(models: Mapping[str, Mapping[str, Any]], requests_per_month: int | None) -> Service:
    """Return how the feature is used: its volume, and by role what machines cost and what a batch API takes off."""
    rents = {role: rent for role, entry in models.items() if (rent := rent_of(entry))}
    parts = {role: found for role, entry in models.items() if (found := stated(entry))}
    discounts = {role: found.batch_discount for role, found in parts.items() if found.batch_discount}
    return Service(requests_per_month, rents, discounts)
