"""A plug-in of pytest for the runs of mutmut: the tests of the quickest files first, so that most mutants die early.

Files stay whole and in their order, so that what a file sets up once is set up once. Durations are those of mutmut's first
run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

DURATIONS = Path("mutmut-stats.json")  # pytest runs in the folder where mutmut keeps it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not DURATIONS.exists():
        return
    seconds_by_test = json.loads(DURATIONS.read_text(encoding="utf-8"))["duration_by_test"]
    seconds: dict[Path, float] = defaultdict(float)
    for item in items:
        seconds[item.path] += seconds_by_test.get(item.nodeid, 0.0)
    items.sort(key=lambda item: (seconds[item.path], item.path, item.location[1] or 0, item.name))
