"""A finished or running climb opened again: its models, its rows, and its measured candidates, through the code that was measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rung.config import Config, parse_config
from rung.data.parts import thaw
from rung.errors import RungError
from rung.evaluate.documents import open_library
from rung.evaluate.kit import Asker, RunKit, askers
from rung.evaluate.progress import Progress
from rung.models.client import Client, open_clients
from rung.protocols import Library
from rung.store.folder import RunFolder, load_result
from rung.types import Candidate, Completion, MetricSpec, Request, Split, Task


@dataclass(frozen=True)
class Reopened:
    """A run with its models open. `kit` answers as the climb's did, from the ledger where it can."""

    folder: RunFolder
    config: Config
    task: Task
    split: Split
    clients: Mapping[str, Client]
    progress: Progress
    library: Library | None = None

    def kit(self, *, metrics: tuple[MetricSpec, ...] | None = None, repeat: int = 0) -> RunKit:
        """Return a kit that scores by the task's metrics or by these; `repeat` 1, 2 ... asks everything again on purpose."""
        roles = askers(self.clients, self.folder.path)
        if repeat:
            roles = {role: _again(asker, repeat) for role, asker in roles.items()}
        task = self.task if metrics is None else replace(self.task, metrics=metrics)
        return RunKit(task, roles, self.config.split.seed, self.progress, self.config.root, self.library)

    def candidate(self, label: str) -> Candidate:
        """Return the candidate that was measured under a rung's label."""
        return load_result(self.folder, label).candidate


def measured_rungs(folder: RunFolder) -> tuple[str, ...]:
    """Return the labels of the rungs that have a result, in ladder order. Raises RungError when there is none."""
    found = tuple(name for name in folder.read("run.json")["planned"] if folder.has(f"rungs/{name}/result.json"))
    if not found:
        raise RungError(f"{folder.path} has no measured rung yet; run `rung climb` there first")
    return found


@asynccontextmanager
async def reopened(path: Path, progress: Progress) -> AsyncIterator[Reopened]:
    """Open a run folder and the models of its configuration; close them at the end. The test part stays shut.

    Raises RungError for a folder that is no run, ConfigError where files or keys of its configuration are gone.
    """
    folder = RunFolder.open(path)
    head = folder.read("run.json")
    if "task" not in head:
        raise RungError(f"{path} ended before its rows were read; run `rung climb` again")
    config = parse_config(head["config"], (path / head.get("root", ".")).resolve(), f"the configuration in {path}")
    task = folder.load_field("run.json", "task", Task)
    async with open_clients(config, path) as clients, open_library(config, clients, progress) as library:
        yield Reopened(folder, config, task, thaw(path), clients, progress, library)


def _again(asker: Asker, repeat: int) -> Asker:
    async def ask(request: Request) -> Completion:
        return await asker.ask(replace(request, repeat=1000 * request.repeat + repeat))

    tuned = None if asker.tuned is None else replace(asker.tuned, repeat=repeat)
    return replace(asker, ask=ask, tuned=tuned)
