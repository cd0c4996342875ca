"""What of a configuration steers a climb: what may change between two sessions of one run folder is left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NOT_STEERING: tuple[str, ...] = (  # settings of a model that change no answer
    *("concurrency", "timeout_s", "attempts", "requests_per_minute", "tokens_per_minute", "api_key_env", "headers_env"),
    *("note", "texts_a_request", "retires"),
)
PRICES: tuple[str, ...] = ("input_usd_per_mtok", "output_usd_per_mtok", "usd_per_hour", "price")
TOLD_COST = "cost_usd"  # of a step: what tuning elsewhere cost, which is known for sure afterwards
COSTS: tuple[str, ...] = ("limits.cost_per_1k_usd", "volume.requests_per_month")


def steering(path: str, costs: bool = False) -> bool:
    """Whether a change at this path of a configuration, as in "models.main.name", may change an answer or what is made of it.

    `costs`: costs choose among models.
    """
    section, _, rest = path.partition(".")
    if section == "models":
        key = rest.partition(".")[2].partition(".")[0]
        return key not in NOT_STEERING and (costs or key not in PRICES)
    return (costs and path in COSTS) or (
        section not in ("limits", "volume", "serve", "robustness") and path != "documents.store"
    )


def steers_of(plain: dict[str, Any], cost: Iterable[float | None] | None) -> dict[str, Any]:
    """Return what steers, of a configuration as plain data, which is changed.

    `cost`: what else decides on costs, where these choose among models; None: they choose nothing, and prices may change.
    """
    for step in plain["ladder"]:
        step["settings"].pop(TOLD_COST, None)
    if plain["documents"] is not None:
        del plain["documents"]["store"]  # where the index lies changes no answer
    if cost is not None:
        plain["cost"] = list(cost)
    for settings in plain["models"].values():
        for key in NOT_STEERING if cost is not None else (*NOT_STEERING, *PRICES):
            settings.pop(key, None)
    return plain
