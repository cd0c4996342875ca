"""Operating curves of whole climbs in worlds whose right rung is known: python -m bench.decisions [--quick].

`--quick`: a tenth of the climbs, nothing written. The full run writes results/decisions.json, from which docs/decisions.md is made.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.decisions.cells import Cell, curves, merged, published, worst
from bench.decisions.checks import checks
from bench.decisions.page import RESULTS, page
from bench.decisions.replay import Twice, twice
from bench.decisions.worlds import worlds

REPLAYED = ((0.0, 100), (0.01, 200), (0.02, 100), (0.04, 200), (0.05, 200))  # margins and sizes climbed end to end


def main() -> None:
    """Measure, check, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.decisions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the climbs; writes nothing")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seeds", type=int, default=200, help="climbs a cell")
    arguments = parser.parse_args()
    seeds = max(2, arguments.seeds // 10) if arguments.quick else arguments.seeds
    began, found = time.perf_counter(), Found()
    quarters = 1 if arguments.quick else 4  # what is there after each is written, so that a run cut short is not lost
    for quarter in range(quarters):
        found = found.and_more(quarter, max(1, seeds // quarters), arguments.processes)
        seconds = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        said = list(checks(found.curves, found.worst, found.published, [bool(r["agree"]) for r in found.replays]))
        data = {
            "cpu_seconds": round(seconds),
            "seconds": round(time.perf_counter() - began),
            "curves": rounded(found.curves),
            "worst": rounded(found.worst),
            "published": rounded(found.published),
            "replays": found.replays,
            "checks": [asdict(check) for check in said],
        }
        if not arguments.quick:
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(one_row_a_line(data), encoding="utf-8")
            print(f"{quarter + 1} of {quarters} quarters", flush=True)
    if not arguments.quick:
        print(page())
    for check in said:
        print(f"{'holds' if check.held else 'DOES NOT HOLD'}: {check.claim} ({check.figures})")
    print(f"{seconds:.0f} CPU-seconds, {data['seconds']} s")


@dataclass(frozen=True)
class Found:
    """What was measured so far."""

    curves: list[Cell] = field(default_factory=list)
    worst: list[Cell] = field(default_factory=list)
    published: list[Cell] = field(default_factory=list)
    replays: list[dict[str, object]] = field(default_factory=list)

    def and_more(self, part: int, seeds: int, processes: int) -> Found:
        """Measure on: `seeds` more climbs a cell, five times as many in the worst cells, twice in the specified ones."""

        def next_ones(times: int) -> range:
            return range(part * times * seeds, (part + 1) * times * seeds)

        return Found(
            merged(self.curves, curves(next_ones(1), processes)),
            merged(self.worst, worst(next_ones(5), processes)),
            merged(self.published, published(next_ones(2), processes)),
            [*self.replays, *replayed(range(part, part + 1), processes)],
        )


def one_row_a_line(data: dict[str, Any]) -> str:
    """Return the results as JSON in which each cell stands on a line of its own."""
    parts = []
    for key, value in data.items():
        rows = ",\n".join(json.dumps(row) for row in value) if isinstance(value, list) else ""
        parts.append(f'"{key}": [\n{rows}\n]' if isinstance(value, list) else f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def replayed(seeds: Sequence[int], processes: int) -> list[dict[str, object]]:
    """Climb every kind both ways."""
    jobs = [(w, n, seed) for margin, n in REPLAYED for w in worlds(margin) for seed in seeds]
    with ProcessPoolExecutor(processes) as pool:
        both: list[Twice] = list(pool.map(twice, *zip(*jobs, strict=True)))
    return [
        {"kind": w.kind, "margin": w.margin, "n": n, "seed": seed, "agree": t.agree, "verdict": list(t.end_to_end[:3])}
        for (w, n, seed), t in zip(jobs, both, strict=True)
    ]


def rounded(cells: Sequence[Cell]) -> list[dict[str, object]]:
    """Return cells as plain data with four places."""

    def short(value: object) -> object:
        if isinstance(value, dict):
            return {k: short(v) for k, v in value.items()}
        return round(value, 4) if isinstance(value, float) else value

    return [{k: short(v) for k, v in asdict(c).items()} for c in cells]


if __name__ == "__main__":
    main()
