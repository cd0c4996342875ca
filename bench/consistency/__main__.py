"""Climb the shipped brand-voice example with tuning forced, then ask its rungs 10,000 times on messages nobody has seen.

    python -m bench.consistency [--requests 10000] [--folder FOLDER]

The messages come from the generator of the example, after the rows that ship. Prints a table and writes it beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rung.config import load_config, parse_config
from rung.engine.asking_again import ask_again
from rung.engine.reopen import reopened
from rung.ladder import climb
from rung.progress import Silent
from rung.store.records import Consistency
from rung.types import Example
from rung_nano import EXAMPLES
from rung_nano.training.examples import brand_voice

HERE = Path(__file__).parent
SHIPPED, SEED = 1400, 41  # of the example
RUNGS = ("prompt", "fewshot", "finetune")


def traffic(requests: int) -> list[Example]:
    """Return messages of the same house after those that ship, no message twice. Raises where the generator has changed."""
    drawn = brand_voice(SHIPPED + requests, SEED)
    first = list(itertools.islice(drawn, SHIPPED))
    shipped = [
        json.loads(x) for x in (EXAMPLES / "brand-voice" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    if first != shipped:
        raise SystemExit("the generator no longer draws the rows that ship; run rung_nano.training.examples first")
    return [Example(row["id"], {"message": row["message"]}, row["reply"], row["id"]) for row in drawn]


async def ask(run_folder: Path, rows: list[Example]) -> list[Consistency]:
    """Ask every rung once for every message."""
    async with reopened(run_folder, Silent()) as run:
        return [await ask_again(run, label, len(rows), 1, rows=rows) for label in RUNGS]


def table(found: list[Consistency], seconds: float) -> str:
    """Return the table in Markdown."""
    lines = [
        "| rung | requests | format errors | 95 % (exact) | text around | other form | no answer | in 10,000 |",
        "|---|--:|--:|---|--:|--:|--:|--:|",
    ]
    for c in found:
        d = c.deviation
        lines.append(
            f"| {c.rung} | {c.requests:,} | {100 * d.rate:.2f} % | {100 * d.low:.2f} to {100 * d.high:.2f} % | {c.forms['extra'].count:,} "
            f"| {c.forms['wrong'].count:,} | {c.forms['failed'].count:,} | {c.per_10k[0]:,.0f} to {c.per_10k[1]:,.0f} |"
        )
    return "\n".join([*lines, "", f"{seconds:.0f} CPU-seconds for all requests."]) + "\n"


def main() -> None:
    """Climb, ask, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=None, help="run folder; by default a temporary one")
    options = parser.parse_args()
    rows = traffic(options.requests)
    shipped = load_config(EXAMPLES / "brand-voice" / "rung.yaml")
    raw = shipped.model_dump(mode="json", exclude={"root"})
    raw["ladder"] = ["prompt", "fewshot", {"finetune": {"force": True}}]
    raw["task"]["goal"] = 1.0  # so that every rung is climbed
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name) / "run"
        climb(parse_config(raw, shipped.root), folder, Silent())
        started = time.process_time()
        found = asyncio.run(ask(folder, rows))
        seconds = time.process_time() - started
    print(table(found, seconds))
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "consistency.md").write_text(table(found, seconds), encoding="utf-8")
    (HERE / "results" / "consistency.json").write_text(
        json.dumps({"cpu_seconds": round(seconds), "rungs": [asdict(c) for c in found]}, indent=1) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
