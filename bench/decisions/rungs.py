"""The rungs of known-answer worlds: candidates whose true quality is given, raced and chosen by rung's own code.

In memory their answers are looked up (`memory.py`). In a real climb each candidate asks the fake model with its own
name in the prompt, which the fake's `hints` turn into that candidate's probability of a right answer; the rung without
a model and the fake know the right answer because it is a function of the text (`answer_to`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from rung.errors import NotOffered
from rung.models._fake_world import uniform
from rung.protocols import Kit, System
from rung.rungs._race import asked, planned_calls, race
from rung.rungs.fewshot import _knee
from rung.types import Answer, Candidate, Diagnosis, Example, Fitted, Message, Request, RungPlan, Task

LABELS = ("billing", "delivery", "returns")


def answer_to(text: str) -> str:
    """Return the right answer to a row."""
    return LABELS[int(hashlib.sha256(text.encode()).hexdigest(), 16) % len(LABELS)]


class Made(BaseModel):
    """A rung of candidates. `candidates`: names in order of preference; `k`: their numbers of examples, for the choice
    that few-shot makes (the cheapest within `worth_it` of the best); empty: the best of the race.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: ClassVar[bool] = False
    asks_model: ClassVar[bool] = True

    named: str = ""
    model: str = "main"
    candidates: tuple[str, ...] = ()
    k: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()  # only of rungs that ask no model: an asked one's rates belong to the model
    fewest_rows: int = 0

    async def fit(
        self,
        task: Task,
        train: Sequence[Example],
        dev: Sequence[Example],
        kit: Kit,
        below: Candidate | None,
        diagnosis: Diagnosis | None,
    ) -> Fitted:
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
        role = self.model if self.asks_model else None
        own = {"way": self.named.removeprefix("made-")}
        settings = [{**own, "k": k} for k in self.k] or [own for _ in self.candidates]
        learned = [{"rate": r} for r in self.rates] or [{} for _ in self.candidates]
        return [
            Candidate(self.named, name, s, x, role)
            for name, s, x in zip(self.candidates, settings, learned, strict=True)
        ]

    def plan(self, task: Task, train: Sequence[Example], dev: Sequence[Example], kit: Kit) -> RungPlan:
        return RungPlan(len(self.candidates), planned_calls(len(self.candidates), len(dev)), ())

    def system(self, candidate: Candidate, task: Task, kit: Kit) -> System:
        return _Asks(candidate, kit) if candidate.model is not None else _Knows(candidate)


class Asking(Made):
    """A rung that asks a model and changes no weights."""


class NoModel(Made):
    """A rung that asks no model."""

    asks_model: ClassVar[bool] = False


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
        right = uniform("no model", self.candidate.name, text) < self.candidate.learned["rate"]
        return Answer(answer_to(text) if right else "none of them", latency_s=0.001)


def chat(candidate: Candidate, inputs: Mapping[str, str]) -> tuple[Message, ...]:
    """Return what a candidate asks; more examples, more tokens."""
    longer = " and so on" * (20 * candidate.settings.get("k", 0))
    way = f"Way <{candidate.settings['way']} {candidate.name}>{longer}"
    return (Message("system", way), Message("user", "\n".join(inputs.values())))
