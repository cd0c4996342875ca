"""The main path: climb(config, folder) -> Run. Read this first.

load -> audit -> split -> for each rung: fit on train and dev -> evaluate on test -> compare -> diagnose -> stop?
     -> verdict -> report
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from rung import plugin
from rung.config import Config, Step
from rung.decide.compare import adjust, compare
from rung.decide.verdict import Climbed, decide, may_train, stops
from rung.errors import BudgetSpent, Interrupted, NotOffered
from rung.evaluate.failures import diagnose
from rung.evaluate.kit import RunKit, askers
from rung.evaluate.measure import unanswered
from rung.evaluate.prepare import Prepared, prepare
from rung.evaluate.progress import Progress, Silent
from rung.evaluate.record import Record
from rung.evaluate.run import Rules, evaluate
from rung.models.client import open_clients
from rung.protocols import Rung
from rung.store.folder import RunFolder
from rung.types import Candidate, Comparison, Diagnosis, Outcome, Result, Skipped, Verdict


@dataclass(frozen=True)
class Run:
    """A climb that came to its end: the verdict and the folder that proves it."""

    folder: Path
    verdict: Verdict
    results: dict[str, Result]
    unanswered_rows: int  # test rows without an answer by transport trouble; the same command asks them again

    @property
    def exit_code(self) -> int:
        """0 good enough, 1 not or undecided, 3 budget spent, 4 rows left unanswered."""
        if self.unanswered_rows:
            return 4
        return {"met": 0, "undecided": 1, "exhausted": 1, "stopped": 3}[self.verdict.decision]


@dataclass
class _State:
    """What the climb has learned so far."""

    results: dict[str, Result] = field(default_factory=dict)
    pairs: list[Comparison] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    dev: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    trained: set[str] = field(default_factory=set)
    below: Candidate | None = None
    diagnosis: Diagnosis | None = None
    stopped: str | None = None


def climb(config: Config, folder: Path, progress: Progress | None = None) -> Run:
    """Climb the configured ladder, resuming what the folder holds, and write the verdict there.

    Raises RungError: ConfigError, DataError, ModelError and so on before any answer; FolderBusy; IntegrityError.
    A spent budget ends the climb with a verdict "stopped"; what was answered stays in the folder.
    """
    progress = progress or Silent()
    with RunFolder.create(folder).locked():
        record = Record.start(folder, config)
        try:
            return asyncio.run(_climb(config, record, progress))
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            record.status("interrupted")
            raise Interrupted(
                f"interrupted; everything answered so far is kept in {folder}: run the same command to go on"
            ) from error
        except BaseException:
            record.status("failed")
            raise


async def _climb(config: Config, record: Record, progress: Progress) -> Run:
    ready = prepare(config, record, progress)
    rules = Rules(len(config.planned), config.stop_early, config.split.seed)
    state = _State()
    async with open_clients(config, record.folder.path) as clients:
        kit = RunKit(ready.task, askers(clients), config.split.seed, progress)
        try:
            for step in config.ladder:
                if await _rung(step, ready, kit, record, rules, state, progress):
                    break
        except BudgetSpent as error:
            state.stopped = str(error)
        record.spend(clients)
    return _conclude(config, ready, record, state, progress)


async def _rung(
    step: Step, ready: Prepared, kit: RunKit, record: Record, rules: Rules, state: _State, progress: Progress
) -> bool:
    """Fit, evaluate, compare and diagnose one rung; return whether the climb stops here."""
    label, task = step.label, ready.task
    rung = cast(Rung, plugin.make("rungs", step.rung, **step.settings))
    refusal = may_train(state.results) if rung.trains else None
    if refusal:
        state.skipped.append(Skipped(label, refusal))
        return False
    try:
        fitted = await rung.fit(task, ready.split.train, ready.split.dev, kit, state.below, state.diagnosis)
    except NotOffered as error:
        state.skipped.append(Skipped(label, str(error)))
        progress.say(f"{label}: skipped, {error}")
        return False
    record.fitted(label, fitted)
    result = record.measured(label, fitted.candidate) or await evaluate(
        label, fitted.candidate, task, kit, record.folder.path, rules, progress
    )
    result = replace(result, test_sha256=ready.split.test_sha256)
    record.result(label, result)
    lower = list(state.results.items())[-1] if state.results else None
    pair = compare(lower, (label, result), task, rules.seed) if lower else None
    state.pairs += [pair] if pair else []
    state.diagnosis = await diagnose(
        label, fitted.candidate, fitted.dev, ready.split.dev, task, kit, list(state.dev.values())
    )
    record.diagnosis(label, state.diagnosis)
    state.results[label], state.dev[label] = result, fitted.dev
    state.trained |= {label} if rung.trains else set()
    if rung.asks_model:
        state.below = fitted.candidate
    progress.say(f"{label}: {result.estimates[task.metrics[0].name]}, {result.quality.status.replace('_', ' ')}")
    done = stops(task, label, result, state.pairs, rung.trains)
    if done and lower and lower[1].stopped_early_at is not None:
        await _complete(lower, label, ready, kit, record, rules, state, progress)
    return done


async def _complete(
    lower: tuple[str, Result],
    winner: str,
    ready: Prepared,
    kit: RunKit,
    record: Record,
    rules: Rules,
    state: _State,
    progress: Progress,
) -> None:
    """Let the rung below the winner visit all rows: pairing needs them."""
    label, before = lower
    full = replace(rules, stop_early=False)
    result = await evaluate(label, before.candidate, ready.task, kit, record.folder.path, full, progress)
    result = replace(result, test_sha256=ready.split.test_sha256)
    record.result(label, result)
    state.results[label] = result
    pair = compare((label, result), (winner, state.results[winner]), ready.task, rules.seed)
    state.pairs[-1:] = [pair] if pair else []


def _conclude(config: Config, ready: Prepared, record: Record, state: _State, progress: Progress) -> Run:
    """Correct the comparisons over the ladder, decide, and write everything down."""
    climbed = Climbed(
        task=ready.task,
        planned=config.planned,
        results=state.results,
        comparisons=adjust(state.pairs, len(config.planned)),
        skipped=tuple(state.skipped),
        trained=frozenset(state.trained),
        seed=config.split.seed,
        test_rows=ready.split.test_size,
        requests_per_month=config.volume.requests_per_month,
        stopped=state.stopped,
        exploratory=record.exploratory,
    )
    verdict = decide(climbed)
    record.conclude(climbed, verdict)
    left = sum(unanswered(result.outcomes) for result in state.results.values())
    if left:
        progress.say(f"{left} test rows got no answer by transport trouble; run the same command to ask them again")
    return Run(record.folder.path, verdict, state.results, left)
