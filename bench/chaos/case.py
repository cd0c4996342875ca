"""One project under trouble: made afresh, disturbed, and held against what an undisturbed run of it found."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chaos import worlds
from bench.chaos.command import Ended, Point, run
from bench.chaos.stub import Stub
from rung.store.folder import to_json
from rung.store.run import RunFolder
from rung.testing.endpoint import Faults
from rung.types import Outcome

DOCUMENTED = (0, 1, 2, 3, 4, 6)  # docs/compatibility.md; 5 is our fault
DONE = (0, 1, 6)  # a climb that has its verdict
MAKERS: dict[str, Callable[[Path, int], worlds.World]] = {
    "tickets": worlds.tickets,
    "documents": worlds.documents,
    "tuned": worlds.tuned,
}
NO_FAULTS = Faults()
_TIMES = re.compile(
    r"latency|seconds|_s$|^p\d\d|at$|minutes|usd|attempts|price_note|cached|per_hour|spend|cost|version|environment"
)
_LOSING = re.compile(r"\b(?:delete|remove|erase|throw|rm)\b", re.IGNORECASE)


@dataclass
class Base:
    """An undisturbed run: its project's folder, exit code, what it found, and its calls by stage."""

    world: str
    root: Path
    port: int
    code: int
    found: dict[str, Any]
    calls: dict[str, int]


@dataclass
class Told:
    """What a case came to: what was done, and everything that was not as it must be."""

    name: str
    kills: int = 0
    signals: int = 0
    paid_twice: int = 0
    lost: int = 0
    slowest_s: float = 0.0
    tried: int = 0  # troubles other than kills
    refused: int = 0  # of those, how often a command ended with a sentence instead of a result
    wrong: list[str] = field(default_factory=list)

    def must(self, right: bool, what: str) -> None:
        """Write down a promise that does not hold."""
        if not right:
            self.wrong.append(what[:600])


def plain(value: Any) -> Any:
    """Return what a run found without the times it took and the money it cost, which no two runs share."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not _TIMES.search(str(k))}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def found_by(root: Path, folder: str = "runs/chaos") -> dict[str, Any]:
    """Return verdict, results and scores of every example, by rung."""
    opened = RunFolder.open(root / folder)
    verdict = opened.verdict.plain()
    return {
        "decision": verdict.get("decision"),
        "winner": verdict.get("winner"),
        "rungs": {label: plain(opened.rung(label).result.plain()) for label in opened.measured},
        "scores": {
            label: [plain(json.loads(to_json(o, Outcome))) for o in opened.rung(label).outcomes.need()]
            for label in opened.measured
        },
    }


def answers_kept(root: Path) -> int:
    """Return how many answers that were asked and paid for the project has: beside rung.yaml, in its run, or in both."""
    keys: set[bytes] = set()
    for place, which in ((".rung/answers.sqlite", "1"), ("runs/chaos/ledger.sqlite", "source = 'asked'")):
        if (root / place).is_file():
            with (
                contextlib.closing(sqlite3.connect(root / place)) as cache,
                contextlib.suppress(sqlite3.OperationalError),
            ):
                keys.update(key for (key,) in cache.execute(f"SELECT key FROM answers WHERE {which}"))
    return len(keys)


@contextmanager
def endpoint(
    world: worlds.World, port: int, seed: int = 0, faults: Faults = NO_FAULTS, latency_s: float = 0.01
) -> Iterator[Stub | None]:
    """Serve what the world asks, if it asks anything."""
    if world.answering is None:
        yield None
        return
    stub = Stub(world.answering, port, seed=seed, faults=faults, latency_s=latency_s)
    try:
        yield stub
    finally:
        stub.close()


def fresh(work: Path, world: str, port: int) -> tuple[worlds.World, Path]:
    """Make a project that nothing was run in."""
    root = work / "case" / world
    shutil.rmtree(root, ignore_errors=True)
    return MAKERS[world](root, port), root


def copied(work: Path, base: Base) -> tuple[worlds.World, Path]:
    """Make a project with a finished run in it."""
    world, root = fresh(work, base.world, base.port)
    shutil.rmtree(root)
    shutil.copytree(base.root, root, symlinks=True)
    return world, root


def undisturbed(work: Path, name: str, port: int) -> Base:
    """Climb a world as it is; kept in the work folder for the next call."""
    root = work / "base" / name
    kept = work / f"base-{name}.json"
    world = MAKERS[name](work / "base" / name, port) if not kept.exists() else None
    if world is not None:
        with endpoint(world, port):
            ended = run(["climb"], root, count=True)
        if ended.code not in DONE:
            raise RuntimeError(f"the undisturbed climb of {name} ends with {ended.code}: {ended.said[-2000:]}")
        kept.write_text(json.dumps({"code": ended.code, "calls": ended.calls}))
    told = json.loads(kept.read_text())
    return Base(name, root, port, told["code"], found_by(root), told["calls"])


def said_well(told: Told, ended: Ended, what: str, codes: Sequence[int] = DOCUMENTED) -> None:
    """Check that a command ended as documented: an exit code with a meaning, a sentence, no traceback, no advice that loses answers."""
    told.must(ended.code in codes, f"{what}: exit code {ended.code}: {ended.said[-300:]}")
    told.must("Traceback" not in ended.said, f"{what}: a traceback: {ended.said[-400:]}")
    if ended.code in (2, 3, 4):
        told.must(len(ended.said.strip()) > 20, f"{what}: ends with {ended.code} and says nothing")
        advice = ended.said.strip().splitlines()[-1] if ended.said.strip() else ""
        told.must(not _LOSING.search(advice), f"{what}: an advice that may lose answers: {advice}")


def killed(told: Told, ended: Ended, point: Point) -> None:
    """Check how a command ended that was sent a signal."""
    told.kills += point.signal == signal.SIGKILL
    told.signals += 1
    if point.signal in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        told.slowest_s = max(told.slowest_s, ended.took_s)
        said_well(told, ended, signal.Signals(point.signal).name, (4, *DONE))
        told.must(ended.code == 4 or ended.took_s < 1.0, f"goes on for {ended.took_s:.1f} s and ends with {ended.code}")
        told.must(
            ended.code != 4 or "interrupted" in ended.said, f"does not say that it was interrupted: {ended.said[-300:]}"
        )
        told.must(
            ended.took_s < 3.0,
            f"took {ended.took_s:.1f} s to end after {signal.Signals(point.signal).name}",
        )
    else:
        told.must(
            ended.code in (-point.signal, *DONE),
            f"ends with {ended.code} at signal {point.signal}: {ended.said[-300:]}",
        )
        told.must("Traceback" not in ended.said, f"a traceback at signal {point.signal}: {ended.said[-400:]}")


def equal_at_last(told: Told, base: Base, root: Path, ended: Ended) -> None:
    """Check that the last climb of a case found what the undisturbed one did."""
    said_well(told, ended, "the last climb", DONE)
    told.must(
        ended.code == base.code, f"the last climb ends with {ended.code} instead of {base.code}: {ended.said[-300:]}"
    )
    if ended.code not in DONE:
        return
    found = found_by(root)
    for rung, scores in base.found["scores"].items():
        missing = len(scores) - len(found["scores"].get(rung, ()))
        told.lost += max(0, missing)
        told.must(missing == 0, f"{rung}: {missing} examples of {len(scores)} are lost")
    told.must(found == base.found, f"other numbers than undisturbed: {_differ(base.found, found)}")


def _differ(one: Any, other: Any, where: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if one.get(key) != other.get(key):
                return _differ(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                return _differ(a, b, f"{where}[{number}]")
    return f"{where}: {str(one)[:150]} is {str(other)[:150]}"


def paid_once(told: Told, root: Path, stub: Stub | None, ends: int, before: int = 0, money: bool = True) -> None:
    """Check what the endpoint answered against what is kept, and what it bills against what was written down.

    `before`: answers that the project had when the endpoint began; `money`: whether the run folder is still that of all answers.
    """
    if stub is None or told.wrong:  # what is wrong already says more
        return
    seen = stub.counts()
    answered = sum(seen["well"].values())
    twice = answered - (answers_kept(root) - before)
    told.paid_twice += max(0, twice)
    told.must(
        0 <= twice <= ends * worlds.AT_WORK,
        f"{answered} answers, {twice} of them not kept, after {ends} ends with {worlds.AT_WORK} at work",
    )
    recorded = RunFolder.open(root / "runs/chaos").spend.need()["usd"]
    told.must(not money or recorded >= seen["usd"] - 1e-9, f"${recorded:.6f} written down, ${seen['usd']:.6f} billed")
