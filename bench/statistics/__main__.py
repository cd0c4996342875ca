"""Run all simulations: `python -m bench.statistics` (minutes) or `python -m bench.statistics --quick` (under one)."""

from __future__ import annotations

import argparse
import time

from bench.statistics import averages, early_stop, intervals, judged, ladders, pairs, races
from bench.statistics.table import publish

SCRIPTS = {
    "ladders": ladders.tables,
    "early_stop": early_stop.tables,
    "pairs": pairs.tables,
    "intervals": intervals.tables,
    "races": races.tables,
    "judged": judged.tables,
    "averages": averages.tables,
}


def main() -> None:
    """Run the chosen simulations, one after the other, on one core."""
    parser = argparse.ArgumentParser(prog="python -m bench.statistics", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a tenth of the runs; writes no files")
    parser.add_argument("--only", choices=sorted(SCRIPTS), action="append", help="run only this one (may be repeated)")
    arguments = parser.parse_args()
    for name, tables in SCRIPTS.items():
        if arguments.only and name not in arguments.only:
            continue
        start = time.perf_counter()
        publish(name, tables(arguments.quick), time.perf_counter() - start, arguments.quick)


if __name__ == "__main__":
    main()
