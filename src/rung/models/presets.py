"""Vendors and servers by name: `provider: anthropic`, `gemini`, `azure`, `ollama`, `vllm`, `openrouter`.

Each is the provider `openai` with the address, the key variable and the defaults of one vendor (`rung.models.vendors`).
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator, model_validator

from rung.models.openai import OpenAI
from rung.models.vendors import VENDORS, Vendor

_ADDRESS = "the address; another host than the vendor's wants an api_key_env of its own"
_SERVER = "the server's address up to and without /chat/completions"


class Preset(OpenAI):
    """What the presets share: the vendor's key goes to the vendor's own hosts, over HTTPS, and nowhere else."""

    named: ClassVar[str]  # in rung.yaml, and in the table of vendors

    @property
    def provider(self) -> str:
        return self.named

    @property
    def vendor(self) -> Vendor:
        """The line of the table."""
        return VENDORS[self.named]

    @property
    def key_header(self) -> tuple[str, str]:
        return self.vendor.key_header

    @property
    def key_variable(self) -> str | None:
        return self.api_key_env or self.vendor.key_variable

    @field_validator("base_url", mode="before")
    @classmethod
    def _with_path(cls, value: Any) -> Any:
        """Take the address of a host alone, as portals and servers show it."""
        if not isinstance(value, str):
            return value
        parts = urlsplit(value.strip())
        if parts.path not in ("", "/") or not parts.netloc:
            return value.strip()
        return urlunsplit((parts.scheme, parts.netloc, VENDORS[cls.named].path, parts.query, ""))

    @model_validator(mode="after")
    def _key_stays_home(self) -> Preset:
        own = self.vendor.key_variable
        if own is None or self.vendor.serves(self.base_url):
            return self
        if own in (self.key_variable, *self.headers_env.values()):
            homes = " or ".join(f"*{h}" if h.startswith(".") else h for h in self.vendor.hosts[:3])
            raise ValueError(
                f"would send {own}, the key for {self.vendor.title}, to {_place(self.base_url)}; it goes to https://{homes} alone: "
                "name the variable with the key of that other address in api_key_env, or ask it by `provider: openai`"
            )
        return self


class Anthropic(Preset):
    """Claude at Anthropic's OpenAI-compatible address (docs/providers/anthropic.md)."""

    named: ClassVar[str] = "anthropic"

    base_url: str = Field(VENDORS["anthropic"].address or "", description=_ADDRESS)
    temperature: float | None = Field(
        0.0, ge=0, le=1, description="null: leave it to the provider; more than 1 would be cut to 1"
    )


class Gemini(Preset):
    """Gemini at Google's OpenAI-compatible address (docs/providers/gemini.md)."""

    named: ClassVar[str] = "gemini"

    base_url: str = Field(VENDORS["gemini"].address or "", description=_ADDRESS)


class Azure(Preset):
    """A deployment of Azure OpenAI or Microsoft Foundry (docs/providers/azure.md)."""

    named: ClassVar[str] = "azure"

    base_url: str = Field(
        "",
        validate_default=True,
        description="needed: the target URI of the deployment as the portal shows it, or the resource's endpoint",
    )

    @field_validator("base_url", mode="before")
    @classmethod
    def _target(cls, value: Any) -> Any:
        if not value:
            raise ValueError(
                "is missing; copy the target URI of the deployment from the portal, such as "
                "https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT/chat/completions?api-version=..."
            )
        if isinstance(value, str):
            parts = urlsplit(value.strip())
            if parts.path.rstrip("/").endswith("/responses"):
                raise ValueError(
                    "is an address of the Responses API; rung speaks chat completions: give the resource's endpoint, such as "
                    "https://RESOURCE.openai.azure.com"
                )
            if "/deployments/" in parts.path and "api-version=" not in parts.query:
                raise ValueError("has no ?api-version=..., without which a deployment is not found; copy the whole URI")
        return value


class Ollama(Preset):
    """A model that Ollama serves on this machine (docs/providers/ollama.md)."""

    named: ClassVar[str] = "ollama"

    base_url: str = Field(VENDORS["ollama"].address or "", description=_SERVER)
    concurrency: int = Field(
        4, ge=1, le=1024, description="requests in flight at once; the server queues what it cannot take"
    )
    timeout_s: float = Field(300.0, gt=0, description="for one attempt; the first one loads the model")


class Vllm(Preset):
    """A model that vLLM serves (docs/providers/vllm.md)."""

    named: ClassVar[str] = "vllm"

    base_url: str = Field(VENDORS["vllm"].address or "", description=_SERVER)


class OpenRouter(Preset):
    """A model of any maker through OpenRouter (docs/providers/openrouter.md)."""

    named: ClassVar[str] = "openrouter"

    base_url: str = Field(VENDORS["openrouter"].address or "", description=_ADDRESS)


def _place(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
