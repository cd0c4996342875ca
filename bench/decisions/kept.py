"""Figures printed as they are made and kept as lines of JSON in `results`, where the page reads them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def keep(name: str, told: str | None, climbs: int, figures: Callable[[int], Iterable[Mapping[str, object]]]) -> None:
    """Make the figures of one bench with as many climbs a figure as the command line says (`climbs` by default); print and keep them."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.decisions.{name}", description=told)
    parser.add_argument("--climbs", type=int, default=climbs)
    write(name, figures(parser.parse_args().climbs))


def write(name: str, figures: Iterable[Mapping[str, object]]) -> None:
    """Print each figure when it is there, and keep all of them."""
    lines = []
    for figure in figures:
        lines.append(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in figure.items()}))
        print(lines[-1], flush=True)
    (RESULTS / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(name: str, place: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the figures that are kept; none where that bench has never run."""
    file = place / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
