"""CPU time and size of the page of a large run: python -m bench.report [--save].

A run of six rungs over 10,000 dev and 10,000 test rows is made up (no model is asked), and its page written by a process
of its own, with nothing else loaded: reading the folder, choosing rows, writing HTML. Asked for: under 2 s and 5 MB.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from rung.store.sealed import sealed_test
from tests.unit._run_folder import Made, build, make_examples

ROWS, TRAIN = 10_000, 2_000
SIX = (
    Made("baseline", 0.52, 0.0, 0.002),
    Made("prompt", 0.73, 0.00021, 0.7, timeouts=0.01),
    Made("fewshot", 0.85, 0.00058, 0.9),
    Made("rag", 0.88, 0.0011, 1.6),
    Made("prompt@small", 0.8, 0.0001, 0.3),
    Made("finetune", 0.9, 0.0002, 0.4),
)
LONG = 4_000  # characters of a long input
WRITE = """
import sys, time
started = time.process_time()
from pathlib import Path
from rung.report.page import write_page
from rung.store.run import RunFolder
loaded = time.process_time()
page = write_page(RunFolder.open(Path(sys.argv[1])))
print(loaded - started, time.process_time() - loaded, page.stat().st_size, page.read_text().count('<th scope="row"><a class="id"'))
"""


@dataclass(frozen=True, slots=True)
class Took:
    """One page: CPU seconds to import what it needs, to write it; bytes; rows shown."""

    case: str
    importing_s: float
    writing_s: float
    bytes: int
    rows: int


def write_in_a_process(case: str, folder: Path) -> Took:
    done = subprocess.run([sys.executable, "-c", WRITE, str(folder)], capture_output=True, text=True, check=True)
    importing, writing, size, rows = done.stdout.split()
    return Took(case, float(importing), float(writing), int(size), int(rows))


def measure() -> list[Took]:
    """Return the page of the run as a climb leaves it, with the test rows revealed, and with long inputs."""
    with tempfile.TemporaryDirectory() as place:
        folder = build(Path(place) / "run", SIX, goal=0.95, sizes=(TRAIN, ROWS, ROWS))
        found = [write_in_a_process("10,000 dev rows", folder.path)]
        sealed_test(folder).reveal()
        found.append(write_in_a_process("the same, 10,000 test rows revealed", folder.path))
        rows = make_examples(ROWS, "dev", random.Random(1))
        text = "The customer writes at length about the order and the parcel. " * (LONG // 60)
        dev = tuple(replace(e, inputs={**e.inputs, "body": f"{text}{e.inputs['body']}"}) for e in rows)
        folder = build(Path(place) / "long", SIX, goal=0.95, sizes=(TRAIN, ROWS, ROWS), dev=dev)
        found.append(write_in_a_process(f"10,000 dev rows of {LONG:,} characters", folder.path))
    return found


def table(found: list[Took]) -> str:
    lines = ["| run of six rungs | importing, CPU s | writing, CPU s | MB | rows shown |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {t.case} | {t.importing_s:.2f} | {t.writing_s:.2f} | {t.bytes / 1e6:.2f} | {t.rows} |" for t in found]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write results/page.md")
    arguments = parser.parse_args()
    text = f"# The page of a large run\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{table(measure())}"
    print(text)
    if arguments.save:
        place = Path(__file__).parent / "results"
        place.mkdir(exist_ok=True)
        (place / "page.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
