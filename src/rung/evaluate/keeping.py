"""Everything that tuning must not harm, scored for one model: the user's other tasks (`keep`) and the general abilities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rung import plugin
from rung.config import load_config, parse_config
from rung.config.sections import Config
from rung.errors import ConfigError, ContextOverflow, Problem, RefusedByModel, Retryable
from rung.evaluate.abilities import AbilityRow, suite
from rung.evaluate.answering import TRANSPORT, answer_rows, scorer
from rung.evaluate.prepare import as_task, part_rows, read_rows
from rung.evaluate.progress import Progress
from rung.protocols import Kit, Metric, Rung, System
from rung.rungs._prompting import as_it_stands, learned_demonstrations, learned_template
from rung.store.folder import RunFolder, load_result
from rung.types import Candidate, Example, Outcome, Task, TuningRow, Verdict

ROWS_A_TASK = 200  # rows of a kept task that are asked, before and after
ALL_ABILITIES = "abilities, all"

Scores = dict[str, dict[str, float]]  # what is kept -> row id -> score in [0, 1]


@dataclass(frozen=True)
class KeptTask:
    """Another task of the user: its rows, its metrics, and the candidate that answers it (its model is put in later).

    `rows` are scored before and after; `spare` rows may be tuned on, so that the task is not forgotten.
    """

    task: Task
    rows: tuple[Example, ...]
    spare: tuple[Example, ...]
    candidate: Candidate
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class Keeper:
    """What must be kept, scored for whichever model; and rows to rehearse it."""

    kit: Kit
    tasks: tuple[KeptTask, ...]
    progress: Progress

    async def scores(self, role: str) -> Scores:
        """Score the model in `role`, under a bar."""
        rows = sum(len(kept.rows) for kept in self.tasks) + len(suite())
        with self.progress.stage("what must be kept", rows) as bar:
            return await kept_scores(self.kit, role, self.tasks, on_row=bar.advance)

    def replay(self, rows: int) -> tuple[TuningRow, ...]:
        """Return spare rows of all kept tasks in turn, as their candidates ask them, with their expected answers."""
        found = []
        for kept in self.tasks:
            if "messages" not in kept.candidate.learned:
                continue
            template, shown = learned_template(kept.candidate), learned_demonstrations(kept.candidate)
            for example in kept.spare[: -(-rows // len(self.tasks))]:
                chat = template.render(example.inputs, shown)
                found.append(TuningRow(f"{kept.task.name}/{example.id}", chat, example.target))
        return tuple(found[:rows])


def kept_tasks(config: Config) -> tuple[KeptTask, ...]:
    """Read what `keep` names: a rung.yaml (its prompt as it stands, on its rows), or a run folder (the rung that it found,
    on its dev rows). Test parts stay shut. Raises ConfigError for a path that is neither.
    """
    return tuple(_from_run(path) if path.is_dir() else _from_file(path) for path in map(config.resolve, config.keep))


def _from_file(path: Path) -> KeptTask:
    config = load_config(path)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    template = as_it_stands(task)
    learned = {"messages": template.as_list(), "columns": list(template.columns), "demonstrations": []}
    candidate = Candidate("prompt", "as-is", {}, learned, "main")
    rows = (*parts.dev, *parts.train)
    return KeptTask(task, rows[:ROWS_A_TASK], rows[ROWS_A_TASK:], candidate, _metrics(task, config.root))


def _from_run(path: Path) -> KeptTask:
    if not (path / "run.json").is_file():
        raise ConfigError([Problem("keep", "is neither a rung.yaml nor a run folder", str(path))])
    folder = RunFolder.open(path)
    head = folder.read("run.json")
    root = (path / head.get("root", ".")).resolve()
    parse_config(head["config"], root, f"the configuration in {path}")
    task = folder.load_field("run.json", "task", Task)
    verdict = folder.load("verdict.json", Verdict) if folder.has("verdict.json") else None
    chosen = (verdict.winner or verdict.lean) if verdict else None
    if chosen is None:
        raise ConfigError([Problem("keep", "holds a run without a winner: nothing of it is in use", str(path))])
    candidate = load_result(folder, chosen).candidate
    if candidate.model is None:
        raise ConfigError([Problem("keep", f"holds a run won by {chosen}, which asks no model", str(path))])
    rows = folder.load_rows("parts/dev.jsonl", Example)[:ROWS_A_TASK]
    shown = set(candidate.trained_on)
    spare = tuple(e for e in folder.load_rows("parts/train.jsonl", Example) if e.id not in shown)
    return KeptTask(task, rows, spare, candidate, _metrics(task, root))


def _metrics(task: Task, root: Path) -> dict[str, Metric]:
    return {s.name: plugin.make_at(root, "metrics", s.name, s.settings) for s in task.metrics[:1]}


async def kept_scores(
    kit: Kit, role: str, tasks: Sequence[KeptTask], *, concurrency: int = 64, on_row: Callable[[], None] = lambda: None
) -> Scores:
    """Score the model in `role` on every kept task and on the abilities; a row without an answer has no score."""
    found: Scores = {}
    for kept in tasks:
        found[f"task {kept.task.name}"] = await _task_scores(kit, role, kept, concurrency, on_row)
    return {**found, **await _ability_scores(kit, role, concurrency, on_row)}


async def _task_scores(
    kit: Kit, role: str, kept: KeptTask, concurrency: int, on_row: Callable[[], None]
) -> dict[str, float]:
    candidate = replace(kept.candidate, model=role)
    rung: Rung = plugin.find("rungs", candidate.rung).model_construct()
    system: System = rung.system(candidate, kept.task, kit)
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
