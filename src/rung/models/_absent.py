"""A model that only tuning asks and that cannot be opened: the climb goes on, and its rung says why and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung import plugin
from rung.config import Config
from rung.config.roles import roles_of
from rung.errors import MissingExtra, ModelError, NotOffered
from rung.models._settings import ProviderSettings
from rung.protocols import Model
from rung.types import Completion, Message, Request


@dataclass(frozen=True)
class Absent:
    """Stands where the model would; says what kept it from being opened when it is asked."""

    error: MissingExtra | ModelError

    async def complete(self, request: Request) -> Completion:
        raise NotOffered(str(self.error)) from self.error

    def count_tokens(self, messages: Sequence[Message]) -> int:
        raise NotOffered(str(self.error)) from self.error

    async def close(self) -> None:
        return None


def connected(settings: ProviderSettings, spared: bool) -> Model:
    """Open a model; where it is `spared`, what keeps it from opening (packages, files, template) is told later."""
    try:
        return settings.connect()
    except (MissingExtra, ModelError) as error:
        if spared:
            return Absent(error)
        raise


def asked_by_tuning_alone(config: Config) -> frozenset[str]:
    """Return the roles that no rung asks but those that change weights, and nothing else."""
    tuned: set[str] = set()
    others = {config.embedder}
    for step in config.ladder:
        roles = roles_of("rungs", step.rung, step.settings)
        (tuned if plugin.find("rungs", step.rung).trains else others).update(roles)
    for metric in config.task.metrics:
        others.update(roles_of("metrics", metric.name, metric.settings))
    return frozenset(tuned - others)
