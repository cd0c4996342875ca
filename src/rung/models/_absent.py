"""A model that only tuning asks and that cannot be opened: the climb goes on, and its rung says why and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rung.contracts import held_model
from rung.errors import MissingExtra, ModelError, NotOffered
from rung.models.settings import ProviderSettings
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
        return held_model(settings.provider, settings.connect)
    except (MissingExtra, ModelError) as error:
        if spared:
            return Absent(error)
        raise
