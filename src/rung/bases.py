"""What plug-ins inherit: `rung.plugins.Metric`, `Rung`, `Tuner`, `Retriever` (and `Provider`, the settings of a model).

A plug-in is one frozen settings model: its fields are its settings in rung.yaml, it holds no state, and what it learns it
returns. `rung.protocols` says what each method must give, `docs/write-a-plugin.md` shows one of each kind.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from rung.protocols import AnsweringKit, DocumentStore, Kit, Sent, System, TuningRun
from rung.types import (
    Base,
    Candidate,
    Example,
    Failure,
    FitInput,
    Fitted,
    Json,
    Learned,
    Preflight,
    RungPlan,
    Score,
    Task,
    TuningNeed,
    TuningRow,
)


class PluginBase(BaseModel):
    """Settings of a plug-in: frozen, and no setting that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Metric(PluginBase):
    """Judges one answer; pure: equal arguments, equal result."""

    @abstractmethod
    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        """Return a Score in [0, 1], or a Failure("parse" | "metric", why)."""

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        """Return the quality of the same answer with its form forgiven; None: that means nothing here."""
        return None

    def format_rule(self, task: Task) -> str | None:
        """Return the sentences that tell a model the exact form; None: any form will do."""
        return None


class Rung(PluginBase):
    """An approach on the ladder. Give it `learned` and `title`; the other traits have usual values."""

    learned: ClassVar[type[Learned]]
    title: ClassVar[str]
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("model",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("unknown", "unknown")
    said_to_fix: ClassVar[float | None] = None

    model: str = Field("main", min_length=1, description="the role of the model that is asked")

    @abstractmethod
    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        """Choose a candidate on train and dev only. Raises NotOffered with the reason where this cannot be used."""

    @staticmethod
    @abstractmethod
    def revive(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
        """Bring a candidate to life; needs nothing but what it learned and the kit."""

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        """Estimate what `fit` asks: one candidate on every dev example."""
        return RungPlan(1, len(given.dev), ())


class Tuner(PluginBase):
    """A recipe by which weights are tuned. Give it `form` and `title`."""

    form: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """A short name with what makes this recipe different."""

    def settings(self) -> Mapping[str, Json]:
        """Return every field as plain data."""
        return self.model_dump(mode="json")

    def variants(self, base: Base) -> tuple[Self, ...]:
        """Return the recipes to race, this one first: it alone."""
        return (self,)

    def gentler(self) -> Self | None:
        """Return the recipe with less power to change the model; None: there is none."""
        return None

    @abstractmethod
    def need(self, base: Base, rows: Sequence[TuningRow], counted: Callable[[TuningRow], int]) -> TuningNeed:
        """Estimate one run over all rows without loading the model."""

    @abstractmethod
    def preflight(self, base: Base, rows: Sequence[TuningRow], sent: Sent, seed: int) -> Preflight:
        """Look at what silently ruins tuning. Raises TuningError."""

    @abstractmethod
    def start(self, base: Base, rows: Sequence[TuningRow], folder: Path, seed: int) -> TuningRun:
        """Begin, or go on from the state in `folder`. Raises TuningError."""

    @abstractmethod
    def scale(self, base: Base, weights: Path, out: Path, scale: float) -> None:
        """Write tuned weights with their change of the base multiplied by `scale` in (0, 1)."""


class Retriever(PluginBase):
    """A kind of place where documents are kept; `documents.store` in rung.yaml names it as NAME:PLACE."""

    place: str = Field(min_length=1, description="where the documents are kept")

    @abstractmethod
    def open(self) -> DocumentStore:
        """Open the place, or make it."""
