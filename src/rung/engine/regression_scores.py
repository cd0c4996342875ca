"""Score configured models on what tuning must not harm, without any climb: the general abilities and the tasks in `regression_tasks`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rung.config import Config
from rung.data.configured import as_task, part_rows, read_rows
from rung.engine.permission import begin
from rung.errors import RungError
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Progress
from rung.stats.estimate import interval_mean
from rung.tuning.regression import RunRegressionSuite, regression_tasks_of
from rung.types import Estimate


def keeping_scores(config: Config, roles: Sequence[str], progress: Progress) -> dict[str, dict[str, Estimate]]:
    """Return, for each role, what it scores on each kept task and ability; all roles that the ladder asks where none is named.

    Asked in a throw-away folder: neither a run nor a test row is touched. Raises RungError for a role that is not asked.
    """
    begin(config)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))

    async def ask(folder: Path) -> dict[str, dict[str, Estimate]]:
        found = {}
        async with open_clients(config, folder, say=progress.say, project=config.root, alone=True) as clients:
            unknown = sorted(set(roles) - set(clients))
            if unknown:
                raise RungError(
                    f"the ladder asks no model in the role {', '.join(unknown)}; asked: {', '.join(clients)}"
                )
            kit = RunKit(task, askers(clients), config.split.seed, progress, config.root)
            for role in roles or tuple(clients):
                kept = RunRegressionSuite(kit, regression_tasks_of(config), progress, config.general_abilities)
                scores = await kept.scores(role)
                found[role] = _estimates(scores)
        return found

    with tempfile.TemporaryDirectory(prefix="rung-keep-") as folder:
        return asyncio.run(ask(Path(folder)))


def _estimates(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Estimate]:
    found = {}
    for name, rows in scores.items():
        if rows:
            at = interval_mean(list(rows.values()))
            found[name] = Estimate(at.mean, at.low, at.high, at.n, at.method)
    return found
