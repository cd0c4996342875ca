"""Whole climbs, and the commands after them, ended at random points of every stage, by every signal."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

from bench.chaos.case import Base, Told, copied, endpoint, equal_at_last, fresh, killed, paid_once, said_well
from bench.chaos.command import Point, run
from bench.chaos.stub import FAULTS

IN_A_ROW = 5  # ends of one climb before it may finish
WORLD_OF = {"audit": "tickets", "asking": "tickets", "indexing": "documents", "tuning": "tuned", "report": "tickets", "export": "tickets",
            "anywhere": "tickets"}  # fmt: skip
AFTER = {
    "report": ["report", "runs/chaos"],
    "export": ["export", "runs/chaos", "--rung", "prompt"],
}  # of a finished climb
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGXCPU"))


def climbs_ended(work: Path, base: Base, stage: str, signals: list[int], seed: int) -> Told:
    """End climbs at as many points of a stage as there are signals, let each climb finish, and look at everything.

    A climb that is done before its next point leaves the rest of the signals to a fresh one, whose first point lies within
    what an undisturbed climb does: so every signal is sent.
    """
    told = Told(f"{stage} {seed}")
    draw = random.Random(f"{stage}{seed}")
    left = list(signals)
    while left:
        sent = _climb_ended(told, work, base, stage, left, draw, seed)
        told.must(bool(sent), f"a fresh climb was not ended by signal {left[0]}")
        if not sent:
            break
        left = left[sent:]
    return told


def _climb_ended(
    told: Told, work: Path, base: Base, stage: str, signals: list[int], draw: random.Random, seed: int
) -> int:
    """End one climb as often as it has points left, let it finish, and look at it; return how many signals it was sent."""
    world, root = fresh(work, base.world, base.port)
    once = stage == "audit"  # it is done at every start: no end makes the rest shorter
    sent = 0
    with endpoint(world, base.port, seed, FAULTS) as stub:
        for left, number in zip(range(len(signals), 0, -1), signals, strict=True):
            most = base.calls[stage] if once else max(1, base.calls[stage] * 2 // (left + 2))
            point = Point(stage, draw.randint(1, max(1, most)), number, draw.choice((0.0, draw.random() * 0.02)))
            ended = run(["climb"], root, point)
            if not ended.met:
                said_well(told, ended, f"not ended at call {point.number} of {stage}")
                break
            killed(told, ended, point)
            sent += 1
        last = run(["climb"], root)
        equal_at_last(told, base, root, last)
        paid_once(told, root, stub, sent)
    checked = run(["verify", "runs/chaos"], root)
    told.must(checked.code == 0, f"verify ends with {checked.code}: {(checked.out + checked.said)[-500:]}")
    return sent


def commands_ended(work: Path, base: Base, stage: str, ends: int, seed: int) -> Told:
    """End the report or the export of a finished run at random points; done again, it writes what it would have written."""
    told = Told(f"{stage} {seed}")
    draw = random.Random(f"{stage}{seed}")
    _, root = copied(work, base)
    words = AFTER[stage]
    shutil.rmtree(root / "runs/chaos/exports", ignore_errors=True)
    first = run(words, root, count=True)
    said_well(told, first, stage, (0,))
    before = _written(root)
    for _ in range(ends):
        if stage == "export":
            shutil.rmtree(root / "runs/chaos/exports", ignore_errors=True)
        point = Point(
            stage, draw.randint(1, max(1, first.calls[stage])), signal.SIGKILL, draw.choice((0.0, draw.random() * 0.01))
        )
        ended = run(words, root, point)
        told.must(ended.met, f"call {point.number} of {stage} was not met")
        if ended.met:
            killed(told, ended, point)
        again = run(words, root)
        said_well(told, again, f"{stage} again", (0,))
        told.must(
            _written(root) == before,
            f"{stage} again writes something else: {sorted(set(before) ^ set(_written(root)))}",
        )
    return told


def _written(root: Path) -> dict[str, bytes]:
    run_folder = root / "runs/chaos"
    kept = [run_folder / "report.html", *sorted(p for p in (run_folder / "exports").rglob("*") if p.is_file())]
    return {p.relative_to(run_folder).as_posix(): p.read_bytes() for p in kept if p.exists()}
