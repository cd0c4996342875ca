"""What a client counts: answers, attempts, tokens, money, and the time of a machine that calls share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rung.models._pace import Clock
from rung.types import Completion


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client did since it was opened.

    `usd` sums the answers with a known price, `unpriced` counts the others. `attempts` counts requests that ended,
    `retries` those after a first attempt, `given_up` requests without an answer after all attempts, `lost_usd` the
    most that attempts without an answer may have cost (`broken_off` of them ended by us), `in_flight` the most requests
    under way at once.
    """

    answers: int = 0
    cached: int = 0
    attempts: int = 0
    retries: int = 0
    given_up: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    lost_usd: float = 0.0
    in_flight: int = 0
    broken_off: int = 0

    def with_answer(self, c: Completion) -> Usage:
        return Usage(  # not by `replace`, which takes five times as long, for every answer
            self.answers + 1,
            self.cached,
            self.attempts + 1,
            self.retries + (c.attempts > 1),
            self.given_up,
            self.input_tokens + (c.input_tokens or 0),
            self.output_tokens + (c.output_tokens or 0),
            self.usd + (c.cost_usd or 0.0),
            self.unpriced + (c.cost_usd is None),
            self.lost_usd,
            self.in_flight,
            self.broken_off,
        )

    def with_loss(self, usd: float, attempt: int, *, by_us: bool = False) -> Usage:
        return replace(
            self,
            attempts=self.attempts + 1,
            retries=self.retries + (attempt > 1),
            lost_usd=self.lost_usd + usd,
            broken_off=self.broken_off + by_us,
        )


class Tally:
    """A count that several hands add to."""

    def __init__(self) -> None:
        self.usage = Usage()

    def more(self, *, cached: int = 0, retries: int = 0, given_up: int = 0) -> None:
        u = self.usage
        self.usage = replace(u, cached=u.cached + cached, retries=u.retries + retries, given_up=u.given_up + given_up)


class Machine:
    """Seconds of a machine that all calls under way share: `seconds` grows by 1/n a second while there are n."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.now()
        self.seconds = 0.0
        self.under_way = 0
        self.most_under_way = 0

    def tick(self, change: int) -> None:
        """Move the clock on, then note that a call started (+1) or ended (-1)."""
        now = self._clock.now()
        if self.under_way:
            self.seconds += (now - self._at) / self.under_way
        self._at = now
        self.under_way += change
        self.most_under_way = max(self.most_under_way, self.under_way)
