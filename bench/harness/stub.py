"""The endpoint as a process of its own: `python -m bench.harness.stub --latency 0.05 --faults A`; GET tells its counts.

The first line it prints is its address.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import replace

from bench.harness.rows import answer
from rung.testing.endpoint import MIX_A, MIX_B, Endpoint, Faults

MIX_AB = replace(MIX_A, malformed=MIX_B.malformed, retry_after="0.1")  # 5 % 429, 2 % 500, 1 % drops, 2 % unreadable
MIXES = {"none": Faults(), "A": MIX_A, "B": MIX_B, "AB": MIX_AB}


async def serve(endpoint: Endpoint, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with endpoint.serving(port):
        print(endpoint.url, flush=True)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="median seconds")
    parser.add_argument("--sigma", type=float, default=0.0, help="above 0: lognormal latency")
    parser.add_argument("--faults", choices=sorted(MIXES), default="none")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faults = Endpoint.faults if given.faults == "none" else MIXES[given.faults]
    endpoint = Endpoint(answer, latency_s=given.latency, sigma=given.sigma, faults=faults, seed=given.seed)
    asyncio.run(serve(endpoint, given.port))


if __name__ == "__main__":
    main()
