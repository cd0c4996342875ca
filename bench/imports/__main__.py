"""Time fresh interpreters: user and system time of each.

    python -m bench.imports [--runs 21]

Prints a table and writes it beside this file. The first run of each fills the caches and does not count. Which modules may be
loaded is held by tests/unit/test_imports.py; here is the time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOTHING = "an interpreter that does nothing"
CASES = {  # what is timed, and its limit in CPU-seconds
    NOTHING: ("pass", None),
    "`import rung`": ("import rung", 0.1),
    "`rung --help`": ("import sys; sys.argv = ['rung', '--help']; from rung.cli import main; main()", 0.2),
    "`import rung.ladder`, the main path": ("import rung.ladder", 0.6),
}


def cpu_s(code: str) -> float:
    """Return the user and system time of a fresh interpreter that runs the code."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{code!r} ended with status {child.returncode}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(runs + 1):  # in turns, so that a busy minute of the machine touches all alike
        for name, (code, _) in CASES.items():
            seconds = cpu_s(code)
            if turn:
                found[name].append(seconds)
    lines = [
        "| what starts | CPU-seconds, median | least | most | limit |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, (_, limit) in CASES.items():
        times = found[name]
        held = "" if limit is None else f"{limit:.1f}"
        lines.append(f"| {name} | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} | {held} |")
    about = (
        f"{runs} runs each, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}."
    )
    page = "\n".join([*lines, "", about]) + "\n"
    print(page, end="")
    (HERE / "results" / "imports.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
