"""The run folder: what lies where, typed and read when asked. No other module knows its file names (docs/run-folder.md)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from rung.errors import IntegrityError, NewerFolder, RungError
from rung.store.folder import Folder, append_line, disk_errors, from_json, now, read_lines, refuse_links
from rung.store.kept import Kept, One, Rows
from rung.store.records import (
    AlphaShare,
    Changed,
    Consistency,
    Draw,
    Feedback,
    Label,
    Manifest,
    Night,
    NotedUse,
    Parity,
    PredictionCheck,
    Robustness,
    Spent,
    Sureness,
    Trust,
)
from rung.types import (
    Comparison,
    Diagnosis,
    Example,
    Finding,
    Fitted,
    Outcome,
    Profile,
    Result,
    Skipped,
    Task,
    Verdict,
    content_hash,
    is_file_name,
)

SCHEMA = 2
T = TypeVar("T")
HEAD, EVENTS, PAGE, EXPORTS = "run.json", "events.jsonl", "report.html", "exports"
_OF_A_RUNG = ("fitted", "result", "outcomes", "diagnosis", "profile")  # what an evidence key may name
_OF_THE_RUN = ("findings", "comparisons", "skipped", "verdict", "spend")


class RungRecord(Folder):
    """What is kept of one rung."""

    depth = 2
    fitted = One("fit.json", Fitted)  # without the outcomes on dev
    dev = Rows("dev.jsonl", Outcome)
    result = One("result.json", Result)  # without the outcomes on test
    outcomes = Rows("outcomes.jsonl", Outcome)
    written = One("written.json", dict[str, str])  # hashes of the two files above
    diagnosis = One("diagnosis.json", Diagnosis)
    profile = One("profile.json", Profile)
    predictions = One("predicted.json", tuple[PredictionCheck, ...])
    consistency = One("consistency.json", Consistency)
    changed = Rows("changed.jsonl", Changed)
    parities = One("exports.json", tuple[Parity, ...])
    sureness = One("sureness.json", Sureness)

    def save_fitted(self, fitted: Fitted) -> None:
        """Keep what a rung learned, and its outcomes on dev beside it."""
        self.dev.save(fitted.dev)
        self.fitted.save(replace(fitted, dev=()))

    def save_measured(self, result: Result) -> None:
        """Keep a measured rung: its outcomes first, so that a result never stands without them."""
        self.outcomes.save(result.outcomes)
        self.result.save(replace(result, outcomes=()))
        self.written.save(self._hashes())

    @property
    def unedited(self) -> bool:
        """Whether a result stands here as a climb wrote it; one that was changed since is to be measured again."""
        return self.result.exists and self.outcomes.exists and self.written.get() == self._hashes()

    def _hashes(self) -> dict[str, str]:
        return {kept.where.name: kept.sha256 or "" for kept in (self.outcomes, self.result)}

    def measured(self) -> Result:
        """Return the result with its outcomes. Raises IntegrityError when either is missing or damaged."""
        return replace(self.result.need(), outcomes=self.outcomes.need())


class PartsRecord(Folder):
    """The frozen parts. The test examples are written here, and read in `rung.store.sealed` alone."""

    cure = missing = (
        "restore it from a copy, or move manifest.json beside it away and run the same `rung climb` again: unchanged examples are "
        "frozen as they were, and no stored answer is paid again"
    )
    train = Rows("train.jsonl", Example)
    dev = Rows("dev.jsonl", Example)
    depth = 1
    manifest: One[dict[str, Any]] = One("manifest.json", cast(type[dict[str, Any]], Manifest))

    def freeze(
        self, train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example], manifest: Mapping[str, Any]
    ) -> None:
        """Write all parts (mode 0600), the manifest last: without it nothing is frozen."""
        with disk_errors(self.path):
            self.path.mkdir(mode=0o700, exist_ok=True)
        for name, rows in (("train", train), ("dev", dev), ("test", test)):
            self.save_rows(f"{name}.jsonl", rows, Example)
        self.write("manifest.json", manifest)


class LabelsRecord(Folder):
    """What people said."""

    cure = missing = "restore it from a copy: people made it, and nothing makes it anew"
    depth = 1
    draw = One("draw.json", Draw)
    labels = Rows("labels.jsonl", Label)
    dev = Rows("dev.jsonl", Label)
    pairs_draw = One("pairs.json", Draw)
    pairs = Rows("pairs.jsonl", Label)

    @property
    def sha256(self) -> str:
        """Hash of everything that people said, and of what they were asked."""
        names = ["draw.json", "labels.jsonl", "dev.jsonl"]
        names += [kept.where.name for kept in (self.pairs_draw, self.pairs) if kept.exists]
        files = [self.path / name for name in names]
        return content_hash([file.read_text("utf-8", "backslashreplace") if file.is_file() else "" for file in files])


class _Journal(Folder):
    """What happened to a run, in order."""

    depth = 0

    def event(self, name: str, **fields: Any) -> None:
        """Append one event; durable when this returns."""
        append_line(self._here(EVENTS), {"at": now(), "event": name, **fields})

    def events(self) -> tuple[Mapping[str, Any], ...]:
        """Return all events, oldest first; a line that is none, such as one cut off by a crash, is left out."""
        return tuple(
            e for e in read_lines(self.path / EVENTS) if isinstance(e.get("event"), str) and _is_time(e.get("at"))
        )

    def events_until(self, size: int | None = None) -> tuple[int, str]:
        """Return the size of the journal (or `size`) and a hash of its content so far: lines are appended, never changed."""
        path = self.path / EVENTS
        content = path.read_bytes()[:size] if path.is_file() else b""
        return len(content), hashlib.sha256(content).hexdigest()

    @property
    def times_opened(self) -> int:
        """How often the test examples were read, revealing included."""
        return sum(e.get("event") in ("test_opened", "test_revealed") for e in self.events())

    @property
    def revealed(self) -> bool:
        """Whether people have seen test examples: later climbs on them are exploratory."""
        return any(e.get("event") == "test_revealed" for e in self.events())


class _Head(_Journal):
    """What is written down of the run itself."""

    @property
    def begun(self) -> bool:
        """Whether a climb was started here."""
        return self.has(HEAD)

    @property
    def facts(self) -> dict[str, Any]:
        """Schema, versions, status, configuration, planned rungs, task: whatever was noted so far."""
        found = self.read(HEAD)
        if not isinstance(found, dict):
            raise IntegrityError(f"{self.path / HEAD} is damaged: it holds no object; {self.cure}")
        return found

    def note(self, **fields: Any) -> None:
        """Write facts down, beside those that are there."""
        self.write(HEAD, {**(self.facts if self.begun else {}), **fields})

    def status(self, status: str) -> None:
        """Write down how the climb stands, as a fact and as an event."""
        self.note(status=status)
        self.event(f"climb_{status}")
        self.note(events=self.events_until())

    @property
    def planned(self) -> tuple[str, ...]:
        """The labels of the planned rungs, in ladder order."""
        return self._fact("planned", tuple[str, ...])

    @property
    def task(self) -> Task:
        return self._fact("task", Task)

    @property
    def config(self) -> tuple[dict[str, Any], Path]:
        """The configuration as it was read, and the folder at which its relative paths start."""
        root = self._fact("root", str) if "root" in self.facts else "."
        return self._fact("config", dict[str, Any]), (self.path / root).resolve()

    @property
    def test_use(self) -> NotedUse | None:
        """What was noted of the run's use of its test set; None before the first approach is measured."""
        return self._fact("test_use", NotedUse) if "test_use" in self.facts else None

    def _fact(self, name: str, shape: type[T]) -> T:
        facts = self.facts
        if name not in facts:
            raise IntegrityError(f"{self.path / HEAD} has no {name!r}; run `rung climb` again to write it")
        return from_json(json.dumps(facts[name]), shape, f"{self.path / HEAD}, {name},")


class RunFolder(_Head):
    """A run folder by path. Opening does not lock; `locked` does."""

    findings = One("findings.json", tuple[Finding, ...])
    comparisons = One("comparisons.json", tuple[Comparison, ...])
    skipped = One("skipped.json", tuple[Skipped, ...])
    verdict = One("verdict.json", Verdict)
    alpha = One("alpha.json", tuple[AlphaShare, ...])  # in the order in which test examples were read
    trust = One("judge.json", Trust)
    robustness = One("robustness.json", tuple[Robustness, ...])
    spend: One[dict[str, Any]] = One("spend.json", cast(type[dict[str, Any]], Spent))
    feedback = Rows("feedback.jsonl", Feedback)  # of served inputs (`rung feedback`); no part of the verdict
    asked = Rows("asked.jsonl", Night)  # of fixed dev examples, night by night; no part of the verdict
    told = One("told.json", dict[str, bool])  # what the user answered to `rung advise`, by factor

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Make the folder (mode 0700) if it is not there. Raises IntegrityError for links in it."""
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not any(path.iterdir()):
                path.chmod(0o700)
            refuse_links(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run. Raises RungError when there is none or another version wrote it, IntegrityError for damage."""
        folder = cls(path)
        if os.path.lexists(path / HEAD):  # no other folder is looked through: it may be the whole disk
            refuse_links(path)
        if not folder.begun:
            raise RungError(f"{path} is not a run folder (no {HEAD}); name one, or start one with `rung climb`")
        schema = folder.facts.get("schema")
        if not isinstance(schema, int):
            raise IntegrityError(f"{path / HEAD} is damaged: it names no schema of the folder; {folder.cure}")
        if schema > SCHEMA:
            raise NewerFolder(
                f"{path} was written by a newer rung (folder schema {schema}, this version reads {SCHEMA}); upgrade rung or "
                "choose another run folder"
            )
        if schema < SCHEMA:
            raise RungError(
                f"{path} was written by an older rung (folder schema {schema}, this version reads {SCHEMA}); climb again "
                "in another run folder"
            )
        return folder

    def rung(self, label: str) -> RungRecord:
        """Return what is kept of an approach. Raises IntegrityError for a label that would lead out of the folder."""
        if not is_file_name(label):
            raise IntegrityError(
                f"{self.path / HEAD} is damaged: {label[:60]!r} is no label that a folder can have; {self.cure}"
            )
        return RungRecord(self.path / "rungs" / label)

    @property
    def measured(self) -> tuple[str, ...]:
        """The labels of the rungs that have a result, in ladder order."""
        return tuple(label for label in self.planned if self.rung(label).result.exists)

    @property
    def parts(self) -> PartsRecord:
        return PartsRecord(self.path / "parts")

    @property
    def labels(self) -> LabelsRecord:
        return LabelsRecord(self.path / "labels")

    def reconsider(self) -> None:
        """Give up the verdict and what it rests on, down to the stored answers: from these the next climb makes it anew."""
        for kept in (self.verdict, self.comparisons, self.skipped):
            kept.forget()
        for label in self.planned:
            record = self.rung(label)
            for made in (record.written, record.result, record.outcomes, record.fitted, record.dev):
                made.forget()
            record.diagnosis.forget()
            record.predictions.forget()
        self.forget_robustness()

    def forget_robustness(self) -> None:
        """Give up what is known of changed dev examples."""
        self.robustness.forget()
        for label in self.planned:
            self.rung(label).changed.forget()

    def find(self, where: str) -> Kept[Any] | None:
        """Return what an evidence key names: "prompt/result", "comparisons"; None for a name that means nothing here."""
        label, _, thing = where.rpartition("/")
        if label:
            return getattr(self.rung(label), thing) if label in self.planned and thing in _OF_A_RUNG else None
        return getattr(self, thing) if thing in _OF_THE_RUN else None

    @property
    def written(self) -> dict[str, str | None]:
        """Hashes of what a climb has written here about its rows and rungs, by file; the test examples stay shut."""
        kept: list[Kept[Any]] = [
            self.comparisons,
            self.verdict,
            self.trust,
            self.alpha,
            self.robustness,
            self.parts.manifest,
        ]
        kept += [self.parts.train, self.parts.dev]
        for label in self.planned:
            record = self.rung(label)
            kept += [
                record.result,
                record.outcomes,
                record.written,
                record.profile,
                record.predictions,
                record.consistency,
                record.changed,
            ]
        return {**self._hashes_of(kept), **self.unrepeated}

    @property
    def unrepeated(self) -> dict[str, str | None]:
        """Hashes of those files among them that cannot be computed anew from others, nor are written by other commands."""
        kept: list[Kept[Any]] = [self.findings, self.skipped, self.spend]
        for label in self.planned:
            record = self.rung(label)
            kept += [record.fitted, record.dev, record.diagnosis]
        return self._hashes_of(kept)

    def _hashes_of(self, kept: Sequence[Kept[Any]]) -> dict[str, str | None]:
        return {file.where.relative_to(self.path).as_posix(): file.sha256 for file in kept}

    @property
    def page(self) -> Path:
        """Where the report as a page lies."""
        return self.path / PAGE

    @property
    def page_is_current(self) -> bool:
        """Whether the page was written after the verdict."""
        return self.page.is_file() and self.page.stat().st_mtime_ns >= self.verdict.where.stat().st_mtime_ns


def _is_time(at: object) -> bool:
    try:
        return datetime.fromisoformat(str(at)).tzinfo is not None
    except ValueError:
        return False


def export_place(folder: Path, label: str, form: str) -> Path:
    """Return where an exported rung of a run folder is written when no other place is named."""
    return folder / EXPORTS / f"{label.replace('@', '-')}-{form}"


def measured_rungs(run: RunFolder) -> tuple[str, ...]:
    """Return the labels of the measured rungs, in ladder order. Raises RungError when there is none."""
    if not run.measured:
        raise RungError(f"{run.path} has no measured approach yet; run `rung climb` there first")
    return run.measured
