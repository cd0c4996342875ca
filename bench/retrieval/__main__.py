"""`python -m bench.retrieval quality | speed | large`: writes results/NAME.json, and a table of speeds as NAME.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.retrieval import quality, speed

RESULTS = Path(__file__).parent / "results"


def main(which: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    if which == "quality":
        return _quality()
    if which == "speed":
        found = speed.run(50_000, list(speed.CASES), rounds=3)
    elif which == "large":
        found = speed.run(200_000, ["rung sqlite", "rung lance"])
    else:
        sys.exit(f"{which!r} is none of quality, speed, large")
    (RESULTS / f"{which}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    text = "\n".join(table(found)) + "\n"
    (RESULTS / f"{which}.md").write_text(text)
    print(text)


def _quality() -> None:
    """Write the figures after each case, since a sentence model takes its time."""
    found: dict[str, Any] = {}
    for model, name, size, figures in quality.run(Path("runs/retrieval-vectors")):
        found.setdefault(model, {}).setdefault(name, {})[size] = figures
        (RESULTS / "quality.json").write_text(json.dumps(found, indent=1) + "\n")
        print(json.dumps({f"{model} {name} {size}": figures}, indent=1), flush=True)


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Write speeds as Markdown. What a plain library does not do stays empty."""
    count = max(row["passages"] for row in found.values() if "passages" in row)
    plain = found.get("plain FTS5")
    yield (
        f"| {count:,} passages | build, CPU s | vectors, CPU s | peak memory of the process, with the passages given, MB | "
        "words, CPU ms p50 / p95 | queries by words a CPU s | fused with embedding, CPU ms p50 / p95 | on the clock, ms p95 | add / remove until seen, CPU s (on the clock) | "
        "disk, MB |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, row in found.items():
        if "passages" not in row:
            continue
        times = (
            "" if plain is None or row is plain else f" ({row['build_cpu_s'] / plain['build_cpu_s']:.2f} times plain)"
        )
        fused, change = row.get("hybrid"), row.get("change")
        cells = [
            name,
            f"{row['build_cpu_s']:.2f}{times}",
            f"{row['vectors_cpu_s']:.1f}" if "vectors_cpu_s" in row else "",
            f"{row['peak_rss_mb']}",
            f"{row['cpu_ms_p50']:.1f} / {row['cpu_ms_p95']:.1f}",
            f"{row['queries_per_cpu_s']:,}",
            f"{fused['cpu_ms_p50']:.1f} / {fused['cpu_ms_p95']:.1f}" if fused else "",
            f"{(fused or row)['wall_ms_p95']:.1f}",
            _change(change) if change else "",
            f"{row['disk_mb']}",
        ]
        yield f"| {' | '.join(cells)} |"


def _change(took: Mapping[str, float]) -> str:
    cpu, clock = (f"{took[f'add{unit}']:.2f} / {took[f'remove{unit}']:.2f}" for unit in ("_cpu_s", "_s"))
    return f"{cpu} ({clock})"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
