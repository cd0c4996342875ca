"""Tuned models in service: asked through the client of their base, under a name that holds all that opens them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import cast

from rung.errors import Interrupted
from rung.models.client import Client
from rung.models.settings import ProviderSettings
from rung.protocols import Tunable
from rung.store.tuned import TunedRecord
from rung.types import Completion, Request, Weights

OPEN_AT_ONCE = 2  # tuned models of one role held in memory


@dataclass
class Served:
    """The tuned models of one role, opened when asked; the longest unasked one is closed when another is wanted."""

    client: Client
    weights: TunedRecord
    repeat: int = 0  # asks everything again on purpose, as in `Request.repeat`
    _open: dict[str, Client] = field(default_factory=dict)
    _busy: dict[str, int] = field(default_factory=dict)

    async def ask(self, weights: Weights, request: Request) -> Completion:
        await self._close_others(weights.path)
        client = self.opened(weights)
        self._busy[weights.path] = self._busy.get(weights.path, 0) + 1
        try:
            return await client.ask(replace(request, repeat=self.repeat) if self.repeat else request)
        finally:
            self._busy[weights.path] -= 1

    def opened(self, weights: Weights) -> Client:
        client = self._open.pop(weights.path, None)
        if client is None:
            client = self._lent(weights)
        self._open[weights.path] = client  # last in the dict: asked last
        return client

    def _lent(self, weights: Weights) -> Client:
        """Open tuned weights from a folder that goes when the client is closed: a provider is a plug-in, and learns of no run folder."""
        settings = self.client.settings
        assert isinstance(settings, Tunable)  # or nothing would have been tuned
        with ExitStack() as lent:
            try:
                folder = lent.enter_context(self.weights.copied(weights))
            except OSError as error:
                raise Interrupted(
                    f"the tuned weights {weights.path} could not be copied to where they are opened ({error.strerror or error}); "
                    "free some space and run the same command again: what was measured is kept"
                ) from error
            client = self.client.beside(cast(ProviderSettings, settings.with_weights(folder)))
            client.ends.push(lent.pop_all())
        return client

    async def _close_others(self, path: str) -> None:
        idle = [p for p in self._open if p != path and not self._busy.get(p)]
        while idle and len(self._open) >= OPEN_AT_ONCE and path not in self._open:
            await self.client.release(self._open.pop(idle.pop(0)))


def tuned_role(role: str, weights: Weights) -> str:
    """Return the name under which tuned weights are asked: it holds all that is needed to open them."""
    return f"{role}+{json.dumps([weights.path, weights.sha256, weights.form])}"


def weights_in(role: str) -> tuple[str, Weights] | None:
    """Return base role and weights of a name that `tuned_role` made; None for a configured role."""
    base, plus, rest = role.partition("+[")
    if not plus:
        return None
    path, sha256, form = json.loads(f"[{rest}")
    return base, Weights(path, sha256, form)
