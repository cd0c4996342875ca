"""Approaches on dev alone: the ordinary loop of a developer. The test set is neither frozen nor opened, no run folder is written.

What is paid is kept by the project: a later climb, and the next look, ask only what is new.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rung.config import Config, Step
from rung.config.roles import tuned_roles
from rung.data.configured import as_task, part_rows, read_rows
from rung.decide.current import anchored
from rung.diagnosis.experiments import experiment_budget
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.engine.contract import fit_usable, rung_of
from rung.engine.obstacles import refuse
from rung.engine.permission import begin
from rung.errors import BudgetSpent, NotOffered
from rung.evaluate.kit import RunKit, apart
from rung.evaluate.measure import summarise
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Progress
from rung.rag.opening import gather, open_document_index
from rung.store.folder import locked
from rung.store.run import RunFolder
from rung.store.tuned import TunedRecord
from rung.tuning.regression import regression_tasks_of
from rung.tuning.workspace import Spaces, Workplace
from rung.types import Candidate, Diagnosis, Example, FitInput, Outcome, Result, Skipped, Task

TUNED = (
    "Tuned whatever the approaches below reached on dev: a run tunes only where each of them is shown to miss the goal on the "
    "test set. The weights are kept, and a run on the same examples takes them over."
)
CHOSEN = (
    "Dev examples only: each approach was chosen on these very examples, so expect a little less on new ones. The test set "
    "was not opened."
)


@dataclass(frozen=True)
class OnDev:
    """One approach on the dev examples."""

    label: str
    result: Result  # of the dev outcomes; no verdict rests on it
    diagnosis: Diagnosis

    def score(self, task: Task) -> str:
        estimate = self.result.estimates.get(task.metrics[0].name)
        return str(estimate) if estimate else "no example has a score"


@dataclass
class DevLook:
    """Approaches on dev, in ladder order. `stopped`: why the look ended before its time."""

    task: Task
    examples: tuple[Example, ...]
    approaches: list[OnDev] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    trained: bool = False  # whether weights were tuned
    spent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by role
    stopped: str | None = None

    @property
    def usd(self) -> float | None:
        """Dollars that this look took; None where a price is unknown."""
        paid = [role["usd"] for role in self.spent.values()]
        return None if None in paid else float(sum(paid))

    @property
    def taken(self) -> int:
        """Answers that the project had paid for before."""
        return sum(role["taken"] for role in self.spent.values())


def look_on_dev(config: Config, progress: Progress) -> DevLook:
    """Look as `look_on_dev_in_loop` does, in an event loop of its own."""
    return asyncio.run(look_on_dev_in_loop(config, progress))


async def look_on_dev_in_loop(config: Config, progress: Progress) -> DevLook:
    """Choose and answer each approach of the ladder on dev, whatever those below reach; weights that are tuned are kept beside
    rung.yaml, with all else that the project paid for.

    Raises RungError as a climb does; a spent budget ends the look with what there is.
    """
    begin(config)
    refuse(config)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    gather(config, progress, loaded.whole.examples, {e.id for e in parts.test})
    found = DevLook(task, parts.dev)
    given = FitInput(task, parts.train, parts.dev)
    sealed = frozenset(e.sha256 for e in (*parts.dev, *parts.test))
    with tempfile.TemporaryDirectory(prefix="rung-dev-") as folder:
        await _look(config, given, Path(folder), sealed, progress, found)
    return found


@contextmanager
def _workplace(config: Config, folder: Path, sealed: frozenset[str]) -> Iterator[Workplace]:
    """Yield where models are tuned: in the project, by one look at a time; in `folder` where the project cannot be written.

    Raises FolderBusy.
    """
    kept = TunedRecord.of_project(config.root)
    if tuned_roles(config) and os.access(kept.run.parent, os.W_OK):
        with locked(RunFolder.create(kept.run)):
            yield Workplace(kept, sealed)
    else:
        yield Workplace(TunedRecord(folder), sealed)


async def _look(
    config: Config, given: FitInput, folder: Path, sealed: frozenset[str], progress: Progress, found: DevLook
) -> None:
    opened = open_clients(config, folder, say=progress.say, project=config.root, alone=True)
    async with opened as clients, open_document_index(config, clients, progress) as index:
        with _workplace(config, folder, sealed) as place:
            known = askers(clients, place.weights.run)
            rooms = Spaces(place, regression_tasks_of(config), progress, config.general_abilities)
            kit = RunKit(given.task, known, config.split.seed, progress, config.root, index, rooms)
            dev: dict[str, tuple[Outcome, ...]] = {}
            try:
                for step in config.ladder:
                    given = await _approach(step, given, kit, config, found, dev)
            except BudgetSpent as error:
                found.stopped = str(error)
            finally:
                found.spent = {role: client.spend() for role, client in clients.items()}


async def _approach(
    step: Step, given: FitInput, kit: RunKit, config: Config, found: DevLook, dev: dict[str, tuple[Outcome, ...]]
) -> FitInput:
    """Fit one approach as a climb would; return what the next one is given."""
    label, rung = step.label, rung_of(step)
    try:
        fitted = await fit_usable(step, given, kit, tuned_roles(config))
    except NotOffered as error:
        found.skipped.append(Skipped(label, str(error)))
        kit.say(f"{label}: skipped, {error}")
        return given
    dev[label] = fitted.dev
    budget = experiment_budget(config)
    if step is config.ladder[-1]:  # nothing follows that its experiments would help to choose
        budget = replace(budget, calls=0)
    diagnosis = await diagnose(Subject.of(label, fitted, given, dev), kit, budget)
    result = summarise(fitted.candidate, apart(kit, fitted.dev, given.dev), given.task, len(config.planned))
    found.trained |= rung.trains and not step.trained_elsewhere
    found.approaches.append(OnDev(label, result, diagnosis))
    below: Candidate | None = fitted.candidate if rung.asks else given.below
    if label == given.task.as_good_as:
        found.task = anchored(given.task, fitted.dev)
        given = replace(given, task=found.task)
    return replace(given, below=below, diagnosis=diagnosis)


def dev_lines(look: DevLook) -> list[str]:
    """Write a look as plain lines."""
    metric = look.task.metrics[0].name
    lines = [f"{len(look.examples)} dev examples, {metric} (goal {look.task.goal:g})"]
    wide = max((len(a.label) for a in look.approaches), default=0)
    for approach in look.approaches:
        cost = approach.result.cost_per_1k_usd
        price = "cost unknown" if cost is None else f"${cost:.4g} per 1,000 requests"
        lines.append(
            f"  {approach.label:<{wide}}  {approach.score(look.task)}  {price}  ({approach.result.candidate.name})"
        )
        if approach.diagnosis.failed:
            lines.append(f"  {'':<{wide}}  {approach.diagnosis.sentence}")
    lines += [f"  {skipped.what}: skipped, {skipped.reason}" for skipped in look.skipped]
    usd = "an unknown amount" if look.usd is None else f"${look.usd:.4f}"
    lines += [
        "",
        CHOSEN,
        *([TUNED] if look.trained else []),
        f"Paid now: {usd}; {look.taken:,} answers were paid for before.",
    ]
    return [*lines, f"Stopped: {look.stopped}"] if look.stopped else lines


def dev_summary(look: DevLook) -> dict[str, Any]:
    """Return a look as plain data."""
    metric = look.task.metrics[0].name
    approaches = []
    for approach in look.approaches:
        estimate = approach.result.estimates.get(metric)
        approaches.append(
            {
                "approach": approach.label,
                "candidate": approach.result.candidate.name,
                "estimate": asdict(estimate) if estimate else None,
                "cost_per_1k_usd": approach.result.cost_per_1k_usd,
                "failures": dict(approach.result.failures),
                "diagnosis": asdict(approach.diagnosis),
            }
        )
    return {
        "set": "dev",
        "examples": len(look.examples),
        "metric": metric,
        "goal": look.task.goal,
        "approaches": approaches,
        "skipped": [asdict(skipped) for skipped in look.skipped],
        "usd": look.usd,
        "taken": look.taken,
        "stopped": look.stopped,
        "note": f"{CHOSEN} {TUNED}" if look.trained else CHOSEN,
    }
