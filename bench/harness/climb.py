"""`python -m bench.harness.climb [--rows 10000] [--runs 3] [--large 30000 100000]`: what whole commands take, start included.

A climb of 10,000 examples without a baseline, 64 requests in flight, against an endpoint that fails (5 % 429, 2 % 500, 1 %
dropped connections, 2 % unreadable); the same command again, when every answer is there; `check`, `plan`, `check` of 600 rows,
`--help`; and in the same run, against the same endpoint with as many requests, the loop that most people write around the openai
package. CPU seconds are the kernel's for the process, its threads included; the endpoint is another process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.harness.cases import LOOP, RESULTS, Figure
from bench.harness.process import Measured, counts, measure, run_folder, stub
from bench.harness.project import CONCURRENCY, configure, project

LATENCY_S, FAULTS = 0.05, "AB"
SMALL = 600  # rows of the small `check`


def climbs(rows: int, runs: int) -> list[Figure]:
    """Whole climbs, each with the same command again, and the loop beside it."""
    cost: list[float] = []
    again: list[float] = []
    loop: list[float] = []
    peak: list[float] = []
    asked: list[float] = []
    repeated = 0
    for _ in range(runs):
        with project(rows) as folder:
            with stub(LATENCY_S, FAULTS) as url:
                first = _climb(folder, url)
                requests = counts(url)["requests"]
                second = _climb(folder, url)
                repeated += counts(url)["requests"] - requests
            asked.append(requests)
            cost.append(first.cpu_s / requests * 1000)
            again.append(second.cpu_s)
            peak.append(first.peak_mib)
        with run_folder(requests) as loop_folder, stub(LATENCY_S, FAULTS) as url:
            loop.append(measure(LOOP, loop_folder, url, CONCURRENCY).cpu_s / requests * 1000)
    ratios = [o / own for o, own in zip(loop, cost, strict=True)]
    return [
        _median(f"requests of a climb, {rows:,} examples", "requests", asked),
        _median(f"climb, {rows:,} examples: CPU per 1,000 requests", "s", cost, 1.2),
        _median("openai loop beside it: CPU per 1,000 requests", "s", loop),
        _median("loop / climb", "times", ratios),
        _median(f"peak memory of a climb, {rows:,} examples", "MiB", peak),
        _median("CPU of the same command again", "s", again, 2.0),
        Figure("requests of the same command again", repeated, "requests", goal=0),
    ]


def commands(rows: int, runs: int) -> list[Figure]:
    """Commands that ask nothing."""
    figures: list[Figure] = []
    for size, goal in ((SMALL, 2.0), (rows, None)):
        with project(size) as folder:
            file = configure(folder, "http://127.0.0.1:9/v1")
            found = [measure("rung", "check", file) for _ in range(runs)]
            figures.append(_median(f"check, {size:,} rows: CPU", "s", [f.cpu_s for f in found], goal))
            if size == rows:
                planned = [measure("rung", "plan", file).cpu_s for _ in range(runs)]
                figures.append(_median(f"plan, {size:,} rows: CPU", "s", planned))
    return [*figures, _median("--help: CPU", "s", [measure("rung", "--help").cpu_s for _ in range(runs)], 0.2)]


def growth(sizes: Sequence[int]) -> list[Figure]:
    """`check`, `plan` and a climb at each size, once: CPU milliseconds a row, and memory."""
    figures: list[Figure] = []
    for rows in sizes:
        with project(rows) as folder, stub(LATENCY_S) as url:
            file = configure(folder, url)
            for name, found in (
                ("check", measure("rung", "check", file)),
                ("plan", measure("rung", "plan", file)),
                ("climb", _climb(folder, url)),
            ):
                figures.append(Figure(f"{name}, {rows:,} rows: CPU per 1,000 rows", found.cpu_s / rows * 1000, "s"))
                figures.append(
                    Figure(
                        f"{name}, {rows:,} rows: peak memory",
                        found.peak_mib,
                        "MiB",
                        goal=500 if rows >= 100_000 else None,
                    )
                )
            figures.append(Figure(f"climb, {rows:,} rows: requests", counts(url)["requests"], "requests"))
    return figures


def _climb(folder: Path, url: str) -> Measured:
    file = configure(folder, url)
    return measure("rung", "climb", file, "--folder", folder / "run", fine=(0, 1))


def _median(name: str, unit: str, runs: Sequence[float], goal: float | None = None) -> Figure:
    return Figure(name, statistics.median(runs), unit, tuple(runs), goal)


def table(figures: Sequence[Figure]) -> str:
    lines = ["| whole commands | measured | runs | goal | held |", "|---|---:|---|---:|---|"]
    for f in figures:
        goal = "" if f.goal is None else f"≤ {f.goal:g} {f.unit}"
        held = {None: "", True: "yes", False: "**no**"}[f.held]
        lines.append(
            f"| {f.name} | {f.value:,.4g} {f.unit} | {', '.join(f'{r:.4g}' for r in f.runs)} | {goal} | {held} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--save", action="store_true", help="write bench/harness/results/climb.{json,md}")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    measure("rung", "--help")
    figures = [*climbs(given.rows, given.runs), *commands(given.rows, given.runs), *growth(given.large)]
    load = f"load {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} cores"
    text = f"{load}; {given.runs} runs\n\n{table(figures)}"
    print(text)
    if given.save:
        record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": load}
        kept = [asdict(f) | {"held": f.held} for f in figures]
        (RESULTS / "climb.json").write_text(json.dumps({**record, "figures": kept}, indent=1) + "\n")
        (RESULTS / "climb.md").write_text(text + "\n")
    missed = [f.name for f in figures if f.held is False]
    if missed:
        print("missed: " + "; ".join(missed), file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
