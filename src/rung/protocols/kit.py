"""How answers are judged and approaches chosen (kinds `metrics` and `rungs`), and the kit that both are handed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from rung.protocols.documents import DocumentIndex
from rung.protocols.tuning import RegressionSuite, TuningSpace
from rung.types import (
    Answer,
    Candidate,
    Completion,
    Example,
    Failure,
    FitInput,
    Fitted,
    Learned,
    Message,
    ModelCard,
    Outcome,
    Request,
    RungPlan,
    Score,
    Task,
)


@runtime_checkable
class Metric(Protocol):
    """Plugin of kind `metrics`: judges one answer. Pure and synchronous: equal arguments, equal result."""

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        """Judge the answer as it stands: a Score in [0, 1], or a Failure("parse" | "metric", why)."""
        ...

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the quality in [0, 1] of the same answer with its form forgiven; None where that means nothing."""
        ...

    def format_rule(self, task: Task) -> str | None:
        """Return one or two sentences that tell a model the exact output form; None if any form will do."""
        ...


@runtime_checkable
class Forgiving(Protocol):
    """A metric that takes different spellings of a label for the same."""

    def label_form(self, label: str) -> str:
        """Return a label as it is compared: equal for all the spellings that are forgiven."""
        ...


@runtime_checkable
class Judge(Metric, Protocol):
    """A metric that needs more than the answer's text: a model to ask, or the passages that the answer used.

    Where a metric has `assess`, it is awaited in place of `score`, which then says what can be said without asking.
    Equal arguments give equal requests, in the same order, so that stored answers recompute every score.
    `opinion`: True for scores that are a model's opinion; they decide only together with labels that people give. Its class
    names its settings that hold model roles, too, as `roles: ClassVar[tuple[str, ...]]`: these models are opened for it.
    """

    opinion: ClassVar[bool]

    def asks(self, answer: str, example: Example, task: Task) -> tuple[Request, ...]:
        """Return the chats that judging this answer takes, for estimates of cost; empty where none is asked.

        One whose reply cannot be read may be asked once more, in other words.
        """
        ...

    async def assess(self, answer: Answer, example: Example, task: Task, kit: AnsweringKit) -> Score | Failure:
        """Judge the answer, asking only through the kit. What a model says is untrusted; what cannot be read is a
        Failure("metric", why). Raises what `kit.ask` raises."""
        ...


@runtime_checkable
class System(Protocol):
    """A candidate brought to life: sees input columns, never a target."""

    async def answer(self, inputs: Mapping[str, str]) -> Answer: ...


@runtime_checkable
class Deciding(System, Protocol):
    """A System that chooses among answers that it knows, and tells how much speaks for each."""

    async def decided(self, inputs: Mapping[str, str]) -> tuple[Answer, Mapping[str, float]]:
        """Return the answer, and a number for each known answer: the greatest is that of the answer."""
        ...


class AnsweringKit(Protocol):
    """All that answering and judging one example takes: models by role, documents, randomness, progress."""

    def document_index(self) -> DocumentIndex | None:
        """Return the user's documents; None where the configuration names none."""
        ...

    def card(self, role: str) -> ModelCard:
        """Return what is known of the model in that role. Raises ConfigError for a role that is not configured."""
        ...

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int: ...

    async def ask(self, role: str, request: Request) -> Completion:
        """Ask through cache, rate limits, retries and budget. Raises ModelError or BudgetSpent."""
        ...

    def tuning_space(self, role: str) -> TuningSpace:
        """Return where the model in that role is tuned. Raises NotOffered, with why, for one that cannot be."""
        ...

    def rng(self, purpose: str) -> random.Random:
        """Return a generator seeded by the run's seed and `purpose`: the same draws on resumption."""
        ...

    def say(self, text: str) -> None:
        """Tell the user what goes on, one short line."""
        ...


class Kit(AnsweringKit, Protocol):
    """All a rung is handed besides its rows: what answering takes, and scoring. It holds no test row."""

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        """Answer and score the given rows (train or dev) with a candidate of any rung, in the order given."""
        ...

    def metric(self) -> Metric:
        """Return the deciding metric."""
        ...

    def regression_suite(self) -> RegressionSuite:
        """Return what tuning must not harm, to be scored for any role. Raises NotOffered outside a climb."""
        ...


_Around = TypeVar("_Around", bound=AnsweringKit)


@dataclass
class AnsweringKitAround(Generic[_Around]):
    """A kit that hands everything on to another one; a class that inherits it says what it does otherwise."""

    inner: _Around

    def document_index(self) -> DocumentIndex | None:
        return self.inner.document_index()

    def card(self, role: str) -> ModelCard:
        return self.inner.card(role)

    def count_tokens(self, role: str, messages: Sequence[Message]) -> int:
        return self.inner.count_tokens(role, messages)

    async def ask(self, role: str, request: Request) -> Completion:
        return await self.inner.ask(role, request)

    def tuning_space(self, role: str) -> TuningSpace:
        return self.inner.tuning_space(role)

    def rng(self, purpose: str) -> random.Random:
        return self.inner.rng(purpose)

    def say(self, text: str) -> None:
        self.inner.say(text)


class KitAround(AnsweringKitAround[Kit]):
    """The same for a whole kit."""

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        return await self.inner.run(candidate, examples)

    def metric(self) -> Metric:
        return self.inner.metric()

    def regression_suite(self) -> RegressionSuite:
        return self.inner.regression_suite()


@runtime_checkable
class Rung(Protocol):
    """Plugin of kind `rungs`. One that asks models for vectors names those settings in `embeds`, as it names the others in `asks`."""

    learned: ClassVar[type[Learned]]  # what its candidates learn; its `kind` is no other rung's
    title: ClassVar[str]  # the approach as people write it: "few-shot"
    trains: ClassVar[bool]  # True: changes weights; run only behind the gate (`rung.decide.tuned.must_fall_short`)
    asks: ClassVar[tuple[str, ...]]  # its settings that name model roles, the answering one first; empty: none is asked
    fixes: ClassVar[frozenset[str]]  # causes of failure that it attacks, as the diagnosis names them
    usual_cost: ClassVar[tuple[str, str]]  # money and time that teams see by hand: "$0", "minutes"
    said_to_fix: ClassVar[float | None]  # share of the failures below that people say it fixes; None: nothing is said

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose a candidate on train and dev only.

        Raises NotOffered (see `rung.errors`) with the reason when this task or data cannot use the rung.
        """
        ...

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate what `fit` would ask, without asking: an upper figure for calls, typical chats for the tokens."""
        ...

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Bring a candidate of this rung to life; needs nothing but what the candidate learned and the kit."""
        ...


@runtime_checkable
class Refits(Protocol):
    """A rung whose chosen candidate may learn from the dev rows, too, before the test set is opened.

    What dev says of it stays what it said of the choice: the refitted candidate has seen these rows.
    """

    def refit(self, candidate: Candidate, given: FitInput, kit: Kit) -> Candidate:
        """Return the candidate, chosen as it was, learnt from train and dev; itself where it learns from no rows."""
        ...
