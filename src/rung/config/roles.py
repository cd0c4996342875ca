"""Which models a climb asks: the roles that the settings of its rungs and metrics name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rung import plugins
from rung.config.sections import Config
from rung.config.steps import Step
from rung.errors import PluginError


def asked_roles(config: Config) -> dict[str, tuple[str, ...]]:
    """Return every role that is asked, in order of first use, with what asks it ("the rung fewshot").

    A rung's `asks` and a metric's `roles` name the settings that hold roles, written in the file or the plugin's default;
    None names nothing. A model that is tuned elsewhere is asked by its step once it is there.
    """
    found: dict[str, tuple[str, ...]] = {}
    awaited = {f"the approach {step.label}": role for step, role in awaited_steps(config)}
    for who, kind, name, settings in _users(config):
        for role in roles_of(kind, name, settings):
            if awaited.get(who) != role:
                found[role] = (*found.get(role, ()), who)
    if config.embedder is not None:
        found[config.embedder] = (*found.get(config.embedder, ()), "the section documents")
    return found


def roles_of(kind: str, name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles that one plugin with these settings asks: for answers, and for vectors."""
    if kind != "rungs":
        return _named(kind, name, settings, _of_metric(plugins.find(kind, name)))
    return (*_asked(name, settings), *_named(kind, name, settings, getattr(plugins.rung_type(name), "embeds", ())))


def _asked(name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles that an approach with these settings asks for answers."""
    return _named("rungs", name, settings, plugins.rung_type(name).asks)


def _named(kind: str, name: str, settings: Mapping[str, Any], declared: tuple[str, ...]) -> tuple[str, ...]:
    fields = {key: plugins.find(kind, name).model_fields[key] for key in declared}
    values = {key: settings.get(key, field.default) for key, field in fields.items()}
    if values.get("models"):
        values.pop("model", None)  # several are tried in its place
    listed = [(value,) if isinstance(value, str) else value or () for value in values.values()]
    return tuple(role for roles in listed for role in roles)


def answering_role(step: Step) -> str | None:
    """Return the role that answers at a step: the first that its rung declares; None where no model is asked."""
    return next(iter(_asked(step.rung, step.settings)), None)


def awaited_steps(config: Config) -> Iterator[tuple[Step, str]]:
    """Yield the steps whose model is tuned elsewhere and not configured yet, with its role."""
    for step in config.ladder:
        role = answering_role(step) if step.trained_elsewhere else None
        if role is not None and role not in config.models:
            yield step, role


def tuned_roles(config: Config) -> frozenset[str]:
    """Return the roles whose weights a step of the ladder changes here."""
    steps = [s for s in config.ladder if plugins.rung_type(s.rung).trains and not s.trained_elsewhere]
    return frozenset(role for step in steps if (role := answering_role(step)) is not None)


def answering_roles(step: Step) -> tuple[str, ...]:
    """Return every role that may answer at a step: several where models are candidates."""
    found = _asked(step.rung, step.settings)
    tried = step.settings.get("models") or ()
    return found[: 1 if isinstance(tried, str) else max(1, len(tried))]


def _of_metric(cls: type[Any]) -> tuple[str, ...]:
    """Return the settings of a metric that name roles: only a Judge has any. Raises PluginError for one that says none."""
    if not hasattr(cls, "assess"):
        return ()
    if not hasattr(cls, "roles"):
        raise PluginError(
            f"metrics plugin {cls.__name__} has `assess` and no `roles`: name the settings that hold model roles, such as "
            'roles: ClassVar[tuple[str, ...]] = ("judge",), or () where none is asked'
        )
    found: tuple[str, ...] = cls.roles
    return found


def _users(config: Config) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for step in config.ladder:
        yield f"the approach {step.label}", "rungs", step.rung, step.settings
    for metric in config.task.metrics:
        yield f"the metric {metric.name}", "metrics", metric.plugin, metric.settings
