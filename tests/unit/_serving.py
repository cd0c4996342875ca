"""The stub endpoint in a thread of its own, for tests whose climb has an event loop of its own or runs in another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rung.testing.endpoint import Endpoint


@contextmanager
def in_a_thread(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Serve until the block ends; `endpoint.url` is known inside it."""
    loop, done, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with endpoint.serving():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the endpoint did not start"
        yield endpoint
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
