"""What every configured model has in common: limits, prices and the parameters that shape its answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rung import plugin
from rung.config import Config
from rung.protocols import Model
from rung.types import ModelCard

OWN_PRICE = ("input_usd_per_mtok", "output_usd_per_mtok")


class ProviderSettings(BaseModel):
    """Settings of one model as written under `models:` in rung.yaml; providers inherit and add their own.

    Money is in US dollars, time in seconds, lengths in tokens. A setting of None means "unknown" or "no limit".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, description="the model's name as its provider knows it")
    concurrency: int = Field(16, ge=1, le=1024, description="requests in flight at once")
    context: int | None = Field(None, ge=1, description="context window in tokens, if known")
    max_tokens: int = Field(256, ge=1, description="longest answer in tokens, where a request names none")
    temperature: float | None = Field(0.0, ge=0, le=2, description="null: leave it to the provider")
    timeout_s: float = Field(60.0, gt=0, description="for one attempt, from sending to the last byte")
    attempts: int = Field(6, ge=1, le=100, description="attempts at one request, the first included")
    requests_per_minute: float | None = Field(None, gt=0, description="requests started per minute, at most")
    tokens_per_minute: float | None = Field(None, gt=0, description="input and output tokens per minute, at most")
    input_usd_per_mtok: float | None = Field(None, ge=0, description="your price of a million input tokens")
    output_usd_per_mtok: float | None = Field(None, ge=0, description="your price of a million output tokens")
    usd_per_hour: float | None = Field(None, ge=0, description="cost of the machine that serves a local model")
    note: str | None = Field(None, description="a limit of this model worth telling in the report")

    @model_validator(mode="after")
    def _one_price(self) -> ProviderSettings:
        own = [getattr(self, field) for field in OWN_PRICE]
        if (own[0] is None) != (own[1] is None):
            raise ValueError(f"give both {OWN_PRICE[0]} and {OWN_PRICE[1]}, or neither")
        if own[0] is not None and self.usd_per_hour is not None and "usd_per_hour" in self.model_fields_set:
            raise ValueError(f"give a price by token ({', '.join(OWN_PRICE)}) or usd_per_hour, not both")
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

    @property
    def price_url(self) -> str | None:
        """The address by which a public price table knows the provider; None: no table can know it."""
        return None

    @property
    def reads_chat(self) -> bool:
        """Whether the whole chat reaches the model; False: a feature that is given the last user message alone."""
        return True

    def card(self, role: str) -> ModelCard:
        """Return what a rung may know of this model in that role."""
        return ModelCard(
            role, self.provider, self.name, self.context, self.max_tokens, self.note, reads_chat=self.reads_chat
        )

    @abstractmethod
    def connect(self) -> Model:
        """Open the model. Raises ConfigError when something it needs from the environment is not there."""

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the answers, as plain data for ledger keys: never a secret, a price or a limit."""
        return {
            "provider": self.provider,
            "name": self.name,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }


def configured(config: Config) -> dict[str, ProviderSettings]:
    """Return the settings of every model under `models:`, by role, with the providers' own defaults filled in."""
    found: dict[str, ProviderSettings] = {}
    for role, entry in config.models.items():
        options = {key: value for key, value in entry.items() if key != "provider"}
        found[role] = plugin.make_at(config.root, "models", entry["provider"], options)
    return found


def facts(config: Config) -> dict[str, dict[str, Any]]:
    """Return what an audit may know of each configured model: its name, context and note."""
    return {role: s.model_dump(include={"name", "context", "note"}) for role, s in configured(config).items()}
