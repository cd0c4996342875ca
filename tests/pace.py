"""How much slower this machine computes while others use it: bounds in CPU seconds are stretched by it.

A CPU second is not worth the same everywhere: two processes on the two threads of a core, and caches that others fill, make
the same work take two to three times as many of them.
"""

import time

QUIET_S = 0.040  # CPU seconds of `_work` on the machine that the bounds were set on, with nothing beside it


def pace() -> float:
    """Return how many times longer the same work takes now, in CPU seconds, than on a quiet machine; at least 1."""
    began = time.process_time()
    _work()
    return max(1.0, (time.process_time() - began) / QUIET_S)


def _work() -> None:
    for turn in range(8):
        words = [f"{n * 7919 % 10_007}-{turn}" for n in range(10_000)]
        text = " ".join(sorted(words))
        seen = {}
        for word in text.split():
            seen[word] = len(seen)
