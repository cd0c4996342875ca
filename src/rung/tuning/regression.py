"""Everything that tuning must not harm, scored for one model: the user's other tasks (`regression_tasks`) and the general abilities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rung import plugins
from rung.config import load_config, parse_config
from rung.config.sections import Config
from rung.contracts import held_metric, revived
from rung.data.configured import as_task, part_rows, read_rows
from rung.errors import ConfigError, ContextOverflow, Problem, RefusedByModel, Retryable
from rung.evaluate.answering import answer_rows, scorer
from rung.progress import Progress
from rung.prompts.templates import Template, asked_as_it_stands
from rung.protocols import Kit, Metric
from rung.store.run import RunFolder
from rung.tuning.abilities import ALL_ABILITIES, AbilityRow, suite
from rung.types import NAMED_TASK, TRANSPORT, Candidate, Example, Outcome, Task, TuningRow

ROWS_A_TASK = 200  # rows of a kept task that are asked, before and after

Scores = dict[str, dict[str, float]]  # what is kept -> row id -> score in [0, 1]


@dataclass(frozen=True)
class RegressionTask:
    """Another task of the user: its rows, its metrics, and the candidate that answers it (its model is put in later).

    `rows` are scored before and after; `spare` rows may be tuned on, so that the task is not forgotten.
    """

    task: Task
    rows: tuple[Example, ...]
    spare: tuple[Example, ...]
    candidate: Candidate
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class RunRegressionSuite:
    """What must be kept, scored for whichever model; and rows to rehearse it. `general`: the general abilities, too."""

    kit: Kit
    tasks: tuple[RegressionTask, ...]
    progress: Progress
    general: bool = True

    @property
    def asked(self) -> int:
        return sum(len(kept.rows) for kept in self.tasks) + (len(suite()) if self.general else 0)

    @property
    def vetoes(self) -> bool:
        return bool(self.tasks)

    async def scores(self, role: str) -> Scores:
        """Score the model in `role`, under a bar."""
        with self.progress.stage("regression tasks", self.asked) as bar:
            return await kept_scores(self.kit, role, self.tasks, general=self.general, on_row=bar.advance)

    def replay(self, rows: int) -> tuple[TuningRow, ...]:
        """Return spare rows of all kept tasks in turn, as their candidates ask them, with their expected answers."""
        found = []
        for kept in self.tasks:
            if kept.candidate.chat is None:
                continue
            template, shown = Template.of(kept.candidate), kept.candidate.demonstrations
            for example in kept.spare[: -(-rows // len(self.tasks))]:
                chat = template.render(example.inputs, shown)
                found.append(TuningRow(f"{kept.task.name}/{example.id}", chat, example.target))
        return tuple(found[:rows])


def regression_tasks_of(config: Config) -> tuple[RegressionTask, ...]:
    """Read what `regression_tasks` names: a rung.yaml (its prompt as it stands, on its rows), or a run folder (the rung that it found,
    on its dev rows). Test parts stay shut. Raises ConfigError for a path that is neither.
    """
    return tuple(
        _from_run(path) if path.is_dir() else _from_file(path) for path in map(config.resolve, config.regression_tasks)
    )


def _from_file(path: Path) -> RegressionTask:
    config = load_config(path)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    candidate = asked_as_it_stands(task, "main")
    rows = (*parts.dev, *parts.train)
    return RegressionTask(task, rows[:ROWS_A_TASK], rows[ROWS_A_TASK:], candidate, _metrics(task, config.root))


def _from_run(path: Path) -> RegressionTask:
    if not RunFolder(path).begun:
        raise ConfigError([Problem("regression_tasks", "is neither a rung.yaml nor a run folder", str(path))])
    folder = RunFolder.open(path)
    settings, root = folder.config
    parse_config(settings, root, f"the configuration in {path}")
    task, verdict = folder.task, folder.verdict.get()
    chosen = (verdict.winner or verdict.tentative_pick) if verdict else None
    if chosen is None:
        raise ConfigError(
            [Problem("regression_tasks", "holds a run without a winner: nothing of it is in use", str(path))]
        )
    candidate = folder.rung(chosen).result.need().candidate
    if candidate.model is None:
        raise ConfigError([Problem("regression_tasks", f"holds a run won by {chosen}, which asks no model", str(path))])
    rows = folder.parts.dev.need()[:ROWS_A_TASK]
    shown = set(candidate.trained_on)
    spare = tuple(e for e in folder.parts.train.need() if e.id not in shown)
    return RegressionTask(task, rows, spare, candidate, _metrics(task, root))


def _metrics(task: Task, root: Path) -> dict[str, Metric]:
    spec = task.metrics[0]
    return {spec.name: held_metric(spec.plugin, plugins.make_at(root, "metrics", spec.plugin, spec.settings))}


async def kept_scores(
    kit: Kit,
    role: str,
    tasks: Sequence[RegressionTask],
    *,
    general: bool = True,
    concurrency: int = 64,
    on_row: Callable[[], None] = lambda: None,
) -> Scores:
    """Score the model in `role` on every kept task and, with `general`, on the abilities; a row without an answer has no score."""
    found: Scores = {}
    for kept in tasks:
        found[f"{NAMED_TASK}{kept.task.name}"] = await _task_scores(kit, role, kept, concurrency, on_row)
    return {**found, **(await _ability_scores(kit, role, concurrency, on_row) if general else {})}


async def _task_scores(
    kit: Kit, role: str, kept: RegressionTask, concurrency: int, on_row: Callable[[], None]
) -> dict[str, float]:
    candidate = replace(kept.candidate, model=role)
    system = revived(candidate, kept.task, kit)
    score = scorer(kept.metrics, kept.task, kit)
    outcomes = await answer_rows(system, kept.rows, score, concurrency=concurrency, on_row=lambda _: on_row())
    values = {o.example_id: o.value(kept.task.metrics[0].name, 0.0) for o in outcomes if not _unanswered(o)}
    return {row: value for row, value in values.items() if value is not None}


def _unanswered(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.cause in TRANSPORT


async def _ability_scores(kit: Kit, role: str, concurrency: int, on_row: Callable[[], None]) -> Scores:
    slots = asyncio.Semaphore(concurrency)

    async def one(row: AbilityRow) -> float | None:
        async with slots:
            try:
                answer: str | None = (await kit.ask(role, row.request)).text
            except RefusedByModel:
                answer = None
            except (Retryable, ContextOverflow):
                return None
            finally:
                on_row()
        return float(row.passes(answer))

    rows = suite()
    scores = await asyncio.gather(*(one(row) for row in rows))
    found: Scores = {ALL_ABILITIES: {}}
    for row, score in zip(rows, scores, strict=True):
        if score is not None:
            found.setdefault(f"ability {row.ability}", {})[row.id] = score
            found[ALL_ABILITIES][row.id] = score
    return found
