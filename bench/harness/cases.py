"""One function a case: what is run, what is counted."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness.process import Measured, counts, measure, run_folder, start, stub, wrk

ENGINE, LOOP = "bench.harness.engine", "bench.harness.openai_loop"
ROWS, CONCURRENCY = 2000, 64


@dataclass(frozen=True)
class Figure:
    """A quantity: the median over its runs, each run, and what it should be (None: nothing is asked of it)."""

    name: str
    value: float
    unit: str
    runs: tuple[float, ...] = ()
    goal: float | None = None
    at_most: bool = True

    @property
    def held(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def _median(name: str, unit: str, runs: list[float], goal: float | None = None, *, at_most: bool = True) -> Figure:
    return Figure(name, statistics.median(runs), unit, tuple(runs), goal, at_most)


def _whole(found: Measured, rows: int) -> None:
    said = found.said
    if said["rows"] != rows or abs(said["accuracy"] - 0.87) > 1e-9:
        raise RuntimeError(f"a run without faults must answer {rows} rows at 0.87, but: {said}")


def warm() -> None:
    """Start each program once, so that no measurement pays for compiling its modules."""
    for module in (ENGINE, LOOP):
        with run_folder(100) as folder, stub() as url:
            measure(module, folder, url, 4)


def cpu(module: str, runs: int) -> list[Figure]:
    """2,000 rows without latency: CPU seconds of the whole process; for our engine also the same command again."""
    fresh: list[float] = []
    peak: list[float] = []
    again: list[float] = []
    asked = 0
    for _ in range(runs):
        with run_folder(ROWS) as folder, stub() as url:
            found = measure(module, folder, url, CONCURRENCY)
            _whole(found, ROWS)
            fresh.append(found.cpu_s / ROWS * 1000)
            peak.append(found.peak_mib)
            if module == ENGINE:
                before = counts(url)["requests"]
                again.append(measure(module, folder, url, CONCURRENCY).cpu_s)
                asked += counts(url)["requests"] - before
    figures = [
        _median("CPU per 1,000 rows, 2,000 rows, 0 ms, 64 in flight", "s", fresh, 0.6 if again else None),
        _median("peak memory, 2,000 rows", "MiB", peak),
    ]
    if again:
        figures.append(_median("CPU of the same command again, all 2,000 rows stored", "s", again, 0.8))
        figures.append(Figure("requests of the same command again", asked, "requests", goal=0))
    return figures


def speed(module: str, runs: int, rows: int, latency_s: float = 0.05) -> list[Figure]:
    """Rows at 50 ms: rows a second between the first request and the last answer, beside wrk just before.

    The first and the last round of requests are never full, so the fewer the rows, the lower the share of wrk's rate.
    """
    rates: list[float] = []
    shares: list[float] = []
    costs: list[float] = []
    limits: list[float] = []
    for _ in range(runs):
        with run_folder(rows) as folder, stub(latency_s) as url:
            limit = wrk(url, CONCURRENCY)
            found = measure(module, folder, url, CONCURRENCY)
            _whole(found, rows)
            rates.append(rows / found.said["window_s"])
            costs.append(found.cpu_s / rows * 1000)
            if limit is not None:
                limits.append(limit)
                shares.append(rates[-1] / limit)
    figures = [
        _median("rows a second at 50 ms, 64 in flight", "rows/s", rates),
        _median("CPU per 1,000 rows at 50 ms", "s", costs),
    ]
    if shares:
        figures.append(_median("wrk beside it", "requests/s", limits))
        figures.append(_median("share of wrk at 50 ms", "", shares, 0.9 if module == ENGINE else None, at_most=False))
    return figures


def faults(module: str) -> list[Figure]:
    """2,000 rows at 20 ms under each mix of faults: rows left without an answer."""
    figures: list[Figure] = []
    for mix in ("A", "B"):
        with run_folder(ROWS) as folder, stub(0.02, mix) as url:
            found = measure(module, folder, url, CONCURRENCY)
            seen = counts(url)
        goal = 0.0 if module == ENGINE else None
        figures.append(Figure(f"rows without an answer, fault mix {mix}", found.said["failed"], "rows", goal=goal))
        figures.append(Figure(f"requests under mix {mix}", seen["requests"], "requests"))
        figures.append(Figure(f"accuracy shown under mix {mix} (true 0.870)", found.said["accuracy"], ""))
    return figures


def killed(latency_s: float = 0.02) -> list[Figure]:
    """Kill -9 once half of the rows are answered, then the same command: requests for rows that were asked before.

    In flight are 64 requests under way and at most 8 rows whose answers are being stored.
    """
    with run_folder(ROWS) as folder, stub(latency_s) as url:
        process = start(ENGINE, folder, url, CONCURRENCY)
        while counts(url)["answered"] < ROWS // 2 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.2)
        before = counts(url)
        found = measure(ENGINE, folder, url, CONCURRENCY)
        _whole(found, ROWS)
        after = counts(url)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError("the run ended before it could be killed")
    return [
        Figure("rows asked before kill -9", before["requests"], "rows"),
        Figure(
            "rows asked again after kill -9 (72 in flight)", after["asked_again"], "rows", goal=CONCURRENCY * 9 // 8
        ),
    ]


def memory(rows: int = 10_000) -> list[Figure]:
    with run_folder(rows) as folder, stub() as url:
        found = measure(ENGINE, folder, url, CONCURRENCY)
        _whole(found, rows)
    return [
        Figure("peak memory, 10,000 rows", found.peak_mib, "MiB", goal=120),
        Figure("CPU per 1,000 rows, 10,000 rows, 0 ms", found.cpu_s / rows * 1000, "s"),
    ]


def small(module: str, runs: int) -> list[Figure]:
    """100 rows: what starting costs."""
    costs: list[float] = []
    for _ in range(runs):
        with run_folder(100) as folder, stub() as url:
            costs.append(measure(module, folder, url, CONCURRENCY).cpu_s)
    return [_median("CPU of a whole run of 100 rows", "s", costs)]


def help_text(runs: int) -> list[Figure]:
    measure("rung", "--help")
    return [_median("CPU of rung --help", "s", [measure("rung", "--help").cpu_s for _ in range(runs)], 0.2)]


def published() -> Mapping[str, Mapping[str, Any]]:
    """Figures of alternatives measured earlier with the same work on the same kind of machine (2 shared cores).

    2026-11-22; whole process, medians of 3 runs, 2,000 rows, 64 in flight; their versions stand in the names.
    Columns: CPU per 1,000 rows at 0 ms; best rows/s at 50 ms; peak MiB; rows unanswered under mixes A and B; rows asked
    again after kill -9.
    """
    names = ("cpu", "rate", "peak", "mix_a", "mix_b", "again")
    table = {
        "openai 3.54.0 + semaphore": (2.60, 485, 73, "4", "34", "1,002 (no resume)"),
        "litellm 1.106.2 + semaphore": (7.20, 149, 194, "4", "34", "not measured"),
        "promptfoo 0.121.20": (10.31, 68, 371, "47", "34", "64"),
        "dspy.Evaluate 3.4.1": (10.93, 101, 252, "0", "0", "27"),
        "inspect-ai 0.3.285": (21.48, 38, 223, "0", "run ends", "8"),
        "lm-eval 0.4.13": (6.17, 1117, 290, "all (exit 1)", "0", "1,002; 51 with a cache"),
    }
    return {name: dict(zip(names, values, strict=True)) for name, values in table.items()}


RESULTS = Path(__file__).parent / "results"
