"""Any OpenAI-compatible chat endpoint: hosted, vLLM, Ollama, llama.cpp. One aiohttp session, one attempt a call.

The wire format is https://platform.openai.com/docs/api-reference/chat (checked 2026-11). What an endpoint may do wrong
is sorted in `rung.models._wire`; this file sends, and translates the errors of aiohttp.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import Field, field_validator

from rung.errors import ConfigError, ModelError, Problem, Retryable
from rung.models._settings import ProviderSettings
from rung.models._wire import Reply, completion_of, scrub, trouble_of
from rung.types import Completion, Message, Request

DEFAULT_URL = "https://api.openai.com/v1"
LONGEST_BODY = 32 * 1024 * 1024  # bytes of an answer; more is not an answer to a chat request
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
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no web address; write it as https://HOST/v1")
        if parts.username or parts.password:
            raise ValueError(
                "holds a user name or password; put the key into the environment and name it in api_key_env"
            )
        return value.rstrip("/").removesuffix("/chat/completions")

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

    def connect(self) -> Connection:
        headers: dict[str, str] = {}
        problems: list[Problem] = []
        wanted = {name: (variable, "") for name, variable in self.headers_env.items()}
        if self.key_variable:
            wanted["Authorization"] = (self.key_variable, "Bearer ")
        for name, (variable, prefix) in wanted.items():
            value = os.environ.get(variable, "").strip()
            if not value:
                problems.append(
                    Problem(
                        f"models: {self.name}",
                        f"the environment variable {variable} is not set: put the key of {self.base_url} there",
                    )
                )
            elif not value.isprintable() or not value.isascii():
                problems.append(
                    Problem(
                        f"models: {self.name}",
                        f"the environment variable {variable} holds characters that no header may have",
                    )
                )
            headers[name] = prefix + value
        if problems:
            raise ConfigError(problems, "the environment")
        return Connection(self, headers)


class Connection:
    """A live connection. The session opens with the first request, inside the running event loop."""

    def __init__(self, settings: OpenAI, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._headers = {**headers, "Content-Type": "application/json"}
        self._secrets = tuple(value.removeprefix("Bearer ") for value in headers.values())
        path, _, query = settings.base_url.partition("?")
        self._url = path.rstrip("/") + "/chat/completions" + (f"?{query}" if query else "")
        self._proxy = _proxy_for(self._url)
        self._fixed: dict[str, Any] = {"model": settings.name}
        if settings.temperature is not None:
            self._fixed["temperature"] = settings.temperature
        self._fixed["max_tokens"] = settings.max_tokens
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, request: Request) -> Completion:
        body = json.dumps(self._body(request)).encode("ascii")
        began = time.perf_counter()
        reply = await self._post(body)
        latency_s = time.perf_counter() - began
        if reply.status != 200:
            raise trouble_of(reply, self._settings, self._secrets)
        return completion_of(reply, self._settings, self._secrets, latency_s)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Estimate the prompt's tokens from above, for text in any script, without the model's tokenizer.

        A third of a token a character, 0.6 more for each byte beyond one that a character takes in UTF-8 (so 1.5 for a
        Chinese character), 4 a message and 3 a request. English takes about a quarter of a token a character. Dense
        digits or random strings can exceed it; money is therefore reserved by `rung.models.prices.most_tokens`.
        """
        total = 3.0
        for message in messages:
            text = message.content
            extra = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - len(text)
            total += 4 + len(text) / 3 + extra * 0.6
        return int(total) + 1

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _body(self, request: Request) -> dict[str, Any]:
        body = {**self._fixed, **self._settings.extra_body, **request.params}
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        if self._settings.max_tokens_field != "max_tokens":
            body[self._settings.max_tokens_field] = body.pop("max_tokens")
        return body

    async def _post(self, body: bytes) -> Reply:
        if self._session is None:
            self._session = self._open()
        began = time.perf_counter()
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False, proxy=self._proxy) as response:
                if (response.content_length or 0) > LONGEST_BODY:
                    response.close()
                    raise aiohttp.ClientPayloadError(f"an answer of {response.content_length} bytes")
                return Reply(response.status, response.headers, await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # Not chained: the error may hold the request's headers, and with them the key.
            raise translate(error, self._settings, self._secrets, time.perf_counter() - began) from None

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency, keepalive_timeout=30, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )


def translate(error: Exception, settings: OpenAI, secrets: Sequence[str], waited_s: float) -> ModelError:
    """Return what an error of aiohttp, of the socket or of the clock means to the user."""
    url, name = settings.base_url, settings.provider
    said = scrub(f"{type(error).__name__}: {error}", secrets)
    if isinstance(error, TimeoutError):
        return Retryable(
            f"no answer from {url} within {waited_s:.1f} s (timeout_s is {settings.timeout_s:g})",
            provider=name,
            timed_out=True,
            billed=True,
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return ModelError(
            f"{url} has no certificate that this machine trusts ({said}); check base_url and the system's certificates",
            provider=name,
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return Retryable(f"cannot reach {url} ({said}); check base_url and that the server is running", provider=name)
    if isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, aiohttp.InvalidURL):
        return Retryable(f"the connection to {url} broke ({said})", provider=name, billed=True)
    return ModelError(f"the request to {url} cannot be sent ({said}); check base_url and the headers", provider=name)


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this address; looked up once, because it costs time."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


plugin = OpenAI
