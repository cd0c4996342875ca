"""Requests given up in a row: rows in trouble of their own, or an endpoint that is down.

What was given up is only believed once another request got its answer: then a row without an answer is kept as such, so
that the same command does not ask it again, and the others are known as given up before. Without an answer between, so
many in a row mean that the endpoint is down, and nothing of it is kept. Requests that an earlier session gave up say
nothing about the endpoint of today, and are not counted.
"""

from __future__ import annotations

from rung.store.cache import AnswerCache
from rung.types import Completion

ROWS_UNTIL_OUTAGE = 10  # rows given up in a row, without an answer between, that mean the endpoint is down
_KIND = "given up"


class GivenUp:
    """What one role gave up since its last answer."""

    def __init__(self, cache: AnswerCache, role: str, concurrency: int) -> None:
        self._cache = cache
        self._role = role
        self._most = max(ROWS_UNTIL_OUTAGE, concurrency)
        self._before = frozenset(cache.noted(_KIND))
        self._waiting: dict[bytes, Completion | None] = {}  # since the last answer
        self._believed: dict[bytes, Completion | None] = {}  # before it, and not stored yet
        self.in_a_row = 0

    def add(self, key: bytes, instead: Completion | None = None) -> bool:
        """Note a request given up; return whether the endpoint must be taken to be down.

        `instead`: what is stored in the place of its answer; None: it is asked again by the next session.
        """
        self.in_a_row += key not in self._before
        if self.in_a_row >= self._most:
            self._waiting.clear()
            return True
        self._waiting[key] = instead
        return False

    def answered(self) -> None:
        """Note that another request has just got its answer: what was given up before it is believed."""
        self.in_a_row = 0
        self._believed |= self._waiting
        self._waiting.clear()

    async def keep(self, *, all_of_it: bool = False) -> None:
        """Store what is believed; at the end of a session `all_of_it`, since the endpoint was not taken to be down."""
        if all_of_it:
            self.answered()
        if not self._believed:
            return
        believed, self._believed = self._believed, {}
        for key, instead in believed.items():
            if instead is not None:
                await self._cache.put(key, self._role, instead, "instead")
        await self._cache.note(_KIND, {key: "" for key, instead in believed.items() if instead is None})
