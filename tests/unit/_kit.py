"""A kit around a scripted model, for tests of rungs: no cache, no network, every request kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rung import plugins
from rung.errors import RefusedByModel, Retryable
from rung.metrics.normalized_match import NormalizedMatch
from rung.protocols import DocumentIndex, Metric
from rung.types import (
    Candidate,
    Completion,
    Example,
    Failure,
    Message,
    MetricSpec,
    ModelCard,
    Outcome,
    Request,
    Task,
)

Script = Callable[[tuple[Message, ...]], str]


def words(messages: Sequence[Message]) -> int:
    return sum(len(m.content.split()) for m in messages)


@dataclass
class KitForTests:
    """`script` answers a chat; a token is a word."""

    task: Task
    script: Script = lambda messages: "?"
    metric_plugin: Metric = field(default_factory=NormalizedMatch)
    context: int | None = None
    max_tokens: int = 10
    seed: int = 7
    requests: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    finish: str = "stop"
    documents: DocumentIndex | None = None
    timeout_s: float | None = None

    def card(self, role: str) -> ModelCard:
        return ModelCard(role, "scripted", "scripted-1", self.context, self.max_tokens, timeout_s=self.timeout_s)

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return words(messages)

    async def ask(self, role: str, request: Request) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(0)
        text = self.script(request.messages)
        return Completion(text, "scripted-1", words(request.messages), len(text.split()), 0.01, 0.0, self.finish)

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        system = plugins.revive(candidate, self.task, self)
        return tuple([await self._row(system, e) for e in examples])

    async def _row(self, system, example: Example) -> Outcome:
        try:
            answer = await system.answer(example.inputs)
        except RefusedByModel as error:
            return Outcome(example.id, example.group, None, None, Failure("refusal", str(error)))
        except Retryable as error:
            cause = "timeout" if error.timed_out else "model"
            return Outcome(example.id, example.group, None, None, Failure(cause, str(error)))
        if answer.truncated:
            return Outcome(example.id, example.group, answer, None, Failure("truncated", "cut off"))
        score = self.metric_plugin.score(answer.text, example, self.task)
        if isinstance(score, Failure):
            return Outcome(example.id, example.group, answer, None, score)
        return Outcome(example.id, example.group, answer, {self.task.metrics[0].name: score})

    def document_index(self) -> DocumentIndex | None:
        return self.documents

    def metric(self) -> Metric:
        return self.metric_plugin

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}")

    def say(self, text: str) -> None:
        self.said.append(text)


TOPICS = {
    "refund": ("money back", "refund", "charged twice"),
    "delivery": ("parcel", "courier", "shipping"),
    "login": ("password", "sign in", "locked out"),
}


def task(**changes) -> Task:
    values = {
        "name": "routing",
        "instruction": "Route the message to one team.",
        "inputs": ("text",),
        "target": "team",
        "kind": "classification",
        "metrics": (MetricSpec("normalized_match"),),
        "goal": 0.9,
        "labels": tuple(sorted(TOPICS)),
        **changes,
    }
    return Task(**values)


WORDS = [a + b for a in ("am", "bas", "ced", "del", "fjo", "gro", "her") for b in ("ber", "il", "ar", "ta", "rd", "ve")]


def examples(n: int, prefix: str, seed: int = 1) -> list[Example]:
    """Return n rows about the three topics; every text holds seven random words, so that no two are near."""
    rng = random.Random(f"{prefix}/{seed}")
    rows = []
    for i in range(n):
        label = sorted(TOPICS)[i % 3]
        filler = " ".join(rng.sample(WORDS, 6))
        text = f"{filler} {rng.choice(TOPICS[label])} {rng.choice(WORDS)}"
        rows.append(Example(f"{prefix}{i}", {"text": text}, label, f"{prefix}{i}"))
    return rows


def topic_of(text: str) -> str:
    return next((label for label, cues in TOPICS.items() if any(c in text for c in cues)), "?")
