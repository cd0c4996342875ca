"""What a rung is handed: models, scoring, randomness, progress. It holds no test example and names no folder."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rung import plugins
from rung.config.roles import roles_of
from rung.contracts import held_metric, revived
from rung.errors import IntegrityError, NotOffered, RungError
from rung.evaluate.answering import OnRow, Scorer, answer_rows, scorer
from rung.evaluate.first_answers import FirstAnswers
from rung.evaluate.roles import Asker, Roles
from rung.evaluate.told_apart import form_of, told_apart
from rung.metrics.accepted import AnyRight
from rung.models.client import Client
from rung.models.settings import ProviderSettings
from rung.progress import Progress, paid
from rung.protocols import DocumentIndex, Judge, Kit, Metric, RegressionSuite, System, TuningSpace
from rung.types import Candidate, Completion, Example, Message, ModelCard, Outcome, Request, Task, by_id

JUDGED_AT_LEAST = 5  # rows, all without a judgement, that mean the metric is broken


class Spaces(Protocol):
    """What makes the places where models are tuned, and tells what tuning must not harm."""

    def __call__(self, kit: Kit, role: str, settings: ProviderSettings, client: Client | None) -> TuningSpace: ...
    def suite(self, kit: Kit) -> RegressionSuite: ...


class RunKit:
    """The Kit of one climb."""

    def __init__(
        self,
        task: Task,
        roles: Mapping[str, Asker],
        seed: int,
        progress: Progress,
        root: Path | None = None,
        document_index: DocumentIndex | None = None,
        spaces: Spaces | None = None,
    ) -> None:
        """`root`: where relative files in the metrics' settings start; None: the working directory.

        `spaces` makes the places where models are tuned; None where none is.
        """
        self._task = task
        self._roles = Roles(
            roles, [r for spec in task.metrics for r in roles_of("metrics", spec.plugin, spec.settings)]
        )
        self._seed = seed
        self._progress = progress
        self._document_index = document_index
        self._root = root or Path()
        self._spaces = spaces
        self._first_answers = FirstAnswers()
        self._renew()
        for role, asker in roles.items():
            if asker.client is not None and asker.client.missing:
                progress.say(
                    f"models.{role} cannot be opened, so its approach will be left out: {asker.client.missing}"
                )

    def _renew(self) -> None:
        self.metrics: dict[str, Metric] = {
            spec.name: held_metric(spec.plugin, plugins.make_at(self._root, "metrics", spec.plugin, spec.settings))
            for spec in self._task.metrics
        }
        self.score: Scorer = scorer(self.metrics, self._task, self)

    def fresh(self) -> RunKit:
        """Return an equal kit with metrics of its own: what one of these keeps of the examples it scores ends with it."""
        twin = copy.copy(self)
        twin._renew()
        return twin

    def card(self, role: str) -> ModelCard:
        return self._roles[role].card

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return self._roles[role].count_tokens(messages)

    async def ask(self, role: str, request: Request) -> Completion:
        return await self._roles[role].ask(request)

    def tuning_space(self, role: str) -> TuningSpace:
        asker = self._roles[role]
        if self._spaces is None or asker.settings is None:
            raise NotOffered(f"models.{role} cannot be tuned here: nothing is tuned outside a run and its plan")
        return self._spaces(self, role, asker.settings, asker.client)

    def regression_suite(self) -> RegressionSuite:
        if self._spaces is None:
            raise NotOffered("what tuning must not harm is scored in a run alone")
        return self._spaces.suite(self)

    def document_index(self) -> DocumentIndex | None:
        return self._document_index

    def metric(self) -> Metric:
        metric = next(iter(self.metrics.values()))
        return metric if isinstance(metric, Judge) else AnyRight(metric)

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}")

    def say(self, text: str) -> None:
        self._progress.say(text)

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        title = f"{candidate.rung}: {candidate.name} on dev"
        with self._progress.stage(title, len(examples)) as bar:
            on_row: OnRow = lambda row: bar.advance(usd=paid(row))  # noqa: E731
            first = self._first_answers.wanted(candidate)
            if not first:
                return await self.answer(candidate, examples, on_row)
            begun = await self.answer(candidate, examples[:first], on_row)
            self._first_answers.look(candidate, begun, self._roles[str(candidate.model)].settings)
            rest = examples[first:]
            return begun + (await self.answer(candidate, rest, on_row) if rest else ())

    async def answer(
        self,
        candidate: Candidate,
        examples: Sequence[Example],
        on_row: OnRow | None = None,
        score: Scorer | None = None,
        system: System | None = None,
    ) -> tuple[Outcome, ...]:
        """Answer rows with a candidate, without announcing a stage.

        `score`: how to judge; None: by the task's metrics. `system`: who answers for the candidate; None: it itself.

        Raises RungError when the metric can judge none, and IntegrityError when the candidate was chosen over other
        documents, or these changed while it answered: answers over different documents are never mixed.
        """
        _same_documents(candidate, self._document_index)
        outcomes = await answer_rows(
            system or revived(candidate, self._task, self),
            examples,
            score or self.score,
            concurrency=self._roles.concurrency(candidate),
            on_row=on_row,
        )
        _same_documents(candidate, self._document_index)
        _judged(outcomes, self._task)
        # Dev outcomes, too, where they say how likely a floor is met, or candidates race by an average over labels.
        needed = self._task.metrics[0].average is not None or self._task.floors
        return apart(self, outcomes, examples) if needed else outcomes

    def free(self, candidate: Candidate) -> bool:
        """Whether answering and judging another row costs no money."""
        return self._roles.free(candidate)


def apart(kit: RunKit, outcomes: Sequence[Outcome], examples: Sequence[Example]) -> tuple[Outcome, ...]:
    """Return the outcomes of these examples with what tables and floors need of each: its label, its slices."""
    return told_apart(outcomes, by_id(examples), kit._task, form_of(next(iter(kit.metrics.values()))))


def priced_by_token(kit: RunKit, candidate: Candidate) -> bool:
    """Whether answers that were stored without a price have one now."""
    return kit._roles.priced_by_token(candidate)


def _same_documents(candidate: Candidate, document_index: DocumentIndex | None) -> None:
    chosen = candidate.chat.documents_sha256 if candidate.chat is not None else None
    if chosen is not None and document_index is not None and document_index.sha256 != chosen:
        raise IntegrityError(
            f"the documents have changed since {candidate.name!r} of the approach {candidate.rung} was chosen over them; run the "
            "same command again: it is chosen and measured anew over the documents as they are now"
        )


def _judged(outcomes: Sequence[Outcome], task: Task) -> None:
    """Tell a metric that cannot work from a model that cannot: the first is no evidence about the rung."""
    broken = [o.failure.message for o in outcomes if o.failure is not None and o.failure.cause == "metric"]
    if len(broken) == len(outcomes) >= JUDGED_AT_LEAST:
        raise RungError(
            f"the metric {task.metrics[0].name!r} could judge none of {len(outcomes)} answers: {broken[0]}; fix the metric "
            "or its settings and run the same command again: the answers are kept"
        )
