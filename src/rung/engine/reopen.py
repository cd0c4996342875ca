"""A finished or running climb opened again: its models, its rows, and its measured candidates, through the code that was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rung.config import Config, parse_config
from rung.data.parts import thaw
from rung.engine.number_format import as_found
from rung.engine.permission import require
from rung.engine.stored import stored_config
from rung.errors import RungError
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import Asker, askers
from rung.models.client import Client, open_clients
from rung.models.direct import open_direct
from rung.progress import Progress
from rung.protocols import DocumentIndex
from rung.rag.opening import open_document_index
from rung.store.project import ProjectCache
from rung.store.run import RunFolder
from rung.types import Candidate, Completion, MetricSpec, Request, Split, Task


@dataclass(frozen=True)
class Reopened:
    """A run with its models open. `kit` answers as the climb's did, from the cache where it can."""

    folder: RunFolder
    config: Config
    task: Task
    split: Split
    clients: Mapping[str, Client]
    progress: Progress
    document_index: DocumentIndex | None = None

    def kit(self, *, metrics: tuple[MetricSpec, ...] | None = None, repeat: int = 0) -> RunKit:
        """Return a kit that scores by the task's metrics or by these; `repeat` 1, 2 ... asks everything again on purpose."""
        roles = askers(self.clients, self.folder.path)
        if repeat:
            roles = {role: _again(asker, repeat) for role, asker in roles.items()}
        task = self.task if metrics is None else replace(self.task, metrics=metrics)
        return RunKit(task, roles, self.config.split.seed, self.progress, self.config.root, self.document_index)

    def candidate(self, label: str) -> Candidate:
        """Return the candidate that was measured under a rung's label."""
        return self.folder.rung(label).result.need().candidate

    def chosen(self, label: str) -> Candidate:
        """Return the candidate that was measured, as it was before it learnt from dev rows."""
        fitted = self.folder.rung(label).fitted.get()
        return self.candidate(label) if fitted is None else fitted.candidate


@asynccontextmanager
async def reopened(
    path: Path, progress: Progress, *, served: bool = False, limits: Mapping[str, Any] | None = None
) -> AsyncIterator[Reopened]:
    """Open a run folder and the models of its configuration; close them at the end. The test part stays shut.

    `served`: its models are asked straight, as in service: nothing is looked up in the cache, stored or booked. `limits`: keys of that section
    that hold instead of the run's own.

    Raises RungError for a folder that is no run, ConfigError where files or keys of its configuration are gone,
    NotAllowed for one from elsewhere that wants to run code, read outside its folder or send a variable.
    """
    folder = RunFolder.open(path)
    if "task" not in folder.facts:
        raise RungError(f"{path} ended before its examples were read; run `rung climb` again")
    require(stored_config(folder), folder.facts["task"])
    settings, root = folder.config
    if limits is not None:
        settings = {**settings, "limits": stored_config(folder).limits.model_dump(mode="json") | dict(limits)}
    config, task = as_found(parse_config(settings, root, f"the configuration in {path}"), folder), folder.task
    shared = config.root if ProjectCache.exists_at(config.root) else None  # a look at a run makes no folder elsewhere
    split = await asyncio.to_thread(thaw, path)
    opened = open_direct(config) if served else open_clients(config, path, project=shared)
    async with opened as clients, open_document_index(config, clients, progress) as document_index:
        yield Reopened(folder, config, task, split, clients, progress, document_index)


def _again(asker: Asker, repeat: int) -> Asker:
    async def ask(request: Request) -> Completion:
        return await asker.ask(replace(request, repeat=1000 * request.repeat + repeat))

    tuned = None if asker.tuned is None else replace(asker.tuned, repeat=repeat)
    return replace(asker, ask=ask, tuned=tuned)
