"""Work beside a running event loop: in a thread of its own, and with a loop of its own where it can be stopped.

A notebook and a web server have a loop that is running already, in which nothing may block and no second loop may
start. Signal handlers are not touched: a thread beside the main one has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_THRESHOLDS: list[tuple[int, int, int]] = []  # of the garbage collector, as each climb at work found them
ONE_AT_A_TIME = (
    threading.Lock()
)  # for what changes the whole process, as `warnings.catch_warnings` inside scikit-learn does


def in_a_loop() -> bool:
    """Whether the caller runs inside an event loop, so that `asyncio.run` would refuse."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def beside(work: Callable[[], T]) -> T:
    """Return what blocking work returns: done here, or in a thread where a loop is running here."""
    return _in_a_thread(work).result() if in_a_loop() else work()


class Job(Generic[T]):
    """One piece of work in a thread with a loop, begun at once; `stop` cancels it, as Ctrl-C cancels `asyncio.run`."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._stopped = False
        self._future = _in_a_thread(lambda: asyncio.run(self._main()))

    def wait(self) -> T:
        """Return the result, blocking. An interrupt stops the work, waits for its clean end and is raised."""
        try:
            return self._future.result()
        except KeyboardInterrupt:
            self.stop()
            wait([self._future])
            raise

    async def wait_async(self) -> T:
        """Return the result without blocking the loop. A cancellation stops the work and waits for its clean end."""
        heard = asyncio.wrap_future(self._future)
        heard.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # raised below, or dropped on purpose
        try:
            await asyncio.wait([heard])
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([heard])
            raise
        return heard.result()

    def stop(self) -> None:
        """Cancel the work at its next await; no effect once it has ended."""
        self._stopped = True
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the work has ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> T:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self._stopped:
            raise asyncio.CancelledError
        return await self._work()


def _in_a_thread(work: Callable[[], T]) -> Future[T]:
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rung")
    future = pool.submit(contextvars.copy_context().run, work)
    pool.shutdown(wait=False)  # takes nothing more; the thread ends with the work
    return future


@contextlib.contextmanager
def quiet_collector() -> Iterator[None]:
    """Let the garbage collector look less often, and not at what is loaded already.

    A request makes a few dozen objects that live until its answer; at the default threshold the collector walks them,
    and all loaded packages, again and again without finding anything. Measured: 15 to 20 % of a run's CPU time.
    """
    with ONE_AT_A_TIME:
        _THRESHOLDS.append(gc.get_threshold())
        gc.freeze()
        gc.set_threshold(50_000, *_THRESHOLDS[0][1:])
    try:
        yield
    finally:
        with ONE_AT_A_TIME:
            first, _ = _THRESHOLDS[0], _THRESHOLDS.pop()
            if not _THRESHOLDS:  # no other climb is at work in this process
                gc.set_threshold(*first)
                gc.unfreeze()
