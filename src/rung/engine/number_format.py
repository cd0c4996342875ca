"""The number format of models on this machine, where `dtype` leaves it open: bfloat16 where the processor multiplies it and 30 dev examples score the same."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from rung.config import Config
from rung.config.roles import answering_roles
from rung.errors import BudgetSpent
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.judging.human_labels import is_opinion
from rung.models.client import Client, open_clients
from rung.models.local import Local
from rung.models.settings import asked_by_tuning_alone, configured
from rung.progress import Progress
from rung.prompts.templates import asked_as_it_stands
from rung.store.run import RunFolder
from rung.types import Example, Finding, Task, content_hash

FACT = "number_formats"  # of a run: role -> the settings of the model that was compared, as a hash, and the `dtype` that was found
ROWS = 30  # dev examples that must score the same
CHECK = "number-format"  # of a finding


def as_found(config: Config, run: RunFolder) -> Config:
    """Return a run's configuration with the number formats that were found for its models, where they are still the ones that were compared."""
    found: Mapping[str, Mapping[str, str]] = run.facts.get(FACT, {})
    models = {
        role: {**settings, "dtype": found[role]["dtype"]}
        if role in found and found[role]["model"] == content_hash(dict(settings))
        else settings
        for role, settings in config.models.items()
    }
    return config.model_copy(update={"models": models})


@asynccontextmanager
async def models_of(
    config: Config, run: RunFolder, task: Task, dev: Sequence[Example], progress: Progress
) -> AsyncIterator[Mapping[str, Client]]:
    """Open the models of a climb. Formats of those that are open to it are compared once for a run, before anything is measured.

    The prompt as it stands is answered on 30 dev examples in float32 and in bfloat16. Only where each of them scores the same is the shorter format
    used; where all of them score alike, as where all are wrong, only where each answer is the same. What runs now and a judge's opinions are left as they are.
    """
    if _comparable(task, dev) and FACT not in run.facts and not run.measured and not run.times_opened:
        with suppress(BudgetSpent):  # the climb ends at the budget, too, and says so; with more of it all is compared
            found, notes = dict[str, dict[str, str]](), list[Finding]()
            for role in dict.fromkeys(_open_roles(config)):
                dtype, note = await _found(config, run, task, dev[:ROWS], role, progress)
                found[role] = {"model": content_hash(dict(config.models[role])), "dtype": dtype}
                notes.append(note)
            run.findings.save((*(f for f in run.findings.need() if f.check != CHECK), *notes))
            run.note(**{FACT: found})
    async with open_clients(as_found(config, run), run.path, say=progress.say, project=config.root) as clients:
        yield clients


def compared_at_most(config: Config, task: Task, dev: Sequence[Example]) -> Mapping[str, int]:
    """Return the calls that comparing takes at most, by role; whether this processor multiplies bfloat16 is not looked at, which takes torch."""
    if not _comparable(task, dev):
        return {}
    return {role: 2 * ROWS for role, settings in _local_roles(config) if settings.worth_comparing}


def _comparable(task: Task, dev: Sequence[Example]) -> bool:
    return len(dev) >= ROWS and not is_opinion(task) and task.as_good_as is None


def _open_roles(config: Config) -> Iterator[str]:
    return (role for role, settings in _local_roles(config) if settings.may_be_quicker())


def _local_roles(config: Config) -> Iterator[tuple[str, Local]]:
    known, spared = configured(config), asked_by_tuning_alone(config)
    for role in (role for step in config.ladder for role in answering_roles(step)):
        settings = known.get(role)
        if role not in spared and isinstance(settings, Local):
            yield role, settings


async def _found(
    config: Config, run: RunFolder, task: Task, examples: Sequence[Example], role: str, progress: Progress
) -> tuple[str, Finding]:
    """Return the format to use, and what the report says of it."""
    candidate = asked_as_it_stands(task, role)
    scores, texts, seconds = list[list[Any]](), list[list[str | None]](), list[float]()
    for dtype in ("auto", "bfloat16"):
        changed = config.model_copy(update={"models": {**config.models, role: {**config.models[role], "dtype": dtype}}})
        async with open_clients(changed, run.path, (role,), progress.say, project=config.root) as clients:
            kit = RunKit(task, askers(clients), config.split.seed, progress, config.root)
            began = time.process_time()
            outcomes = await kit.answer(candidate, examples)
            seconds.append(time.process_time() - began)
        scores.append([o.value(task.metrics[0].name, task.failure_score) for o in outcomes])
        texts.append([o.answer.text if o.answer is not None else None for o in outcomes])
    same = sum(a == b for a, b in zip(*scores, strict=True))
    tells = len({score for both in scores for score in both}) > 1 or (any(texts[0]) and texts[0] == texts[1])
    short = same == len(examples) and tells
    said = (
        f"The model {config.models[role].get('name', role)} ({role}) computes in {'bfloat16' if short else 'float32'}: {same} of {len(examples)} dev examples score the "
        f"same in both formats{'' if tells else ', but all alike, and some answers differ'}{_times(seconds) if short else ''}."
    )
    progress.say(said)
    return "bfloat16" if short else "auto", Finding(
        CHECK, "note", said, "Name `dtype` under the model to choose it yourself."
    )


def _times(seconds: Sequence[float]) -> str:
    return f", at {seconds[1] / seconds[0]:.2f} of the time" if seconds[0] > 1.0 else ""
