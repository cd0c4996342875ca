"""What every configured model has in common: limits, prices and the parameters that shape its answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from rung import plugins
from rung.config import Config, asked_roles
from rung.config.environment import variable
from rung.config.price import PriceParts, believable
from rung.config.roles import roles_of
from rung.embedding import TEXTS_A_REQUEST
from rung.errors import Problem
from rung.models.tokens import Bound, most_tokens
from rung.protocols import Model
from rung.types import ModelCard, Request

OWN_PRICE = ("input_usd_per_mtok", "output_usd_per_mtok")


class ProviderSettings(BaseModel):
    """Settings of one model as written under `models:` in rung.yaml; providers inherit and add their own.

    Money is in US dollars, time in seconds, lengths in tokens. A setting of None means "unknown" or "no limit".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    name: str = Field(min_length=1, description="the model's name as its provider knows it")
    concurrency: int = Field(16, ge=1, le=1024, description="requests in flight at once")
    context: int | None = Field(None, ge=1, description="context window in tokens, if known")
    max_tokens: int = Field(
        256,
        ge=1,
        description="longest answer in tokens, where a request names none; the default grows by a thought that extra_body asks for",
    )
    temperature: float | None = Field(0.0, ge=0, le=2, description="null: leave it to the provider")
    timeout_s: float = Field(60.0, gt=0, description="for one attempt, from sending to the last byte")
    attempts: int = Field(6, ge=1, le=100, description="attempts at one request, the first included")
    requests_per_minute: float | None = Field(None, gt=0, description="requests started per minute, at most")
    tokens_per_minute: float | None = Field(None, gt=0, description="input and output tokens per minute, at most")
    input_usd_per_mtok: float | None = Field(None, ge=0, description="your price of a million input tokens")
    output_usd_per_mtok: float | None = Field(None, ge=0, description="your price of a million output tokens")
    usd_per_hour: float | None = Field(None, ge=0, description="cost of the machine that serves a local model")
    price: PriceParts | None = Field(
        None,
        description="the price with its parts, in US dollars: {input, output, cached_input, cache_write} of a million tokens and "
        "batch_discount, or {per_hour} or {per_minute} of a machine",
    )
    texts_a_request: int = Field(
        TEXTS_A_REQUEST,
        ge=1,
        le=2048,
        description="as embedder: texts in one request; halved where an endpoint takes fewer",
    )
    retires: date | None = Field(
        None, description="the day from which its provider answers no more, where you know it better than `rung check`"
    )
    note: str | None = Field(None, description="a limit of this model worth telling in the report")

    _root: Path | None = PrivateAttr(None)  # the folder of rung.yaml, where `.env` may lie; None: made without one

    _believable = field_validator(*OWN_PRICE, "usd_per_hour")(believable)

    @model_validator(mode="after")
    def _placed(self, info: ValidationInfo) -> ProviderSettings:
        self._root = info.context.get("root") if isinstance(info.context, Mapping) else None
        return self

    @model_validator(mode="after")
    def _one_price(self) -> ProviderSettings:
        own = [getattr(self, field) for field in OWN_PRICE]
        if (own[0] is None) != (own[1] is None):
            raise ValueError(f"give both {OWN_PRICE[0]} and {OWN_PRICE[1]}, or neither")
        if own[0] is not None and self.usd_per_hour is not None and "usd_per_hour" in self.model_fields_set:
            raise ValueError(f"give a price by token ({', '.join(OWN_PRICE)}) or usd_per_hour, not both")
        twice = [key for key in (*OWN_PRICE, "usd_per_hour") if key in self.model_fields_set]
        if self.price is not None and twice:
            raise ValueError(f"give the price once: in price, or as {' and '.join(twice)}")
        return self

    @property
    def provider(self) -> str:
        """The plugin's name: the file name of a built-in, module and class of any other."""
        module = type(self).__module__
        return (
            module.removeprefix("rung.models.")
            if module.startswith("rung.models.")
            else f"{module}:{type(self).__qualname__}"
        )

    def variable(self, name: str) -> str | None:
        """Return an environment variable that these settings name, from the environment or from `.env` beside rung.yaml."""
        return variable(name, self._root)

    @property
    def variables(self) -> Mapping[str, tuple[str, str]]:
        """What is sent from the environment: header -> variable, and what stands before its value."""
        return {}

    @property
    def packages(self) -> tuple[str, ...]:
        """Optional packages without which the model cannot be opened, by the names that are imported."""
        return ()

    @property
    def price_url(self) -> str | None:
        """The address by which a public price table knows the provider; None: no table can know it."""
        return None

    @property
    def behind_address(self) -> bool:
        """Whether requests wait on a machine of others, whose places nobody tells: the client finds out how many it takes."""
        return False

    def effort_fields(self, effort: str) -> Mapping[str, Any] | None:
        """Return the fields of a request that ask for a reasoning effort; None: this provider knows none."""
        return None

    @property
    def reads_chat(self) -> bool:
        """Whether the whole chat reaches the model; False: a feature that is given the last user message alone."""
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns that are sent as data, each in a place of its own; mostly none: a request is a chat."""
        return ()

    def card(self, role: str) -> ModelCard:
        """Return what a rung may know of this model in that role."""
        return ModelCard(
            role,
            self.provider,
            self.name,
            self.context,
            self.max_tokens,
            self.note,
            reads_chat=self.reads_chat,
            timeout_s=self.timeout_s,
            concurrency=self.concurrency,
            takes_effort=self.effort_fields("none") is not None,
            columns=self.columns,
        )

    def bound(self, request: Request) -> Bound:
        """Return the most tokens that one attempt at this request can be billed for."""
        wanted = request.number("max_tokens")
        return Bound(most_tokens(request.messages), int(wanted) if wanted is not None else self.max_tokens)

    @abstractmethod
    def connect(self) -> Model:
        """Open the model. Raises ConfigError when something it needs from the environment is not there."""

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the answers, as plain data for cache keys: never a secret, a price or a limit."""
        return {
            "provider": self.provider,
            "name": self.name,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }


class StoredSettings(ProviderSettings):
    """Settings of a model that has stored answers to the examples and nothing that could be asked: no call, no money, no time."""

    @property
    @abstractmethod
    def answers_sha256(self) -> str:
        """The hash of the stored answers."""

    @abstractmethod
    def problems(self, config: Config, path: str) -> Sequence[Problem]:
        """Return what in these settings does not go with the rest of rung.yaml; `path`: their key. No row is read."""

    @abstractmethod
    def within(self, config: Config) -> StoredSettings:
        """Return these settings with the configuration that names the examples."""

    @property
    def reads_chat(self) -> bool:
        return False

    def card(self, role: str) -> ModelCard:
        return replace(super().card(role), recorded=self.answers_sha256)


def variable_problems(settings: ProviderSettings, path: str) -> Sequence[Problem]:
    """Return a problem for each variable that is sent and is not set, or holds what no header may have. No value is shown.

    Raises ConfigError for a `.env` that cannot be read.
    """
    problems = []
    for name, _ in settings.variables.values():
        value = (settings.variable(name) or "").strip()
        if not value:
            whose = getattr(settings, "base_url", settings.name)
            where = f"put the key of {whose} there, or into the file .env beside rung.yaml"
            problems.append(Problem(path, f"the environment variable {name} is not set: {where}"))
        elif not value.isprintable() or not value.isascii():
            problems.append(Problem(path, f"the environment variable {name} holds characters that no header may have"))
    return problems


def asked_by_tuning_alone(config: Config) -> frozenset[str]:
    """Return the roles that no rung asks but those that change weights, and nothing else."""
    tuned: set[str] = set()
    others = {config.embedder}
    for step in config.ladder:
        roles = roles_of("rungs", step.rung, step.settings)
        trains = plugins.rung_type(step.rung).trains and not step.trained_elsewhere
        (tuned if trains else others).update(roles)
    for metric in config.task.metrics:
        others.update(roles_of("metrics", metric.plugin, metric.settings))
    return frozenset(tuned - others)


def configured(config: Config) -> dict[str, ProviderSettings]:
    """Return the settings of every model under `models:`, by role, with the providers' own defaults filled in.

    Raises ConfigError for settings that cannot be, alone or with each other.
    """
    found: dict[str, ProviderSettings] = {}
    for role, entry in config.models.items():
        options = {key: value for key, value in entry.items() if key != "provider"}
        made: ProviderSettings = plugins.make_at(config.root, "models", entry["provider"], options)
        found[role] = made.within(config) if isinstance(made, StoredSettings) else made
    return found


def too_few_at_once(config: Config, models: Mapping[str, ProviderSettings]) -> Sequence[Problem]:
    """Return a problem for each model that may be sent fewer requests at once than a latency limit is judged at."""
    wanted = config.volume.concurrency
    short = [r for r in asked_roles(config) if r in models and models[r].concurrency < wanted]
    return [
        Problem(
            "volume.concurrency",
            f"the latency limit is judged at so many requests at once, and models.{role}.concurrency allows fewer "
            f"({models[role].concurrency}): raise that, or lower this",
            str(wanted),
        )
        for role in short
        if config.limits.p95_latency_s is not None
    ]


def facts(config: Config) -> dict[str, dict[str, Any]]:
    """Return what an audit may know of each configured model: its name, context and note."""
    return {role: s.model_dump(include={"name", "context", "note"}) for role, s in configured(config).items()}
