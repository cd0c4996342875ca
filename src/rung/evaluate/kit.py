"""What a rung is handed: models, scoring, randomness, progress. Built of closures; holds no row and names no folder."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rung import plugin
from rung.config.roles import roles_of
from rung.errors import ConfigError, IntegrityError, NotOffered, Problem, RungError
from rung.evaluate.answering import OnRow, Scorer, answer_rows, scorer
from rung.evaluate.keeping import Keeper, KeptTask
from rung.evaluate.progress import Progress, paid
from rung.evaluate.workshop import RunWorkshop, Served, base_of, weights_in
from rung.metrics._several import AnyRight
from rung.models._settings import ProviderSettings
from rung.models.client import Client
from rung.protocols import Judge, Library, Metric, Rung, System, Workshop
from rung.types import Candidate, Completion, Example, Message, ModelCard, Outcome, Request, Task, Weights

JUDGED_AT_LEAST = 5  # rows, all without a judgement, that mean the metric is broken
ROWS_WITHOUT_MODEL = 8  # rows in flight for a rung that asks no model: nothing waits, so more would not help


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
            Served(client, folder) if folder is not None else None,
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


class RunKit:
    """The Kit of one climb."""

    def __init__(
        self,
        task: Task,
        roles: Mapping[str, Asker],
        seed: int,
        progress: Progress,
        root: Path | None = None,
        library: Library | None = None,
        keep: Sequence[KeptTask] = (),
    ) -> None:
        """`root`: where relative files in the metrics' settings start; None: the working directory."""
        self._task = task
        self._roles = dict(roles)
        self._seed = seed
        self._progress = progress
        self._library = library
        self._keep = tuple(keep)
        self.metrics: dict[str, Metric] = {
            spec.name: plugin.make_at(root or Path(), "metrics", spec.name, spec.settings) for spec in task.metrics
        }
        self.score: Scorer = scorer(self.metrics, task, self)
        for role, asker in self._roles.items():
            if asker.client is not None and asker.client.missing:
                progress.say(f"models.{role} cannot be opened, so its rung will be left out: {asker.client.missing}")
        self._judging = [r for spec in task.metrics for r in roles_of("metrics", spec.name, spec.settings)]

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

    def library(self) -> Library | None:
        return self._library

    def metric(self) -> Metric:
        metric = next(iter(self.metrics.values()))
        return metric if isinstance(metric, Judge) else AnyRight(metric)

    def workshop(self, role: str) -> Workshop:
        asker = self._role(role)
        assert asker.settings is not None
        if asker.client is not None and asker.client.missing:
            raise NotOffered(f"models.{role} cannot be tuned here: {asker.client.missing}")
        keeper = Keeper(self, self._keep, self._progress)
        return RunWorkshop(base_of(role, asker.settings), asker.client, asker.tuned, self._progress, keeper)

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}")

    def say(self, text: str) -> None:
        self._progress.say(text)

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        title = f"{candidate.rung}: {candidate.name} on dev"
        with self._progress.stage(title, len(examples)) as bar:
            return await self.answer(candidate, examples, lambda row: bar.advance(usd=paid(row)))

    async def answer(
        self, candidate: Candidate, examples: Sequence[Example], on_row: OnRow | None = None
    ) -> tuple[Outcome, ...]:
        """Answer rows with a candidate, without announcing a stage.

        Raises RungError when the metric can judge none, and IntegrityError when the candidate was chosen over other
        documents, or these changed while it answered: answers over different documents are never mixed.
        """
        _same_documents(candidate, self._library)
        outcomes = await answer_rows(
            self.system(candidate), examples, self.score, concurrency=self._concurrency(candidate), on_row=on_row
        )
        _same_documents(candidate, self._library)
        _judged(outcomes, self._task)
        return outcomes

    def system(self, candidate: Candidate) -> System:
        """Bring a candidate to life through the rung that made it."""
        rung: Rung = plugin.find("rungs", candidate.rung).model_construct()
        return rung.system(candidate, self._task, self)

    def _concurrency(self, candidate: Candidate) -> int:
        """Rows worth working on at once: enough to keep the model busy, and the slowest judge behind it."""
        answering = self._role(candidate.model).concurrency if candidate.model is not None else ROWS_WITHOUT_MODEL
        return max([answering, *(self._role(role).concurrency for role in self._judging)])

    def free(self, candidate: Candidate) -> bool:
        """Whether answering and judging another row costs no money."""
        asked = [*self._judging, *([candidate.model] if candidate.model is not None else [])]
        return all(self._role(role).free for role in asked)


def _same_documents(candidate: Candidate, library: Library | None) -> None:
    chosen = candidate.settings.get("library")
    if chosen is not None and library is not None and library.sha256 != chosen:
        raise IntegrityError(
            f"the documents have changed since {candidate.name!r} of the rung {candidate.rung} was chosen over them; run the "
            "same command again: it is chosen and measured anew over the documents as they are now"
        )


def _judged(outcomes: Sequence[Outcome], task: Task) -> None:
    """Tell a metric that cannot work from a model that cannot: the first is no evidence about the rung."""
    broken = [o.failure.message for o in outcomes if o.failure is not None and o.failure.cause == "metric"]
    if len(broken) == len(outcomes) >= JUDGED_AT_LEAST:
        raise RungError(
            f"the metric {task.metrics[0].name!r} could judge none of {len(outcomes)} answers: {broken[0]}; mend the metric "
            "or its settings and run the same command again: the answers are kept"
        )
