"""A server as `rung serve` runs it, with an approach that costs nothing: `python -m bench.serve.stub PORT SECONDS [shadow]`."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from rung.background import quiet_collector
from rung.serve.server import Server
from rung.serve.shadow import Shadow
from rung.serve.winner import Winner
from rung.types import Answer, Candidate, Completion, MetricSpec, PromptLearned, Task

TASK = Task("routing", "Route.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9)


class Stub:
    """Gives one answer after so many seconds, and counts."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.answered = seconds, 0

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.answered += 1
        return Answer(inputs["text"], (Completion("billing", "m", 50, 1, 0.1, None),))


async def main(port: int, seconds: float, shadowed: bool) -> None:
    stub, stop = Stub(seconds), asyncio.Event()
    candidate = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=TASK.inputs), None)
    winner = Winner(cast(Any, SimpleNamespace(task=TASK, clients={})), "prompt", candidate, stub)
    server = Server(winner, "routing", say=lambda text: print(text, file=sys.stderr))
    if shadowed:
        second = Winner(winner.run, "fewshot", candidate, Stub(seconds))
        server.shadow = Shadow(second, counts=server.counts)
    with quiet_collector():
        async with server.listening("127.0.0.1", port):
            began = time.process_time()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            print("ready", flush=True)
            await stop.wait()
        told = {
            "answered": stub.answered,
            "cpu_s": time.process_time() - began,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "shadow": dict(server.counts.shadow),
            "statuses": {f"{way} {status}": n for (way, status), n in server.counts.requests.items()},
        }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["shadow"]))
