"""Does a request get lost while champions change? `python -m bench.generations.service [SWITCHES]`.

`rung serve` on a folder of two generations of the bundled linear baseline, 200 requests a second from this process, and as many promotions and
rollbacks as asked (40), one after the other. results/service.json keeps the figures.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from rung.config import parse_config
from rung.ladder import climb
from rung.store.generations import Generations, Step, fingerprint
from rung.store.run import RunFolder

RATE, MOST = 200, 200  # requests a second where the machine keeps up, and under way at once


def prepared(root: Path) -> Generations:
    """Make a folder with two generations."""
    words = {"billing": "invoice charged twice", "delivery": "parcel late tracking", "returns": "send back label"}
    lines = [{"text": f"{text} number {i}", "team": team} for i in range(100) for team, text in words.items()]
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    place = Generations(root / "generations")
    with place.held():
        for number in (1, 2):
            task = {
                "name": "teams",
                "kind": "classification",
                "instruction": "Route.",
                "inputs": ["text"],
                "target": "team",
            }
            raw = {
                "task": {**task, "goal": 0.5},
                "data": {"path": "rows.jsonl"},
                "ladder": ["baseline"],
                "split": {"seed": number},
            }
            climb(parse_config(raw, root), place.path / str(number))
        move(place, 1, "begun")
    return place


def move(place: Generations, number: int, what: Any) -> None:
    """Make a generation the champion; the caller holds the folder."""
    run = RunFolder.open(place.path / str(number))
    place.record(Step(what, number, str(number), "baseline", fingerprint(run, "baseline"), "bench", ""))


async def load(url: str, place: Generations, switches: int) -> dict[str, Any]:
    """Ask at the rate while champions change; count what came back, and how long it took."""
    seconds: list[float] = []
    statuses: dict[str, int] = {}
    seen = 0

    async def ask(session: aiohttp.ClientSession) -> None:
        began = time.perf_counter()
        try:
            async with session.post(f"{url}/predict", json={"text": "invoice charged twice"}) as reply:
                await reply.read()
                status = str(reply.status)
        except aiohttp.ClientError as error:
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1
        seconds.append(time.perf_counter() - began)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asking: set[asyncio.Task[None]] = set()
        began, number, done = time.perf_counter(), 1, 0
        pending, look = False, 0.0
        while seen < switches:
            for _ in range(min(int((time.perf_counter() - began) * RATE) - done, MOST - len(asking))):
                asking.add(asyncio.create_task(ask(session)))
                done += 1
            if not pending:
                number, pending = 3 - number, True
                with place.held():
                    move(place, number, "promoted" if number == 2 else "rolled back")
            elif time.perf_counter() > look:
                look = time.perf_counter() + 0.2
                async with session.get(url.removesuffix("/v1") + "/health") as reply:
                    if (await reply.json())["generation"] == number:
                        seen, pending = seen + 1, False
            asking = {task for task in asking if not task.done()}
            await asyncio.sleep(0.005)
        await asyncio.gather(*asking)
        took = time.perf_counter() - began
    seconds.sort()
    at = {name: round(1000 * seconds[int(q * len(seconds))], 1) for name, q in (("p50_ms", 0.5), ("p99_ms", 0.99))}
    return {
        "switches": seen,
        "requests": done,
        "a_second": round(done / took),
        "answers": statuses,
        **at,
        "slowest_ms": round(1000 * seconds[-1], 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = prepared(Path(scratch))
        command = [sys.executable, "-m", "rung", "serve", str(place.path), "--port", "0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += process.stdout.readline()
        try:
            found = asyncio.run(load(json.loads(said)["url"], place, int(sys.argv[1]) if len(sys.argv) > 1 else 40))
        finally:
            process.terminate()
            process.wait()
    print(json.dumps(found))
    Path(__file__).with_name("results").joinpath("service.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
