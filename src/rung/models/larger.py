"""Which configured model is larger than which: for the question whether a larger one would get failed rows right."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from rung.config import Config, asked_roles
from rung.config.roles import roles_of
from rung.models.prices import price_of
from rung.models.settings import ProviderSettings, configured

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


def untried_beside(config: Config, asked: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return, for each role that answers, the configured ones that no step asks and that are not known to be smaller."""
    known = {role: s for role, s in configured(config).items() if role not in (*NOT_CHATS, config.embedder)}
    judging = {role for m in config.task.metrics for role in roles_of("metrics", m.plugin, m.settings)}
    rest = {role: s for role, s in known.items() if role not in (*asked, *judging)}
    return {
        own: tuple(role for role, s in rest.items() if _larger_than(s, {own: known[own]}) is None)
        for own in asked
        if own in known
    }


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
