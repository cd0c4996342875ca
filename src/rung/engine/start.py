"""Begin a climb in its run folder, or go on with it; and write down how it ended."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung import __version__
from rung.config import Config, steering
from rung.engine.awaited import with_arrivals
from rung.engine.further import MORE, begin_second_look
from rung.engine.named_files import named_files
from rung.errors import ConfigError, Interrupted, Problem, RungError
from rung.models.client import Client
from rung.progress import Progress
from rung.store.cache import AnswerCache
from rung.store.folder import now, open_to_others
from rung.store.run import SCHEMA, RunFolder
from rung.types import Result, Verdict, content_hash


@dataclass(frozen=True)
class ClimbResult:
    """A climb that came to its end: the verdict and the folder that proves it."""

    folder: Path
    verdict: Verdict
    results: dict[str, Result]
    unanswered_rows: int  # test examples without an answer by transport trouble; the same command asks them again
    read_back: bool = False  # nothing changed since an earlier climb came to this end

    @property
    def exit_code(self) -> int:
        """0 good enough, 1 not, 3 budget spent, 4 examples left unanswered, 6 open; `Verdict.exit_code` tells more."""
        return self.verdict.exit_code(self.unanswered_rows)


def interrupted(folder: Path) -> Interrupted:
    """Return the error that says where an interrupted climb goes on."""
    return Interrupted(
        f"interrupted; everything answered so far is kept in {folder}: `rung climb {shlex.quote(str(folder))}` goes on"
    )


GOALS = (
    "task.goal",
    "task.goal.margin",
)  # may be changed at any time: answers, candidates and outcomes stand as they are
CHANGES_NAMED = 5
OTHER_GOAL = "task.goal, from a number to an approach or back"  # which changes what is measured first, and may not


def start(path: Path, config: Config, progress: Progress | None = None) -> RunFolder:
    """Open or create the run folder for this configuration; say so where others may look into it.

    Another configuration is taken where nothing stands on the old one: before the test examples were read and anything
    was answered all of it may change, before anything was answered the models may. Another goal alone is always taken: the
    verdict is then made anew from the stored answers. So is a model that was tuned elsewhere and is awaited.

    Raises RungError for a folder of another version, and ConfigError when it holds a climb with another configuration.
    """
    run = RunFolder.create(path)
    as_read = config.model_dump(mode="json", exclude={"root"})
    same: dict[str, Any] = {"config": as_read, "config_sha256": config.sha256, "planned": list(config.planned)}
    same["named_files"] = named_files(config)
    if run.begun:
        _check_same(RunFolder.open(path), config)
        if _others(run.facts.get("named_files", {}), same["named_files"]):
            _scores_anew(run, progress)
        run.note(status="running", exploratory=run.revealed, **same)
    else:
        run.note(
            schema=SCHEMA,
            rung_version=__version__,
            created=now(),
            status="running",
            root=os.path.relpath(config.root.resolve(), path.resolve()),  # relative: the folders may move together
            exploratory=run.revealed,
            environment={
                "python": platform.python_version(),
                "system": platform.system(),
                "machine": platform.machine(),
            },
            **same,
        )
    run.event("climb_started", version=__version__, config=content_hash(as_read))
    told = open_to_others(path)
    if told is not None and progress is not None:
        progress.say(told)
    return run


def _others(before: Any, now: Mapping[str, str]) -> bool:
    """Whether a file that something names holds something else by now; a model that is new has nothing that it made."""
    return not isinstance(before, dict) or any(now.get(part, held) != held for part, held in before.items())


def _scores_anew(run: RunFolder, progress: Progress | None) -> None:
    """Give up what was made with files that hold something else by now; what a model answered stays, and is scored anew."""
    run.reconsider()
    for label in run.planned:
        run.rung(label).profile.forget()
        run.rung(label).consistency.forget()
    if progress is not None:
        progress.say("a file of code, a rubric or a model's folder has changed since: all is scored and judged anew")


def broken_off(run: RunFolder, error: BaseException) -> None:
    """Write down that the climb ended without a verdict; trouble in doing so, as on a full disk, hides nothing.

    Where another folder stands in the place of the run's, nothing is written into that.
    """
    resumable = isinstance(error, KeyboardInterrupt | CancelledError | Interrupted)
    with contextlib.suppress(RungError, OSError):
        if run.begun:
            run.status("interrupted" if resumable else "failed")


def save_spend(run: RunFolder, clients: Mapping[str, Client]) -> None:
    """Keep what was asked and spent, by role, over all sessions."""
    roles = {role: client.spend() for role, client in clients.items()}
    known = [r["usd"] for r in roles.values()]
    usd = None if any(u is None for u in known) else sum(u for u in known if u is not None)
    total = {
        "usd": usd,
        "note": None if usd is not None else "the price of a model is unknown",
        "calls": sum(r["calls"] for r in roles.values()),
        "cached": sum(r["cached"] for r in roles.values()),
        "by_role": roles,
    }
    run.spend.save(total)


_ASKED_BY = ("models.", "task.prompt", "task.instruction")


def _check_same(run: RunFolder, config: Config) -> None:
    """Take a changed configuration where `other_configuration` allows it: what stands on what changed is given up."""
    problem = other_configuration(run, config)
    if problem is not None:
        raise ConfigError([problem], "The run folder")
    changes = _steering_changes(run, config)
    if changes == [MORE]:
        return begin_second_look(run, config)
    others = [c for c in changes or () if c not in GOALS]
    if changes and len(others) < len(changes) and (run.times_opened or not others):
        run.reconsider()
    if others and not run.times_opened and not _of_answers_alone(others):
        run.findings.forget()  # parts that nobody has read: without these the next step freezes anew
        run.parts.manifest.forget()


def other_configuration(run: RunFolder, config: Config) -> Problem | None:
    """Say why a climb may not go on in a folder that holds another one; None where it may. Changes nothing."""
    changes = _steering_changes(run, config)
    if changes is None:
        return None
    others = [c for c in changes if c not in GOALS]
    if (changes and not others) or changes == [MORE] or _may_change(run, others):
        return None
    more = f" and {len(others) - CHANGES_NAMED:,} more" if len(others) > CHANGES_NAMED else ""
    changed = ", ".join(others[:CHANGES_NAMED]) + more or "its defaults"
    return Problem(
        "folder",
        f"{run.path} holds a run with another configuration (changed: {changed}); name another folder (what the project has "
        "paid for is not paid again) or put the file back",
    )


def _steering_changes(run: RunFolder, config: Config) -> list[str] | None:
    """Return the paths that steer and differ from what the folder holds; None where the configurations are one."""
    before = run.facts
    if before.get("config_sha256") == config.sha256:
        return None
    stood, as_read = (
        with_arrivals(before.get("config", {}), config, run),
        config.model_dump(mode="json", exclude={"root"}),
    )
    found = [c for c in _changes(stood, as_read) if steering(c, config.tries_models)]
    goals = [settings.get("task", {}).get("goal") for settings in (stood, as_read)]
    if isinstance(goals[0], dict) != isinstance(goals[1], dict):
        found = [OTHER_GOAL if c == GOALS[0] else c for c in found]
    shares = {
        f"split.{name}" for name in ("test", "dev") if as_read["split"][name] is None
    }  # left to rung: those frozen stay
    changes = [c for c in found if c not in shares]
    return None if not changes and (found or stood != before.get("config")) else changes


def _may_change(run: RunFolder, changes: Sequence[str]) -> bool:
    """Whether nothing in the folder stands on what changed."""
    if not run.times_opened and all(c.startswith(_ASKED_BY) for c in changes):
        return True  # nothing is measured yet, and an answer is kept under all that it was asked with
    if AnswerCache.exists_in(run.path):
        with AnswerCache.open_in(run.path) as held:
            if any(s.answers or s.taken or s.lost_usd for s in held.spend()):
                return False
    return not run.times_opened or all(c.startswith("models.") for c in changes)


def _of_answers_alone(changes: Sequence[str]) -> bool:
    """Whether the parts stand whatever changed: it is about who answers what, not about the rows."""
    return all(c.startswith(_ASKED_BY) for c in changes) or all(c.startswith("models.") for c in changes)


def _changes(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths at which two configurations differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [c for k in keys for c in _changes(before.get(k), after.get(k), f"{path}.{k}" if path else k)]
    return [] if before == after else [path]
