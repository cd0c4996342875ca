"""How many requests may be under way at once: as many as the endpoint can use, found out by how it answers.

Nobody tells how many requests a server works on; what is more waits there, and a request that waits long enough times out.
The search starts at what rung.yaml allows, so that an endpoint that takes it loses nothing:

- answers take more than twice as long as at the best: half as many are tried for a round, and kept where as many answers a
  second come, since the others only waited in line; else the old number stays, and is not doubted for many rounds;
- requests time out although others were answered meanwhile: only so many are left that a line of them lasts half the time;
- the endpoint turns a quarter of the requests of a round away (429, 503): half as many; a few are no matter of their number;
- quick answers round after round: a quarter more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from rung.models._pace import Clock

IN_LINE = 2.0  # times the best latency from which on requests seem to wait in line
ENOUGH = 0.8  # share of the answers a second that must remain for fewer requests under way to be as good
QUICK = 1.5  # times the best latency up to which nothing seems to wait
FEWEST = 8  # answers in a round: fewer tell little about a rate
SURE = 16  # rounds for which a number is not doubted after fewer proved worse; doubled each time
TURNED = 4  # one of so many requests turned away means that there are too many
CEILING = 32  # rounds for which a number is not tried again that the endpoint turned away


@dataclass(frozen=True, slots=True)
class Place:
    """One request under way: when it was sent, in which trial, and how many answers had come before."""

    began: float
    trial: int
    answers: int


class Slots:
    """Places for requests under way, first come, first served. `adapts`: False keeps to `most`, for models in this process."""

    def __init__(self, most: int, clock: Clock, *, adapts: bool) -> None:
        self.limit = most
        self._most = most
        self._clock = clock
        self._adapts = adapts
        self._under_way = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._answers = 0
        self._trial = 0
        self._best: float | None = None  # the lowest mean latency of a round, or the first answer's
        self._before: tuple[int, float] | None = (
            None  # while fewer are tried: how many there were, and answers a second
        )
        self._sure = self._patience = 0
        self._ceiling, self._closed = most, 0  # no more than this for so many rounds
        self._since: float | None = None  # the round: since when, answers, seconds of their latencies, always full
        self._count, self._seconds, self._full = 0, 0.0, True
        self._turned = 0  # requests of this round that the endpoint had no place for

    async def enter(self) -> None:
        """Wait for a place. Pair it with `leave`."""
        if self._under_way < self.limit and not self._line:
            self._under_way += 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.leave()  # it had its place already
            else:
                mine.cancel()
            raise

    def leave(self) -> None:
        """Give a place on to whoever waits."""
        self._under_way -= 1
        self._admit()

    def _admit(self) -> None:
        while self._line and self._under_way < self.limit:
            first = self._line.popleft()
            if not first.done():
                self._under_way += 1
                first.set_result(None)

    def sent(self) -> Place:
        """Note that a request is sent now."""
        return Place(self._clock.now(), self._trial, self._answers)

    def answered(self, place: Place) -> None:
        """Note the answer to a request, and judge the round where it ends."""
        self._answers += 1
        if not self._adapts or place.trial != self._trial:
            return
        now = self._clock.now()
        took = now - place.began
        if self._best is None:
            self._best = took
        if (
            self._since is None
        ):  # the first of a trial only starts the clock: what came before was sent under another number
            self._since, self._count, self._seconds, self._full = now, 0, 0.0, True
            return
        self._count += 1
        self._seconds += took
        self._full = self._full and self._under_way >= self.limit
        if self._count >= max(self.limit, FEWEST) and now > self._since:
            self._judge(self._count / (now - self._since), self._seconds / self._count)
            if self._since is not None:  # the same number goes on: its next round starts here
                self._since, self._count, self._seconds, self._full, self._turned = now, 0, 0.0, True, 0

    def timed_out(self, place: Place) -> bool:
        """Note that a request got no answer in time; return whether our own line in front of it is to blame."""
        if not self._adapts:
            return False
        meanwhile = self._answers - place.answers
        fitting = max(1, meanwhile // 2)
        if not meanwhile or (fitting >= self.limit and place.trial == self._trial):
            return False  # nobody was answered, or the line was short: the endpoint itself is slow or silent
        if fitting < self.limit:
            self._set(fitting)
        return True

    def turned_away(self, place: Place) -> None:
        """Note that the endpoint refused a request because there are too many."""
        if not self._adapts or place.trial != self._trial or self.limit == 1:
            return
        self._turned += 1
        if TURNED * self._turned >= max(self.limit, FEWEST):
            self._ceiling, self._closed = self.limit - 1, CEILING
            self._set(self.limit // 2)

    def _judge(self, rate: float, mean: float) -> None:
        """Decide after a round how many may be under way from now on."""
        if not self._full:
            return  # there was not enough to do: nothing is learned from it
        best = self._best = min(mean, self._best if self._best is not None else mean)
        self._closed -= self._closed > 0
        if self._before is not None:
            many, before = self._before
            self._before = None
            if rate < ENOUGH * before:
                self._patience = 2 * self._patience or SURE
                self._sure = self._patience
                self._best = mean  # so long does an answer take here, without any line
                self._set(many)
                return
        self._sure -= self._sure > 0
        if mean > IN_LINE * best and self.limit > 1 and not self._sure:
            before_s = (self.limit, rate)
            self._set(self.limit // 2)
            self._before = before_s
        elif mean < QUICK * best and self.limit < (self._ceiling if self._closed else self._most):
            self._set(min(self.limit + max(1, self.limit // 4), self._ceiling if self._closed else self._most))

    def _set(self, limit: int) -> None:
        """Start a trial of another number."""
        self.limit, self._before = max(1, limit), None
        self._trial += 1
        self._since, self._turned = None, 0
        self._admit()
