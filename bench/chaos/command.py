"""Run the command line in a child of this process, and end, starve or mislead it at a point of its own work.

A point is the n-th call of a function of one stage, so that it does not hang on how busy the machine is. The child is forked
with everything imported: that costs a tenth of a start, and what is written and sent is the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import rung
from bench.chaos.stub import end_with_parent

SOURCE = str(Path(rung.__file__).parent) + os.sep
STAGES: dict[str, tuple[str, ...]] = {  # by folders and files of the source
    "audit": ("data/audit/",),
    "asking": ("models/", "store/cache.py", "store/_writer.py", "store/project.py"),
    "indexing": ("documents/", "retrievers/"),
    "tuning": ("tuners/", "tuning/", "store/tuned.py"),
    "report": ("report/",),
    "export": ("exports/", "cli/export.py"),
    "anywhere": ("",),
}
LONGEST_S = 600.0


@dataclass(frozen=True)
class Point:
    """The n-th call of a stage; then the signal, after `delay_s`; where there is an `act`, this process does that instead."""

    stage: str
    number: int
    signal: int = signal.SIGKILL
    delay_s: float = 0.0
    act: Callable[[], object] | None = None


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (minus the signal's number), what it said, whether the point was met."""

    code: int
    out: str
    said: str
    met: bool
    took_s: float = 0.0  # from the signal to the end
    calls: dict[str, int] = field(default_factory=dict)


def run(
    words: Sequence[str],
    cwd: Path,
    point: Point | None = None,
    before: Callable[[], object] | None = None,
    count: bool = False,
) -> Ended:
    """Run `rung WORDS` in `cwd`; `before` is called in the child. Raises TimeoutError for what never ends."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    hears, tells = os.pipe()
    files = [cwd.parent / f"{cwd.name}.{name}" for name in ("out", "err")]
    for file in files:
        file.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.close(hears)
        _child(words, cwd, files, tells, point, before, count)
    os.close(tells)
    ends = os.pidfd_open(child)
    told = b""
    met, sent = False, 0.0
    until = time.monotonic() + LONGEST_S
    open_ends = {hears, ends}
    while ends in open_ends:
        ready, _, _ = select.select(list(open_ends), [], [], max(0.0, until - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError(f"rung {' '.join(words)} has not ended in {LONGEST_S:g} s")
        if hears in ready:
            part = os.read(hears, 65536)
            told += part
            if not part:
                open_ends.discard(hears)
            if told.startswith(b"!") and not met and point is not None:
                met = True
                if point.act is not None:
                    point.act()
                else:
                    time.sleep(point.delay_s)
                    sent = time.monotonic()
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, point.signal)
        if ends in ready:
            open_ends.discard(ends)
    took = time.monotonic() - sent if sent else 0.0
    _, status = os.waitpid(child, 0)
    told += b"".join(iter(lambda: os.read(hears, 65536), b""))
    for end in (hears, ends):
        os.close(end)
    out, said = (file.read_text(encoding="utf-8", errors="replace") if file.exists() else "" for file in files)
    calls = dict(zip(STAGES, map(int, told.split()), strict=True)) if count and told else {}
    return Ended(os.waitstatus_to_exitcode(status), out, said, met or told.startswith(b"!"), took, calls)


def _child(words: Sequence[str], cwd: Path, files: Sequence[Path], tells: int, point: Point | None,
           before: Callable[[], object] | None, count: bool) -> NoReturn:  # fmt: skip
    code = 70
    end_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # behind `&` it is shut off
    try:
        for number, file in enumerate(files, 1):
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(opened, number)
            os.close(opened)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.chdir(cwd)
        sys.argv = ["rung", *words]
        if before is not None:
            before()
        counts = _watch(tells, point) if point is not None or count else None
        from rung.cli import main

        try:
            main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 0 if leave.code is None else 1
        sys.setprofile(None)
        threading._shutdown()  # type: ignore[attr-defined] - as the interpreter does at its end
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if count and counts is not None:
            os.write(tells, " ".join(str(counts[s]) for s in STAGES).encode())
    except BaseException:  # noqa: BLE001 - what leaves here would go on in the driver
        import traceback

        os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _watch(tells: int, point: Point | None) -> dict[str, int]:
    """Count calls by stage from now on, in every thread, and tell when the point is met; a SIGKILL without delay comes from here."""
    counts = dict.fromkeys(STAGES, 0)
    known: dict[Any, tuple[str, ...]] = {}
    wanted = point.stage if point is not None else ""
    number = point.number if point is not None else -1

    def stages_of(code: Any) -> tuple[str, ...]:
        name = code.co_filename
        if not name.startswith(SOURCE):
            return ()
        inner = name[len(SOURCE) :]
        return tuple(s for s, places in STAGES.items() if inner.startswith(places))

    def called(frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        stages = known.get(code)
        if stages is None:
            stages = known[code] = stages_of(code)
        for stage in stages:
            counts[stage] += 1
            if stage == wanted and counts[stage] == number:
                assert point is not None
                if point.signal == signal.SIGKILL and not point.delay_s and point.act is None:
                    os.write(tells, b"!")
                    os.kill(os.getpid(), signal.SIGKILL)
                os.write(tells, b"!")

    threading.setprofile(called)
    sys.setprofile(called)
    return counts
