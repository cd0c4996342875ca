"""A Kit around one model without cache, budget or network, and a small world of rows: to run a rung in a test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from rung.contracts import revived
from rung.errors import ConfigError, NotOffered, Problem
from rung.evaluate.answering import answer_rows, scorer
from rung.metrics.normalized_match import NormalizedMatch
from rung.models.fake import FakeModel, KnownRow
from rung.protocols import DocumentIndex, Metric, Model, RegressionSuite, Rung, System, TuningSpace
from rung.types import Candidate, Completion, Example, Message, MetricSpec, ModelCard, Outcome, Request, Task

_CUES = {
    "billing": ("invoice", "charged", "refund"),
    "delivery": ("parcel", "courier", "shipping"),
    "login": ("password", "account", "locked"),
}
_FILLERS = (
    "lamp",
    "chair",
    "kettle",
    "garden",
    "monday",
    "blue",
    "quick",
    "window",
    "brother",
    "seven",
    "forest",
    "paper",
)


@dataclass
class BareKit:
    """All a rung needs besides its rows. `requests` and `said` keep what it asked and told.

    `own` is the rung under test with its name: it need not be installed as a plugin.
    """

    task: Task
    model: Model
    card_of_main: ModelCard
    metric_plugin: Metric = field(default_factory=NormalizedMatch)
    own: tuple[str, Rung] | None = None
    documents: DocumentIndex | None = None
    seed: int = 7
    requests: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def card(self, role: str) -> ModelCard:
        if role != self.card_of_main.role:
            raise ConfigError([Problem(f"models.{role}", "not configured", None, self.card_of_main.role)])
        return self.card_of_main

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return self.model.count_tokens(messages)

    async def ask(self, role: str, request: Request) -> Completion:
        self.card(role)
        self.requests.append(request)
        return await self.model.complete(request)

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        name = self.task.metrics[0].name
        return await answer_rows(
            self._system(candidate), examples, scorer({name: self.metric_plugin}, self.task, self), concurrency=16
        )

    def document_index(self) -> DocumentIndex | None:
        return self.documents

    def metric(self) -> Metric:
        return self.metric_plugin

    def tuning_space(self, role: str) -> TuningSpace:
        raise NotOffered(f"models.{role} is a model of a test kit and cannot be tuned")

    def regression_suite(self) -> RegressionSuite:
        raise NotOffered("a test kit scores nothing that tuning must not harm")

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}")

    def say(self, text: str) -> None:
        self.said.append(text)

    def _system(self, candidate: Candidate) -> System:
        if self.own is not None and candidate.rung == self.own[0]:
            return self.own[1].revive(candidate, self.task, self)
        return revived(candidate, self.task, self)


def small_task() -> Task:
    """Return a classification task of three labels."""
    labels = tuple(sorted(_CUES))
    metrics = (MetricSpec("normalized_match"),)
    return Task(
        "desk", "Route the message to one team.", ("text",), "team", "classification", metrics, 0.9, labels=labels
    )


def small_rows(count: int, name: str) -> tuple[Example, ...]:
    """Return rows of the small task, labels in turn, no two texts near one another; `name` starts their ids."""
    rng = random.Random(name)
    labels = sorted(_CUES)
    rows = []
    for i in range(count):
        label = labels[i % len(labels)]
        number = rng.randrange(10**9)
        text = f"{' '.join(rng.sample(_FILLERS, 5))} {rng.choice(_CUES[label])} {number}"
        rows.append(Example(f"{name}{i}", {"text": text}, label, f"{name}{i}"))
    return tuple(rows)


def known(rows: Sequence[Example]) -> tuple[KnownRow, ...]:
    """Return the rows as the fake model wants to know them."""
    return tuple(KnownRow(inputs=dict(row.inputs), answer=row.target, group=row.group) for row in rows)


def kit_with_fake(
    task: Task, rows: Sequence[Example], own: tuple[str, Rung] | None = None, **settings: object
) -> BareKit:
    """Return a kit whose model knows the rows and answers as the fake's `settings` say."""
    model = FakeModel.model_validate({"answers": known(rows), **settings})
    card = ModelCard("main", "fake", model.name, model.context, model.max_tokens)
    return BareKit(task, model.connect(), card, own=own)
