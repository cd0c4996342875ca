"""The main path: climb(config, folder) -> Run. Read this first.

load, audit, split -> each rung: fit on train and dev -> measure on test -> compare -> diagnose -> stop? -> verdict
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from rung import plugin
from rung.config import Config, Step
from rung.decide.compare import adjust, neighbours
from rung.decide.doors import uses
from rung.decide.knowledge import splits
from rung.decide.tuned import forecasts, must_fall_short, paired_early
from rung.decide.verdict import Climbed, decide, stops
from rung.errors import BudgetSpent, Interrupted, NotOffered
from rung.evaluate.diagnosis.case import Subject
from rung.evaluate.diagnosis.lab import means_of
from rung.evaluate.documents import open_library
from rung.evaluate.keeping import kept_tasks
from rung.evaluate.kit import RunKit, askers
from rung.evaluate.measure import unanswered
from rung.evaluate.prepare import Prepared, prepare
from rung.evaluate.progress import Progress, Silent
from rung.evaluate.record import Record
from rung.evaluate.run import Bench, Rules
from rung.models.client import open_clients
from rung.protocols import Rung
from rung.store.folder import RunFolder, locked
from rung.types import Candidate, Diagnosis, Outcome, Result, Skipped, Verdict


@dataclass(frozen=True)
class Run:
    """A climb that came to its end: the verdict and the folder that proves it."""

    folder: Path
    verdict: Verdict
    results: dict[str, Result]
    unanswered_rows: int  # test rows without an answer by transport trouble; the same command asks them again

    @property
    def exit_code(self) -> int:
        """0 good enough, 1 not, undecided or provisional, 3 budget spent, 4 rows left unanswered."""
        return 4 if self.unanswered_rows else 0 if (v := self.verdict).shown else 3 if v.decision == "stopped" else 1


@dataclass
class _Learned:
    """What the climb knows so far, in ladder order."""

    results: dict[str, Result] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    dev: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    trained: set[str] = field(default_factory=set)
    below: Candidate | None = None
    diagnosis: Diagnosis | None = None


def climb(config: Config, folder: Path | str, progress: Progress | None = None) -> Run:
    """Climb the configured ladder, resuming what the folder holds, and write the verdict there.

    Raises RungError: ConfigError, DataError, ModelError and so on before any answer; FolderBusy; IntegrityError.
    A spent budget ends the climb with a verdict "stopped"; what was answered stays in the folder.
    """
    with locked(RunFolder.create(Path(folder))):
        record = Record.start(Path(folder), config)
        try:
            return asyncio.run(_climb(config, record, progress or Silent()))
        except BaseException as error:
            record.broken_off(error)
            if not isinstance(error, KeyboardInterrupt):
                raise
            said = f"interrupted; everything answered so far is kept in {folder}: run the same command to go on"
            raise Interrupted(said) from error


async def _climb(config: Config, record: Record, progress: Progress) -> Run:
    ready = prepare(config, record, progress)
    rules = Rules(len(config.planned), config.stop_early, config.split.seed)
    learned, stopped = _Learned(), None
    async with open_clients(config, record.folder.path) as clients, open_library(config, clients, progress) as library:
        roles, kept = askers(clients, record.folder.path), kept_tasks(config)
        kit = RunKit(ready.task, roles, rules.seed, progress, config.root, library, kept)
        bench = Bench(ready.task, kit, record, ready.split.test_sha256, rules, progress, means_of(config))
        try:
            for step in config.ladder:
                if await _rung(step, ready, bench, learned):
                    break
        except BudgetSpent as error:
            stopped = str(error)
        finally:
            record.spend(clients)
    return _conclude(config, ready, record, learned, stopped)


async def _rung(step: Step, ready: Prepared, bench: Bench, learned: _Learned) -> bool:
    """Fit, measure, compare and diagnose one rung; return whether the climb stops here."""
    label, task, split = step.label, ready.task, ready.split
    rung = cast(Rung, plugin.make("rungs", step.rung, **step.settings))
    try:
        if rung.trains:
            must_fall_short(task, step, learned.results, learned.diagnosis)
        fitted = await rung.fit(task, split.train, split.dev, bench.kit, learned.below, learned.diagnosis)
    except NotOffered as error:
        learned.skipped.append(Skipped(label, str(error)))
        bench.progress.say(f"{label}: skipped, {error}")
        return False
    bench.record.fitted(label, fitted)
    if fitted.skipped:
        bench.progress.say(f"{label}: {len(fitted.skipped)} left out, the first because {fitted.skipped[0].reason}")
    result = await bench.measure(label, fitted.candidate)
    learned.results[label], learned.dev[label] = result, fitted.dev
    learned.trained |= {label} if rung.trains else set()
    learned.below = fitted.candidate if rung.asks_model else learned.below
    while name := paired_early(task, label, learned.results):  # pairing needs all rows, however certain a verdict was
        learned.results[name] = await bench.measure(name, learned.results[name].candidate, whole=True)
    ends = stops(task, label, learned.results, learned.trained, bench.rules.seed)
    subject = Subject.of(label, fitted, task, split.train, split.dev, learned.dev)
    learned.diagnosis = await bench.examine(subject, experiments=not ends)
    bench.progress.say(f"{label}: {result.estimates[task.metrics[0].name]}, {result.quality.status.replace('_', ' ')}")
    return ends


def _conclude(config: Config, ready: Prepared, record: Record, learned: _Learned, stopped: str | None) -> Run:
    """Correct the comparisons over the ladder, decide, and write everything down."""
    climbed = Climbed(
        task=ready.task,
        planned=config.planned,
        results=learned.results,
        comparisons=adjust(neighbours(learned.results, ready.task, config.split.seed), len(config.planned)),
        skipped=tuple(learned.skipped),
        trained=frozenset(learned.trained),
        seed=config.split.seed,
        test_rows=ready.split.test_size,
        requests_per_month=config.volume.requests_per_month,
        stopped=stopped,
        exploratory=record.exploratory,
        findings=ready.findings,
        forecasts=forecasts(record.folder, learned.results),
        knowledge=splits(record.folder, learned.results),
        uses=uses(record.folder, config, learned.results),
    )
    verdict, results = decide(climbed), learned.results
    record.conclude(climbed, verdict)
    return Run(record.folder.path, verdict, results, sum(unanswered(r.outcomes) for r in results.values()))
