"""Which models a climb asks: the roles that the settings of its rungs and metrics name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung import plugin
from rung.config.sections import Config

ROLE_SETTINGS: tuple[str, ...] = ("model", "judge", "reflection", "teacher", "embedder")


def asked_roles(config: Config) -> dict[str, tuple[str, ...]]:
    """Return every role that is asked, in order of first use, with what asks it ("the rung fewshot").

    A setting of a rung or metric that is called as one of ROLE_SETTINGS names a role, whether it is written in the file
    or the plugin's default; None names nothing.
    """
    found: dict[str, tuple[str, ...]] = {}
    for who, kind, name, settings in _users(config):
        for role in roles_of(kind, name, settings):
            found[role] = (*found.get(role, ()), who)
    if config.embedder is not None:
        found[config.embedder] = (*found.get(config.embedder, ()), "the section documents")
    return found


def roles_of(kind: str, name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles that one plugin with these settings asks."""
    cls = plugin.find(kind, name)
    if kind == "rungs" and not cls.asks_model:
        return ()
    fields = {key: field for key, field in cls.model_fields.items() if key in ROLE_SETTINGS}
    values = [settings.get(key, field.default) for key, field in fields.items()]
    return tuple(value for value in values if isinstance(value, str))


def _users(config: Config) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for step in config.ladder:
        yield f"the rung {step.label}", "rungs", step.rung, step.settings
    for metric in config.task.metrics:
        yield f"the metric {metric.name}", "metrics", metric.name, metric.settings
