"""Read what a chat-completions endpoint answered, and sort what can be wrong with it. Pure; no network here."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from rung.errors import ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.types import Completion, Finish

_SHOWN = 300  # characters of a foreign message that ours quotes
_KEY_LIKE = re.compile(r"\b(sk|pk|rk|gsk|key|xai|AIza)[-_][A-Za-z0-9_\-*.]{6,}|(?i:bearer)\s+[^\s\"',]{6,}")
_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|maximum context|exceed_context|too many tokens|prompt is too long|"
    r"input is too long|reduce the length",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"(?:context (?:length|window|size)(?: is| of)?|limit(?: is| of)?)[^\d]{0,12}(\d{3,8})", re.IGNORECASE
)
_ASKED = re.compile(
    r"(?:requested|resulted in|contains?|has)[^\d]{0,24}(\d{3,8}) (?:input |total |prompt )?tokens", re.IGNORECASE
)
_FINISH: Mapping[Any, Finish] = {
    "stop": "stop",
    "length": "length",
    "eos": "stop",
    "max_tokens": "length",
    None: "other",
}
_DECLINED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")


class Endpoint(Protocol):
    """What messages need to know of the settings."""

    @property
    def name(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def address_key(self) -> str: ...
    @property
    def not_found_advice(self) -> str: ...
    @property
    def key_advice(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status, headers (looked up without regard to case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")


def scrub(text: str, secrets: Sequence[str]) -> str:
    """Return the text without the given secrets and anything that looks like a key, in one short line."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join(_KEY_LIKE.sub("***", storable(text)).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def holds_key(text: str) -> bool:
    """Return whether something in the text looks like a key."""
    return _KEY_LIKE.search(text) is not None


def storable(text: str) -> str:
    """Return the text with halves of surrogate pairs, which JSON may hold and UTF-8 may not, replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def completion_of(reply: Reply, endpoint: Endpoint, secrets: Sequence[str], latency_s: float) -> Completion:
    """Return the answer in a reply with status 200.

    Raises Retryable for anything that is not an answer (cut-off JSON, a gateway's page, no choices) and
    RefusedByModel where the model or a filter declined.
    """
    try:
        data = json.loads(reply.body.decode())
        choice = data["choices"][0]
        message = choice["message"]
        text = _text(message.get("content"))
        reason = choice.get("finish_reason")
        refusal = message.get("refusal")
        usage = data.get("usage") or {}
        tokens_in, tokens_out = count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))
        model = data.get("model")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise no_answer(reply, endpoint, secrets, error) from None
    if refusal or reason == "content_filter":
        said = scrub(refusal if isinstance(refusal, str) else "an answer cut by its content filter", secrets)
        raise RefusedByModel(
            f"{endpoint.name} declined: {said}",
            provider=endpoint.provider,
            status=200,
            request_id=reply.request_id,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
        )
    finish = _FINISH.get(reason, "other") if reason is None or isinstance(reason, str) else "other"
    named = model if isinstance(model, str) and model else endpoint.name
    return Completion(text, named, tokens_in, tokens_out, latency_s, None, finish)


def _text(content: Any) -> str:
    """Return a message's text: a string, null (nothing was said) or a list of text parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type", "text") == "text")


def count_of(value: Any) -> int | None:
    """Return a number of tokens as reported; None for anything that is none."""
    return value if isinstance(value, int) and value >= 0 else None


def no_answer(
    reply: Reply, endpoint: Endpoint, secrets: Sequence[str], error: Exception, lacking: str = "choices"
) -> Retryable:
    """Describe a reply that should hold an answer and does not; `lacking`: what was looked for in its JSON."""
    start = reply.body[:400].decode("utf-8", "replace")
    if start.lstrip().startswith("<"):
        what = "a web page instead of an answer"
    elif isinstance(error, ValueError):
        what = "an answer that is no valid JSON"
    else:
        what = f"an answer without {lacking}"
    return Retryable(
        f"{endpoint.base_url} sent {what}: {scrub(start, secrets) or 'nothing'}",
        provider=endpoint.provider,
        status=reply.status,
        request_id=reply.request_id,
        retry_after_s=retry_after(reply.headers),
        billed=True,
    )


def trouble_of(reply: Reply, endpoint: Endpoint, secrets: Sequence[str]) -> ModelError:
    """Return the error that a reply with a status other than 200 stands for."""
    code, said = _error_in(reply.body)
    said = scrub(said, secrets)
    status, url, provider, request_id = reply.status, endpoint.base_url, endpoint.provider, reply.request_id
    if (status == 429 and code != "insufficient_quota") or status in (408, 409, 425) or status >= 500:
        asked_s = retry_after(reply.headers)
        wait = f" (it asks to wait {asked_s:,.0f} s)" if asked_s is not None and asked_s >= 60 else ""
        return Retryable(
            f"{url} answered {status}: {said}{wait}",
            provider=provider,
            status=status,
            request_id=request_id,
            retry_after_s=asked_s,
        )
    if status in (400, 413, 422) and (code == "context_length_exceeded" or _TOO_LONG.search(f"{code} {said}")):
        return _overflow(said, endpoint)
    if status in (400, 403) and (code in _DECLINED or "content management policy" in said):
        return RefusedByModel(
            f"{endpoint.name} declined: {said}", provider=provider, status=status, request_id=request_id
        )
    message = f"{url} refused the request ({status}): {said}; check the settings of the model {endpoint.name!r}"
    if status in (402, 429):
        message = (
            f"the account at {url} has no credit left ({status}): {said}; add credit and run the same command again"
        )
    elif status in (401, 403):
        message = f"{url} does not accept the key ({status}): {said}; {endpoint.key_advice}"
    elif status == 404 or code == "model_not_found":
        message = f"the model {endpoint.name!r} was not found at {url} ({status}): {said}; {endpoint.not_found_advice}"
    elif 200 <= status < 400:
        place = scrub(reply.headers.get("Location", "nowhere"), secrets)
        message = (
            f"{url} answered {status} and points to {place}; set {endpoint.address_key} to the endpoint's own address"
        )
    return ModelError(message, provider=provider, status=status, request_id=request_id)


def _overflow(said: str, endpoint: Endpoint) -> ContextOverflow:
    context, asked = _CONTEXT.search(said), _ASKED.search(said)
    return ContextOverflow(
        f"the request is longer than the context of {endpoint.name}: {said}",
        provider=endpoint.provider,
        tokens=int(asked.group(1)) if asked else None,
        context=int(context.group(1)) if context else None,
    )


def _error_in(body: bytes) -> tuple[str, str]:
    """Return code and message of an error body in any of the usual shapes; ("", start of the body) otherwise."""
    text = body[:20_000].decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "", "a web page" if text.lstrip().startswith("<") else text.strip() or "no explanation"
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return "", str(error)
    inner = error.get("innererror")
    codes = (error.get("code"), inner.get("code") if isinstance(inner, dict) else None, error.get("type"))
    message = error.get("message") or error.get("detail") or json.dumps(error)
    known = [c for c in codes if isinstance(c, str)]
    return next((c for c in known if c in _DECLINED), known[0] if known else ""), str(message)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the provider names: retry-after-ms, or Retry-After as seconds or HTTP date.

    RFC 9110 section 10.2.3; `retry-after-ms` is an extension of several providers. None: no time was named, or not in
    a form we can read.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name) or headers.get(name.title())
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None
