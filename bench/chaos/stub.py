"""The endpoint of a case, in a process of its own: what it was asked, what it answered, what it would bill, all by prompt."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import json
import os
import signal
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rung.testing.endpoint import Counts, Endpoint, Faults, Reply

USD_PER_TOKEN = 2e-6  # in and out alike; `worlds` says the same to rung
FAULTS = Faults(too_many=0.03, server_error=0.02, drop=0.02, malformed=0.02, retry_after="0.05")


@dataclass
class Billed(Counts):
    """What the endpoint has seen, and what it answered and bills by prompt."""

    well: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "in_flight": self.in_flight, "well": dict(self.well), "usd": self.usd}


class Billing(Endpoint):
    """An endpoint that bills what it answers, a cut answer too."""

    def _well(self, data: dict[str, Any]) -> Reply:
        self._bill(data)
        asked = repr(data.get("messages", data.get("input"))).encode("utf-8", "surrogatepass")
        assert isinstance(self.counts, Billed)
        self.counts.well[hashlib.blake2b(asked, digest_size=12).hexdigest()] += 1
        return super()._well(data)

    def _badly(self, fault: str, data: dict[str, Any]) -> Reply | None:
        if fault == "malformed":
            self._bill(data, answered=False)
        return super()._badly(fault, data)

    def _bill(self, data: dict[str, Any], *, answered: bool = True) -> None:
        assert isinstance(self.counts, Billed)
        text = data["messages"][-1]["content"] if "messages" in data else ""
        tokens = len(text) // 4 + 8 + (len(self.answering(text)) // 4 + 1 if answered and text else 1)
        self.counts.usd += tokens * USD_PER_TOKEN


class Stub:
    """A running endpoint; its port stays the same over all cases, as the address belongs to what answers are kept under."""

    def __init__(
        self,
        answering: Callable[[str], str],
        port: int,
        *,
        seed: int,
        faults: Faults,
        latency_s: float,
        kind: Callable[..., Billing] = Billing,
    ) -> None:
        made, ready = os.pipe()
        self.process = os.fork()
        if not self.process:
            end_with_parent()
            os.close(made)
            endpoint = kind(answering, latency_s=latency_s, faults=faults, seed=seed, counts=Billed())
            try:
                asyncio.run(_serve(endpoint, port, ready))
            finally:
                os._exit(0)
        os.close(ready)
        said = os.read(made, 100).decode()
        os.close(made)
        if not said:
            raise OSError(f"port {port} is taken")
        self.port = int(said)

    def counts(self) -> dict[str, Any]:
        """Return what was seen since the start."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=60) as told:
            found: dict[str, Any] = json.loads(told.read())
        return found

    def close(self) -> None:
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)


def end_with_parent() -> None:
    """Let this process be killed when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; it is forgotten by setuid, which is all right


async def _serve(endpoint: Endpoint, port: int, ready: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C ends the driver, which ends this
    async with endpoint.serving(port):
        os.write(ready, endpoint.url.rpartition(":")[2].partition("/")[0].encode())
        os.close(ready)
        await ended.wait()
