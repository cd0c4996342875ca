"""A feature behind an address of its own: a JSON body of any shape is posted, and the answer taken out of the reply."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator

from rung.models._post import Poster, check_address, headers_from_environment
from rung.models._settings import ProviderSettings
from rung.models._tokens import estimated_tokens
from rung.models._wire import Reply, count_of, holds_key, no_answer, trouble_of
from rung.types import Completion, Message, Request, content_hash

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROMPT = re.compile(r"\{\{\s*prompt\s*\}\}")
_MESSAGES = re.compile(r"\{\{\s*messages\s*\}\}")


class Http(ProviderSettings):
    """A service that answers a POST of JSON. Secrets are named by environment variable only, and never shown.

    In the strings of `body`, `{{prompt}}` stands for the text of the chat's last user message (without `task.prompt` the
    bare row: the one input column as it stands, several as "Column: value" lines); a string that is `{{messages}}` and
    nothing else becomes the chat, a list of {"role", "content"}. Paths name keys and places in lists, as in
    `data.0.text`. `temperature` and `max_tokens` are not passed on: write them into `body`. A service without
    {{messages}} is measured as it stands: rewrites and examples would not reach it.
    """

    name: str = Field("http", min_length=1, description="what reports call the service")
    url: str = Field(description="the address that is posted to")
    headers_env: Mapping[str, str] = Field(
        default_factory=dict, description="header name -> environment variable with its whole value"
    )
    body: dict[str, Any] | list[Any] | str = Field(
        {"prompt": "{{prompt}}"}, description="the JSON that is sent, with {{prompt}} or {{messages}}"
    )
    answer: str | None = Field(
        None,
        description="path of the answer in the reply; null: the whole reply. What is no text is taken as JSON text",
    )
    input_tokens: str | None = Field(None, description="path of the number of input tokens in the reply")
    output_tokens: str | None = Field(None, description="path of the number of output tokens in the reply")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        advice = "put it into the environment and name the variable in headers_env"
        if holds_key(value):
            raise ValueError(f"holds what looks like a key; {advice}")
        return check_address(value, "https://HOST/PATH", advice)

    @field_validator("headers_env")
    @classmethod
    def _names_not_keys(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if not all(_ENV_NAME.fullmatch(variable) for variable in value.values()):
            raise ValueError(
                "maps a header to what is no environment variable; write the variable's NAME, never the key"
            )
        return value

    @field_validator("body")
    @classmethod
    def _template(cls, body: Any) -> Any:
        texts = list(_texts(body))
        if any(holds_key(text) for text in texts):
            raise ValueError("holds what looks like a key; put it into the environment and name it in headers_env")
        if any(_MESSAGES.search(text) and not _MESSAGES.fullmatch(text.strip()) for text in texts):
            raise ValueError("has {{messages}} inside a longer text; it becomes a list, so it must be the whole text")
        if not any(_PROMPT.search(text) or _MESSAGES.search(text) for text in texts):
            raise ValueError("holds neither {{prompt}} nor {{messages}}, so that every row would ask the same")
        return body

    @field_validator("answer", "input_tokens", "output_tokens")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        if path is not None and not all(path.split(".")):
            raise ValueError("is no path; write keys and places with dots between, such as data.0.text")
        return path

    @property
    def reads_chat(self) -> bool:
        """Whether the body holds the whole chat."""
        return any(_MESSAGES.search(text) for text in _texts(self.body))

    @property
    def base_url(self) -> str:
        """The address as messages show it: without its query."""
        return self.url.partition("?")[0]

    @property
    def address_key(self) -> str:
        """The setting that holds the address, as messages name it."""
        return "url"

    @property
    def not_found_advice(self) -> str:
        return "check `url`"

    @property
    def key_advice(self) -> str:
        if not self.headers_env:
            return "name the header and the environment variable that holds its value in headers_env"
        return f"check the environment variable {' and '.join(self.headers_env.values())}"

    def identity(self) -> Mapping[str, Any]:
        return {
            "provider": self.provider,
            "name": self.name,
            "url": content_hash(self.url),
            "body": self.body,
            "answer": self.answer,
        }

    def connect(self) -> HttpConnection:
        wanted = {name: (variable, "") for name, variable in self.headers_env.items()}
        return HttpConnection(self, headers_from_environment(wanted, self))


class HttpConnection:
    """A live connection."""

    def __init__(self, settings: Http, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._secrets = tuple(s for v in headers.values() for s in (v, v.rpartition(" ")[2]))
        self._poster = Poster(settings, settings.url, headers, self._secrets)

    async def complete(self, request: Request) -> Completion:
        body = json.dumps(filled(self._settings.body, request.messages)).encode("ascii")
        began = time.perf_counter()
        reply = await self._poster.post(body)
        latency_s = time.perf_counter() - began
        if reply.status not in (200, 201):
            raise trouble_of(reply, self._settings, self._secrets)
        return self._read(reply, latency_s)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate for text in any script."""
        return estimated_tokens(messages)

    async def close(self) -> None:
        await self._poster.close()

    def _read(self, reply: Reply, latency_s: float) -> Completion:
        """Take the answer out of a reply. Raises Retryable where it is not there: a fault of the moment looks so."""
        settings = self._settings
        paths = (settings.answer, settings.input_tokens, settings.output_tokens)
        try:
            whole = reply.body.decode()
            data = json.loads(whole) if any(path is not None for path in paths) else None
            text = _text(found_at(data, settings.answer)) if settings.answer is not None else whole.strip()
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            lacking = f"{settings.answer!r} in it" if settings.answer is not None else "text"
            raise no_answer(reply, settings, self._secrets, error, lacking) from None
        tokens_in, tokens_out = (_count_at(data, path) for path in paths[1:])
        return Completion(text, settings.name, tokens_in, tokens_out, latency_s, None)


def filled(template: Any, messages: Sequence[Message]) -> Any:
    """Return the template with {{prompt}} and {{messages}} replaced, in one pass: values are never read as templates."""
    if isinstance(template, dict):
        return {key: filled(value, messages) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, messages) for value in template]
    if not isinstance(template, str):
        return template
    if _MESSAGES.fullmatch(template.strip()):
        return [dict(m.as_dict()) for m in messages]
    users = [m.content for m in messages if m.role == "user"]
    prompt = users[-1] if users else messages[-1].content
    return _PROMPT.sub(lambda _: prompt, template)


def found_at(data: Any, path: str) -> Any:
    """Return what stands at the path. Raises LookupError or TypeError where nothing does."""
    for part in path.split("."):
        data = data[int(part)] if isinstance(data, list) and part.lstrip("-").isdigit() else data[part]
    return data


def _count_at(data: Any, path: str | None) -> int | None:
    if path is None:
        return None
    try:
        return count_of(found_at(data, path))
    except (LookupError, TypeError):
        return None


def _text(value: Any) -> str:
    if value is None:
        raise LookupError("null")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, list | dict):
        for value in template.values() if isinstance(template, dict) else template:
            yield from _texts(value)


plugin = Http
