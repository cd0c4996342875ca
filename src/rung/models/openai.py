"""Any OpenAI-compatible endpoint: hosted, vLLM, Ollama, llama.cpp. As `embedder` it is asked at /embeddings.

The wire format is https://platform.openai.com/docs/api-reference/chat (checked 2026-11). What an endpoint may do wrong
is sorted in `rung.models._wire`; `rung.models._post` sends, and translates the errors of aiohttp.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from rung.embedding import is_embedding
from rung.models._embeddings import embedding_body, vectors_in
from rung.models._post import Poster, check_address, headers_from_environment
from rung.models._settings import ProviderSettings
from rung.models._tokens import estimated_tokens
from rung.models._wire import completion_of, trouble_of
from rung.types import Completion, Message, Request

DEFAULT_URL = "https://api.openai.com/v1"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class OpenAI(ProviderSettings):
    """Settings of a model behind a chat-completions endpoint. Secrets are named here by environment variable only."""

    base_url: str = Field(DEFAULT_URL, description="the endpoint's address up to and without /chat/completions")
    api_key_env: str | None = Field(
        None, description="environment variable with the key; none: OPENAI_API_KEY at api.openai.com, no key elsewhere"
    )
    headers_env: Mapping[str, str] = Field(
        default_factory=dict, description="further headers: header name -> environment variable with its value"
    )
    extra_body: Mapping[str, Any] = Field(
        default_factory=dict, description="further fields of every request, such as {top_k: 1}"
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="what the endpoint calls the longest answer; reasoning models want the second"
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        check_address(value, "https://HOST/v1", "put the key into the environment and name it in api_key_env")
        return value.rstrip("/").removesuffix("/chat/completions").removesuffix("/embeddings")

    @field_validator("api_key_env")
    @classmethod
    def _name_not_key(cls, value: str | None) -> str | None:
        if value is not None and not _ENV_NAME.fullmatch(value):
            raise ValueError(
                "is not the name of an environment variable; write the NAME of the variable, never the key"
            )
        return value

    @property
    def price_url(self) -> str | None:
        """The address for the price table; None for a server on this machine or network, which no table lists."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            local = ipaddress.ip_address(host).is_private
        except ValueError:
            local = "." not in host or host.endswith((".local", ".internal", ".localhost"))
        return None if local else self.base_url

    @property
    def key_variable(self) -> str | None:
        """The environment variable that must hold the key; None where none is sent."""
        return self.api_key_env or ("OPENAI_API_KEY" if self.base_url == DEFAULT_URL else None)

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "base_url": self.base_url, "extra_body": dict(self.extra_body)}

    @property
    def address_key(self) -> str:
        """The setting that holds the address, as messages name it."""
        return "base_url"

    @property
    def not_found_advice(self) -> str:
        return (
            "check `name` and `base_url` (requests go to base_url + /chat/completions, and most addresses end in /v1)"
        )

    @property
    def key_advice(self) -> str:
        if self.key_variable is None:
            return "set api_key_env to the name of the environment variable that holds the key"
        return f"set the environment variable {self.key_variable} to a key that may use {self.name!r}"

    def connect(self) -> Connection:
        wanted = {name: (variable, "") for name, variable in self.headers_env.items()}
        if self.key_variable:
            wanted["Authorization"] = (self.key_variable, "Bearer ")
        return Connection(self, headers_from_environment(wanted, self))


class Connection:
    """A live connection."""

    def __init__(self, settings: OpenAI, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._secrets = tuple(value.removeprefix("Bearer ") for value in headers.values())
        self.poster = Poster(settings, _address(settings, "/chat/completions"), headers, self._secrets)
        self._embeddings = Poster(settings, _address(settings, "/embeddings"), headers, self._secrets)
        self._fixed: dict[str, Any] = {"model": settings.name}
        if settings.temperature is not None:
            self._fixed["temperature"] = settings.temperature
        self._fixed["max_tokens"] = settings.max_tokens

    async def complete(self, request: Request) -> Completion:
        embeds = is_embedding(request)
        body = embedding_body(self._settings.name, request) if embeds else self._body(request)
        poster = self._embeddings if embeds else self.poster
        began = time.perf_counter()
        reply = await poster.post(json.dumps(body).encode("ascii"))
        latency_s = time.perf_counter() - began
        if reply.status != 200:
            raise trouble_of(reply, self._settings, self._secrets)
        if embeds:
            return vectors_in(reply, self._settings, self._secrets, len(request.messages), latency_s)
        return completion_of(reply, self._settings, self._secrets, latency_s)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate for text in any script."""
        return estimated_tokens(messages)

    async def close(self) -> None:
        await self.poster.close()
        await self._embeddings.close()

    def _body(self, request: Request) -> dict[str, Any]:
        body = {**self._fixed, **self._settings.extra_body, **request.params}
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        if self._settings.max_tokens_field != "max_tokens":
            body[self._settings.max_tokens_field] = body.pop("max_tokens")
        return body


def _address(settings: OpenAI, door: str) -> str:
    path, _, query = settings.base_url.partition("?")
    return path.rstrip("/") + door + (f"?{query}" if query else "")


plugin = OpenAI
