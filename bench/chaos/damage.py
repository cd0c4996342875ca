"""Ways in which a file can be damaged: a cache (SQLite), and a file of JSON."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Way = Callable[[Path], object]


def _bytes(change: Callable[[bytes], bytes]) -> Way:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _sql(*orders: str) -> Way:
    def way(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as opened:
            for order in orders:
                opened.execute(order)
            opened.commit()

    return way


def _flipped(data: bytes) -> bytes:
    draw, changed = random.Random(len(data)), bytearray(data)
    for _ in range(200):
        changed[draw.randrange(4096, len(changed))] = draw.randrange(256)
    return bytes(changed)


def _beside(ending: str) -> Way:
    return lambda path: path.with_name(path.name + ending).write_bytes(random.Random(3).randbytes(8192))


def _wal(path: Path, change: Callable[[bytes], bytes]) -> None:
    log = path.with_name(path.name + "-wal")
    if log.exists():
        log.write_bytes(change(log.read_bytes()))


def settled(path: Path) -> None:
    """Put what lies in the log of a killed process into the file itself."""
    with contextlib.closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _empty_database(path: Path) -> None:
    path.unlink()
    _sql("PRAGMA user_version = 1")(path)


SQLITE: dict[str, Way] = {
    "empty": _bytes(lambda d: b""),
    "torn in the middle": _bytes(lambda d: d[: len(d) // 2]),
    "torn in its head": _bytes(lambda d: d[:50]),
    "without its last page": _bytes(lambda d: d[:-4096]),
    "a text": _bytes(lambda d: b"no database\n"),
    "zeros": _bytes(lambda d: bytes(len(d))),
    "zeros in the middle": _bytes(lambda d: d[:4096] + bytes(8192) + d[12288:]),
    "another page size": _bytes(lambda d: d[:16] + b"\x02\x00" + d[18:]),
    "random bytes": _bytes(_flipped),
    "another file's pages": _bytes(lambda d: d[:4096] + d[8192:12288] + d[4096:8192] + d[12288:]),
    "a folder": _folder,
    "a link": _link,
    "gone": lambda path: path.unlink(),
    "an empty database": _empty_database,
    "of a later version": _sql("PRAGMA user_version = 99"),
    "of no version": _sql("PRAGMA user_version = 0"),
    "a table less": _sql("DROP TABLE answers"),
    "a column less": _sql("ALTER TABLE answers DROP COLUMN latency_s"),
    "other types": _sql("UPDATE answers SET latency_s = 'x', attempts = 'y'"),
    "no UTF-8": _sql("UPDATE answers SET text = X'FFFE'"),
    "keys of another length": _sql("UPDATE answers SET key = X'00' WHERE rowid = 1"),
    "a foreign -wal": _beside("-wal"),
    "torn in its -wal": lambda path: _wal(path, lambda d: d[: len(d) * 2 // 3]),
    "zeros in its -wal": lambda path: _wal(path, lambda d: d[:9000] + bytes(9000) + d[18000:]),
    "random bytes in its -wal": lambda path: _wal(path, _flipped),
    "a foreign -journal": _beside("-journal"),
    "a foreign -shm": _beside("-shm"),
}


def _each_line(data: bytes, change: Callable[[Any], Any]) -> bytes:
    try:
        return json.dumps(change(json.loads(data))).encode()
    except json.JSONDecodeError:
        return b"".join(json.dumps(change(json.loads(line))).encode() + b"\n" for line in data.splitlines())


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return f"x{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


JSON: dict[str, Way] = {
    "empty": _bytes(lambda d: b""),
    "torn": _bytes(lambda d: d[: len(d) // 2]),
    "no UTF-8": _bytes(lambda d: d[:20] + b"\xff\xfe" + d[20:]),
    "a list": _bytes(lambda d: b"[]\n"),
    "null": _bytes(lambda d: b"null\n"),
    "a number": _bytes(lambda d: b"17\n"),
    "another object": _bytes(lambda d: b'{"a": 1}\n'),
    "zeros": _bytes(lambda d: bytes(len(d))),
    "nested": _bytes(lambda d: b"[" * 100_000),
    "a long number": _bytes(lambda d: b"9" * 10_000),
    "one letter": _bytes(lambda d: d.replace(b"e", b"\x00", 1)),
    "a field less": _bytes(lambda d: _each_line(d, lambda v: dict(list(v.items())[1:]) if isinstance(v, dict) else v)),
    "texts for numbers": _bytes(lambda d: _each_line(d, _texts)),
    "twice": _bytes(lambda d: d + d),
    "gone": lambda path: path.unlink(),
    "a folder": _folder,
}


def away(path: Path, place: Path) -> None:
    """Move a damaged file to a folder, as the messages say, with what SQLite keeps beside it."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
        if file.exists() or file.is_symlink():
            shutil.move(file, place / file.name)
