"""For how long does a new champion hold up the loop that serves? `python -m bench.generations.held [SWITCHES]`.

CPU time of the serving thread between two turns of its loop, which another load on the machine does not change.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.generations.service import move, prepared
from rung.serve.champion import followed
from rung.serve.server import Server
from rung.serve.winner import opened
from rung.store.generations import Generations, champion_of


async def held(place: Generations, switches: int) -> list[float]:
    """Return CPU-seconds between turns of the loop, the longest first, while champions change."""
    found = champion_of(place.path)
    assert found is not None
    turns: list[float] = []

    async def look_on() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - before)
            await asyncio.sleep(0 if turns[-1] > 0.001 else 0.001)

    async with opened(found[0], found[1], generation=found[2]) as winner:
        server = Server(winner, "teams", say=lambda _: None)
        async with followed(server, place.path, False).at_work():
            looking = asyncio.create_task(look_on())
            for switch in range(switches):
                number = 2 - switch % 2
                with place.held():
                    move(place, number, "promoted")
                while server.winner.generation != number:
                    await asyncio.sleep(0.01)
            looking.cancel()
    return sorted(turns, reverse=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        turns = asyncio.run(held(prepared(Path(scratch)), int(sys.argv[1]) if len(sys.argv) > 1 else 10))
    print(json.dumps({"longest_ms": [round(1000 * t, 1) for t in turns[:5]]}))


if __name__ == "__main__":
    main()
