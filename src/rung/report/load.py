"""Run folder -> Report: everything the page, the terminal, Markdown and JSON show, read once, frozen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rung.decide.current import as_people_see
from rung.decide.rerun import sentence
from rung.decide.wording import caveats
from rung.errors import IntegrityError, RungError
from rung.models.ends import ends_of
from rung.report.evidence import Archive, Evidence
from rung.report.figures import deciding
from rung.report.history import history_of
from rung.store.folder import CURE, at_work
from rung.store.kept import Kept
from rung.store.records import Consistency, PredictionCheck, Robustness, Trust
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import (
    Comparison,
    Diagnosis,
    Estimate,
    Example,
    Finding,
    Fitted,
    Outcome,
    Profile,
    Result,
    Skipped,
    Task,
    Verdict,
)

Event = Mapping[str, Any]
_SPENT = {"usd", "note", "calls", "cached", "by_role"}
_SPENT_BY_ROLE = {"usd", "note", "calls", "cached", "input_tokens", "output_tokens", "lost_usd", "retries"}


@dataclass(frozen=True)
class RungReport:
    """One planned rung: what is known of it. `skipped` says why it was not run; all None: not reached."""

    label: str
    number: int  # place in the ladder, from 0
    fitted: Fitted | None
    result: Result | None  # without outcomes
    diagnosis: Diagnosis | None
    skipped: str | None
    awaited: bool = False  # skipped only until the model tuned elsewhere is there
    not_reached: str = "the run ended on an approach below"
    consistency: Consistency | None = None  # None: no metric of the task knows a form
    profile: Profile | None = None  # one request by itself
    predicted: tuple[PredictionCheck, ...] = ()  # what the rungs below predicted of this one, and what came true
    runs_now: bool = False  # what the others are to be as good as

    @property
    def state(self) -> str:
        """One of runs_now, meets, misses, inconclusive, waiting, skipped, not_reached."""
        if self.runs_now:
            return "runs_now"
        if self.result is not None:
            return self.result.status
        if self.awaited:
            return "waiting"
        return "skipped" if self.skipped is not None else "not_reached"

    @property
    def why_not(self) -> str:
        """Why there is no result."""
        return self.skipped or self.not_reached


@dataclass(frozen=True)
class LoadedSide:
    """Rows of one part with every rung's outcome: dev always, test only after it was revealed."""

    part: str
    examples: tuple[Example, ...]
    outcomes: Mapping[str, Mapping[str, Outcome]]  # rung -> row id -> outcome


@dataclass(frozen=True)
class Report:
    """A run, as far as it came. `verdict` None: no verdict yet. `spend` None: nothing was asked yet."""

    name: str  # the folder's own name
    inside: str  # the folder as it is named from where its rung.yaml lies, which commands start from; else its name
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
    sides: tuple[LoadedSide, ...]
    trust: Trust | None = None  # what is known of the judge, where one decides
    robustness: tuple[
        Robustness, ...
    ] = ()  # what the best approaches lose on changed dev examples, where that was asked for
    told: Mapping[str, bool] = field(default_factory=dict)  # factors of the decision matrix that the user answered
    history: tuple[str, ...] = ()  # of its generations, where it is one

    @property
    def same_again(self) -> str | None:
        """How likely a second run ends in the same verdict, in a sentence; None where nothing is known."""
        return sentence(self.verdict.repeats) if self.verdict else None

    @cached_property
    def measured(self) -> tuple[RungReport, ...]:
        return tuple(r for r in self.rungs if r.result is not None)

    def rung(self, label: str | None) -> RungReport | None:
        return next((r for r in self.rungs if r.label == label), None)

    @property
    def winner(self) -> RungReport | None:
        return self.rung(self.verdict.winner) if self.verdict else None

    @property
    def tentative_pick(self) -> RungReport | None:
        return self.rung(self.verdict.tentative_pick) if self.verdict else None

    @property
    def caveats(self) -> tuple[str, ...]:
        """What keeps the verdict from being a first, sealed test, in whole sentences; mostly nothing."""
        if self.verdict is None:
            return ()
        earlier = self.verdict.earlier
        seen = self.verdict.exploratory and not (earlier is not None and earlier.other_candidates)
        return tuple(caveats(seen, earlier))

    @property
    def counterfactuals(self) -> tuple[str, ...]:
        """What would change the answer: what the verdict says, and when the model that it names is announced to end."""
        if self.verdict is None:
            return ()
        named = self.winner or self.tentative_pick
        role = named.result.candidate.model if named is not None and named.result is not None else None
        config = self.head.get("config")
        ends = ends_of(config.get("models", {})) if isinstance(config, dict) else ()
        return (*self.verdict.counterfactuals, *(f"{end.sentence}." for end in ends if end.role == role))

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """What the audit found, less what it foretold and the verdict has settled since."""
        settled = set()
        if self.verdict is not None:
            settled |= {"power", "floors"} if self.verdict.decision in ("meets", "misses") else set()
            settled |= (
                {"visible-gain"} if self.comparisons else set()
            )  # the verdict tells it, with the rows that differed
        return tuple(f for f in self.findings if f.check not in settled)

    @property
    def best(self) -> RungReport | None:
        """The rung that rows are sorted by: the winner, else the tentative pick, else the one with the highest estimate."""
        scored = [(r, e) for r in self.measured if (e := self.estimate(r))]
        return (
            self.winner or self.tentative_pick or max(scored, key=lambda pair: pair[1].point, default=(None, None))[0]
        )

    def estimate(self, rung: RungReport) -> Estimate | None:
        """Return the rung's estimate under the deciding metric."""
        return deciding(rung.result, self.task) if rung.result else None

    @property
    def elapsed_s(self) -> float | None:
        """Seconds at work over all sittings, from the events; None when a session has no end."""
        return _elapsed_s(self.events)


def load_report(folder: RunFolder, *, rows: bool = True) -> Report:
    """Read a run folder. Dev rows are read when `rows`; test rows too, once they were revealed.

    Reading revealed test rows again is one more opening and is written down. Raises RungError when the climb ended
    before it had a task, IntegrityError for damaged files.
    """
    head = folder.facts
    if head.get("status") == "running" and not at_work(folder):
        head = {**head, "status": "interrupted"}  # killed: it could not write so itself
    if "task" not in head:
        raise RungError(
            f"{folder.path} has nothing to report yet: the run ended before its examples were read (status "
            f"{head.get('status')!r}); run `rung climb` again"
        )
    skipped = folder.skipped.get() or ()
    verdict = folder.verdict.get()
    archive = Archive(folder)
    keys = [key for reason in verdict.reasons for key in reason.evidence] if verdict else []
    why = (
        "the run has not come so far"
        if verdict is None or verdict.decision == "stopped"
        else "the run ended on an approach below"
    )
    rungs = tuple(_rung(folder, label, i, skipped, why) for i, label in enumerate(folder.planned))
    sides = _sides(folder, rungs) if rows else ()
    return Report(
        name=folder.path.resolve().name,
        inside=_inside(folder, head),
        head=head,
        task=as_people_see(folder.task, next((r.result for r in rungs if r.runs_now), None)),
        rungs=rungs,
        comparisons=folder.comparisons.get() or (),
        findings=folder.findings.get() or (),
        skipped=skipped,
        verdict=verdict,
        evidence={key: archive.look_up(key) for key in keys},
        manifest=folder.parts.manifest.get() or {},
        spend=_spend(folder),
        events=folder.events(),
        opened=folder.times_opened,
        revealed=folder.revealed,
        sides=sides,
        trust=folder.trust.get(),
        robustness=folder.robustness.get() or (),
        told=folder.told.get() or {},
        history=history_of(folder.path),
    )


def _inside(folder: RunFolder, head: Mapping[str, Any]) -> str:
    path, root = folder.path.resolve(), head.get("root")
    if not isinstance(root, str):
        return path.name
    beside = Path(os.path.normpath(path / root))
    return path.relative_to(beside).as_posix() if path.is_relative_to(beside) and path != beside else path.name


def _spend(folder: RunFolder) -> Mapping[str, Any] | None:
    """Return what was spent. Raises IntegrityError where a number is missing: none is made up."""
    found = folder.spend.get()
    if found is None:
        return None
    lacking = _SPENT - found.keys() | {
        key for role in found.get("by_role", {}).values() for key in _SPENT_BY_ROLE - role.keys()
    }
    if lacking:
        raise IntegrityError(f"{folder.spend.where} is damaged: it lacks {', '.join(sorted(lacking))}; {folder.cure}")
    return found


def _rung(folder: RunFolder, label: str, number: int, skipped: tuple[Skipped, ...], why: str) -> RungReport:
    record = folder.rung(label)
    left_out = next((s for s in skipped if s.what == label), None)
    return RungReport(
        label=label,
        number=number,
        fitted=record.fitted.get(),
        result=record.result.get(),
        diagnosis=record.diagnosis.get(),
        skipped=left_out.reason if left_out is not None else None,
        awaited=left_out is not None and left_out.awaited,
        not_reached=why,
        consistency=record.consistency.get(),
        profile=record.profile.get(),
        predicted=record.predictions.get() or (),
        runs_now=label == folder.task.as_good_as,
    )


def dev_side(folder: RunFolder, labels: Iterable[str]) -> LoadedSide | None:
    """Return the dev examples with what the approaches made of them; None where the run has none yet."""
    dev = folder.parts.dev.get()
    return None if dev is None else LoadedSide("dev", dev, _by_id({k: folder.rung(k).dev for k in labels}, folder.task))


def _sides(folder: RunFolder, rungs: tuple[RungReport, ...]) -> tuple[LoadedSide, ...]:
    labels = [rung.label for rung in rungs]
    dev = dev_side(folder, labels)
    sides = [dev] if dev is not None else []
    if folder.revealed:
        rows = sealed_test(folder).read("show the revealed examples in the report")
        outcomes = {label: folder.rung(label).outcomes for label in labels}
        sides.append(LoadedSide("test", rows, _by_id(outcomes, folder.task)))
    return tuple(sides)


def _by_id(kept: Mapping[str, Kept[tuple[Outcome, ...]]], task: Task) -> dict[str, dict[str, Outcome]]:
    """Return outcomes by rung and row. Raises IntegrityError where one holds no score by a metric of the task."""
    found: dict[str, dict[str, Outcome]] = {}
    for label, rows in kept.items():
        outcomes = rows.get()
        if outcomes is None:
            continue
        for o in outcomes:
            missing = [m.name for m in task.metrics if o.scores is not None and m.name not in {*o.scores, *o.unscored}]
            if missing:
                raise IntegrityError(f"{rows.where} is damaged: {o.example_id} has no score by {missing[0]}; {CURE}")
        found[label] = {o.example_id: o for o in outcomes}
    return found


def _elapsed_s(events: tuple[Event, ...]) -> float | None:
    """Return the seconds of all sessions. One that begins with what a finished one ended with asks nothing, and is left out."""
    total, begun, ended, done, config = 0.0, None, False, None, None
    for event in events:
        name, at = event.get("event"), event.get("at")
        if not isinstance(at, str):
            continue
        if name == "climb_started":
            begun = at if done is None or done != event.get("config") else None
            config = event.get("config")
        elif name in ("climb_done", "climb_interrupted", "climb_failed") and begun is not None:
            total += (datetime.fromisoformat(at) - datetime.fromisoformat(begun)).total_seconds()
            begun, ended = None, True
            done = config if name == "climb_done" else done
    return total if begun is None and ended else None
