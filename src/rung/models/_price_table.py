"""The public price table: the package `genai-prices`, whose data file travels with it. Nothing is fetched."""

from __future__ import annotations

from functools import lru_cache

import genai_prices


@lru_cache(maxsize=65536)
def listed_usd(
    url: str, name: str, input_tokens: int, output_tokens: int, cached: int = 0, written: int = 0
) -> float | None:
    """Return the list price of one request in US dollars; None for a model that the table does not hold.

    Prices are computed per request because some models cost more above a request size. `cached` and `written` are the
    input tokens read from and written to the provider's cache; where the table has no price of them, they cost plain input.
    """
    usage = genai_prices.Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached, cache_write_tokens=written
    )
    try:
        return float(genai_prices.calc_price(usage, name, provider_api_url=url).total_price)
    except LookupError:
        return None


def source() -> str:
    """Return where the prices come from."""
    return f"list price, genai-prices {genai_prices.__version__}"
