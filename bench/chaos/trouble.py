"""Full disks, folders that go or cannot be written, clocks that go back, limits of the machine, damaged files."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.chaos import damage
from bench.chaos.case import (  # fmt: skip
    DOCUMENTED,
    DONE,
    NO_FAULTS,
    Base,
    Told,
    answers_kept,
    copied,
    endpoint,
    equal_at_last,
    fresh,
    paid_once,
    said_well,
)
from bench.chaos.command import Point, run

Do = Callable[[Base], Told]
_CAP_VERSION, _OVERRIDES = 0x20080522, 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
JSON_FILES = ("run.json", "findings.json", "rungs/prompt/result.json", "rungs/prompt/outcomes.jsonl", "rungs/prompt/fit.json", "spend.json",
              "verdict.json", "parts/manifest.json")  # fmt: skip
DATABASES = ("runs/chaos/ledger.sqlite", ".rung/answers.sqlite")

__all__ = ["NO_FAULTS", "cases"]


def cases(work: Path, seed: int, short: bool) -> Iterator[tuple[str, str, Do]]:
    """Yield name, world and what is done."""
    draw = random.Random(seed)

    def some(values: list[int]) -> list[int]:
        return draw.sample(values, 1) if short else values

    for size in some([4_000, 8_000, 16_000, 24_000, 32_000, 48_000, 64_000, 80_000]):
        yield f"files of {size} bytes", "tickets", partial(_limited, work, "RLIMIT_FSIZE", size)
    for files in some([6, 8, 10, 12, 16, 20, 24, 32]):
        yield f"files open {files}", "tickets", partial(_limited, work, "RLIMIT_NOFILE", files)
    for mib in some([1, 2, 4, 8, 16, 32, 64]):
        yield f"memory {mib} MiB more", "tickets", partial(_limited, work, "RLIMIT_AS", mib * 2**20)
    for size in [] if short or os.geteuid() or not _may_mount(work) else [100, 150, 200, 300, 400]:
        yield f"disk full at {size} KiB", "tickets", partial(_full, work, size)
    for how in ("removed",) if short else ("removed", "renamed", "replaced", "project cache removed"):
        for part in range(1 if short else 3):
            yield f"folder {how} {part}", "tickets", partial(_gone, work, how, seed * 100 + part)
    for how in ("project",) if short else ("project", "runs", "on the way", "finished"):
        yield f"read-only {how}", "tickets", partial(_read_only, work, how)
    for shift in some([-3_600, -86_400, -10 * 365 * 86_400, -(10**9), 10 * 365 * 86_400]):
        yield f"clock by {shift} s", "tickets", partial(_clock, work, shift)
    for place in DATABASES:
        for way in draw.sample(list(damage.SQLITE), 1) if short else damage.SQLITE:
            yield f"{Path(place).name} is {way}", "tickets", partial(_damaged_cache, work, place, way)
    for way in draw.sample(list(damage.JSON), 1) if short else damage.JSON:
        for name in draw.sample(JSON_FILES, 1 if short else 2):
            yield f"json {name} is {way}", "tickets", partial(_damaged_file, work, name, way)


def forbidden_what_modes_forbid() -> None:
    """Take from root in this process what other users do not have: to read and write whatever the modes of files say."""
    if os.geteuid() != 0:
        return
    head, held = (ctypes.c_uint32 * 2)(_CAP_VERSION, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(head, held) == 0:
        for kind in (0, 1):  # effective and permitted
            held[kind] &= ~_OVERRIDES
        libc.capset(head, held)


def _limited(work: Path, which: str, most: int, base: Base) -> Told:
    """Climb under a limit of the shell, then without it."""
    told = Told(f"{which} {most}", tried=1)
    world, root = fresh(work, base.world, base.port)
    kind = getattr(resource, which)

    def limit() -> None:
        now = most
        if which == "RLIMIT_AS":
            now += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(kind, (now, resource.getrlimit(kind)[1]))

    with endpoint(world, base.port) as stub:
        first = run(["climb"], root, before=limit)
        said_well(told, first, f"under {which} {most}")
        told.refused += first.code not in DONE
        equal_at_last(told, base, root, run(["climb"], root))
        paid_once(told, root, stub, 1)
    return told


def _may_mount(work: Path) -> bool:
    place = work / "mount"
    place.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "none", place], capture_output=True, check=False
    ).returncode:
        return False
    subprocess.run(["umount", place], capture_output=True, check=False)
    return True


def _full(work: Path, kib: int, base: Base) -> Told:
    """Climb on a disk of some hundred KiB, then on the same one with room."""
    told = Told(f"disk of {kib} KiB", tried=1)
    world, made = fresh(work, base.world, base.port)
    root = work / "mount"
    size = sum(p.stat().st_size // 4096 + 1 for p in made.iterdir()) * 4 + kib
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", root], check=True)
    try:
        shutil.copytree(made, root, dirs_exist_ok=True)
        with endpoint(world, base.port) as stub:
            first = run(["climb"], root)
            said_well(told, first, f"on a disk of {kib} KiB", (2, 4, *DONE))
            told.must(
                first.code in DONE or "disk is full" in first.said or "its free space" in first.said,
                f"does not say that the disk is full: {first.said[-300:]}",
            )
            told.refused += first.code not in DONE
            subprocess.run(["mount", "-o", "remount,size=64m", root], check=True)
            equal_at_last(told, base, root, run(["climb"], root))
            paid_once(told, root, stub, 2)  # what waited for the write that failed, and what was in flight then
    finally:
        subprocess.run(["umount", "-l", root], check=True)
    return told


def _gone(work: Path, how: str, seed: int, base: Base) -> Told:
    """Take the run folder away while a climb asks: it stops paying, and another one goes on from the project's cache."""
    told = Told(f"folder {how}", tried=1)
    world, root = fresh(work, base.world, base.port)
    folder, aside = root / "runs/chaos", root / "aside"
    seen: list[int] = []
    with endpoint(world, base.port, latency_s=0.05) as stub:
        assert stub is not None

        def act() -> None:
            if how == "project cache removed":
                shutil.rmtree(root / ".rung", ignore_errors=True)
            elif how == "removed":
                while folder.exists():  # a file that is written meanwhile stops one pass
                    shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.rename(aside)
                if how == "replaced":
                    folder.mkdir()
            seen.append(stub.counts()["requests"])

        first = run(
            ["climb"],
            root,
            Point("asking", random.Random(seed).randint(base.calls["asking"] // 8, base.calls["asking"] // 2), act=act),
        )
        after = stub.counts()["requests"]
        if how == "project cache removed":
            said_well(told, first, how, DONE)  # the run has its own copy
            equal_at_last(told, base, root, run(["climb"], root))
            return told
        said_well(told, first, f"folder {how}", (2, 4))
        told.refused += first.code not in DONE
        more = after - seen[0] if seen else 0
        told.must(first.met and more <= 3 * 8, f"{more} requests after the folder was {how}")
        if how == "renamed":
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
        equal_at_last(told, base, root, run(["climb"], root))
        paid_once(told, root, stub, 4, money=False)  # those on their way when it was seen, a fifth of a second later
    return told


def _read_only(work: Path, how: str, base: Base) -> Told:
    """Climb as a user who may not write."""
    told = Told(f"read-only {how}", tried=1)
    world, root = copied(work, base) if how == "finished" else fresh(work, base.world, base.port)
    (root / "runs").mkdir(exist_ok=True)
    drop = forbidden_what_modes_forbid
    places = {
        "project": [root, root / "runs"],
        "runs": [root / "runs"],
        "finished": [root, *(p for p in root.rglob("*") if p.is_dir())],
        "on the way": [],
    }[how]
    for path in places:
        path.chmod(0o500)
    late: list[Path] = []

    def act() -> None:
        late.extend([root / "runs/chaos", *(p for p in (root / "runs/chaos").rglob("*") if p.is_dir())])
        for path in late:
            path.chmod(0o500)

    point = Point("asking", base.calls["asking"] // 3, act=act) if how == "on the way" else None
    with endpoint(world, base.port) as stub:
        first = run(["climb"], root, point, before=drop)
        said_well(told, first, f"read-only {how}", (2, 4, *DONE))
        told.refused += first.code not in DONE
        if how == "finished":
            for words in (["report", "runs/chaos", "--format", "json"], ["verify", "runs/chaos"]):
                ended = run(words, root, before=drop)
                said_well(told, ended, " ".join(words), (0,))
        for path in (*places, *late):
            path.chmod(0o700)
        equal_at_last(told, base, root, run(["climb"], root, before=drop))
        paid_once(told, root, stub, 1, before=answers_kept(base.root) if how == "finished" else 0)
    return told


def _clock(work: Path, shift: int, base: Base) -> Told:
    """Climb with a clock that jumps on the way, end it there, and go on with the right one."""
    told = Told(f"clock by {shift} s", tried=1)
    world, root = fresh(work, base.world, base.port)
    draw = random.Random(shift)
    jump = draw.randint(1, 60)  # looks at the clock before it jumps

    def patch() -> None:
        import datetime

        import rung.store.folder as folder

        real, looks = time.time, [0]

        def told_time() -> float:
            looks[0] += 1
            return real() + (shift if looks[0] > jump else 0)

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> Clock:
                return cls.fromtimestamp(told_time(), tz)

        time.time = told_time
        folder.datetime = Clock  # type: ignore[misc]

    with endpoint(world, base.port) as stub:
        point = Point("asking", draw.randint(base.calls["asking"] // 4, base.calls["asking"] * 3 // 4), signal.SIGKILL)
        run(["climb"], root, point, before=patch)
        second = run(["climb"], root, before=patch)
        equal_at_last(told, base, root, second)
        equal_at_last(told, base, root, run(["climb"], root))
        paid_once(told, root, stub, 1)
    for words in (["report", "runs/chaos"], ["verify", "runs/chaos"]):
        said_well(told, run(words, root), " ".join(words), (0,))
    return told


def _half(work: Path, base: Base) -> Path:
    """Return a project whose climb was killed while it asked; made once."""
    kept = work / "half"
    if not kept.exists():
        world, root = fresh(work, base.world, base.port)
        with endpoint(world, base.port):
            run(["climb"], root, Point("asking", base.calls["asking"] // 2))
        shutil.copytree(root, kept)
    return kept


def _damaged_cache(work: Path, place: str, way: str, base: Base) -> Told:
    """Damage a cache of a climb that is half done; go on, after the file was moved away where that is said."""
    told = Told(f"{place} is {way}", tried=1)
    half = _half(work, base)
    world, root = fresh(work, base.world, base.port)
    shutil.rmtree(root)
    shutil.copytree(half, root)
    before = answers_kept(root)
    if "-wal" not in way:
        damage.settled(root / place)
    damage.SQLITE[way](root / place)
    with endpoint(world, base.port) as stub:
        assert stub is not None
        ended = run(["climb"], root)
        said_well(told, ended, f"{place} is {way}")
        if ended.code not in DONE:
            told.refused += 1
            told.must(Path(place).name in ended.said, f"does not name the file: {ended.said[-300:]}")
            damage.away(root / place, work / "moved-away")
            ended = run(["climb"], root)
        equal_at_last(told, base, root, ended)
        asked = sum(stub.counts()["well"].values())
        needed = answers_kept(base.root) - before
        told.paid_twice += max(0, asked - needed)
        told.must(asked <= needed, f"{asked} answers were paid where {needed} were missing")
    checked = run(["verify", "runs/chaos"], root)
    told.must(checked.code == 0, f"verify ends with {checked.code}: {(checked.out + checked.said)[-500:]}")
    return told


def _damaged_file(work: Path, name: str, way: str, base: Base) -> Told:
    """Damage a file of a finished run; climb again, after it was moved away where that is said."""
    told = Told(f"{name} is {way}", tried=1)
    world, root = copied(work, base)
    place = root / "runs/chaos" / name
    damage.JSON[way](place)
    with endpoint(world, base.port) as stub:
        assert stub is not None
        ended = run(["climb"], root)
        said_well(told, ended, f"{name} is {way}", DOCUMENTED)
        if ended.code not in DONE:
            told.refused += 1
            told.must(Path(name).name in ended.said, f"does not name the file: {ended.said[-300:]}")
            if place.is_dir():
                place.rmdir()
            place.unlink(missing_ok=True)
            ended = run(["climb"], root)
        equal_at_last(told, base, root, ended)
        asked = sum(stub.counts()["well"].values())
        told.paid_twice += asked
        told.must(not asked, f"{asked} answers were paid again")
    return told
