"""Which configured model is larger than which: for the question whether a larger one would get failed rows right."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rung.config import Config, asked_roles
from rung.models._settings import ProviderSettings, configured
from rung.models.prices import price_of

LARGE = "large"  # the role that says so by its name
NOT_CHATS = ("embedder",)
_BILLIONS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)


def larger_roles(config: Config) -> dict[str, str]:
    """Return, for each role that a rung asks, another configured role with a larger model, where one is known.

    Larger is the role that is called "large", else the one with the highest price a token above the role's own, else the
    one with the most parameters by its name ("Qwen3-4B"). Under a budget a model of unknown price is left aside.
    """
    known = {role: s for role, s in configured(config).items() if role not in NOT_CHATS}
    usable = {r: s for r, s in known.items() if config.limits.budget_usd is None or price_of(s).known}
    found = {}
    for role in asked_roles(config):
        others = {r: s for r, s in usable.items() if r != role}
        if role in known and (best := _larger_than(known[role], others)) is not None and role != LARGE:
            found[role] = best
    return found


def _larger_than(own: ProviderSettings, others: Mapping[str, ProviderSettings]) -> str | None:
    if LARGE in others:
        return LARGE
    for measure in (_price, _billions):
        mine = measure(own)
        larger = {r: size for r, s in others.items() if mine is not None and (size := measure(s)) is not None}
        larger = {r: size for r, size in larger.items() if mine is not None and size > mine}
        if larger:
            return max(larger, key=lambda r: (larger[r], r))
    return None


def _price(settings: ProviderSettings) -> float | None:
    """Return the dollars of a million tokens in and a million out; None where the price is not by token."""
    return price_of(settings).by_tokens(1_000_000, 1_000_000)


def _billions(settings: ProviderSettings) -> float | None:
    found = _BILLIONS.findall(settings.name)
    return float(found[-1]) if found else None
