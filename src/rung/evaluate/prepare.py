"""From a configuration to frozen parts: load, split, audit, freeze; or find them unchanged in the run folder."""

from __future__ import annotations

from dataclasses import dataclass

from rung.config import Config
from rung.data.audit import audit
from rung.data.columns import guess_kind
from rung.data.load import load
from rung.data.parts import MANIFEST, Parts, check_unchanged, freeze, thaw
from rung.data.split import joined, split, split_given
from rung.errors import DataError
from rung.evaluate.documents import ABOUT_DOCUMENTS, gather
from rung.evaluate.progress import Progress
from rung.evaluate.record import Record
from rung.models._settings import facts
from rung.types import Dataset, Example, Finding, Kind, Split, Task


@dataclass(frozen=True)
class Loaded:
    """The rows as read: one file, or the user's own two."""

    whole: Dataset
    train: Dataset | None = None
    test: Dataset | None = None
    notes: tuple[str, ...] = ()  # what was read in a way worth telling

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the notes of the reading as findings."""
        return tuple(Finding("file", "note", f"{note}.", "Look whether that is what you meant.") for note in self.notes)


@dataclass(frozen=True)
class Prepared:
    """What the climb starts from. Of the test part it knows size and hash alone."""

    task: Task
    split: Split
    findings: tuple[Finding, ...]


def read_rows(config: Config) -> Loaded:
    """Load the configured file or files. Raises DataError."""

    notes: list[str] = []

    def one(path: str) -> Dataset:
        return load(
            path,
            inputs=config.task.inputs,
            target=config.task.target,
            id_column=config.data.id,
            group_by=config.data.group_by,
            also=config.task.also_right,
            any_of_list=config.task.target_lists == "any",
            on_note=notes.append,
        )

    if config.data.path is not None:
        whole = one(str(config.resolve(config.data.path)))
        return Loaded(whole, notes=tuple(notes))
    assert config.data.train is not None
    assert config.data.test is not None
    train, test = one(str(config.resolve(config.data.train))), one(str(config.resolve(config.data.test)))
    return Loaded(joined(train, test), train, test, tuple(notes))


def part_rows(config: Config, loaded: Loaded) -> tuple[Kind, Parts]:
    """Part the rows as configured; returns the task's kind (guessed where the file says auto) and the parts."""
    kind = config.task.kind
    known: Kind = guess_kind([e.target for e in loaded.whole.examples]) if kind == "auto" else kind
    section = config.split
    if loaded.train is not None and loaded.test is not None:
        return known, split_given(loaded.train, loaded.test, dev=section.dev, seed=section.seed, kind=known)
    return known, split(loaded.whole, test=section.test, dev=section.dev, seed=section.seed, kind=known)


def as_task(config: Config, kind: Kind, visible: tuple[Example, ...]) -> Task:
    """Return the task; the labels of a classification are those that train and dev show, sorted."""
    labels = tuple(sorted({target for e in visible for target in e.targets})) if kind == "classification" else None
    return config.as_task(kind=kind, labels=labels)


def prepare(config: Config, record: Record, progress: Progress) -> Prepared:
    """Load, split, audit and freeze; in a folder that holds frozen parts, check that the rows are still the same.

    The index of documents is brought in step with their folder each time: documents may change between two sittings.

    Raises DataError for a finding that stops the climb, IntegrityError for rows that changed.
    """
    loaded = read_rows(config)
    folder = record.folder
    if folder.has(MANIFEST) and folder.has("findings.json"):
        manifest = folder.read(MANIFEST)
        check_unchanged(loaded.whole, manifest)
        frozen = thaw(folder.path)
        kind: Kind = folder.load_field("run.json", "task", Task).kind
        task = as_task(config, kind, (*frozen.train, *frozen.dev))
        earlier = folder.load("findings.json", tuple[Finding, ...])
        shown = {*frozen.quarantined, *(e.id for e in (*frozen.train, *frozen.dev))}
        sealed = {e.id for e in loaded.whole.examples} - shown
        documents = gather(config, progress, loaded.whole.examples, sealed)
        findings = (*documents, *(f for f in earlier if f.check not in ABOUT_DOCUMENTS))
        record.task(task, findings)
        return Prepared(task, frozen, findings)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    findings = (*audit(parts, task, planned_rungs=len(config.planned), models=facts(config)), *loaded.findings)
    blocking = [f for f in findings if f.severity == "stop"]
    if blocking:
        raise DataError(
            "; ".join(f"{f.message} {f.next_step}" for f in blocking) + " (`rung check` shows all findings)",
            file=loaded.whole.source,
        )
    documents = gather(config, progress, loaded.whole.examples, {e.id for e in parts.test})
    frozen = freeze(parts, folder.path)
    findings = (*documents, *findings)
    record.task(task, findings)
    progress.say(
        f"{len(loaded.whole):,} rows: {len(frozen.train):,} train, {len(frozen.dev):,} dev, {frozen.test_size:,} test (sealed)"
    )
    return Prepared(task, frozen, findings)
