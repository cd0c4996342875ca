"""Any OpenAI-compatible endpoint: hosted, vLLM, Ollama, llama.cpp. As `embedder` it is asked at /embeddings.

The wire format is https://platform.openai.com/docs/api-reference/chat (checked 2026-11). What an endpoint may do wrong
is sorted in `rung.models._wire`; `rung.models._post` sends, and translates the errors of aiohttp.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from rung.embedding import is_embedding
from rung.models._address import ENV_NAME, address_of, check_address, check_headers, check_json, is_near
from rung.models._embeddings import embedding_body, vectors_in
from rung.models._fitting import Fitting
from rung.models._length import LENGTHS, longest_answer, room_for_thought, structured_size, unbounded
from rung.models._post import Poster, headers_from_environment
from rung.models._said import keys_in
from rung.models._wire import completion_of, trouble_of
from rung.models.settings import ProviderSettings
from rung.models.tokens import Bound, estimated_tokens
from rung.models.vendors import BEARER, VENDORS
from rung.types import Completion, Message, Request

DEFAULT_URL = VENDORS["openai"].address or ""
_DOORS = ("/chat/completions", "/embeddings")


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

    efforts: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict,
        description="fields that ask for a reasoning effort where the server has a switch of its own in place of reasoning_effort, "
        "such as {none: {chat_template_kwargs: {enable_thinking: false}}}",
    )
    keep_thoughts: bool = Field(
        False, description="score a thought (<think>...</think>) that stands before an answer as part of it"
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        check_address(value, "https://HOST/v1", "put the key into the environment and name it in api_key_env")
        return address_of(value, _DOORS)

    @field_validator("api_key_env")
    @classmethod
    def _name_not_key(cls, value: str | None) -> str | None:
        if value is not None and not ENV_NAME.fullmatch(value):
            raise ValueError(
                "is not the name of an environment variable; write the NAME of the variable, never the key"
            )
        return value

    @field_validator("headers_env")
    @classmethod
    def _names_not_keys(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return check_headers(value)

    @field_validator("extra_body")
    @classmethod
    def _body_within_bounds(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for path in keys_in(value):
            raise ValueError(
                f"holds what looks like a key (at {path}); put it into the environment and name it in headers_env"
            )
        if "messages" in value or "input" in value or value.get("stream"):
            raise ValueError("holds messages, input or stream, which every request sets by itself; take them out")
        check_json(value)
        open_field = unbounded(value)
        if open_field is not None:
            raise ValueError(
                f"sets {open_field} to what leaves the length or the number of the answers open; a length is a whole number from 1 "
                "on, and one answer is asked for"
            )
        return value

    @field_validator("efforts")
    @classmethod
    def _switches_within_bounds(cls, value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        for fields in value.values():
            cls._body_within_bounds(fields)
        return value

    @property
    def behind_address(self) -> bool:
        return True

    @property
    def price_url(self) -> str | None:
        """The address for the price table; None for a server on this machine or network, which no table lists."""
        return None if is_near(self.base_url) else self.base_url

    def effort_fields(self, effort: str) -> Mapping[str, Any] | None:
        return self.efforts.get(effort, {"reasoning_effort": effort})

    @property
    def key_variable(self) -> str | None:
        """The environment variable that must hold the key; None where none is sent."""
        return self.api_key_env or ("OPENAI_API_KEY" if self.base_url == DEFAULT_URL else None)

    @property
    def key_header(self) -> tuple[str, str]:
        """The header that carries the key, and what stands before the key in it."""
        return BEARER

    def identity(self) -> Mapping[str, Any]:
        kept: dict[str, Any] = {"keep_thoughts": True} if self.keep_thoughts else {}
        if self.efforts:
            kept["efforts"] = {effort: dict(fields) for effort, fields in self.efforts.items()}
        return {**super().identity(), "base_url": self.base_url, "extra_body": dict(self.extra_body), **kept}

    def body(self, request: Request) -> dict[str, Any]:
        """Return what is sent for a request, before anything is fitted to the endpoint."""
        if is_embedding(request):
            return embedding_body(self.name, request)
        fixed: dict[str, Any] = {"model": self.name}
        if self.temperature is not None:
            fixed["temperature"] = self.temperature
        fixed["max_tokens"] = self.max_tokens
        effort = request.params.get("reasoning_effort")
        body = {**fixed, **self.extra_body, **request.params}
        if isinstance(effort, str) and effort in self.efforts:
            del body["reasoning_effort"]
            body.update(self.efforts[effort])
        if not ("max_tokens" in self.model_fields_set or LENGTHS & (self.extra_body.keys() | request.params.keys())):
            body["max_tokens"] = self.max_tokens + room_for_thought(body)
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        if self.max_tokens_field != "max_tokens":
            body[self.max_tokens_field] = body.pop("max_tokens")
        return body

    def bound(self, request: Request) -> Bound:
        """Return the most tokens that one attempt can be billed for, read from the body as it is sent."""
        most = super().bound(request)
        if is_embedding(request):
            return Bound(most.input_tokens, 0)
        changed = self.extra_body or not (request.params.keys() <= {"temperature", "seed", "stop", "max_tokens"})
        if not changed:
            return most
        body = self.body(request)
        longest = longest_answer({k: v for k, v in body.items() if k != "messages"})
        return Bound(
            most.input_tokens + structured_size(body, frozenset({"model", "messages", "stop"})),
            most.output_tokens if longest is None else longest,
        )

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
        return Connection(self, headers_from_environment(self))

    @property
    def variables(self) -> Mapping[str, tuple[str, str]]:
        wanted = {name: (variable, "") for name, variable in self.headers_env.items()}
        if self.key_variable:
            header, before = self.key_header
            wanted[header] = (self.key_variable, before)
        return wanted


class Connection:
    """A live connection."""

    def __init__(self, settings: OpenAI, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._secrets = tuple(value.removeprefix("Bearer ") for value in headers.values())
        self.poster = Poster(settings, _address(settings, "/chat/completions"), headers, self._secrets)
        self._embeddings = Poster(settings, _address(settings, "/embeddings"), headers, self._secrets)
        self._fitting = Fitting(settings.name)

    async def complete(self, request: Request) -> Completion:
        embeds = is_embedding(request)
        poster = self._embeddings if embeds else self.poster
        sent = self._fitting.fitted(self._settings.body(request), hash(request.messages))
        began = time.perf_counter()
        reply = await poster.post(json.dumps(sent.body).encode("ascii"))
        latency_s = time.perf_counter() - began
        if not reply.whole:
            raise self._fitting.refused(sent, trouble_of(reply, self._settings, self._secrets))
        self._fitting.taken(sent)
        if embeds:
            return vectors_in(reply, self._settings, self._secrets, len(request.messages), latency_s)
        return sent.ended(completion_of(reply, self._settings, self._secrets, latency_s))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate for text in any script."""
        return estimated_tokens(messages)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once: the proxy that is used, and parameters that the endpoint does not take."""
        return (*self.poster.notices, *self._fitting.notices)

    @property
    def learnt(self) -> tuple[str, ...]:
        """What was found out about the endpoint, to be kept for the next session."""
        return self._fitting.learnt

    def recall(self, learnt: Sequence[str]) -> None:
        """Take over what an earlier session found out."""
        self._fitting.recall(learnt)

    async def close(self) -> None:
        await self.poster.close()
        await self._embeddings.close()


def _address(settings: OpenAI, door: str) -> str:
    path, _, query = settings.base_url.partition("?")
    return path.rstrip("/") + door + (f"?{query}" if query else "")
