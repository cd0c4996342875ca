"""The model roles of one climb: who is asked, on which weights, how many rows at once, and whether that costs money."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rung.errors import ConfigError, Problem
from rung.models.client import Client
from rung.models.prices import price_of
from rung.models.settings import ProviderSettings
from rung.models.tuned import Served, weights_in
from rung.store.tuned import TunedRecord
from rung.types import Candidate, Completion, Message, ModelCard, Request, Weights

ROWS_WITHOUT_MODEL = 8  # rows in flight for a rung that asks no model: nothing waits, so more would not help


@dataclass(frozen=True)
class Asker:
    """One model role as the kit sees it."""

    card: ModelCard
    ask: Callable[[Request], Awaitable[Completion]]
    count_tokens: Callable[[Sequence[Message]], int]
    concurrency: int
    free: bool  # no money changes hands: a budget cannot be hurt by asking
    settings: ProviderSettings | None = None
    client: Client | None = None  # None where nothing is asked: a plan
    tuned: Served | None = None  # tuned weights of this role


def askers(clients: Mapping[str, Client], folder: Path | None = None) -> dict[str, Asker]:
    """Return the roles of open clients. `folder`: the run folder, in which models may be tuned and served from."""
    return {
        role: Asker(
            client.card(role),
            client.ask,
            client.count_tokens,
            client.concurrency,
            client.free,
            client.settings,
            client,
            Served(client, TunedRecord(folder)) if folder is not None else None,
        )
        for role, client in clients.items()
    }


def _on_weights(asker: Asker, weights: Weights) -> Asker:
    """Return a role as it is asked on tuned weights. Raises IntegrityError when these are not what was kept."""
    if asker.tuned is None:
        raise ConfigError([Problem(f"models.{asker.card.role}", "tuned weights are served from a run folder only")])
    tuned = asker.tuned
    card = replace(asker.card, name=f"{asker.card.name} (tuned)", note=None)
    return replace(asker, card=card, ask=lambda request: tuned.ask(weights, request))


class Roles:
    """The roles that a climb asks, tuned weights among them. `judging`: those that its metrics ask."""

    def __init__(self, askers: Mapping[str, Asker], judging: Sequence[str]) -> None:
        self._askers = dict(askers)
        self._judging = judging

    def __getitem__(self, role: str) -> Asker:
        """Return who is asked in that role. Raises ConfigError for one that is not configured."""
        if role not in self._askers:
            named = weights_in(role)
            if named is not None:
                self._askers[role] = _on_weights(self[named[0]], named[1])
                return self._askers[role]
            known = ", ".join(self._askers) or "none"
            raise ConfigError(
                [Problem(f"models.{role}", "an approach asks for this model, but it is not configured", None, known)]
            )
        return self._askers[role]

    def concurrency(self, candidate: Candidate) -> int:
        """Rows worth working on at once: enough to keep the model busy, and the slowest judge behind it."""
        answering = self[candidate.model].concurrency if candidate.model is not None else ROWS_WITHOUT_MODEL
        return max([answering, *(self[role].concurrency for role in self._judging)])

    def free(self, candidate: Candidate) -> bool:
        """Whether answering and judging another row costs no money."""
        asked = [*self._judging, *([candidate.model] if candidate.model is not None else [])]
        return all(self[role].free for role in asked)

    def priced_by_token(self, candidate: Candidate) -> bool:
        """Whether answers that were stored without a price have one now: by token, since nobody timed a machine for them."""
        settings = self[candidate.model].settings if candidate.model is not None else None
        return settings is not None and price_of(settings).by_tokens(1, 1) is not None
