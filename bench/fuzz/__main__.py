"""Feed every door for text from outside with inputs that coverage finds; one process a target, one after the other.

    python -m bench.fuzz [--minutes 60] [--only PREFIX,PREFIX...] [--work FOLDER]

The corpus stays in the folder and is taken up again by the next run. Results, by target: executions and kinds of fault found.
Exit code 1 where a fault was found: its input and what it did lie in the folder. A mended one becomes a case of
tests/unit/test_fuzzed.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.fuzz import answers, documents, examples, replies, served

LEAST_S = 5


def names(prefixes: str) -> list[str]:
    """Return the names of the targets; `prefixes`: with commas between them."""
    made = (*examples.targets(), *documents.targets(), *replies.targets(), *answers.targets(), *served.targets())
    return [t.name for t in made if t.name.startswith(tuple(prefixes.split(",")))]


def fuzzed(name: str, work: Path, seconds: float) -> tuple[int, list[str]]:
    """Fuzz one target for so long; a process that ended early (a crash, no end, too much memory) is followed by another."""
    until, runs, faults, tries = time.monotonic() + seconds, 0, set[str](), 0
    while (left := until - time.monotonic()) >= LEAST_S:
        tries += 1
        words = [
            sys.executable,
            "-m",
            "bench.fuzz.one",
            name,
            "--work",
            str(work),
            "--seconds",
            str(int(left)),
            "--seed",
            str(tries),
        ]
        with (work / f"{name}.log").open("ab") as log:
            subprocess.run(words, check=False, stdout=log, stderr=log)
        told = work / f"{name}.json"
        if not told.exists():
            return runs, [f"does not start: see {name}.log"]
        found = json.loads(told.read_text(encoding="utf-8"))
        told.unlink()
        runs += found["runs"]
        faults |= set(found["faults"])
    faults |= {path.name for path in work.glob(f"{name}--ended-*")}
    return runs, sorted(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "rung-fuzz")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    chosen = names(asked.only)
    total, bad = 0, 0
    for name in chosen:
        runs, faults = fuzzed(name, asked.work, asked.minutes * 60 / len(chosen))
        total, bad = total + runs, bad + len(faults)
        print(f"{name:<20} {runs:>9,} executions, {len(faults)} kinds of fault", *faults, sep="\n    ", flush=True)
    print(f"{total:,} executions of {len(chosen)} targets, {bad} kinds of fault; inputs and corpus: {asked.work}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
