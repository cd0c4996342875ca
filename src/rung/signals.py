"""How a command is stopped from outside: heard before anything slow is imported, so that it always ends with a word.

Ctrl-C, SIGTERM and SIGHUP end a command by KeyboardInterrupt, which a climb turns into a clean end. After SIGTERM or SIGHUP
a watching thread and an alarm give it `PATIENCE_S`; then the process leaves, whatever it is computing: the thread where C code
lets others run, the alarm where C code (a regular expression) keeps all others waiting and looks for signals. Nothing is
lost by that: what was answered is on the disk before it counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

INTERRUPTED = 4
PATIENCE_S = 1.0
SAID = "interrupted; what a run has stored is kept, and the same command goes on"
NO_MEMORY = (
    "this machine (or the limit of this shell) has not the memory for it; what a run has stored is kept: close other programs, "
    "take fewer examples or a smaller model, and run the same command again"
)
_LEAVING = threading.Lock()  # never released: who holds it says the last word
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def program(load: Callable[[], Callable[[], int]]) -> NoReturn:
    """Hear signals, load and run the command line, and leave with its exit code (docs/compatibility.md)."""
    code = INTERRUPTED
    try:
        _listen()
        code = load()()
        _done()
    except KeyboardInterrupt:  # while importing, or between two steps of leaving
        sys.stderr.write(f"rung: {SAID}\n")
    except RuntimeError as error:
        if not is_stop(error):
            raise
        sys.stderr.write(f"rung: {SAID}\n")
    except MemoryError:  # while importing; later the command line tells it
        sys.stderr.write(f"rung: {NO_MEMORY}\n")
    if code == INTERRUPTED:
        # Where Ctrl-C fell into code that Python ran from text (each dataclass is made so), Python would leave by that signal
        # and forget the code: pythonrun.c, run_eval_code_obj. And threads that still compute need not be waited for.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def is_stop(error: BaseException) -> bool:
    """Whether an error is a signal that fell into the making of a class: Python 3.11 raises RuntimeError from it there."""
    return isinstance(error, RuntimeError) and isinstance(error.__cause__, KeyboardInterrupt)


def _listen() -> None:
    sys.unraisablehook = _not_swallowed
    for number in _ENDING:
        signal.signal(number, _interrupt)
    if os.name == "posix":
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, _leave)
        with contextlib.suppress(OSError, RuntimeError, MemoryError):  # a limit of this shell: the alarm is left
            woken, wake = os.pipe()
            for end in (woken, wake):
                os.set_blocking(end, end == woken)
            signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
            threading.Thread(target=_watch, args=(woken,), name="rung-signals", daemon=True).start()


def _done() -> None:
    """Let a signal that comes from now on end the process at once: Python taking itself apart hears none, an alarm would kill it."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell started this in the background: Ctrl-C is shut off
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _not_swallowed(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt again where an interrupt fell into a callback that Python raises nothing from (of a weak reference, in an import)."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    with contextlib.suppress(RuntimeError):  # Python is taking itself apart: the command was done
        threading.Timer(0.01, _again).start()


def _again() -> None:
    if hasattr(signal, "pthread_kill"):  # to the main thread: it may wait for the network by now
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGINT)


def _leave(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    if _LEAVING.acquire(blocking=False):
        os.write(2, f"rung: {SAID}\n".encode())
    else:  # the other of thread and alarm is saying it
        time.sleep(0.1)
    os._exit(INTERRUPTED)


def _watch(woken: int) -> None:
    """Leave if the process is still there a while after it was told to end: C code hears no signal until it is done."""
    while True:
        heard = os.read(woken, 64)
        if any(number in _ENDING for number in heard):
            time.sleep(PATIENCE_S)
            _leave()
