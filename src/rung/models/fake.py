"""A deterministic model whose abilities are set by hand: for tests, and for worlds whose right decision is known."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from rung.errors import ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.models import _fake_world as world_of
from rung.models._fake_world import Offer, Truth, World
from rung.models.settings import ProviderSettings
from rung.plugins import located
from rung.types import Completion, Finish, Json, Message, Request, content_hash

Share = Field(0.0, ge=0, le=1)


class Abilities(BaseModel):
    """How the probability of a right answer depends on the prompt: `base` plus the gain of everything it offers.

    `examples` gives the gain by number of demonstrations; between two numbers the smaller one's gain holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: float = Field(1.0, ge=0, le=1)
    label_list: float = 0.0
    format_rule: float = 0.0
    near_example: float = 0.0
    passage: float = 0.0
    examples: Mapping[int, float] = Field(default_factory=dict)
    hints: Mapping[str, float] = Field(default_factory=dict, description="words in the instruction -> gain")
    structured: float = 0.0
    most: float = Field(1.0, ge=0, le=1, description="never better than this")

    def probability(self, offer: Offer) -> float:
        """Return the exact probability of a right answer in [0, most] under prompts that offer this."""
        shown = [k for k in self.examples if k <= offer.examples]
        gain = self.examples[max(shown)] if shown else 0.0
        gain += self.label_list * offer.label_list + self.format_rule * offer.format_rule
        gain += self.structured * offer.structured
        gain += self.near_example * offer.near_example + self.passage * offer.passage
        return min(max(self.base + gain + sum(self.hints[hint] for hint in offer.hints), 0.0), self.most)


class Faults(BaseModel):
    """Shares of attempts that fail in transport; every attempt is drawn anew, so retries mend them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limit: float = Share
    server_error: float = Share
    drop: float = Share
    timeout: float = Share
    malformed: float = Share
    retry_after_s: float | None = Field(None, ge=0, description="told with rate limits")
    always: int | None = Field(None, ge=400, le=599, description="HTTP status of every attempt, not worth a retry")


class KnownRow(BaseModel):
    """An example given in memory instead of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Mapping[str, str]
    answer: str
    group: str | None = None
    passage: str | None = None


class FakeModel(ProviderSettings):
    """A model that knows the true answers and gives them as often as `abilities` say. Equal seeds, equal answers.

    `answers`: a jsonl file (relative to rung.yaml), a mapping of input text to answer, or examples. The example asked about is found by its input
    columns, as they stand, in the last user turn. A JSON object is answered right or wrong field by field.
    """

    name: str = "fake"
    answers: str | Mapping[str, str] | tuple[KnownRow, ...] = Field((), description="where the true answers are")
    reads: str | None = Field(
        None,
        description="regex with {column} and one group: a right answer is what this finds in the prompt, else unknown",
    )
    answer_column: str = Field("answer", description="column of the answers file that holds the answer")
    labels: tuple[str, ...] | None = Field(None, description="allowed labels; default: distinct answers, up to 100")
    seed: int = 0
    abilities: Abilities = Abilities()
    correlation: float = Field(0.8, ge=0, le=1, description="share of an example's ease that all kinds of prompt share")
    group_share: float = Field(0.0, ge=0, le=1, description="share of that ease which a group's examples share")
    noise: float = Field(0.0, ge=0, le=1, description="share of the ease drawn anew for each repeat of a request")
    confusions: Mapping[str, str] = Field(default_factory=dict, description="label -> what it is mistaken for")
    format_slip: float = Share
    format_slip_when_told: float | None = Field(None, ge=0, le=1, description="with a format rule or examples")
    format_cue: str = Field(r"(?i)\bonly\b|\bnothing else\b|\bexactly\b", description="regex that is a format rule")
    slip_forms: tuple[str, ...] = Field((), description="what a slip makes of an answer, {}; default: five usual forms")
    response_format: Literal["ignored", "refused", "held"] = Field(
        "ignored", description="what happens to a request with a response_format; held: no slip, a label under its key"
    )
    near_overlap: float = Field(0.5, ge=0, le=1, description="shared words from which an example is near")
    refusal: float = Share
    truncation: float = Share
    latency_s: float = Field(0.0, ge=0, description="reported for each answer")
    latency_spread: float = Field(0.0, ge=0, description="standard deviation of the logarithm of latency")
    wait: bool = Field(False, description="really wait for the latency")
    unknown: str = Field("I do not know.", description="answer to an example that is not among the answers")
    faults: Faults = Faults()

    @field_validator("answers")
    @classmethod
    def _beside(cls, answers: Any, info: ValidationInfo) -> Any:
        if not isinstance(answers, str):
            return answers
        found = located(answers, info)
        if not Path(found).is_file():
            raise ValueError(f"the file {found} is not there; `answers` of a fake model names a jsonl file")
        return found

    def identity(self) -> Mapping[str, Any]:
        """Return all that determines answers; rows by their hash."""
        own = self.model_dump(
            include={"seed", "abilities", "correlation", "group_share", "noise", "confusions", "format_slip",
                     "format_slip_when_told", "format_cue", "slip_forms", "response_format", "near_overlap", "refusal", "truncation", "unknown", "reads"},
            mode="json",
        )  # fmt: skip
        rows = [[dict(r.inputs), r.answer, r.group, r.passage] for r in self.world().rows]
        return {**super().identity(), **own, "answers": content_hash(rows), "labels": list(self.world().labels)}

    def world(self) -> World:
        """Return the rows that this model knows. Raises DataError for an answers file that cannot be read."""
        if isinstance(self.answers, str):
            path = Path(self.answers)
            stamp = path.stat().st_mtime_ns if path.exists() else 0
            return _file_world(path, self.answer_column, self.labels, stamp)
        if isinstance(self.answers, Mapping):
            return _world(tuple(Truth({"text": text}, answer) for text, answer in self.answers.items()), self.labels)
        return _world(tuple(Truth(r.inputs, r.answer, r.group, r.passage) for r in self.answers), self.labels)

    def connect(self) -> FakeConnection:
        return FakeConnection(self)


class FakeConnection:
    """The live fake: counts attempts, so that faults differ between attempts; knows nothing else of the past."""

    def __init__(self, settings: FakeModel) -> None:
        self.settings = settings
        self._world = settings.world()
        self._cue = re.compile(settings.format_cue)
        self._attempts: Counter[str] = Counter()

    async def complete(self, request: Request) -> Completion:
        started = time.perf_counter()
        settings = self.settings
        key = content_hash([[m.as_dict() for m in request.messages], request.repeat])
        self._attempts[key] += 1
        self._fail(key, self._attempts[key])
        if request.params.get("response_format") is not None and settings.response_format == "refused":
            raise ModelError("fake has no response_format", provider="fake", status=400)
        tokens = self.count_tokens(request.messages)
        if settings.context is not None and tokens > settings.context:
            message = f"{tokens} prompt tokens are more than the context of {settings.context}; shorten the prompt"
            raise ContextOverflow(message, provider="fake", tokens=tokens, context=settings.context)
        latency = settings.latency_s * math.exp(
            settings.latency_spread * world_of.normal(settings.seed, "latency", key)
        )
        if settings.wait and latency > 0:
            await asyncio.sleep(latency)
        text, finish = self._answer(request)
        limit = int(request.number("max_tokens") or settings.max_tokens)
        if _tokens(text) > limit:
            text, finish = text[: 4 * limit], "length"
        shown = latency or time.perf_counter() - started
        return Completion(text, settings.name, tokens, _tokens(text), shown, None, finish)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return four bytes a token and four tokens a turn: the fake's own exact count."""
        return sum(_tokens(m.content) + 4 for m in messages)

    async def close(self) -> None:
        """Nothing is held."""

    def read(self, messages: Sequence[Message]) -> tuple[Truth | None, Offer]:
        """Return the row that a chat asks about and what the chat offers: what `Abilities.probability` takes."""
        hints = tuple(self.settings.abilities.hints)
        return world_of.read_prompt(self._world, messages, self._cue, hints, self.settings.near_overlap)

    def _fail(self, key: str, attempt: int) -> None:
        faults, seed = self.settings.faults, self.settings.seed
        if faults.always is not None:
            raise ModelError(
                f"fake answers every request with status {faults.always}", provider="fake", status=faults.always
            )
        level = world_of.uniform(seed, "fault", key, attempt)
        for name, status in _FAULTS.items():
            level -= getattr(faults, name)
            if level < 0:
                wait = faults.retry_after_s if name == "rate_limit" else None
                said = f"fake {name.replace('_', ' ')} at attempt {attempt}"
                raise Retryable(said, provider="fake", status=status, retry_after_s=wait, timed_out=name == "timeout")

    def _answer(self, request: Request) -> tuple[str, Finish]:
        row, offer = self.read(request.messages)
        settings = self.settings
        if row is None:
            return settings.unknown, "stop"
        if world_of.uniform(settings.seed, "refusal", row.text) < settings.refusal:
            raise RefusedByModel("fake declines to answer this request", provider="fake")
        row = self._as_read(row, request.messages) if settings.reads is not None else row
        if row is None:
            return settings.unknown, "stop"
        form = request.params.get("response_format")
        held = form is not None and settings.response_format == "held"
        text = self._content(row, replace(offer, structured=held), request.repeat)
        if form is not None and held:
            keys = _keys(form)
            return json.dumps({keys[0]: text}) if len(keys) == 1 and world_of.pieces(text) is None else text, "stop"
        told = offer.format_rule or offer.examples > 0
        slip = settings.format_slip
        if told and settings.format_slip_when_told is not None:
            slip = settings.format_slip_when_told
        if world_of.uniform(settings.seed, "slip", row.text) < slip:
            forms = settings.slip_forms or _SLIPS
            text = forms[int(world_of.uniform(settings.seed, "form", row.text) * len(forms))].replace("{}", text)
        if world_of.uniform(settings.seed, "truncation", row.text) < settings.truncation:
            return f"Let me think about this step by step. {text[: len(text) // 2]}", "length"
        return text, "stop"

    def _as_read(self, row: Truth, messages: Sequence[Message]) -> Truth | None:
        """Return the row with the answer that the prompt tells, whatever the file says; None where it tells none."""
        pattern = self.settings.reads or ""
        for column, value in row.inputs.items():
            pattern = pattern.replace("{" + column + "}", re.escape(value))
        found = re.search(pattern, "\n".join(m.content for m in messages))
        return replace(row, answer=found[1]) if found else None

    def _content(self, row: Truth, offer: Offer, repeat: int) -> str:
        chance = self.settings.abilities.probability(offer)
        fields = world_of.pieces(row.answer)
        if not fields:
            return row.answer if self._level(row, offer, repeat) < chance else self._wrong(row)
        other = next((world_of.pieces(o.answer) or {} for o in world_of.others(self._world, row)), {})
        said = {
            key: value if self._level(row, offer, repeat, key) < chance else _unlike(value, other.get(key))
            for key, value in fields.items()
        }
        return json.dumps(said, ensure_ascii=False)

    def _level(self, row: Truth, offer: Offer, repeat: int, part: str = "") -> float:
        """Return the row's difficulty in (0, 1) under this kind of prompt: uniform over rows."""
        settings = self.settings
        seed, shared = settings.seed, settings.correlation
        fresh = settings.noise if repeat else 0.0
        kept, grouped = 1.0 - fresh, settings.group_share if row.group is not None else 0.0
        return world_of.mixed(
            (kept * shared * grouped, world_of.normal(seed, "group", row.group)),
            (kept * shared * (1 - grouped), world_of.normal(seed, "row", row.text, part)),
            (kept * (1 - shared), world_of.normal(seed, "prompt", row.text, part, offer)),
            (fresh, world_of.normal(seed, "repeat", row.text, part, offer, repeat)),
        )

    def _wrong(self, row: Truth) -> str:
        if row.answer in self.settings.confusions:
            return self.settings.confusions[row.answer]
        labels = [label for label in self._world.labels if label != row.answer]
        if labels and row.answer in self._world.labels:
            return labels[int(world_of.uniform(self.settings.seed, "wrong", row.text) * len(labels))]
        other = next(world_of.others(self._world, row), None)
        return other.answer if other else self.settings.unknown


_SLIPS = (
    "The answer is: {}",
    "Sure! Here is my answer.\n\n{}",
    "**{}**",
    "Answer: {}\nI chose this because it fits best.",
    "```\n{}\n```",
)
_FAULTS: Mapping[str, int | None] = {
    "rate_limit": 429,
    "server_error": 500,
    "drop": None,
    "timeout": None,
    "malformed": 200,
}


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def _unlike(value: Any, other: Any) -> Any:
    """Return a wrong value of the same kind: that of another row where it differs."""
    if other is not None and other != value and type(other) is type(value):
        return other
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value}?x" if isinstance(value, str) else None


def _world(rows: tuple[Truth, ...], labels: tuple[str, ...] | None) -> World:
    if labels is None:
        distinct = sorted({row.answer for row in rows})
        labels = tuple(distinct) if len(distinct) <= min(100, max(2, len(rows) // 2)) else ()
    return World(rows, labels)


@lru_cache(maxsize=8)
def _file_world(path: Path, answer_column: str, labels: tuple[str, ...] | None, stamp: int) -> World:
    return _world(world_of.load(path, answer_column), labels)


def _keys(form: Json) -> list[str]:
    """Return the fields of a response format that is a JSON schema."""
    for name in ("json_schema", "schema", "properties"):
        form = form.get(name) if isinstance(form, dict) else None
    return list(form) if isinstance(form, dict) else []
