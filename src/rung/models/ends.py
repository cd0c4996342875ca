"""When hosted models end: what rung.yaml says, else a table of what providers announced, each line with its source and the day on
which it was seen. Of a model that neither knows nothing is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from rung import plugins
from rung.config import Config
from rung.errors import RungError
from rung.models._post import headers_from_environment
from rung.models.listing import listed
from rung.models.openai import OpenAI
from rung.models.vendors import VENDORS

AHEAD = 30  # days before an end from which it is soon
TOLD_BY = ("shutdown_date", "expiration_date", "deprecation")  # in lists of models: OpenAI, OpenRouter, Mistral


@dataclass(frozen=True, slots=True)
class End:
    """`on`: the day from which the model is announced to answer no more. `source`: who says so."""

    role: str
    model: str
    on: date
    source: str

    @property
    def days(self) -> int:
        """Days from today; 0 or less: it has ended."""
        return (self.on - datetime.now(UTC).date()).days

    def soon(self, ahead: int = AHEAD) -> bool:
        """Whether it ends within so many days, or has."""
        return self.days <= ahead

    @property
    def sentence(self) -> str:
        """What is announced, by whom; the same on every day."""
        return f"{self.model} (models.{self.role}) is announced to end on {self.on.isoformat()} ({self.source})"

    @property
    def today(self) -> str:
        """The same with the days that are left."""
        left = f"in {self.days} days" if self.days > 1 else "tomorrow" if self.days == 1 else "which has come"
        return f"{self.sentence}, {left}"


def ends_of(models: Mapping[str, Mapping[str, Any]]) -> tuple[End, ...]:
    """Return the known ends of the entries under `models:`, by role and in their order. No plug-in is loaded for it."""
    return tuple(_ends(models))


def _ends(models: Mapping[str, Mapping[str, Any]]) -> Iterator[End]:
    for role, entry in models.items():
        name = str(entry.get("name"))
        if entry.get("retires") is not None:
            yield End(role, name, date.fromisoformat(str(entry["retires"])), "rung.yaml")
        elif (line := _table().get((_host(entry), _base(name)))) is not None:
            yield End(role, name, date.fromisoformat(line["on"]), f"{line['source']}, seen on {line['seen']}")


async def ends_told(config: Config, role: str) -> End | None:
    """Return the end that the endpoint of a model tells in its list of models; None where it tells none, or has no such list."""
    settings = behind_address(config, role)
    if settings is None or settings.retires is not None:
        return None
    try:
        models = await listed(settings.base_url.rstrip("/"), headers_from_environment(settings))
    except RungError:
        return None
    on = told_in(models.get(settings.name, {}))
    return None if on is None else End(role, settings.name, on, f"told by {_host(config.models[role])}")


def told_in(entry: Mapping[str, Any]) -> date | None:
    """Return the day on which a model ends, by its entry in a list of models."""
    for key in TOLD_BY:
        value = entry.get(key)
        try:
            if isinstance(value, str):
                return date.fromisoformat(value[:10])
        except ValueError:
            continue
    return None


def behind_address(config: Config, role: str) -> OpenAI | None:
    """Return the settings of a model behind a vendor's or another OpenAI-compatible address; None for any other."""
    options = {key: value for key, value in config.models[role].items() if key != "provider"}
    provider = config.models[role]["provider"]
    settings = plugins.make_at(config.root, "models", provider, options) if provider in VENDORS else None
    return settings if isinstance(settings, OpenAI) else None


def _host(entry: Mapping[str, Any]) -> str:
    vendor = VENDORS.get(str(entry.get("provider")))
    address = str(entry.get("base_url") or vendor.address) if vendor is not None else ""
    return (urlsplit(address).hostname or "").rstrip(".").lower()


def _base(name: str) -> str:
    """Return the model that a tuned one at OpenAI was tuned from, with which it ends; any other name as it is."""
    return name.split(":")[1] if name.startswith("ft:") and name.count(":") > 1 else name


@lru_cache(maxsize=1)
def _table() -> Mapping[tuple[str, str], Mapping[str, str]]:
    lines = map(json.loads, files("rung.models").joinpath("ends.jsonl").read_text(encoding="utf-8").splitlines())
    return {(line["host"], model): line for line in lines for model in line["models"]}
