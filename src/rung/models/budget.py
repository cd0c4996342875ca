"""A hard cap on money: the worst case is set aside before a call, the true cost booked after it."""

from __future__ import annotations

import asyncio
from collections import deque

from rung.errors import BudgetSpent


class Budget:
    """One cap for a whole climb, shared by all its models; use it from one event loop.

    `spent` starts with what earlier runs of the same folder spent. A reservation waits while money set aside for
    calls in flight may come back, so the sum of what is spent and set aside never exceeds the limit. It fails only when no
    call is in flight: whoever ends the climb by it throws no answer away that is on its way and will be paid.
    """

    def __init__(self, limit_usd: float | None = None, *, spent_usd: float = 0.0) -> None:
        self._limit = limit_usd
        self._spent = spent_usd
        self._reserved = 0.0
        self._calls_out = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit_usd(self) -> float | None:
        return self._limit

    @property
    def spent_usd(self) -> float:
        """Booked so far, earlier runs included."""
        return self._spent

    @property
    def reserved_usd(self) -> float:
        """Set aside for calls in flight."""
        return self._reserved

    async def reserve(self, usd: float) -> None:
        """Set aside the worst case of one call; pair every reservation with one `settle`.

        Raises BudgetSpent when the limit cannot hold it, once no call is in flight any more.
        """
        while self._limit is not None:
            # With no call out, a remainder in `_reserved` is rounding dust and must not make anybody wait.
            if not self._calls_out:
                if self._spent + usd > self._limit:
                    raise self._too_little(usd, self._limit)
                break
            if self._spent + self._reserved + usd <= self._limit:
                break
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # the turn may have been given to this task already: pass it on
                raise
        self._reserved = self._reserved + usd if self._calls_out else usd
        self._calls_out += 1

    def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Give back what was set aside and book what the call took."""
        self._calls_out -= 1
        self._reserved = self._reserved - reserved_usd if self._calls_out else 0.0
        self._spent += spent_usd
        self._wake()

    def _wake(self) -> None:
        """Let everyone who waits look again; amounts differ, so the next in line is not always the one that fits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def _too_little(self, usd: float, limit: float) -> BudgetSpent:
        return BudgetSpent(
            f"the budget of ${limit:g} cannot hold the next call: ${self._spent:.4f} is spent and the call may cost up "
            f"to ${usd:.4f}; everything answered so far is kept: raise the budget (`budget_usd`) to at least "
            f"${self._spent + usd:.4f} and run the same command again",
            spent=self._spent,
            limit=limit,
        )
