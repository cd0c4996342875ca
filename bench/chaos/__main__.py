"""Kill, starve and damage whole climbs, and look at what is left: `python -m bench.chaos [--short] [--work FOLDER] [--only WORD]`.

What is done stands in `results.jsonl` of the work folder, and is not done again. Exit code 1 where a promise did not hold.
Linux alone: it forks, and waits by pidfd. Every number comes from the seed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from bench.chaos import kills, trouble
from bench.chaos.case import Base, Told, undisturbed
from bench.chaos.stub import Stub

Case = tuple[str, str, Callable[[Base], Told]]  # its name, its world, what is done
LONG = {
    "audit": 10,
    "asking": 60,
    "indexing": 12,
    "tuning": 10,
    "report": 10,
    "export": 10,
}  # ends that are tried; one is not met where a climb was done before
SHORT = {"audit": 2, "asking": 3, "indexing": 2, "report": 2, "export": 2}


def cases(work: Path, seed: int, short: bool) -> Iterator[Case]:
    """Yield what is done, in order."""
    for stage, wanted in (SHORT if short else LONG).items():
        world = kills.WORLD_OF[stage]
        for number, ends in enumerate(
            _parts(wanted, 10 if stage in ("audit", "tuning", "report", "export") else kills.IN_A_ROW)
        ):
            at = seed * 1000 + number
            if stage in kills.AFTER:
                yield (
                    f"kill {stage} {number}",
                    world,
                    lambda b, s=stage, n=ends, a=at: kills.commands_ended(work, b, s, n, a),
                )
            else:
                signals = [int(signal.SIGKILL)] * ends
                yield (
                    f"kill {stage} {number}",
                    world,
                    lambda b, s=stage, n=signals, a=at: kills.climbs_ended(work, b, s, n, a),
                )
    for number, each in enumerate(kills.SIGNALS[: 2 if short else None]):
        for part, ends in enumerate(_parts(1 if short else 20, kills.IN_A_ROW)):
            stages, at = ("anywhere", "asking", "indexing"), seed * 1000 + 100 * number + part
            stage = stages[part % 2] if each != signal.SIGTERM else stages[part % 2 * 2]
            name = f"{signal.Signals(each).name} {stage} {part}"
            yield (
                name,
                kills.WORLD_OF[stage],
                lambda b, s=stage, n=[int(each)] * ends, a=at: kills.climbs_ended(work, b, s, n, a),
            )
    yield from trouble.cases(work, seed, short)


def _parts(total: int, most: int) -> Iterator[int]:
    while total > 0:
        yield min(total, most)
        total -= most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="about ten kills, some troubles: what the tests run")
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument(
        "--only", default="", help="cases whose name holds one of these words, with commas between them"
    )
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    work = asked.work or Path(tempfile.mkdtemp(prefix="rung-chaos-"))
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "results.jsonl"
    done = (
        {r["case"]: r for r in map(json.loads, kept.read_text(encoding="utf-8").splitlines())} if kept.exists() else {}
    )
    port = _port(work)
    imported(tuning=not asked.short)
    bases: dict[str, Base] = {}
    for name, world, do in cases(work, asked.seed, asked.short):
        if name in done or not any(word in name for word in asked.only.split(",")):
            continue
        base = bases.get(world) or bases.setdefault(world, undisturbed(work, world, port))
        began, cpu = time.monotonic(), os.times()
        try:
            told = do(base)
        except Exception as error:  # noqa: BLE001 - the others go on
            told = Told(name, wrong=[f"the case itself broke: {error!r}"])
        spent = os.times()
        found = {**asdict(told), "case": name, "wall_s": round(time.monotonic() - began, 1),
                 "cpu_s": round(sum(spent[:4]) - sum(cpu[:4]), 1)}  # fmt: skip
        done[name] = found
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        print(
            f"{name}: {told.signals or told.tried} done in {found['cpu_s']} CPU-s",
            *(f"    WRONG {w}" for w in told.wrong),
            sep="\n",
            flush=True,
        )
    return _table(list(done.values()), work)


def imported(tuning: bool) -> None:
    """Import what a command imports on its way, so that its children need not."""
    import importlib

    names = ["rung.cli", "rung.ladder", "rung.report.page", "rung.report.text", "rung.exports.write", "rung.engine.verify", "rung.rag.opening",
             "rung.models.openai", "rung.retrievers.sqlite", "numpy", "aiohttp"]  # fmt: skip
    for name in (*names, *(("torch", "peft", "transformers", "rung.tuners.lora") if tuning else ())):
        importlib.import_module(name)


def _port(work: Path) -> int:
    kept = work / "port"
    if not kept.exists():
        stub = Stub(str, 0, seed=0, faults=trouble.NO_FAULTS, latency_s=0.0)
        stub.close()
        kept.write_text(str(stub.port))
    return int(kept.read_text())


def _table(results: list[dict[str, object]], work: Path) -> int:
    groups: dict[str, list[dict[str, object]]] = {}
    for result in results:
        groups.setdefault(" ".join(w for w in str(result["case"]).split() if not w.isdigit()), []).append(result)
    head = (
        "what",
        "cases",
        "kills",
        "signals",
        "troubles",
        "refused",
        "paid twice",
        "lost",
        "slowest s",
        "CPU-s",
        "wrong",
    )
    rows = [head]
    fields = ("kills", "signals", "tried", "refused", "paid_twice", "lost")
    for name, found in [*groups.items(), ("all", results)]:
        sums = [str(sum(int(str(r[f])) for r in found)) for f in fields]
        slowest = max((float(str(r["slowest_s"])) for r in found), default=0.0)
        cpu = sum(float(str(r["cpu_s"])) for r in found)
        wrong = sum(len(r["wrong"]) for r in found)  # type: ignore[arg-type]
        rows.append((name, str(len(found)), *sums, f"{slowest:.1f}", f"{cpu:.0f}", str(wrong)))
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    for row in rows:
        print(
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    print(f"results: {work / 'results.jsonl'}")
    return int(any(r["wrong"] for r in results))


if __name__ == "__main__":
    sys.exit(main())
