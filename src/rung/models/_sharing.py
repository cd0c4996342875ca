"""What a run takes from its project: answers to equal requests that another run has paid for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rung.embedding import is_embedding
from rung.models.prices import Price
from rung.store.cache import AnswerCache
from rung.store.project import NotKept, ProjectCache
from rung.types import Completion, Request

LONGEST_WAIT_S = 60.0  # for an answer that another session is asking for; then it is asked here, too
_LOOK_S = 0.03


class Sharing:
    """The answers that one model's client took in this session."""

    def __init__(self, cache: AnswerCache, role: str, price: Price) -> None:
        self._cache, self._role, self._price = cache, role, price
        self._usd: list[float | None] = []

    async def take(self, key: bytes, request: Request) -> Completion | None:
        """Return the answer that another run paid for, once this run's folder holds it too; None where there is none.

        It keeps what it cost; where its price was unknown then and is known now, it is priced by its tokens.
        """
        found = await self._found(key)
        if found is None:
            return None
        if found.cost_usd is None:
            received = 0 if is_embedding(request) else len(found.text) + found.thought
            tokens, bound = (found.input_tokens, found.output_tokens), self._price.settings.bound(request)
            cost = self._price.of_call(tokens, bound, machine_s=found.latency_s or 0.0, received=received)
            found = replace(found, cost_usd=cost.usd, price_note=cost.note)
        await self._cache.put(key, self._role, found, "taken")
        self._usd.append(found.cost_usd)
        return found

    async def _found(self, key: bytes) -> Completion | None:
        """Return the answer, waiting for it while another session is asking for just that; else it is ours to ask."""
        until = time.monotonic() + LONGEST_WAIT_S
        while (found := self._cache.elsewhere(key)) is None and self._cache.project is not None:
            if self._cache.project.claim(key) or time.monotonic() > until:
                return self._cache.elsewhere(key)  # it may have come just before the claim
            await asyncio.sleep(_LOOK_S)
        return found

    def done(self, key: bytes) -> None:
        """Give back what `take` left to us to ask: it is answered, or cannot be."""
        if self._cache.project is not None:
            self._cache.project.release(key)

    def tell(self, say: Callable[[str], None]) -> None:
        """Say how many answers were taken, and how to ask anew."""
        if not self._usd or self._cache.project is None:
            return
        known = [usd for usd in self._usd if usd is not None]
        cost = f"they had cost ${sum(known):.4f}" if len(known) == len(self._usd) else "what they had cost is not known"
        what = "1 answer was" if len(self._usd) == 1 else f"{len(self._usd):,} answers were"
        say(
            f"models.{self._role}: {what} taken from what the project had paid for before ({self._cache.project.path}; {cost}); "
            "move that file away to ask anew"
        )


def shared_by(project: Path, alone: bool, say: Callable[[str], None]) -> ProjectCache | None:
    """Open what the runs of a project share; where its folder cannot be written, say so and go on without."""
    try:
        return ProjectCache.open(project, durable=alone)
    except NotKept as error:
        say(f"later runs will pay again for what this one asks: {error}")
        return None
