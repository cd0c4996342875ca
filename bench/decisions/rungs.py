"""The rungs of known-answer worlds: candidates whose true quality is given, raced and chosen by rung's own code.

In memory their answers are looked up (`memory.py`). In a real climb each candidate asks the fake model with its own
name in the prompt, which the fake's `hints` turn into that candidate's probability of a right answer; the rung without
a model and the fake know the right answer because it is a function of the text (`answer_to`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from rung.errors import NotOffered
from rung.models._fake_world import uniform
from rung.prompts.race import asked, planned_calls, race
from rung.protocols import Kit, System
from rung.rungs.fewshot import _knee
from rung.types import (
    Answer,
    Candidate,
    FitInput,
    Fitted,
    Learned,
    Message,
    Request,
    RungPlan,
    Task,
    learned_as,
)

LABELS = ("billing", "delivery", "returns")


def answer_to(text: str) -> str:
    """Return the right answer to a row."""
    return LABELS[int(hashlib.sha256(text.encode()).hexdigest(), 16) % len(LABELS)]


@dataclass(frozen=True, kw_only=True)
class MadeLearned(Learned):
    """One way to answer. `rate`: how often it is right without asking a model; None where one is asked."""

    kind: Literal["made"] = "made"
    way: str
    k: int = 0
    rate: float | None = None


def made_of(candidate: Candidate) -> MadeLearned:
    """Return what a candidate of these rungs learned."""
    return learned_as(candidate, MadeLearned)


class Made(BaseModel):
    """A rung of candidates. `candidates`: names in order of preference; `k`: their numbers of examples, for the choice
    that few-shot makes (the cheapest within `min_gain` of the best); empty: the best of the race.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    learned: ClassVar[type[Learned]] = MadeLearned
    title: ClassVar[str] = "made"
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("model",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("nothing", "no time")
    said_to_fix: ClassVar[float | None] = None

    named: str = ""
    model: str = "main"
    candidates: tuple[str, ...] = ()
    k: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()  # only of rungs that ask no model: an asked one's rates belong to the model
    fewest_rows: int = 0

    async def fit(self, given: FitInput, kit: Kit) -> Fitted:
        task, train, dev = given.task, given.train, given.dev
        if len(train) < self.fewest_rows:
            raise NotOffered(f"{len(train)} training rows are fewer than the {self.fewest_rows} that tuning needs")
        found = await race(self.made(), dev, task, kit)
        if self.k:
            found, chosen = await _knee(found, task, kit)
        else:
            chosen = found.winner
        found = await asked(found, chosen.name, kit, all_rows=True)
        trials = found.trials(task, chosen.name) if getattr(kit, "keeps_trials", True) else ()
        return Fitted(chosen, found.outcomes(dev, chosen.name), trials)

    def made(self) -> list[Candidate]:
        """Return the candidates."""
        role = self.model if self.asks else None
        way, amounts = self.named.removeprefix("made-"), self.k or (0,) * len(self.candidates)
        rates = self.rates or (None,) * len(self.candidates)
        return [
            Candidate(self.named, name, MadeLearned(way=way, k=k, rate=rate), role)
            for name, k, rate in zip(self.candidates, amounts, rates, strict=True)
        ]

    def plan(self, given: FitInput, kit: Kit) -> RungPlan:
        return RungPlan(len(self.candidates), planned_calls(len(self.candidates), len(given.dev)), ())

    @staticmethod
    def revive(candidate: Candidate, task: Task, kit: Kit) -> System:
        return _Asks(candidate, kit) if candidate.model is not None else _Knows(candidate)


class Asking(Made):
    """A rung that asks a model and changes no weights."""


class NoModel(Made):
    """A rung that asks no model."""

    asks: ClassVar[tuple[str, ...]] = ()


class Tuned(Made):
    """A rung that changes weights."""

    trains: ClassVar[bool] = True


@dataclass(frozen=True)
class _Asks:
    candidate: Candidate
    kit: Kit

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        said = await self.kit.ask(str(self.candidate.model), Request(chat(self.candidate, inputs)))
        return Answer(said.text, (said,))


@dataclass(frozen=True)
class _Knows:
    candidate: Candidate

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        text = "\n".join(inputs.values())
        right = uniform("no model", self.candidate.name, text) < (made_of(self.candidate).rate or 0.0)
        return Answer(answer_to(text) if right else "none of them", latency_s=0.001)


def chat(candidate: Candidate, inputs: Mapping[str, str]) -> tuple[Message, ...]:
    """Return what a candidate asks; more examples, more tokens."""
    longer = " and so on" * (20 * made_of(candidate).k)
    way = f"Way <{made_of(candidate).way} {candidate.name}>{longer}"
    return (Message("system", way), Message("user", "\n".join(inputs.values())))
