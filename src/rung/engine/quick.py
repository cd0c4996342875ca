"""A first look before any climb: the prompt as it stands on a few dev rows, failures grouped by cause."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rung.config import Config, Step
from rung.data.configured import as_task, part_rows, read_rows
from rung.decide.averages import deciding_sample
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import diagnose
from rung.engine.contract import fit
from rung.engine.obstacles import refuse
from rung.engine.permission import begin
from rung.evaluate.kit import RunKit
from rung.evaluate.roles import askers
from rung.models.client import open_clients
from rung.progress import Progress
from rung.stats.estimate import interval_sample
from rung.types import Diagnosis, Estimate, Example, FitInput, Outcome, Task, by_id

ROWS = 40
SHOWN = 3  # example rows a cause
LONGEST = 160  # characters of a text that is shown


@dataclass(frozen=True)
class Look:
    """What a few dev rows told: an estimate, the causes of failure, and the rows themselves."""

    task: Task
    rows: tuple[Example, ...]
    outcomes: tuple[Outcome, ...]
    estimate: Estimate | None
    diagnosis: Diagnosis

    def lines(self) -> Iterator[str]:
        """Write the look as plain lines, example rows under each cause."""
        metric = self.task.metrics[0].name
        score = str(self.estimate) if self.estimate else "no example has a score"
        asked = "Your prompt as it stands" if self.task.prompt else "The bare instruction as the prompt"
        yield f"{asked}, on {len(self.rows)} dev examples (test set untouched): {metric} {score}"
        answers = {o.example_id: o for o in self.outcomes}
        examples = by_id(self.rows)
        for cause in self.diagnosis.causes:
            yield f"\n{cause.name}: {cause.count} of {self.diagnosis.failed} failures. {cause.evidence}"
            for row_id in cause.example_ids[:SHOWN]:
                answer = answers[row_id].answer
                got = _short(answer.text) if answer else "no answer"
                example = examples[row_id]
                yield f"  {_short(example.text)!r}\n    expected {_short(example.target)!r}, got {got!r}"
        yield f"\n{self.diagnosis.sentence}"


def look(config: Config, progress: Progress) -> Look:
    """Answer about 40 dev rows with candidate 1 in a throw-away folder; the test part is neither frozen nor opened."""
    begin(config)
    refuse(config)
    loaded = read_rows(config)
    kind, parts = part_rows(config, loaded)
    task = as_task(config, kind, (*parts.train, *parts.dev))
    with tempfile.TemporaryDirectory(prefix="rung-quick-") as folder:
        return asyncio.run(_look(config, task, parts.dev[:ROWS], Path(folder), progress))


async def _look(config: Config, task: Task, dev: tuple[Example, ...], folder: Path, progress: Progress) -> Look:
    async with open_clients(config, folder, (), progress.say, project=config.root, alone=True) as clients:
        kit = RunKit(task, askers(clients), config.split.seed, progress, config.root)
        role = next(iter(clients), "main")  # the first that the ladder asks
        step = Step(rung="prompt", settings={"rewrites": False, "model": role})
        given = FitInput(task, (), tuple(dev))
        fitted = await fit(step, given, kit)
        diagnosis = await diagnose(Subject.of("the prompt as it stands", fitted, given, {}), kit)
    sample, estimate = deciding_sample(fitted.dev, task), None
    if sample is not None:
        found = interval_sample(sample)
        estimate = Estimate(found.mean, found.low, found.high, found.n, found.method)
    return Look(task, dev, fitted.dev, estimate, diagnosis)


def summary(seen: Look) -> dict[str, Any]:
    """Return the look as plain data."""
    return {
        "rows": len(seen.rows),
        "metric": seen.task.metrics[0].name,
        "estimate": asdict(seen.estimate) if seen.estimate else None,
        "diagnosis": asdict(seen.diagnosis),
    }


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
