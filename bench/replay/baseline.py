"""The baseline, fitted anew on the train and dev examples of a subset by rung's own code; the vector of a text is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rung import plugins
from rung.embedding import Vectors, embedding_request, read_vectors, write_vectors
from rung.errors import NotOffered
from rung.rungs.baseline import Baseline
from rung.testing.kit import BareKit
from rung.types import Completion, Example, FitInput, Message, MetricSpec, ModelCard, Request, Task

ROLE = "embedder"


class Remembered:
    """A model that makes vectors, and the vector of a text once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[str, Vectors] = {}

    async def complete(self, request: Request) -> Completion:
        texts = [m.content for m in request.messages]
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        if new:
            made = read_vectors((await self._model.complete(embedding_request(new))).text)
            if made is None:
                raise ValueError("what was to make vectors made something else")
            self._known.update(zip(new, made, strict=True))
        return Completion(write_vectors(np.stack([self._known[t] for t in texts])), ROLE, 0, 0, 0.0, 0.0)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(m.content) for m in messages) // 4

    async def close(self) -> None:
        await self._model.close()


def embedder(folder: Path) -> Remembered:
    """Return the model of static vectors in a folder."""
    return Remembered(plugins.make("models", "static", folder=str(folder)).connect())


@dataclass(frozen=True)
class Refitted:
    """A baseline in one subset: its scores on dev as it was chosen, and of all others as it was fitted again on train and dev."""

    dev: Mapping[str, float]
    later: Mapping[str, float]


def refitted(task: Task, parts: Sequence[Sequence[Example]], vectors: Remembered | None) -> Refitted | None:
    """Fit on train, choose on dev, fit again on both, and answer the others; None where a baseline has no answer to give."""
    train, dev, others = parts
    metric = task.metrics[0]
    plugin = plugins.make("metrics", metric.plugin)
    labels = tuple(sorted({e.target for e in (*train, *dev)})) if task.kind == "classification" else None
    seen = Task(
        task.name, task.instruction, task.inputs, task.target, task.kind, task.metrics, task.goal, labels=labels
    )
    kit = BareKit(seen, vectors, ModelCard(ROLE, "static", ROLE, None, 0), plugin)  # type: ignore[arg-type]
    rung = Baseline(embedder=ROLE if vectors is not None else None)
    given = FitInput(seen, tuple(train), tuple(dev))

    async def fit() -> Refitted:
        chosen = await rung.fit(given, kit)
        later = await kit.run(rung.refit(chosen.candidate, given, kit), others)
        found = ({o.example_id: o.value(metric.name, 0.0) or 0.0 for o in rows} for rows in (chosen.dev, later))
        return Refitted(*found)

    try:
        return asyncio.run(fit())
    except NotOffered:
        return None


def task_of(name: str, kind: Any, metric: str) -> Task:
    """Return a task as the baseline needs it."""
    return Task(name, "", ("text",), "label", kind, (MetricSpec(metric),), 0.9)
