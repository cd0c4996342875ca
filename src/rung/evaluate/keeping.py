"""Everything that tuning must not harm, scored for one model: the user's other tasks (`keep`) and the general abilities."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rung import plugin
from rung.config import load_config, parse_config
from rung.config.sections import Config
from rung.errors import ConfigError, ContextOverflow, Problem, RefusedByModel, Retryable
from rung.evaluate.abilities import suite
from rung.evaluate.answering import TRANSPORT, answer_rows, scorer
from rung.evaluate.prepare import as_task, part_rows, read_rows
from rung.protocols import Kit, Metric, Rung, System
from rung.rungs._prompting import as_it_stands
from rung.store.folder import RunFolder, load_result
from rung.types import Candidate, Example, Outcome, Request, Task, Verdict

ROWS_A_TASK = 200  # rows of a kept task that are asked, before and after
ALL_ABILITIES = "abilities, all"

Scores = dict[str, dict[str, float]]  # what is kept -> row id -> score in [0, 1]


@dataclass(frozen=True)
class KeptTask:
    """Another task of the user: its rows, its metrics, and the candidate that answers it (its model is put in later)."""

    task: Task
    rows: tuple[Example, ...]
    candidate: Candidate
    metrics: Mapping[str, Metric]


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
    rows = (*parts.dev, *parts.train)[:ROWS_A_TASK]
    return KeptTask(task, rows, candidate, _metrics(task, config.root))


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
    return KeptTask(task, rows, candidate, _metrics(task, root))


def _metrics(task: Task, root: Path) -> dict[str, Metric]:
    return {s.name: plugin.make_at(root, "metrics", s.name, s.settings) for s in task.metrics[:1]}


async def kept_scores(kit: Kit, role: str, tasks: Sequence[KeptTask], *, concurrency: int = 32) -> Scores:
    """Score the model in `role` on every kept task and on the abilities; a row without an answer has no score."""
    found: Scores = {}
    for kept in tasks:
        found[f"task {kept.task.name}"] = await _task_scores(kit, role, kept, concurrency)
    return {**found, **await _ability_scores(kit, role, concurrency)}


async def _task_scores(kit: Kit, role: str, kept: KeptTask, concurrency: int) -> dict[str, float]:
    candidate = replace(kept.candidate, model=role)
    rung: Rung = plugin.find("rungs", candidate.rung).model_construct()
    system: System = rung.system(candidate, kept.task, kit)
    outcomes = await answer_rows(system, kept.rows, scorer(kept.metrics, kept.task), concurrency=concurrency)
    values = {o.example_id: o.value(kept.task.metrics[0].name, 0.0) for o in outcomes if not _unanswered(o)}
    return {row: value for row, value in values.items() if value is not None}


def _unanswered(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.cause in TRANSPORT


async def _ability_scores(kit: Kit, role: str, concurrency: int) -> Scores:
    slots = asyncio.Semaphore(concurrency)

    async def one(request: Request) -> str | None:
        async with slots:
            return (await kit.ask(role, request)).text

    rows = suite()
    answers = await asyncio.gather(*(_answered(one, row.request) for row in rows))
    found: Scores = {ALL_ABILITIES: {}}
    for row, answer in zip(rows, answers, strict=True):
        if answer.came:
            score = float(row.passes(answer.text))
            found.setdefault(f"ability {row.ability}", {})[row.id] = score
            found[ALL_ABILITIES][row.id] = score
    return found


@dataclass(frozen=True, slots=True)
class _Answered:
    came: bool
    text: str | None


async def _answered(ask: Callable[[Request], Awaitable[str | None]], request: Request) -> _Answered:
    try:
        return _Answered(True, await ask(request))
    except RefusedByModel:
        return _Answered(True, None)
    except (Retryable, ContextOverflow):
        return _Answered(False, None)
