"""Run the quick tests once and count the CPU time of each, its own processes included.

    python -m bench.quick_tests [--over 0.15]

Prints the whole, what is not in any test (starting, collecting), and the tests over so many CPU-seconds. A busy machine takes a
tenth to a third more.
"""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Generator

import pytest

BUDGET_S = 60
QUICK = [
    "tests/unit",
    "-m",
    "not slow and not extra and not real",
    "--hypothesis-profile=quick",
    "-p",
    "no:cacheprovider",
]


def cpu_s() -> float:
    """Return user and system time of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


class Meter:
    """A plug-in of pytest: the CPU time of each test with what is set up for it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        start = cpu_s()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = cpu_s() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--over", type=float, default=0.15)
    over = parser.parse_args().over
    meter = Meter()
    code = pytest.main(QUICK, plugins=[meter])
    whole, tests = cpu_s(), sum(meter.seconds.values())
    for test, seconds in sorted(meter.seconds.items(), key=lambda one: -one[1]):
        if seconds > over:
            print(f"{seconds:6.2f} {test}")
    print(
        f"{whole:.1f} CPU-seconds, at most {BUDGET_S}: {tests:.1f} in {len(meter.seconds)} tests, {whole - tests:.1f} "
        f"before and after them; load {os.getloadavg()[0]:.1f}"
    )
    raise SystemExit(code)


if __name__ == "__main__":
    main()
