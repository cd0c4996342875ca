"""`rung watch` on real texts: `python -m bench.drift.tickets`; results/tickets.json keeps the figures.

A climb with a linear baseline on 1,500 tickets of it-tickets (RUNG_SHARED/data, else ../shared/data); then 30 other tickets a day, drawn
with replacement, are "served" by the winner for a year: as they are, and from day 60 on with a share of banking77's questions, with
three times as many tickets of one rare class, with every tenth request refused, and with an approach that answers the commonest label.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rung.config import parse_config
from rung.ladder import climb
from rung.serve.winner import opened
from rung.store.run import RunFolder
from rung.watch.baseline import Signal, signals
from rung.watch.look import look
from rung.watch.served import Served

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RUNG_SHARED") or ROOT.parent / "shared") / "data"
KNOWN, A_DAY, DAYS, SHIFT = 1500, 30, 364, 60
FIRST = date(2026, 1, 5)
Change = Callable[[Served, random.Random], Served]


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()]


def measured(place: Path, rows: list[dict[str, Any]]) -> Path:
    """Climb with a baseline; return the run."""
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"name": "tickets", "kind": "classification", "instruction": "Route the ticket.", "inputs": ["input"], "target": "expected",
            "metrics": ["normalized_match"], "goal": 0.7}  # fmt: skip
    raw = {
        "version": 1,
        "task": task,
        "data": {"path": "rows.jsonl", "id": "id"},
        "ladder": ["baseline"],
        "stop_early": False,
    }
    climb(parse_config(raw, place), place / "run")
    return place / "run"


async def answered(run: Path, texts: list[str]) -> dict[str, str]:
    async with opened(run, "baseline") as winner:
        return {text: (await winner.system.answer({"input": text})).text for text in dict.fromkeys(texts)}


def year(pool: list[dict[str, Any]], answers: dict[str, str], seed: int, change: Change | None) -> Iterator[Served]:
    rng = random.Random(seed)
    for day in range(DAYS):
        for i, row in enumerate(rng.sample(pool, A_DAY)):
            text = row["input"]
            at = (FIRST + timedelta(days=day)).toordinal()
            one = Served(at, f"{day}-{i}", {"input": text}, 200, answers[text], 0.001, 0)
            yield change(one, rng) if change is not None and day >= SHIFT else one


def main() -> None:
    began = time.process_time()
    rows, other = lines("it-tickets/train"), [row["input"] for row in lines("banking77/train")[:1500]]
    random.Random(1).shuffle(rows)
    pool = rows[KNOWN:]
    counts = Counter(row["expected"] for row in rows)
    rare = [row["input"] for row in pool if row["expected"] == counts.most_common()[-1][0]]
    common = counts.most_common(1)[0][0]
    with tempfile.TemporaryDirectory() as name:
        run = measured(Path(name), rows[:KNOWN])
        watched = signals(RunFolder.open(run), "baseline")
        answers = asyncio.run(answered(run, [*(row["input"] for row in pool), *other]))

    def swapped(texts: list[str], share: float) -> Change:
        def change(one: Served, rng: random.Random) -> Served:
            text = rng.choice(texts)
            return replace(one, inputs={"input": text}, answer=answers[text]) if rng.random() < share else one

        return change

    shifts: dict[str, Change | None] = {
        "as it is": None,
        "15 % questions of a bank": swapped(other, 0.15),
        "40 % questions of a bank": swapped(other, 0.4),
        "20 % more of the rarest class": swapped(rare, 0.2),
        "every tenth refused": lambda one, rng: replace(one, status=422, answer=None) if rng.random() < 0.1 else one,
        "every third refused": lambda one, rng: replace(one, status=422, answer=None) if rng.random() < 1 / 3 else one,
        "one answer to all": lambda one, rng: replace(one, answer=common),
    }
    found = []
    for shift, change in shifts.items():
        for seed in range(10 if change is None else 2):
            found.append({"shift": shift, "seed": seed, **outcome(year(pool, answers, seed, change), watched)})
            print(found[-1], flush=True)
    made = {"examples": KNOWN, "a_day": A_DAY, "days": DAYS, "shift_day": SHIFT, "years": found,
            "cpu_s": round(time.process_time() - began)}  # fmt: skip
    (Path(__file__).with_name("results") / "tickets.json").write_text(json.dumps(made, indent=1) + "\n")


def outcome(served: Iterator[Served], watched: tuple[Signal, ...]) -> dict[str, Any]:
    """Return the day of the first alarm, counted from the shift, and what moved."""
    seen = look(served, watched, frozenset())
    assert seen is not None
    day = None if seen.alarm is None else (seen.alarm - FIRST).days
    return {"alarm_day": day, "days_after_shift": None if day is None else day - SHIFT + 1, "evidence": round(seen.evidence, 3),
            "moved": [s.signal.name for s in seen.standings if s.moved]}  # fmt: skip


if __name__ == "__main__":
    main()
