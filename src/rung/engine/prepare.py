"""From a configuration to frozen parts: load, split, audit, freeze; or find them unchanged in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from rung.config import Config
from rung.data.configured import Loaded, as_task, part_rows, read_rows
from rung.data.parts import check_unchanged, freeze, thaw
from rung.engine.audited import audited
from rung.engine.first_use import TestUse, plan_of
from rung.engine.further import told, with_second_look
from rung.progress import Progress
from rung.rag.opening import ABOUT_DOCUMENTS, gather
from rung.store.register import TestSet
from rung.store.run import RunFolder
from rung.types import Finding, Kind, Split, Task


@dataclass(frozen=True)
class Prepared:
    """What the climb starts from. Of the test part it knows size and hash alone."""

    task: Task
    split: Split
    findings: tuple[Finding, ...]
    use: TestUse


def prepare(config: Config, run: RunFolder, progress: Progress) -> Prepared:
    """Load, split, audit and freeze; in a folder that holds frozen parts, check that the rows are still the same.

    The index of documents is brought in step with their folder each time: documents may change between two sessions.

    Raises DataError for a finding that stops the climb, IntegrityError for rows that changed.
    """
    progress.say("reading and checking the examples")
    loaded = read_rows(config)
    manifest, earlier = run.parts.manifest.get(), run.findings.get()
    if manifest is not None and earlier is not None and "task" in run.facts:
        check_unchanged(loaded.whole, manifest)
        frozen = thaw(run.path)
        kind: Kind = run.task.kind
        task = as_task(config, kind, (*frozen.train, *frozen.dev))
        shown = {*frozen.quarantined, *(e.id for e in (*frozen.train, *frozen.dev))}
        sealed = {e.id for e in loaded.whole.examples} - shown
        documents = gather(config, progress, loaded.whole.examples, sealed)
        findings = (*documents, *(f for f in earlier if f.check not in ABOUT_DOCUMENTS))
        _keep(run, task, findings)
        return Prepared(task, frozen, findings, _use(config, task, frozen, loaded))
    kind, parts = part_rows(config, loaded)
    parts = with_second_look(run, config, loaded, parts)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    findings = (*told(run, config, parts, loaded.more), *audited(config, loaded, parts, task))
    documents = gather(config, progress, loaded.whole.examples, parts.sealed)
    frozen = freeze(parts, run.path)
    findings = (*documents, *findings)
    _keep(run, task, findings)
    kept = f", {len(parts.aside):,} kept to confirm" if config.split.confirm and not config.split.confirming else ""
    progress.say(
        f"{len(loaded.whole):,} examples: {len(frozen.train):,} train, {len(frozen.dev):,} dev, {frozen.test_size:,} test (sealed){kept}"
    )
    return Prepared(task, frozen, findings, _use(config, task, frozen, loaded))


def _use(config: Config, task: Task, split: Split, loaded: Loaded) -> TestUse:
    """Return what is to be noted of the test set; of its examples it holds hashes alone."""
    parts: Mapping[str, Any] = split.manifest
    test = TestSet.from_examples(e for e in loaded.whole.examples if e.id in parts["test"]["ids"])
    goal = task.goal if task.as_good_as is None else -task.tolerance  # a difference that is still as good
    return TestUse(config.root, test, plan_of(config, task, split), goal)


def _keep(run: RunFolder, task: Task, findings: tuple[Finding, ...]) -> None:
    """Keep the task as the climb uses it and the audit's findings."""
    note_task(run, task)
    run.findings.save(findings)


def note_task(run: RunFolder, task: Task) -> None:
    """Keep the task, with its goal in numbers once what runs now is measured."""
    run.note(task=TypeAdapter(Task).dump_python(task, mode="json"))
