"""What a rung is handed: models, scoring, randomness, progress. It holds no test example and names no folder."""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from rung import plugins
from rung.config.roles import roles_of
from rung.contracts import held_metric, revived
from rung.errors import ConfigError, IntegrityError, NotOffered, Problem, RungError
from rung.evaluate.answering import OnRow, Scorer, answer_rows, scorer
from rung.evaluate.first_answers import FirstAnswers
from rung.metrics.accepted import AnyRight
from rung.models.client import Client
from rung.models.prices import price_of
from rung.models.settings import ProviderSettings
from rung.models.tuned import Served, weights_in
from rung.progress import Progress, paid
from rung.protocols import DocumentIndex, Judge, Kit, Metric, RegressionSuite, System, TuningSpace
from rung.store.tuned import TunedRecord
from rung.types import Candidate, Completion, Example, Message, ModelCard, Outcome, Request, Task, Weights

JUDGED_AT_LEAST = 5  # rows, all without a judgement, that mean the metric is broken
ROWS_WITHOUT_MODEL = 8  # rows in flight for a rung that asks no model: nothing waits, so more would not help


class Spaces(Protocol):
    """What makes the places where models are tuned, and tells what tuning must not harm."""

    def __call__(self, kit: Kit, role: str, settings: ProviderSettings, client: Client | None) -> TuningSpace: ...
    def suite(self, kit: Kit) -> RegressionSuite: ...


@dataclass(frozen=True)
class Asker:
    """One model role as the kit sees it."""

    card: ModelCard
    ask: Callable[[Request], Awaitable[Completion]]
    count_tokens: Callable[[Sequence[Message]], int]
    concurrency: int
    free: bool  # no money changes hands: a budget cannot be hurt by asking
    settings: ProviderSettings | None = None
    client: Client | None = None  # None where nothing is asked: a plan
    tuned: Served | None = None  # tuned weights of this role


def askers(clients: Mapping[str, Client], folder: Path | None = None) -> dict[str, Asker]:
    """Return the roles of open clients. `folder`: the run folder, in which models may be tuned and served from."""
    return {
        role: Asker(
            client.card(role),
            client.ask,
            client.count_tokens,
            client.concurrency,
            client.free,
            client.settings,
            client,
            Served(client, TunedRecord(folder)) if folder is not None else None,
        )
        for role, client in clients.items()
    }


def _on_weights(asker: Asker, weights: Weights) -> Asker:
    """Return a role as it is asked on tuned weights. Raises IntegrityError when these are not what was kept."""
    if asker.tuned is None:
        raise ConfigError([Problem(f"models.{asker.card.role}", "tuned weights are served from a run folder only")])
    tuned = asker.tuned
    card = replace(asker.card, name=f"{asker.card.name} (tuned)", note=None)
    return replace(asker, card=card, ask=lambda request: tuned.ask(weights, request))


class _ForTuning:
    """What a kit offers to rungs that change weights, and to those that measure weights changed elsewhere."""

    _spaces: Spaces | None

    def _role(self, role: str) -> Asker:
        raise NotImplementedError

    def tuning_space(self, role: str) -> TuningSpace:
        asker = self._role(role)
        if self._spaces is None or asker.settings is None:
            raise NotOffered(f"models.{role} cannot be tuned here: nothing is tuned outside a climb and its plan")
        return self._spaces(cast(Kit, self), role, asker.settings, asker.client)

    def regression_suite(self) -> RegressionSuite:
        if self._spaces is None:
            raise NotOffered("what tuning must not harm is scored in a climb alone")
        return self._spaces.suite(cast(Kit, self))


class RunKit(_ForTuning):
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
        self._roles = dict(roles)
        self._seed = seed
        self._progress = progress
        self._document_index = document_index
        self._root = root or Path()
        self._spaces = spaces
        self._first_answers = FirstAnswers()
        self._renew()
        for role, asker in self._roles.items():
            if asker.client is not None and asker.client.missing:
                progress.say(f"models.{role} cannot be opened, so its rung will be left out: {asker.client.missing}")
        self._judging = [r for spec in task.metrics for r in roles_of("metrics", spec.plugin, spec.settings)]

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

    def _role(self, role: str) -> Asker:
        if role not in self._roles:
            named = weights_in(role)
            if named is not None:
                self._roles[role] = _on_weights(self._role(named[0]), named[1])
                return self._roles[role]
            known = ", ".join(self._roles) or "none"
            raise ConfigError(
                [Problem(f"models.{role}", "a rung asks for this model, but it is not configured", None, known)]
            )
        return self._roles[role]

    def card(self, role: str) -> ModelCard:
        return self._role(role).card

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return self._role(role).count_tokens(messages)

    async def ask(self, role: str, request: Request) -> Completion:
        return await self._role(role).ask(request)

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
            self._first_answers.look(candidate, begun, self._role(str(candidate.model)).settings)
            rest = examples[first:]
            return begun + (await self.answer(candidate, rest, on_row) if rest else ())

    async def answer(
        self, candidate: Candidate, examples: Sequence[Example], on_row: OnRow | None = None
    ) -> tuple[Outcome, ...]:
        """Answer rows with a candidate, without announcing a stage.

        Raises RungError when the metric can judge none, and IntegrityError when the candidate was chosen over other
        documents, or these changed while it answered: answers over different documents are never mixed.
        """
        _same_documents(candidate, self._document_index)
        outcomes = await answer_rows(
            self.system(candidate), examples, self.score, concurrency=self._concurrency(candidate), on_row=on_row
        )
        _same_documents(candidate, self._document_index)
        _judged(outcomes, self._task)
        return outcomes

    def system(self, candidate: Candidate) -> System:
        """Bring a candidate to life through the rung that made it."""
        return revived(candidate, self._task, self)

    def _concurrency(self, candidate: Candidate) -> int:
        """Rows worth working on at once: enough to keep the model busy, and the slowest judge behind it."""
        answering = self._role(candidate.model).concurrency if candidate.model is not None else ROWS_WITHOUT_MODEL
        return max([answering, *(self._role(role).concurrency for role in self._judging)])

    def free(self, candidate: Candidate) -> bool:
        """Whether answering and judging another row costs no money."""
        asked = [*self._judging, *([candidate.model] if candidate.model is not None else [])]
        return all(self._role(role).free for role in asked)


def priced_by_token(kit: RunKit, candidate: Candidate) -> bool:
    """Whether answers that were stored without a price have one now: by token, since nobody timed a machine for them."""
    settings = kit._role(candidate.model).settings if candidate.model is not None else None
    return settings is not None and price_of(settings).by_tokens(1, 1) is not None


def _same_documents(candidate: Candidate, document_index: DocumentIndex | None) -> None:
    chosen = candidate.chat.documents_sha256 if candidate.chat is not None else None
    if chosen is not None and document_index is not None and document_index.sha256 != chosen:
        raise IntegrityError(
            f"the documents have changed since {candidate.name!r} of the rung {candidate.rung} was chosen over them; run the "
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
