"""Money that would be lost without a trace if the process were killed now: what calls in flight may cost.

Before more is in flight than ever before, the amount is written down in the cache, with room to spare so that few writes
are needed. A session that ends well takes it back; one that is killed leaves it, and the next session books it. What another
session has in flight that is still at work is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rung.errors import IntegrityError, RungError
from rung.store.cache import AnswerCache
from rung.store.run import RunFolder
from rung.store.sessions import alive
from rung.types import content_hash

KIND = "in flight"
_DUST = 1e-9  # dollars: what sums of many small amounts differ by
_QUIET_S = 2.0  # after so long without a call the amount is taken back


class Exposure:
    """The money in flight of one model in one role."""

    def __init__(self, cache: AnswerCache, role: str, identity: Mapping[str, Any]) -> None:
        self._cache = cache
        self._name = f"{role}\n{content_hash(dict(identity))}\n{cache.session}".encode()
        self._usd = 0.0
        self._calls = 0
        self._written = 0.0
        self._writing = asyncio.Lock()
        self._quiet: asyncio.TimerHandle | None = None
        self._taking_back: asyncio.Task[None] | None = None
        self.unstored = False  # an answer or a loss could not be written: the amount must stay

    async def sends(self, usd: float, most: float) -> None:
        """Count a call that may cost `usd`, on the disk before it is sent. `most`: what all calls at once may cost."""
        self._usd += usd
        self._calls += 1
        if self._usd > self._written:
            async with self._writing:
                if self._usd > self._written:
                    await self._write(max(self._usd, min(2 * self._usd, most)))

    def ended(self, usd: float) -> None:
        """Count a call whose cost is on the disk, or that cost nothing."""
        self._calls -= 1
        self._usd = self._usd - usd if self._calls else 0.0
        if not self._calls and self._written and self._quiet is None:
            self._quiet = asyncio.get_running_loop().call_later(_QUIET_S, self._is_quiet)

    async def close(self) -> None:
        """Take the amount back, where everything that was in flight is on the disk."""
        if self._quiet is not None:
            self._quiet.cancel()
        if self._taking_back is not None:
            await self._taking_back
        if self._written and not self._calls and not self.unstored:
            with contextlib.suppress(RungError):  # as on a full disk: then the next session books it
                await self._write(0.0)

    def _is_quiet(self) -> None:
        self._quiet = None
        if not self._calls and not self.unstored:
            self._taking_back = asyncio.ensure_future(self._take_back())

    async def _take_back(self) -> None:
        async with self._writing:
            if not self._calls:
                with contextlib.suppress(RungError):
                    await self._write(0.0)

    async def _write(self, usd: float) -> None:
        await self._cache.note(KIND, {self._name: repr(usd)})
        self._written = usd


async def settle_earlier(cache: AnswerCache, folder: Path, say: Callable[[str], None]) -> None:
    """Book what earlier sessions spent and the cache does not hold: calls in flight at a kill, and a cache that was lost."""
    noted = {name: usd for name, value in cache.noted(KIND).items() if (usd := float(value)) > 0}
    found = {
        name: usd for name, usd in noted.items() if not alive(cache.path.parent, name.decode().rpartition("\n")[2])
    }
    lost: dict[str, float] = {}
    for name, usd in found.items():
        role = name.decode().partition("\n")[0]
        lost[role] = lost.get(role, 0.0) + usd
    await cache.note(KIND, dict.fromkeys(found, "0.0"), lost, "in flight when an earlier session was killed")
    for role, usd in lost.items():
        say(f"models.{role}: an earlier session was killed; up to ${usd:.4f} is booked for what was in flight")
    held = {s.role: s.usd + s.lost_usd for s in cache.spend()}
    gone = {role: usd - held.get(role, 0.0) for role, usd in _told_by(folder).items()}
    gone = {role: usd for role, usd in gone.items() if usd > _DUST}
    await cache.note(KIND, {}, gone, "spent before the cache was removed")
    for role, usd in gone.items():
        say(
            f"models.{role}: ${usd:.4f} more was spent than the cache holds, by the run folder: it counts, and is booked again"
        )


def _told_by(folder: Path) -> dict[str, float]:
    """Return what the run folder says that each role spent; nothing where it says nothing that can be read."""
    try:
        spend = RunFolder(folder).spend.get() or {}
        found = {role: entry["usd"] for role, entry in spend.get("by_role", {}).items()}
    except (IntegrityError, TypeError, LookupError, AttributeError):
        return {}
    return {role: float(usd) for role, usd in found.items() if isinstance(usd, int | float) and math.isfinite(usd)}
