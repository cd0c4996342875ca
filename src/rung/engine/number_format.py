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
from rung.models.settings import configured
from rung.progress import Progress
from rung.prompts.templates import as_it_stands
from rung.store.run import RunFolder
from rung.types import Candidate, Example, PromptLearned, Task

FACT = "number_formats"  # of a run: role -> the `dtype` that it is asked in, for those that were compared
ROWS = 30  # dev examples that must score the same


def as_found(config: Config, run: RunFolder) -> Config:
    """Return a run's configuration with the number formats that were found for it."""
    found: Mapping[str, str] = run.facts.get(FACT, {})
    models = {r: {**s, "dtype": found[r]} if r in found else s for r, s in config.models.items()}
    return config.model_copy(update={"models": models})


@asynccontextmanager
async def models_of(
    config: Config, run: RunFolder, task: Task, dev: Sequence[Example], progress: Progress
) -> AsyncIterator[Mapping[str, Client]]:
    """Open the models of a climb. Formats of those that are open to it are compared once for a run, before anything is measured.

    The prompt as it stands is answered on 30 dev examples in float32 and in bfloat16. Only where each of them scores the same, and not all of
    them the same for any answer, is the shorter format used. What runs now and a judge's opinions are left as they are.
    """
    if (
        FACT not in run.facts
        and not run.measured
        and len(dev) >= ROWS
        and not is_opinion(task)
        and task.as_good_as is None
    ):
        with suppress(BudgetSpent):  # the climb ends at the budget, too, and says so; with more of it all is compared
            found = {
                role: await _found(config, run, task, dev[:ROWS], role, progress)
                for role in dict.fromkeys(_open_roles(config))
            }
            run.note(**{FACT: found})
    async with open_clients(as_found(config, run), run.path, say=progress.say, project=config.root) as clients:
        yield clients


def _open_roles(config: Config) -> Iterator[str]:
    known = configured(config)
    for role in (role for step in config.ladder for role in answering_roles(step)):
        settings = known.get(role)
        if isinstance(settings, Local) and settings.may_be_quicker():
            yield role


async def _found(
    config: Config, run: RunFolder, task: Task, examples: Sequence[Example], role: str, progress: Progress
) -> str:
    template = as_it_stands(task)
    plain = PromptLearned(messages=template.messages, columns=template.columns)
    candidate = Candidate("prompt", "as-is", plain, role)
    scores, seconds = list[list[Any]](), list[float]()
    for dtype in ("auto", "fastest"):
        changed = config.model_copy(update={"models": {**config.models, role: {**config.models[role], "dtype": dtype}}})
        async with open_clients(changed, run.path, (role,), progress.say, project=config.root) as clients:
            kit = RunKit(task, askers(clients), config.split.seed, progress, config.root)
            began = time.process_time()
            outcomes = await kit.answer(candidate, examples)
            seconds.append(time.process_time() - began)
        scores.append([o.value(task.metrics[0].name, task.failure_score) for o in outcomes])
    same = sum(a == b for a, b in zip(*scores, strict=True))
    tells = len({score for both in scores for score in both}) > 1
    kept = "fastest" if same == len(examples) and tells else "auto"
    why = f"{same} of {len(examples)} dev examples score the same in both" + ("" if tells else ", and all alike")
    times = f", at {seconds[1] / seconds[0]:.2f} of the time" if kept == "fastest" and seconds[0] > 1.0 else ""
    progress.say(f"models.{role}: computed in {'bfloat16' if kept == 'fastest' else 'float32'} ({why}{times})")
    return kept
