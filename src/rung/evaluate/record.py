"""What a climb writes into its run folder, and what it finds there when it is resumed."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from rung import __version__
from rung.config import Config
from rung.data.parts import MANIFEST
from rung.errors import ConfigError, Interrupted, Problem, RungError
from rung.evaluate.diagnosis.calibration import Foretold, check
from rung.evaluate.measure import unanswered
from rung.evaluate.profile import Profile
from rung.evaluate.trust import FILE as TRUST
from rung.evaluate.trust import Trust, trust_of
from rung.models.client import Client
from rung.store.folder import SCHEMA, RunFolder, load_result, now
from rung.store.ledger import Ledger
from rung.store.sealed import is_spent, times_opened
from rung.types import (
    Candidate,
    Comparison,
    Diagnosis,
    Finding,
    Fitted,
    Outcome,
    Result,
    Skipped,
    Task,
    Verdict,
)


class Conclusion(Protocol):
    """The part of a finished climb that is written beside the verdict."""

    @property
    def comparisons(self) -> tuple[Comparison, ...]: ...

    @property
    def skipped(self) -> tuple[Skipped, ...]: ...

    @property
    def stopped(self) -> str | None: ...


@dataclass(frozen=True)
class Record:
    """The run folder as the climb sees it."""

    folder: RunFolder
    exploratory: bool

    @classmethod
    def start(cls, path: Path, config: Config) -> Record:
        """Open or create the run folder for this configuration.

        Another configuration is taken where nothing stands on the old one: before the test part was opened and anything
        was answered all of it may change, before anything was answered the models may.

        Raises NewerFolder, and ConfigError when the folder holds a climb with another configuration.
        """
        folder = RunFolder.create(path)
        as_read = config.model_dump(mode="json", exclude={"root"})
        if folder.has("run.json"):
            folder = RunFolder.open(path)
            before = folder.read("run.json")
            changes = _changes(before.get("config", {}), as_read)
            if before.get("config_sha256") != config.sha256 and not _may_change(folder, changes):
                changed = ", ".join(changes) or "its defaults"
                raise ConfigError(
                    [
                        Problem(
                            "--folder",
                            f"{path} holds a climb with another configuration (changed: {changed}); name another folder "
                            "or put the file back",
                        )
                    ],
                    "The run folder",
                )
        revealed = is_spent(path)
        record = cls(folder, revealed)
        if not folder.has("run.json"):
            head = {
                "schema": SCHEMA,
                "rung_version": __version__,
                "created": now(),
                "status": "running",
                "config": as_read,
                "config_sha256": config.sha256,
                "root": os.path.relpath(
                    config.root.resolve(), path.resolve()
                ),  # relative: the folders may move together
                "planned": list(config.planned),
                "exploratory": revealed,
                "environment": {
                    "python": platform.python_version(),
                    "system": platform.system(),
                    "machine": platform.machine(),
                },
            }
            folder.write("run.json", head)
        else:
            record.update(
                status="running",
                exploratory=revealed,
                config=as_read,
                config_sha256=config.sha256,
                planned=list(config.planned),
            )
        folder.event("climb_started", version=__version__)
        return record

    def update(self, **fields: Any) -> None:
        """Change fields of run.json."""
        self.folder.write("run.json", {**self.folder.read("run.json"), **fields})

    def status(self, status: str) -> None:
        self.update(status=status)
        self.folder.event("climb_" + status)

    def broken_off(self, error: BaseException) -> None:
        """Write down that the climb ended without a verdict; trouble in doing so, as on a full disk, hides nothing."""
        resumable = isinstance(error, KeyboardInterrupt | Interrupted)
        with contextlib.suppress(RungError, OSError):
            self.status("interrupted" if resumable else "failed")

    def task(self, task: Task, findings: Sequence[Finding]) -> None:
        """Keep the task as the climb uses it and the audit's findings."""
        self.update(task=TypeAdapter(Task).dump_python(task, mode="json"))
        self.folder.save("findings.json", tuple(findings), tuple[Finding, ...])

    def fitted(self, label: str, fitted: Fitted) -> None:
        self.folder.save_rows(f"rungs/{label}/dev.jsonl", fitted.dev, Outcome)
        self.folder.save(f"rungs/{label}/fit.json", replace(fitted, dev=()), Fitted)

    def measured(self, label: str, candidate: Candidate) -> Result | None:
        """Return the stored result of this very candidate if every row was answered: the test part stays shut."""
        name = f"rungs/{label}/result.json"
        if not self.folder.has(name) or not self.folder.has(f"rungs/{label}/outcomes.jsonl"):
            return None
        stored = load_result(self.folder, label)
        return None if stored.candidate.id != candidate.id or unanswered(stored.outcomes) else stored

    def result(self, label: str, result: Result) -> None:
        self.folder.save_rows(f"rungs/{label}/outcomes.jsonl", result.outcomes, Outcome)
        self.folder.save(f"rungs/{label}/result.json", replace(result, outcomes=()), Result)

    def profiled(self, label: str, candidate: Candidate) -> Profile | None:
        """Return what one request of this very candidate takes, where it is known already."""
        name = f"rungs/{label}/profile.json"
        stored = self.folder.load(name, Profile) if self.folder.has(name) else None
        return stored if stored is not None and stored.candidate == candidate.id and stored.n else None

    def examined(self, label: str, diagnosis: Diagnosis, profile: Profile, dev: Sequence[Outcome], task: Task) -> None:
        """Keep what was learned of a rung on dev, and how well the diagnoses below foretold it."""
        planned = self.folder.read("run.json")["planned"]
        below = [f"rungs/{name}/diagnosis.json" for name in planned[: planned.index(label)]]
        earlier = [self.folder.load(name, Diagnosis) for name in below if self.folder.has(name)]
        self.folder.save(f"rungs/{label}/diagnosis.json", diagnosis, Diagnosis)
        self.folder.save(f"rungs/{label}/profile.json", profile, Profile)
        checked = check(earlier, label, dev, task)
        self.folder.save(f"rungs/{label}/foretold.json", checked, tuple[Foretold, ...])

    def spend(self, clients: Mapping[str, Client]) -> None:
        """Keep what was asked and spent, by role, over all sittings."""
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
        self.folder.write("spend.json", total)

    def conclude(self, climbed: Conclusion, verdict: Verdict) -> None:
        """Keep the verdict and what it stands on."""
        self.folder.save("comparisons.json", climbed.comparisons, tuple[Comparison, ...])
        self.folder.save("skipped.json", climbed.skipped, tuple[Skipped, ...])
        self.folder.save("verdict.json", verdict, Verdict)
        judged = trust_of(self.folder)
        if judged is not None:
            self.folder.save(TRUST, judged, Trust)
        self.update(stopped=climbed.stopped)
        self.status("done" if verdict.decision != "stopped" else "interrupted")


def _may_change(folder: RunFolder, changes: Sequence[str]) -> bool:
    """Whether nothing in the folder stands on what changed; parts that nobody has opened are then given up."""
    ledger = folder.path / "ledger.sqlite"
    if ledger.exists():
        with Ledger.open(ledger) as held:
            if any(s.answers or s.lost_usd for s in held.spend()):
                return False
    if all(c.startswith("models.") for c in changes):
        return True
    if times_opened(folder.path):
        return False
    for name in ("findings.json", MANIFEST):  # without these the next step freezes anew
        (folder.path / name).unlink(missing_ok=True)
    return True


def _changes(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths at which two configurations differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [c for k in keys for c in _changes(before.get(k), after.get(k), f"{path}.{k}" if path else k)]
    return [] if before == after else [path]
