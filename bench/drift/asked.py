"""`rung watch --ask`: false alarms in a year of nights, and nights until a change is seen. `python -m bench.drift.asked [YEARS]`.

200 dev examples a night. Of each the model is as good as sure, or (a tenth of them) answers right in half of the nights; "word for word" is a
model that repeats itself. On night 30 so many of the sure ones turn wrong for good. results/asked.json keeps the figures.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rung.stats.estimate import clopper_pearson_upper
from rung.store.records import Night
from rung.watch.asked import held

EXAMPLES, AT, NIGHTS = 200, 30, 364
FIRST = date(2026, 1, 1)


def nights(rng: np.random.Generator, count: int, unsure: float, turned: int) -> list[Night]:
    """Return nights of a model with this share of examples that it answers by chance."""
    rates = np.where(rng.random(EXAMPLES) < 0.85, 1.0, 0.0)
    rates[: int(unsure * EXAMPLES)] = 0.5
    sure = np.flatnonzero(rates == 1.0)
    found = []
    for night in range(count):
        if night == AT:
            rates[sure[:turned]] = 0.0
        scores = {str(i): float(x) for i, x in enumerate(rng.random(EXAMPLES) < rates)}
        found.append(Night((FIRST + timedelta(days=night)).isoformat(), "c", scores, {}, {}))
    return found


def first_alarm(made: list[Night]) -> int | None:
    seen = held(made)
    return (date.fromisoformat(seen.alarm) - FIRST).days if seen is not None and seen.alarm is not None else None


def main() -> None:
    years = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    began, found = time.perf_counter(), dict[str, Any](years=years, quiet=[], delays=[])
    for name, unsure in (("word for word", 0.0), ("a tenth by chance", 0.1), ("half by chance", 0.5)):
        hits = sum(first_alarm(nights(np.random.default_rng(y), NIGHTS, unsure, 0)) is not None for y in range(years))
        found["quiet"].append(
            {"model": name, "alarms": hits, "at_most": round(clopper_pearson_upper(hits, years, 0.05), 4)}
        )
        print(found["quiet"][-1], flush=True)
        for turned in (10, 20, 30, 40, 60):
            some = [first_alarm(nights(np.random.default_rng(y), AT + 60, unsure, turned)) for y in range(years // 4)]
            waits = sorted(61 if s is None else s - AT + 1 for s in some)
            found["delays"].append(
                {
                    "model": name,
                    "turned": turned,
                    "median": waits[len(waits) // 2],
                    "seen_in_60": sum(w < 61 for w in waits) / len(waits),
                }
            )
            print(found["delays"][-1], flush=True)
    found["seconds"] = round(time.perf_counter() - began)
    Path(__file__).with_name("results").joinpath("asked.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
