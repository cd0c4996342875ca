"""Run folder -> Report: everything the page, the terminal, Markdown and JSON show, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from rung.errors import RungError
from rung.evaluate.consistency import Consistency
from rung.evaluate.diagnosis.calibration import Foretold
from rung.evaluate.profile import Profile
from rung.evaluate.trust import FILE as TRUST
from rung.evaluate.trust import Trust
from rung.report.evidence import Archive, Evidence
from rung.report.figures import deciding
from rung.store.folder import RunFolder, at_work
from rung.store.sealed import is_spent, open_test, times_opened
from rung.types import (
    Comparison,
    Diagnosis,
    Estimate,
    Example,
    Finding,
    Fitted,
    Outcome,
    Result,
    Skipped,
    Task,
    Verdict,
)

Event = Mapping[str, Any]
TOLD = "told.json"  # in the run folder: what the user answered to `rung advise`, factor -> true or false


@dataclass(frozen=True)
class RungReport:
    """One planned rung: what is known of it. `skipped` says why it was not run; all None: not reached."""

    label: str
    number: int  # place in the ladder, from 0
    fitted: Fitted | None
    result: Result | None  # without outcomes
    diagnosis: Diagnosis | None
    skipped: str | None
    not_reached: str = "the climb ended on a rung below"
    consistency: Consistency | None = None  # None: no metric of the task knows a form
    profile: Profile | None = None  # one request by itself
    foretold: tuple[Foretold, ...] = ()  # what the rungs below foretold of this one, and what came true

    @property
    def state(self) -> str:
        """One of met, not_met, unclear, skipped, not_reached."""
        if self.result is not None:
            return self.result.quality.status
        return "skipped" if self.skipped is not None else "not_reached"

    @property
    def why_not(self) -> str:
        """Why there is no result."""
        return self.skipped or self.not_reached


@dataclass(frozen=True)
class Side:
    """Rows of one part with every rung's outcome: dev always, test only after it was revealed."""

    part: str
    examples: tuple[Example, ...]
    outcomes: Mapping[str, Mapping[str, Outcome]]  # rung -> row id -> outcome


@dataclass(frozen=True)
class Report:
    """A run, as far as it came. `verdict` None: no verdict yet. `spend` None: nothing was asked yet."""

    name: str  # the folder's own name, never its path
    head: Mapping[str, Any]
    task: Task
    rungs: tuple[RungReport, ...]
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    verdict: Verdict | None
    evidence: Mapping[str, Evidence]  # by key, of every reason of the verdict
    manifest: Mapping[str, Any]
    spend: Mapping[str, Any] | None
    events: tuple[Event, ...]
    opened: int  # how often the test part was opened
    revealed: bool
    sides: tuple[Side, ...]
    trust: Trust | None = None  # what is known of the judge, where one decides
    told: Mapping[str, bool] = field(default_factory=dict)  # factors of the decision matrix that the user answered

    @cached_property
    def measured(self) -> tuple[RungReport, ...]:
        return tuple(r for r in self.rungs if r.result is not None)

    def rung(self, label: str | None) -> RungReport | None:
        return next((r for r in self.rungs if r.label == label), None)

    @property
    def winner(self) -> RungReport | None:
        return self.rung(self.verdict.winner) if self.verdict else None

    @property
    def lean(self) -> RungReport | None:
        return self.rung(self.verdict.lean) if self.verdict else None

    @property
    def best(self) -> RungReport | None:
        """The rung that rows are sorted by: the winner, else the lean, else the one with the highest estimate."""
        scored = [(r, e) for r in self.measured if (e := self.estimate(r))]
        return self.winner or self.lean or max(scored, key=lambda pair: pair[1].point, default=(None, None))[0]

    def estimate(self, rung: RungReport) -> Estimate | None:
        """Return the rung's estimate under the deciding metric."""
        return deciding(rung.result, self.task) if rung.result else None

    @property
    def elapsed_s(self) -> float | None:
        """Seconds at work over all sittings, from the events; None when a sitting has no end."""
        return _elapsed_s(self.events)


def load_report(folder: RunFolder, *, rows: bool = True) -> Report:
    """Read a run folder. Dev rows are read when `rows`; test rows too, once they were revealed.

    Reading revealed test rows again is one more opening and is written down. Raises RungError when the climb ended
    before it had a task, IntegrityError for damaged files.
    """
    head = folder.read("run.json")
    if head.get("status") == "running" and not at_work(folder):
        head = {**head, "status": "interrupted"}  # killed: it could not write so itself
    if "task" not in head:
        raise RungError(
            f"{folder.path} has nothing to report yet: the climb ended before its rows were read (status "
            f"{head.get('status')!r}); run `rung climb` again"
        )
    task = folder.load_field("run.json", "task", Task)
    skipped = _optional(folder, "skipped.json", tuple[Skipped, ...]) or ()
    verdict = _optional(folder, "verdict.json", Verdict)
    archive = Archive(folder)
    keys = [key for reason in verdict.reasons for key in reason.evidence] if verdict else []
    why = (
        "the climb has not come so far"
        if verdict is None or verdict.decision == "stopped"
        else "the climb ended on a rung below"
    )
    rungs = tuple(_rung(folder, label, i, skipped, why) for i, label in enumerate(head["planned"]))
    revealed = is_spent(folder.path)
    sides = _sides(folder, rungs, revealed) if rows else ()
    return Report(
        name=folder.path.resolve().name,
        head=head,
        task=task,
        rungs=rungs,
        comparisons=_optional(folder, "comparisons.json", tuple[Comparison, ...]) or (),
        findings=_optional(folder, "findings.json", tuple[Finding, ...]) or (),
        skipped=skipped,
        verdict=verdict,
        evidence={key: archive.look_up(key) for key in keys},
        manifest=folder.read("parts/manifest.json") if folder.has("parts/manifest.json") else {},
        spend=folder.read("spend.json") if folder.has("spend.json") else None,
        events=tuple(folder.events()),
        opened=times_opened(folder.path),
        revealed=revealed,
        sides=sides,
        trust=_optional(folder, TRUST, Trust),
        told=folder.read(TOLD) if folder.has(TOLD) else {},
    )


def _optional(folder: RunFolder, name: str, shape: Any) -> Any:
    return folder.load(name, shape) if folder.has(name) else None


def _rung(folder: RunFolder, label: str, number: int, skipped: tuple[Skipped, ...], why: str) -> RungReport:
    base = f"rungs/{label}"
    return RungReport(
        label=label,
        number=number,
        fitted=_optional(folder, f"{base}/fit.json", Fitted),
        result=_optional(folder, f"{base}/result.json", Result),
        diagnosis=_optional(folder, f"{base}/diagnosis.json", Diagnosis),
        skipped=next((s.reason for s in skipped if s.what == label), None),
        not_reached=why,
        consistency=_optional(folder, f"{base}/consistency.json", Consistency),
        profile=_optional(folder, f"{base}/profile.json", Profile),
        foretold=_optional(folder, f"{base}/foretold.json", tuple[Foretold, ...]) or (),
    )


def _sides(folder: RunFolder, rungs: tuple[RungReport, ...], revealed: bool) -> tuple[Side, ...]:
    sides = []
    if folder.has("parts/dev.jsonl"):
        sides.append(Side("dev", folder.load_rows("parts/dev.jsonl", Example), _outcomes(folder, rungs, "dev")))
    if revealed:
        rows = open_test(folder.path, "show the revealed rows in the report")
        sides.append(Side("test", rows, _outcomes(folder, rungs, "outcomes")))
    return tuple(sides)


def _outcomes(folder: RunFolder, rungs: tuple[RungReport, ...], file: str) -> dict[str, dict[str, Outcome]]:
    found = {}
    for rung in rungs:
        name = f"rungs/{rung.label}/{file}.jsonl"
        if folder.has(name):
            found[rung.label] = {o.example_id: o for o in folder.load_rows(name, Outcome)}
    return found


def _elapsed_s(events: tuple[Event, ...]) -> float | None:
    total, begun, ended = 0.0, None, False
    for event in events:
        name, at = event.get("event"), event.get("at")
        if not isinstance(at, str):
            continue
        if name == "climb_started":
            begun = at
        elif name in ("climb_done", "climb_interrupted", "climb_failed") and begun is not None:
            total += (datetime.fromisoformat(at) - datetime.fromisoformat(begun)).total_seconds()
            begun, ended = None, True
    return total if begun is None and ended else None
