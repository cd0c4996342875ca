"""A feature behind an address of its own: a JSON body of any shape is posted, and the answer taken out of the reply."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from rung.config.prompt import stray
from rung.foreign import ODD_SHAPE
from rung.models._address import check_address, check_headers, check_json, is_near
from rung.models._length import longest_answer, structured_size
from rung.models._post import Poster, headers_from_environment
from rung.models._said import keys_in
from rung.models._usage import answer_tokens, prompt_tokens
from rung.models._wire import Reply, decoded, no_answer, trouble_of
from rung.models.settings import ProviderSettings
from rung.models.thought import without_thought
from rung.models.tokens import Bound, estimated_tokens
from rung.types import COLUMNS, Completion, Message, Request, content_hash, texts_in

_PLACE = re.compile(r"\{\{([^{}|]+)\}\}")
_MESSAGES = re.compile(r"\{\{\s*messages\s*\}\}")


class Http(ProviderSettings):
    """A service that answers a POST of JSON. Secrets are named by environment variable only, and never shown.

    In the strings of `body`, `{{COLUMN}}` stands for the text of an input column, `{{prompt}}` stands for the text of the chat's last user message (without `task.prompt` the
    bare example: the one input column as it stands, several as "Column: value" lines); a string that is `{{messages}}` and
    nothing else becomes the chat, a list of {"role", "content"}. Paths name keys and places in lists, as in
    `data.0.text`, or are JSON Pointers, as in `/data/0/text`. `temperature` and `max_tokens` are not passed on: write them into `body`. A service without
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
    version: str = Field(
        "", description="change it when what stands behind the address has changed: answers are kept for each version"
    )
    keep_thoughts: bool = Field(
        False, description="score a thought (<think>...</think>) that stands before an answer as part of it"
    )

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        advice = "put it into the environment and name the variable in headers_env"
        checked = check_address(value, "https://HOST/PATH", advice)
        if urlsplit(checked).scheme == "http" and not is_near(checked):
            raise ValueError(
                "is an address of others without encryption: write https, which examples and keys are sent by"
            )
        return checked

    @field_validator("headers_env")
    @classmethod
    def _names_not_keys(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return check_headers(value)

    @field_validator("body")
    @classmethod
    def _template(cls, body: Any) -> Any:
        texts = list(texts_in(check_json(body)))
        for path in keys_in(body):
            raise ValueError(
                f"holds what looks like a key (at {path}); put it into the environment and name it in headers_env"
            )
        raw = [found for text in texts for found in stray(text, ()) if not _PLACE.fullmatch(found)]
        if raw:
            raise ValueError(
                f"holds placeholders that are not filled ({', '.join(raw)}); {{{{prompt}}}}, {{{{messages}}}} and input columns are"
            )
        if any(_MESSAGES.search(text) and not _MESSAGES.fullmatch(text.strip()) for text in texts):
            raise ValueError("has {{messages}} inside a longer text; it becomes a list, so it must be the whole text")
        if not any(_PLACE.search(text) for text in texts):
            raise ValueError(
                "holds neither {{prompt}} nor {{messages}} nor a column, so that every example would ask the same"
            )
        return body

    @field_validator("answer", "input_tokens", "output_tokens")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        if path is not None and not path.startswith("/") and not all(path.split(".")):
            raise ValueError(
                "is no path; write keys and places with dots between, such as data.0.text, or a JSON Pointer"
            )
        return path

    @property
    def behind_address(self) -> bool:
        return True

    @property
    def reads_chat(self) -> bool:
        """Whether the body holds the whole chat."""
        return any(_MESSAGES.search(text) for text in texts_in(self.body))

    @property
    def columns(self) -> tuple[str, ...]:
        found = [name.strip() for text in texts_in(self.body) for name in _PLACE.findall(text)]
        return tuple(dict.fromkeys(name for name in found if name not in ("prompt", "messages")))

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
        kept: dict[str, Any] = {"keep_thoughts": True} if self.keep_thoughts else {}
        kept |= {"version": self.version} if self.version else {}
        shape = {"url": content_hash(self.url), "body": self.body, "answer": self.answer}
        return {"provider": self.provider, "name": self.name, **shape, **kept}

    def bound(self, request: Request) -> Bound:
        """Return the most tokens that one attempt can be billed for: the length is read from `body`, which is sent."""
        data = Message("user", "\n".join(_columns(request).values()))
        most = super().bound(Request((*request.messages, data) if self.columns else request.messages))
        longest = longest_answer(self.body)
        around = structured_size({"body": self.body}, frozenset())
        return Bound(most.input_tokens + around, most.output_tokens if longest is None else longest)

    def connect(self) -> HttpConnection:
        return HttpConnection(self, headers_from_environment(self))

    @property
    def variables(self) -> Mapping[str, tuple[str, str]]:
        return {name: (variable, "") for name, variable in self.headers_env.items()}


class HttpConnection:
    """A live connection."""

    def __init__(self, settings: Http, headers: Mapping[str, str]) -> None:
        self._settings = settings
        self._secrets = tuple(headers.values())
        self._poster = Poster(settings, settings.url, headers, self._secrets)

    async def complete(self, request: Request) -> Completion:
        body = json.dumps(filled(self._settings.body, request.messages, _columns(request))).encode("ascii")
        began = time.perf_counter()
        reply = await self._poster.post(body)
        latency_s = time.perf_counter() - began
        if not reply.whole:
            raise trouble_of(reply, self._settings, self._secrets)
        return self._read(reply, latency_s)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper estimate for text in any script."""
        return estimated_tokens(messages)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth telling once: the proxy that is used."""
        return self._poster.notices

    async def close(self) -> None:
        await self._poster.close()

    def _read(self, reply: Reply, latency_s: float) -> Completion:
        """Take the answer out of a reply. Raises Retryable where it is not there: a fault of the moment looks so."""
        settings = self._settings
        paths = (settings.answer, settings.input_tokens, settings.output_tokens)
        try:
            whole = decoded(reply.body, reply.headers)
            data = reply.json() if any(path is not None for path in paths) else None
            text = _text(found_at(data, settings.answer)) if settings.answer is not None else whole.strip()
        except ODD_SHAPE as error:
            lacking = f"{settings.answer!r} in it" if settings.answer is not None else "text"
            raise no_answer(reply, settings, self._secrets, error, lacking) from None
        tokens_in = prompt_tokens(_found_or_none(data, settings.input_tokens))
        tokens_out = answer_tokens(_found_or_none(data, settings.output_tokens), len(text))
        text, thought = (text, 0) if settings.keep_thoughts else without_thought(text)
        return Completion(text, settings.name, tokens_in, tokens_out, latency_s, None, thought=thought)


def filled(template: Any, messages: Sequence[Message], columns: Mapping[str, str] | None = None) -> Any:
    """Return the template with {{prompt}}, {{messages}} and {{COLUMN}} replaced, in one pass: values are never read as templates."""
    if isinstance(template, dict):
        return {key: filled(value, messages, columns) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, messages, columns) for value in template]
    if not isinstance(template, str):
        return template
    if _MESSAGES.fullmatch(template.strip()):
        return [dict(m.as_dict()) for m in messages]
    users = [m.content for m in messages if m.role == "user"]
    values = {**(columns or {}), "prompt": users[-1] if users else messages[-1].content}
    return _PLACE.sub(lambda place: values.get(place[1].strip(), place[0]), template)


def _columns(request: Request) -> Mapping[str, str]:
    """Return the input columns of a row, as they came with the request."""
    held = request.params.get(COLUMNS)
    return {str(k): str(v) for k, v in held.items()} if isinstance(held, Mapping) else {}


def found_at(data: Any, path: str) -> Any:
    """Return what stands at the path, or at the JSON Pointer (RFC 6901). Raises LookupError or TypeError where nothing does."""
    pointer = path.startswith("/")
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")] if pointer else path.split(".")
    for part in parts:
        data = data[int(part)] if isinstance(data, list) and part.lstrip("-").isdigit() else data[part]
    return data


def _found_or_none(data: Any, path: str | None) -> Any:
    if path is None:
        return None
    try:
        return found_at(data, path)
    except (LookupError, TypeError):
        return None


def _text(value: Any) -> str:
    if value is None:
        raise LookupError("null")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
