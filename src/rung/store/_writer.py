"""The one thread that writes a cache.

It takes whatever has come in since its last commit and commits it together, at most every 6 ms: an answer waits for the
commit under way (or the rest of the 6 ms) and its own, and a group shares the cost of a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rung.errors import Interrupted, RungError
from rung.store._errors import BUSY_S, translated

_REST_S = 0.006  # from the start of one commit to the next at least, so that steady traffic shares them
_ROWS_A_STATEMENT = 500
_UNSTORABLE = (OverflowError, ValueError, TypeError, MemoryError)  # what binding a value may raise


@dataclass(frozen=True, slots=True)
class Write:
    """One row on its way to the disk, and who waits for it."""

    table: tuple[str, int]
    values: tuple[Any, ...]
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Writer:
    """Writes what it is handed, and tells every caller how that ended, whatever happens."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        stored: Callable[[Sequence[tuple[tuple[str, int], tuple[Any, ...]]]], None],
    ) -> None:
        """`stored` is handed each group of rows (table, values) once it is on the disk, before anybody is told."""
        self._path = path
        self._stored = stored
        self._connection = connection
        self._queue: queue.SimpleQueue[list[Write] | None] = queue.SimpleQueue()
        self._pending: list[
            Write
        ] = []  # of this turn of the event loop: the thread is woken once a turn, not once a row
        self._pending_lock = threading.Lock()
        self._closed = False
        self._dead: RungError | None = None  # why the thread has ended, where it did not end by `close`
        self._file = file_at(path)
        self._thread = threading.Thread(target=self._write_all, name="rung-answer_cache", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what is under way and end the thread; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    async def write(self, *rows: tuple[tuple[str, int], tuple[Any, ...]]) -> None:
        """Write rows (table, values) in one commit; returns once they are on the disk."""
        if self._dead is not None:
            raise self._dead
        if self._closed:
            raise RungError(f"the cache {self._path} is closed; open it again before asking")
        loop = asyncio.get_running_loop()
        writes = [Write(table, values, loop.create_future(), loop) for table, values in rows]
        with self._pending_lock:
            if not self._pending:
                loop.call_soon(self._hand_over)
            self._pending += writes
        if len(writes) == 1:
            await writes[0].done
        else:
            await asyncio.gather(*(write.done for write in writes))

    def _hand_over(self) -> None:
        with self._pending_lock:
            writes, self._pending = self._pending, []
        if writes and self._dead is not None:
            self._tell(writes, self._dead)
        elif writes:
            self._queue.put(writes)

    def _write_all(self) -> None:
        """The writer thread: take what has come in, commit it, tell those who wait."""
        try:
            self._write_until_closed()
        finally:
            if not self._closed:
                self._dead = self._ended()
                with contextlib.suppress(queue.Empty):
                    while (group := self._queue.get_nowait()) is not None:
                        self._tell(group, self._dead)

    def _write_until_closed(self) -> None:
        last, began = False, 0.0
        while not last:
            groups = [self._queue.get()]
            time.sleep(max(0.0, min(_REST_S, began + _REST_S - time.monotonic())))
            with contextlib.suppress(queue.Empty):
                while True:
                    groups.append(self._queue.get_nowait())
            last = None in groups
            writes = [write for group in groups if group is not None for write in group]
            if writes:
                began = time.monotonic()
                self._commit(writes)

    def _commit(self, writes: list[Write]) -> None:
        """Commit writes together and tell those who wait; where the group fails by one of them, each by itself."""
        trouble: RungError | None = self._ended()  # stands where something comes that nobody thought of
        try:
            with translated(self._path):
                self._still_there()
                self._store(list(_statements(writes)))
            trouble = None
            self._stored([(write.table, write.values) for write in writes])
        except _UNSTORABLE as error:
            if len(writes) > 1:
                for write in writes:
                    self._commit([write])
                return
            trouble = RungError(
                f"an answer cannot be written into the cache {self._path} ({type(error).__name__}: {error}); please report it, "
                "with the model's reply if you can"
            )
        except RungError as error:
            trouble = error
        finally:
            self._tell(writes, trouble)

    def _tell(self, writes: Sequence[Write], trouble: RungError | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Write]] = {}
        for write in writes:
            by_loop.setdefault(write.loop, []).append(write)
        for loop, waiting in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, waiting, trouble)

    def _ended(self) -> RungError:
        return Interrupted(
            f"writing the cache {self._path} ended unexpectedly; everything answered so far is kept: run the same command again"
        )

    def _still_there(self) -> None:
        """Raise Interrupted where the file was removed, renamed or put elsewhere: what is paid would be lost."""
        if file_at(self._path) != self._file:
            raise Interrupted(
                f"the cache {self._path} was removed or replaced while answers were written into it; nothing more is asked: "
                "put the folder back and run the same command again"
            )

    def _store(self, statements: Sequence[tuple[str, list[Any]]]) -> None:
        """Run the statements as one transaction. The usual single one is its own: each call of SQLite gives up the
        interpreter and must win it back from a busy event loop, so there should be few.
        """
        if len(statements) == 1:
            self._connection.execute(*statements[0])
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                self._connection.execute(statement, values)
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


def _statements(writes: Sequence[Write]) -> Iterator[tuple[str, list[Any]]]:
    """Yield inserts of many rows each, table by table."""
    for table in dict.fromkeys(write.table for write in writes):
        insert, columns = table
        rows = [write.values for write in writes if write.table is table]
        marks = f"({','.join('?' * columns)})"
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[start : start + _ROWS_A_STATEMENT]
            yield insert + ",".join([marks] * len(part)), list(chain.from_iterable(part))


def _resolve(writes: Sequence[Write], trouble: RungError | None) -> None:
    for write in writes:
        if not write.done.done():
            if trouble is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(trouble)


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open a cache for several threads and processes. `durable`: a commit survives a power failure, too."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    # Folding the log into the file costs several syncs and makes answers wait: every 40 MB, and at the end.
    connection.execute("PRAGMA wal_autocheckpoint = 10000")
    return connection


def file_at(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at a path from every other file; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
