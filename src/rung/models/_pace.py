"""When the next request may start: rate limits, waits between attempts, and the clock they read."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
FIRST_FLOOR_S, LONGEST_FLOOR_S = 0.05, 5.0
MOST_ATTEMPTS = 100  # at one request, however short the times are that the provider names
LONGEST_ASKED_WAIT_S = 300.0  # one that asks for more, at once or in all, has no quota left: the row is resumed later


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the client sees it; tests hand in a clock of their own."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Rate:
    """Requests and tokens per minute, spread evenly: each request moves the earliest start of the next one on."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None, clock: Clock) -> None:
        self._request_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock = clock
        self._next = clock.now()

    @property
    def limited(self) -> bool:
        return bool(self._request_s or self._token_s)

    async def wait(self, tokens: int) -> None:
        """Wait for this request's turn; `tokens` is what it is expected to take."""
        now = self._clock.now()
        start = max(now, self._next)
        self._next = start + max(self._request_s, tokens * self._token_s)
        if start > now:
            await self._clock.sleep(start - now)

    def correct(self, expected_tokens: int, tokens: int) -> None:
        """Move the next start by the tokens that were expected and not used, or used and not expected."""
        self._next += (tokens - expected_tokens) * self._token_s


def wait_before(attempt: int, asked_s: float | None, draw: random.Random) -> float | None:
    """Return the seconds to wait before `attempt` (2 is the first retry); None when the provider asks for too long.

    Without a time named by the provider: jitter, uniform between a quarter of a ceiling and the ceiling, which doubles from
    0.5 s to 30 s (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). With one: that time, and up
    to a quarter of it (at most 5 s) more, so that all who were turned away do not come back together; but never less than
    a floor that doubles from 0.05 s to 5 s, whatever was named.
    """
    doubled = 2.0 ** min(attempt - 2, 10)
    if asked_s is None:
        ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * doubled)
        return draw.uniform(ceiling / 4, ceiling)
    if asked_s > LONGEST_ASKED_WAIT_S:
        return None
    return max(asked_s + draw.uniform(0.0, min(5.0, asked_s / 4)), min(LONGEST_FLOOR_S, FIRST_FLOOR_S * doubled))
