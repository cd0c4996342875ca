"""The main path: climb(config, folder) -> ClimbResult. Read this first.

load, audit, split -> each rung: fit on train and dev -> measure on test -> compare -> diagnose -> stop? -> verdict
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

from rung.config import Config, Step
from rung.config.roles import answering_role, tuned_roles
from rung.decide.tuned import must_fall_short, paired_early
from rung.decide.verdict import stops
from rung.diagnosis.experiments import ExperimentBudget, experiment_budget
from rung.diagnosis.failed_examples import Subject
from rung.engine.awaited import left_out
from rung.engine.conclude import conclude
from rung.engine.contract import fit_usable, measured_as, rung_of
from rung.engine.current import measured_first
from rung.engine.examine import examine
from rung.engine.number_format import models_of
from rung.engine.obstacles import refuse
from rung.engine.permission import begin
from rung.engine.plan import rest_of_plan
from rung.engine.prepare import Prepared, prepare
from rung.engine.robustness import perturb
from rung.engine.start import ClimbResult, broken_off, interrupted, save_spend, start
from rung.engine.unchanged import recalled, remember
from rung.errors import BudgetSpent, EqualAnswers, NotOffered
from rung.evaluate.evaluator import Evaluator, Rules
from rung.evaluate.first_answers import must_be_one_left
from rung.evaluate.kit import RunKit
from rung.evaluate.measure import unanswered
from rung.evaluate.roles import askers
from rung.progress import Progress, Silent
from rung.rag.opening import open_document_index as open_index
from rung.store.folder import locked
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.tuning.regression import regression_tasks_of
from rung.tuning.workspace import Spaces, Workplace
from rung.types import Candidate, Diagnosis, FitInput, Outcome, Result, Skipped, Stopped


@dataclass
class _Learned:
    """What the climb knows so far, in ladder order."""

    results: dict[str, Result] = field(default_factory=dict)
    current: dict[str, Result] = field(default_factory=dict)  # what runs now, where the goal is to be as good as that
    skipped: list[Skipped] = field(default_factory=list)
    dev: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    trained: set[str] = field(default_factory=set)
    below: Candidate | None = None
    diagnosis: Diagnosis | None = None  # of the rung measured last
    diagnoses: list[Diagnosis] = field(default_factory=list)
    to_be_tuned: frozenset[str] = frozenset()  # roles whose weights a step of the ladder changes
    equal: list[str] = field(default_factory=list)  # what was left out because it gave one answer to everything


def climb(config: Config, folder: Path | str, progress: Progress | None = None) -> ClimbResult:
    """Climb as `climb_in_loop` does, in an event loop of its own; an interrupt ends as Interrupted."""
    try:
        return asyncio.run(climb_in_loop(config, folder, progress))
    except KeyboardInterrupt as error:
        raise interrupted(Path(folder)) from error


async def climb_in_loop(config: Config, folder: Path | str, progress: Progress | None = None) -> ClimbResult:
    """Climb the configured ladder, resuming what the folder holds, and write the verdict there.

    Raises RungError: ConfigError, DataError, ModelError and so on before any answer; FolderBusy; IntegrityError.
    A spent budget ends the climb with a verdict "stopped"; what was answered stays in the folder.
    """
    begin(config)
    refuse(config)
    with locked(RunFolder.create(Path(folder))):
        progress = progress or Silent()
        run = start(Path(folder), config, progress)
        try:
            return recalled(run, config, progress) or await _climb(config, run, progress)
        except BaseException as error:
            broken_off(run, error)
            raise


async def _climb(config: Config, run: RunFolder, progress: Progress) -> ClimbResult:
    ready = prepare(config, run, progress)
    rules = Rules(config.planned, config.stop_early, config.split.seed, ready.split.latest)
    learned, stopped = _Learned(to_be_tuned=tuned_roles(config)), None
    opened = models_of(config, run, ready.task, ready.split.dev, progress)
    async with opened as clients, open_index(config, clients, progress) as index:
        rooms = Spaces(
            Workplace.of_run(run, config.root), regression_tasks_of(config), progress, config.general_abilities
        )
        kit = RunKit(ready.task, askers(clients, run.path), rules.seed, progress, config.root, index, rooms)
        evaluator = Evaluator(ready.task, kit, run, sealed_test(run), ready.split.test_sha256, rules, progress)
        try:
            ready, evaluator, learned.current, learned.below = await measured_first(config, ready, evaluator)
            for step in config.ladder[len(learned.current) :]:
                if await _rung(step, ready, evaluator, learned, experiment_budget(config)):
                    break
            await perturb(config, run, evaluator.kit, {**learned.current, **learned.results}, learned.skipped, progress)
        except BudgetSpent as error:
            stopped = Stopped(str(error), error.limit, rest_of_plan(config, {*learned.current, *learned.results}))
        finally:
            save_spend(run, clients)
    must_be_one_left(learned.equal, learned.results)
    results = {**learned.current, **learned.results}
    verdict = conclude(run, config, results, learned.skipped, stopped)
    waiting = sum(unanswered(r.outcomes) for r in results.values())
    remember(run, config, results, waiting)
    return ClimbResult(run.path, verdict, results, waiting)


async def _rung(step: Step, ready: Prepared, evaluator: Evaluator, learned: _Learned, budget: ExperimentBudget) -> bool:
    """Fit, measure, compare and diagnose one rung; return whether the climb stops here."""
    label, task, kit, say = step.label, ready.task, evaluator.kit, evaluator.progress.say
    rung, parts = rung_of(step), ready.split
    given = FitInput(task, parts.train, parts.dev, learned.below, learned.diagnosis)
    try:
        if rung.trains:
            known = learned.diagnoses[:-1]
            must_fall_short(task, answering_role(step), step.settings, learned.results, learned.diagnosis, known)
        fitted = await fit_usable(step, given, kit, learned.to_be_tuned)
    except NotOffered as error:
        learned.equal += [f"{label}: {error}"] if isinstance(error, EqualAnswers) else []
        learned.skipped.append(left_out(label, error, given, evaluator.run, evaluator.rules.seed))
        say(f"{label}: {'' if learned.skipped[-1].awaited else 'skipped, '}{learned.skipped[-1].reason}")
        return False
    evaluator.run.rung(label).save_fitted(fitted)
    if fitted.skipped:
        say(f"{label}: {len(fitted.skipped)} left out, the first because {fitted.skipped[0].reason}")
    if not learned.results and not learned.current:
        ready.use.note(evaluator.run, evaluator.progress)
    candidate = measured_as(step, fitted.candidate, given, kit, evaluator.run)
    result = await evaluator.measure(label, candidate, fitted.dev)
    learned.results[label], learned.dev[label] = result, fitted.dev
    learned.trained |= {label} if rung.trains else set()
    learned.below = fitted.candidate if rung.asks else learned.below
    while name := paired_early(task, label, learned.results):  # pairing needs all rows, however certain a verdict was
        learned.results[name] = await evaluator.measure(name, learned.results[name].candidate, whole=True)
    ends = stops(task, label, learned.results, learned.trained, evaluator.rules.seed)
    subject = replace(Subject.of(label, fitted, given, learned.dev), met=learned.results[label].good_enough)
    learned.diagnosis = await examine(subject, task, kit, evaluator.run, replace(budget, calls=0) if ends else budget)
    learned.diagnoses.append(learned.diagnosis)
    say(f"{label}: {result.estimates[task.metrics[0].name]}, {result.status.replace('_', ' ')}")
    return ends
