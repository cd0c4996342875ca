"""`python -m bench.harness [--runs 3] [--ours-only]`: every case in one go; a Markdown table, and results/harness.json.

CPU seconds mean something on any machine; rows a second and the share of wrk only where nothing else runs. On a Linux
machine that others use too, `chrt -f 5 python -m bench.harness` (as root) gives these processes the cores first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from bench.harness import cases
from bench.harness.cases import ENGINE, LOOP, RESULTS, Figure
from bench.harness.process import stub, wrk

COLUMNS = (
    ("CPU s / 1,000 rows, 0 ms", "CPU per 1,000 rows, 2,000 rows, 0 ms, 64 in flight", "cpu", "{:.2f}"),
    ("rows/s at 50 ms", "rows a second at 50 ms, 64 in flight", "rate", "{:,.0f}"),
    ("peak MiB", "peak memory, 2,000 rows", "peak", "{:.0f}"),
    ("unanswered, mix A", "rows without an answer, fault mix A", "mix_a", "{:.0f}"),
    ("unanswered, mix B", "rows without an answer, fault mix B", "mix_b", "{:.0f}"),
    ("asked again after kill -9", "rows asked again after kill -9 (72 in flight)", "again", "{:.0f}"),
)


def ours(runs: int) -> list[Figure]:
    figures = cases.cpu(ENGINE, runs) + cases.speed(ENGINE, runs, 10_000) + cases.faults(ENGINE) + cases.killed()
    return figures + cases.memory() + cases.small(ENGINE, runs) + cases.help_text(runs)


def loop(runs: int) -> list[Figure]:
    return cases.cpu(LOOP, runs) + cases.speed(LOOP, runs, 2_000) + cases.faults(LOOP) + cases.small(LOOP, runs)


def goals_table(figures: Sequence[Figure]) -> str:
    lines = ["| our engine | measured | runs | goal | held |", "|---|---:|---|---:|---|"]
    for f in figures:
        runs = ", ".join(f"{r:.4g}" for r in f.runs)
        goal = "" if f.goal is None else f"{'≤' if f.at_most else '≥'} {f.goal:g} {f.unit}"
        held = {None: "", True: "yes", False: "**no**"}[f.held]
        lines.append(f"| {f.name} | {f.value:.4g} {f.unit} | {runs} | {goal} | {held} |")
    return "\n".join(lines)


def _row(name: str, cells: Sequence[str], when: str) -> str:
    return f"| {name} | {' | '.join(cells)} | {when} |"


def side_by_side(now: Mapping[str, Sequence[Figure]]) -> str:
    head = ["harness", *(title for title, *_ in COLUMNS), "measured"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, figures in now.items():
        by_name = {f.name: f.value for f in figures}
        cells = [form.format(by_name[key]) if key in by_name else "all" for _, key, _, form in COLUMNS]
        lines.append(_row(name, cells, "now"))
    for name, cells_of in cases.published().items():
        cells = [str(form.format(v)) if not isinstance(v := cells_of[key], str) else v for _, _, key, form in COLUMNS]
        lines.append(_row(name, cells, "earlier, same kind of machine"))
    return "\n".join(lines)


def limit_row() -> str:
    """Return what wrk gets from the endpoint: the limit of any client."""
    parts = []
    for latency_s in (0.0, 0.05):
        with stub(latency_s) as url:
            rate = wrk(url, cases.CONCURRENCY)
        parts.append(f"{latency_s * 1000:.0f} ms: " + (f"{rate:,.0f} requests/s" if rate else "wrk is not installed"))
    return "Limit (wrk, one thread, 64 connections): " + "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="leave out the plain openai loop")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    cases.warm()
    now: dict[str, list[Figure]] = {"rung": ours(given.runs)}
    if not given.ours_only:
        now[f"openai {version('openai')} + semaphore"] = loop(given.runs)
    limit = limit_row()
    machine = (
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, aiohttp {version('aiohttp')}"
    )
    load = f"load {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    text = "\n\n".join([f"{machine}; {load}; {given.runs} runs", goals_table(now["rung"]), side_by_side(now), limit])
    print(text)
    RESULTS.mkdir(exist_ok=True)
    kept = {name: [asdict(f) | {"held": f.held} for f in figures] for name, figures in now.items()}
    record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "load": load, "limit": limit}
    (RESULTS / "harness.json").write_text(json.dumps({**record, "figures": kept}, indent=1) + "\n")
    (RESULTS / "harness.md").write_text(text + "\n")
    missed = [f.name for f in now["rung"] if f.held is False]
    if missed:
        print("missed: " + "; ".join(missed), file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
