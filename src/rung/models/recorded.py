"""What production already answered: stored answers, in a column of the examples or in a file, as a model that is never asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from rung.chats import bare_row
from rung.config import Config
from rung.config.price import believable
from rung.data.configured import read_rows
from rung.data.load import load
from rung.errors import ConfigError, DataError, ModelError, NotRecorded, Problem
from rung.models.settings import OWN_PRICE, StoredSettings
from rung.models.tokens import estimated_tokens
from rung.plugins import located
from rung.types import Completion, Dataset, Example, Message, Request, content_hash

_PRICES = (*OWN_PRICE, "usd_per_hour", "price")
_MOST = 1e6  # dollars or seconds of one answer
_UNPRICED = "what a stored answer cost is not known: give cost_per_1k_usd, or the column that holds it as cost"


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored answer, and what it took then: seconds and US dollars, None where nobody wrote that down."""

    text: str
    seconds: float | None = None
    usd: float | None = None


@dataclass(frozen=True)
class Book:
    """All stored answers by the text of their example, and what is worth telling of them."""

    answers: Mapping[str, Stored]
    notices: tuple[str, ...] = ()


class Recorded(StoredSettings):
    """What production already answered: the column `column` of the examples, or of the file `path`, whose column `id` holds
    the ids of the examples.

    No call is made and nothing is spent. An example without a stored answer (an empty cell, or no example in the file) counts as
    unanswered: neither right nor wrong. Cost and latency are unknown unless given: `cost_per_1k_usd`, or the columns `cost`
    (US dollars) and `latency` (seconds). Where examples with equal inputs have different answers, the first one stands.
    The answers are measured as they stand: rewrites, examples and documents cannot reach them.
    """

    name: str = Field("recorded", min_length=1, description="what reports call the stored answers")
    column: str = Field(min_length=1, description="the column that holds the answers")
    path: str | None = Field(
        None, description="the file that holds them, relative to rung.yaml; null: that of the examples"
    )
    id: str | None = Field(
        None, min_length=1, description="with path: its column with the ids of the examples; null: id"
    )
    latency: str | None = Field(None, min_length=1, description="the column with the seconds that each answer took")
    cost: str | None = Field(None, min_length=1, description="the column with the US dollars that each answer cost")
    cost_per_1k_usd: float | None = Field(None, ge=0, description="what 1,000 such answers cost, in US dollars")

    _config: Config | None = PrivateAttr(None)  # where the examples are; None: made without a configuration

    _believable_too = field_validator("cost_per_1k_usd")(believable)

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is None:
            return None
        found = located(path, info)
        if not Path(found).exists():
            raise ValueError(f"there is no file {path}: name the file with the stored answers, relative to rung.yaml")
        return found

    @model_validator(mode="after")
    def _one_cost(self) -> Recorded:
        if self.cost is not None and self.cost_per_1k_usd is not None:
            raise ValueError("give cost (a column) or cost_per_1k_usd, not both")
        given = [key for key in _PRICES if key in self.model_fields_set and getattr(self, key) is not None]
        if given:
            raise ValueError(
                f"{given[0]} prices calls, and none is made: give cost_per_1k_usd, or the column with each answer's cost as cost"
            )
        if self.path is None and self.id is not None:
            raise ValueError("id names a column of the file in path, and there is no path")
        return self

    @cached_property
    def answers_sha256(self) -> str:
        """The hash of every stored answer, with what it cost and took. Raises what `book` raises."""
        return content_hash([[row, s.text, s.seconds, s.usd] for row, s in sorted(self.book.answers.items())])

    def problems(self, config: Config, path: str) -> Sequence[Problem]:
        if self.path is not None:
            return ()
        found = []
        for key in ("column", "latency", "cost"):
            column = getattr(self, key)
            if column in config.task.inputs:
                says = "is an input of the task, so that every other approach would be shown it: take it out of task.inputs"
                found.append(Problem(f"{path}.{key}", says, repr(column)))
        if self.column in (config.task.target, *config.task.accepted_answers):
            says = "holds the expected outputs, so that it would be compared with itself: name the column of the stored answers"
            found.append(Problem(f"{path}.column", says, repr(self.column)))
        return found

    def within(self, config: Config) -> Recorded:
        made = self.model_copy()
        made._config = config
        return made

    @cached_property
    def book(self) -> Book:
        """Read the stored answers. Raises DataError for what cannot be read, a missing column, ids that match nothing."""
        if self._config is None:
            problem = Problem(
                "models", f"{self.name!r} holds stored answers to the examples of a rung.yaml: name it there"
            )
            raise ConfigError([problem])
        examples = read_rows(self._config).whole.examples
        pairs, told = self._beside(self._config) if self.path is None else self._by_id(examples)
        answers: dict[str, Stored] = {}
        differing: set[str] = set()
        for row, stored in pairs:
            if answers.setdefault(row, stored).text != stored.text:
                differing.add(row)
        without = sum(bare_row(e.inputs) not in answers for e in examples)
        if without:
            count = "1 example has" if without == 1 else f"{without:,} of {len(examples):,} examples have"
            told.append(
                f"{count} no stored answer and counts as unanswered"
                if without == 1
                else f"{count} no stored answer and count as unanswered"
            )
        if differing:
            what = "1 input has" if len(differing) == 1 else f"{len(differing):,} inputs have"
            told.append(f"{what} several different stored answers, of which the first in the file counts")
        return Book(answers, tuple(told))

    def identity(self) -> Mapping[str, Any]:
        return {"provider": self.provider, "name": self.name, "answers": self.answers_sha256}

    def connect(self) -> StoredAnswers:
        """Read the stored answers. Raises what `book` raises."""
        return StoredAnswers(self, self.book)

    def _beside(self, config: Config) -> tuple[list[tuple[str, Stored]], list[str]]:
        """Return the answers that stand beside the inputs, by row."""
        inputs = config.task.inputs
        pairs = []
        for path in filter(None, (config.data.path, config.data.train, config.data.test)):
            for row in self._read(str(config.resolve(path)), inputs, config.data.id).examples:
                pairs.append((bare_row({c: row.inputs[c] for c in inputs}), self._stored(row, str(path))))
        return pairs, []

    def _by_id(self, examples: Sequence[Example]) -> tuple[list[tuple[str, Stored]], list[str]]:
        """Return the answers of the file by the row of the example that has their id."""
        assert self.path is not None
        file, name = Path(self.path).name, self.id or "id"
        rows = self._read(self.path, (name,), name).examples
        known = {e.id: bare_row(e.inputs) for e in examples}
        pairs = [(known[r.id], self._stored(r, file)) for r in rows if r.id in known]
        others = [r.id for r in rows if r.id not in known]
        if not pairs:
            raise DataError(
                f"none of the {len(rows):,} ids in {name!r} (the first is {others[0][:40]!r}) is that of an example (the first is "
                f"{examples[0].id[:40]!r}): name the column with the examples' ids as id, and theirs as data.id",
                file=file,
            )
        count = "1 id" if len(others) == 1 else f"{len(others):,} ids"
        told = [f"{count} in {file} match no example (the first is {others[0][:40]!r})"] if others else []
        return pairs, told

    def _read(self, path: str, inputs: Sequence[str], id_column: str | None) -> Dataset:
        also = [c for c in (self.latency, self.cost) if c is not None and c not in inputs]
        return load(path, inputs=(*inputs, *also), target=self.column, id_column=id_column, any_of_list=False)

    def _stored(self, row: Example, file: str) -> Stored:
        usd = None if self.cost_per_1k_usd is None else self.cost_per_1k_usd / 1000
        paid = usd if self.cost is None else _amount(row, self.cost, file)
        return Stored(row.target, None if self.latency is None else _amount(row, self.latency, file), paid)


class StoredAnswers:
    """The stored answers, opened: they are looked up by the text of the example."""

    def __init__(self, settings: Recorded, book: Book) -> None:
        self._settings = settings
        self._book = book

    async def complete(self, request: Request) -> Completion:
        """Return the stored answer. Raises NotRecorded where there is none, ModelError where something else is asked."""
        users = [m.content for m in request.messages if m.role == "user"]
        if request.repeat % 1000 or not users:
            raise ModelError(
                f"{self._settings.name} holds stored answers: it cannot be asked again", provider="recorded"
            )
        found = self._book.answers.get(users[-1])
        if found is None:
            raise NotRecorded(f"{self._settings.name} holds no stored answer to this example", provider="recorded")
        note = _UNPRICED if found.usd is None else None
        return Completion(
            found.text, self._settings.name, None, None, found.seconds, found.usd, cached=True, price_note=note
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once: examples without an answer, ids that match nothing, several answers to one input."""
        return self._book.notices

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate."""
        return estimated_tokens(messages)

    async def close(self) -> None:
        """Nothing is held."""


def _amount(row: Example, column: str, file: str) -> float | None:
    """Return the number in a column; None where the cell is empty."""
    text = row.inputs[column].strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST:  # NaN included
        raise DataError(
            f"{column!r} of the example {row.id[:40]!r} holds {text[:40]!r}: write a number from 0 to {_MOST:,.0f}, or nothing",
            file=file,
        )
    return value
