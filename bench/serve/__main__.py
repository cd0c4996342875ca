"""Measure `rung serve` on a stub model: `python -m bench.serve [cpu|connections|stop|shadow] [--requests N]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from typing import Any

BODY = json.dumps(
    {"model": "routing", "messages": [{"role": "user", "content": "The parcel for order 17 has not come. " * 6}]}
).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
    b"User-Agent: OpenAI/Python 3.54.0\r\nAccept: application/json\r\nContent-Length: "
    + str(len(BODY)).encode()
    + b"\r\n\r\n"
    + BODY
)

RATE, BLOCK = 400, 200  # requests a second of `shadow`, and of one turn
MODEL_S = 0.02  # that its models take


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A server in a process of its own."""

    def __init__(self, port: int, seconds: float, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.serve.stub", str(port), str(seconds), *more],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def ended(self) -> dict[str, Any]:
        self.process.terminate()
        out, _ = self.process.communicate(timeout=60)
        return dict(json.loads(out.splitlines()[-1]))


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bool]:
    """Send one request; return its status, and whether the connection stays open."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), b"connection: close" not in lower


async def cpu(requests: int) -> dict[str, Any]:
    """CPU-milliseconds a request of the server process, 16 connections."""
    port = free_port()
    server = Running(port, 0.0)

    async def client(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count):
            assert (await one(reader, writer))[0] == 200
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(requests // 16) for _ in range(16)))
    wall = time.perf_counter() - began
    told = server.ended()
    return {
        **told,
        "cpu_ms_a_request": 1000 * told["cpu_s"] / told["answered"],
        "requests_a_second": told["answered"] / wall,
    }


async def connections(count: int) -> dict[str, Any]:
    """Memory of the server process while so many connections hold a request under way."""
    port = free_port()
    server = Running(port, 5.0)

    async def client() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status, _ = await one(reader, writer)
        writer.close()
        return status

    statuses = Counter(await asyncio.gather(*(client() for _ in range(count))))
    return {**server.ended(), "connections": count, "seen": dict(statuses)}


async def stop(requests: int) -> dict[str, Any]:
    """Stop a server in the middle and start the next one on the same port: is any request lost that it had accepted?"""
    port = free_port()
    server = Running(port, 0.002)
    left, seen, lost = iter(range(requests)), Counter[str](), []
    middle = asyncio.Event()

    async def client() -> None:
        reader = writer = None
        for number in left:
            if number == requests // 2:
                middle.set()
            while True:
                if writer is None:
                    try:
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    except ConnectionRefusedError:
                        seen["not let in"] += 1
                        await asyncio.sleep(0.05)
                        continue
                assert reader is not None
                try:
                    status, stays = await one(reader, writer)
                except (asyncio.IncompleteReadError, ConnectionError) as error:
                    lost.append(type(error).__name__)
                    writer = None
                    break
                if not stays:
                    writer.close()
                    writer = None
                seen[str(status)] += 1
                if status == 200:
                    break
                await asyncio.sleep(0.05)

    async def replace() -> dict[str, Any]:
        await middle.wait()
        told = await asyncio.to_thread(server.ended)
        return {"first": told, "next": await asyncio.to_thread(Running, port, 0.002)}

    replaced, *_ = await asyncio.gather(replace(), *(client() for _ in range(64)))
    second = replaced["next"].ended()
    return {
        "requests": requests,
        "lost": len(lost),
        "seen": dict(seen),
        "answered": [replaced["first"]["answered"], second["answered"]],
    }


async def paced(port: int, count: int) -> list[float]:
    """Send so many requests at RATE a second, whatever the answers take; return the seconds of each since it was due."""
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    seconds: list[float] = []
    began = time.perf_counter()

    async def ask(due: float) -> None:
        ends = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        assert (await one(*ends))[0] == 200
        seconds.append(time.perf_counter() - due)
        free.append(ends)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = began + number / RATE
            if (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left)
            group.create_task(ask(due))
    for _, writer in free:
        writer.close()
    return seconds


async def shadow(requests: int) -> dict[str, Any]:
    """p99 of the served answers without and with a shadow: five pairs of runs, whose two servers are asked by turns of BLOCK requests."""
    pairs = []
    for _ in range(5):
        ports = {"off": free_port(), "on": free_port()}
        servers = {way: Running(port, MODEL_S, *["shadow"] * (way == "on")) for way, port in ports.items()}
        seconds: dict[str, list[float]] = {"off": [], "on": []}
        for turn in range(2 + 2 * requests // BLOCK):
            way = ("off", "on")[(turn + turn // 2) % 2]
            took = await paced(ports[way], BLOCK)
            seconds[way] += took if turn > 1 else []  # the first one opens connections
        told = {way: server.ended() for way, server in servers.items()}
        found = {way: 1000 * sorted(s)[int(0.99 * len(s))] for way, s in seconds.items()}
        cpu_ms = {f"{way}_cpu_ms": 1000 * t["cpu_s"] / t["answered"] for way, t in told.items()}
        pairs.append({**found, **cpu_ms, **told["on"]["shadow"]})
    return {
        "requests": requests,
        "a_second": RATE,
        "pairs": pairs,
        "more_ms": statistics.median(p["on"] - p["off"] for p in pairs),
        "more_share": statistics.median(p["on"] / p["off"] - 1 for p in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cpu", "connections", "stop", "shadow"))
    parser.add_argument("--requests", type=int, default=20_000)
    asked = parser.parse_args()
    work = {"cpu": cpu, "connections": connections, "stop": stop, "shadow": shadow}[asked.what]
    print(json.dumps(asyncio.run(work(asked.requests)), indent=1))


if __name__ == "__main__":
    main()
