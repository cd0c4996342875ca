"""Read what a chat-completions endpoint answered, and sort what can be wrong with it. Pure; no network here."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from rung.errors import ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.foreign import ODD_SHAPE
from rung.models._retry_after import named_in, retry_after
from rung.models._said import scrub
from rung.models._usage import billed_in, usage_in
from rung.models.thought import without_thought
from rung.types import Completion, Finish

_TOO_LONG = re.compile(
    r"context[_ ](?:length|window|size)|maximum context|exceed_context|too many (?:input |prompt )?tokens|"
    r"(?:prompt|input|request|message|string|text)s? (?:is|are) too (?:long|large)|string_above_max|"
    r"reduce the length|token count[^.]{0,40}exceed|exceeds? [^.]{0,40}(?:number of|limit of|maximum)[^.]{0,20} tokens|"
    r"(?:tokens?|input|prompt)[^.]{0,40} exceeds?[^.]{0,40}(?:limit|maximum|context)|range of input length",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"(?:context (?:length|window|size)(?: is| of)?|limit(?: is| of)?|tokens allowed)[^\d]{0,12}(\d{3,8})",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:requested|resulted in|contains?|has)[^\d]{0,24}(\d{3,8}) (?:input |total |prompt )?tokens|token count \((\d{3,8})\)",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient[_ ](?:quota|balance|funds|credits?)|billing[_ ](?:hard[_ ])?limit|billing_not_active|"
    r"credit balance is too low|(?:out of|not enough|no (?:remaining |more )?) ?credits?\b|requires more credits|payment required|"
    r"quota (?:is |has been )?(?:exhausted|used up)|quota_exhausted|account[^.]{0,20} (?:in arrears|overdue|deactivated|suspended)|arrearage",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"exceeded your current quota|quota[_ ]exceeded|exceeded[^.]{0,30} quota|monthly|daily limit", re.IGNORECASE
)
_NO_HOST = re.compile(r"requested parameters", re.IGNORECASE)  # OpenRouter, where `require_parameters` is set
_BAD_KEY = re.compile(
    r"(?:invalid|incorrect|expired|missing|no)[_ ]api[_ ]?key|api[_ ]?key[_ ](?:is |was |has )?(?:not|invalid|expired|missing)",
    re.IGNORECASE,
)
_ANSWERED: Mapping[str, Finish] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "complete": "stop",
    "completed": "stop", "length": "length", "max_tokens": "length", "max_output_tokens": "length",
}  # fmt: skip
_WITHHELD = ("content_filter", "safety", "recitation", "prohibited_content", "blocklist", "sensitive")
_FAILED = re.compile(
    r"error|abort|cancel|fail|insufficient|timeout|interrupt|unavailable|overload|incomplete|exhaust|disconnect|malformed",
    re.IGNORECASE,
)
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


class ChatEndpoint(Endpoint, Protocol):
    """An endpoint that may write a thought before its answer."""

    @property
    def keep_thoughts(self) -> bool: ...


class NoAnswer(Retryable):
    """A whole, valid reply without an answer in it: a prompt that is blocked looks so, in every attempt."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status, headers (looked up without regard to case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")

    @property
    def whole(self) -> bool:
        """Whether the status says that an answer came: 200, or what frameworks send in its place for a POST (201)."""
        return self.status == 200 or (200 < self.status < 300 and bool(self.body))

    def json(self) -> Any:
        """Return the body's data. Raises ValueError, RecursionError. A number too long to be one is infinite."""
        text = decoded(self.body, self.headers)
        try:
            return json.loads(text)
        except (
            ValueError
        ):  # perhaps for a number of thousands of digits; reading them by a function of ours takes longer
            return json.loads(text, parse_int=_whole)


def decoded(body: bytes, headers: Mapping[str, str], errors: str = "strict") -> str:
    """Return a body of JSON as text: UTF-8, 16 or 32, with a byte order mark or without, else in the charset that is named.

    Raises UnicodeDecodeError where none of them fits and `errors` is "strict".
    """
    named = _CHARSET.search(headers.get("Content-Type", ""))
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        return body.decode(named[1] if named is not None else "utf-8", errors)


_CHARSET = re.compile(  # those that are in use beside Unicode's
    r"charset=[\"' ]{0,2}(iso-8859-\d{1,2}|latin1|windows-125\d|cp125\d|gbk|gb2312|gb18030|big5|shift_jis|euc-jp|euc-kr|koi8-r)\b",
    re.IGNORECASE,
)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def completion_of(reply: Reply, endpoint: ChatEndpoint, secrets: Sequence[str], latency_s: float) -> Completion:
    """Return the answer in a reply with status 200.

    Raises Retryable for anything that is not an answer (cut-off JSON, a gateway's page, no choices, a finish reason that
    says the provider failed), what an error with status 200 stands for, and RefusedByModel where the model or a filter
    declined.
    """
    try:
        data = reply.json()
        if (status := status_within(data)) is not None:
            raise trouble_of(Reply(status, reply.headers, reply.body), endpoint, secrets)
        if not data["choices"] and not data.get("error"):
            raise NoAnswer(
                f"{endpoint.base_url} sent an answer without choices, as for a prompt that is blocked",
                provider=endpoint.provider,
                status=200,
                request_id=reply.request_id,
                billed=True,
            )
        choice = data["choices"][0]
        message = choice["message"]
        said = _text(message.get("content"))
        thought = _thought(message.get("reasoning_content") or message.get("reasoning"))
        reason, refusal, model = choice.get("finish_reason"), message.get("refusal"), data.get("model")
        broken, told = choice.get("error"), choice.get("logprobs")
        tokens_in, tokens_out = usage_in(data, len(said) + len(thought))
        billed = billed_in(data, (tokens_in, tokens_out))
    except ODD_SHAPE as error:
        raise no_answer(reply, endpoint, secrets, error) from None
    if refusal or _named(reason) in _WITHHELD:
        words = scrub(refusal if isinstance(refusal, str) else "an answer cut by its content filter", secrets)
        raise RefusedByModel(
            f"{endpoint.name} declined: {words}",
            provider=endpoint.provider,
            status=200,
            request_id=reply.request_id,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
        )
    finish = _ANSWERED.get(_named(reason), "other")
    text, hidden = (said, 0) if endpoint.keep_thoughts else without_thought(said, finish == "length")
    if finish == "other" and (broken or not said.strip() or _FAILED.search(_named(reason))):
        raise _half_failed(reply, endpoint, secrets, reason, broken)
    named = model_name(model, tuple(secrets)) if isinstance(model, str) and model else endpoint.name
    hidden, logprobs = hidden + len(thought), None if told is None else _logprobs(told, text.strip())
    return Completion(
        *(text, named, tokens_in, tokens_out, latency_s, None, finish), thought=hidden, billed=billed, logprobs=logprobs
    )


def _logprobs(told: Any, text: str) -> tuple[float, ...] | None:
    """Return those of the tokens that `text` is made of: a thought before it and a mark of the end are left out. None: told otherwise."""
    try:
        tokens = [
            (bytes(t["bytes"]) if t.get("bytes") else t["token"].encode(), float(t["logprob"])) for t in told["content"]
        ]
    except ODD_SHAPE:
        return None
    whole, wanted = b"".join(token for token, _ in tokens), text.encode("utf-8", "surrogatepass")
    first = max(whole.rfind(wanted), 0)
    last = first + len(wanted) if wanted in whole else len(whole)
    ends = itertools.accumulate(len(token) for token, _ in tokens)
    kept = [p for end, (token, p) in zip(ends, tokens, strict=True) if end > first and end - len(token) < last]
    return tuple(kept) if kept and all(map(math.isfinite, kept)) else None


@lru_cache(maxsize=64)
def model_name(said: str, secrets: tuple[str, ...]) -> str:
    """Return the name by which an endpoint calls its model, as it may be shown; every answer tells it again."""
    return scrub(said, secrets)


def _named(reason: Any) -> str:
    return reason.strip().lower() if isinstance(reason, str) else ""


def _half_failed(reply: Reply, endpoint: Endpoint, secrets: Sequence[str], reason: Any, broken: Any) -> Retryable:
    """Describe a reply whose finish reason says that the provider failed, or that holds no text without a reason for it."""
    said = json.dumps(broken) if broken else "nothing more"
    trouble = bool(broken) or _FAILED.search(_named(reason)) is not None
    return (Retryable if trouble else NoAnswer)(
        f"{endpoint.base_url} sent half an answer (finish_reason {scrub(str(reason), secrets)}): {scrub(said, secrets)}"
        if trouble
        else f"{endpoint.base_url} sent an answer without text (finish_reason {scrub(str(reason), secrets)})",
        provider=endpoint.provider,
        status=200,
        request_id=reply.request_id,
        retry_after_s=retry_after(reply.headers),
        billed=True,
    )


def status_within(data: Any) -> int | None:
    """Return the status of an error that was sent with status 200; None where there is none, or an answer beside it."""
    if not isinstance(data, dict) or data.get("choices") or not data.get("error"):
        return None
    error = data["error"]
    codes, _, words = _error_of(data)
    if any(code in _DECLINED for code in codes):
        return 400
    if _NO_CREDIT.search(words):
        return 402
    code = error.get("code") or error.get("status") if isinstance(error, dict) else None
    code = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3 else code
    return code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None


def _text(content: Any) -> str:
    """Return a message's text: a string, null (nothing was said), a list of texts and text parts, or data as JSON.

    Servers that are asked for JSON may send what they parsed of it. Raises what ODD_SHAPE names for a list of anything else.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return json.dumps(content, ensure_ascii=False)
    return "".join(
        part if isinstance(part, str) else part["text"] or ""
        for part in content
        if isinstance(part, str) or part.get("type", "text") in ("text", "output_text")
    )


def _thought(value: Any) -> str:
    """Return what was thought before the answer, in whatever shape: it is counted, and never a reason to lose the answer."""
    if isinstance(value, str) or not value:
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def no_answer(
    reply: Reply, endpoint: Endpoint, secrets: Sequence[str], error: Exception, lacking: str = "choices"
) -> Retryable:
    """Describe a reply that should hold an answer and does not; `lacking`: what was looked for in its JSON."""
    start = decoded(reply.body[:400], reply.headers, "replace")
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
    codes, message, words = _error_in(reply)
    said = scrub(message, secrets)
    status, url, provider, request_id = reply.status, endpoint.base_url, endpoint.provider, reply.request_id
    asked_s = retry_after(reply.headers)
    if asked_s is None and status in (429, 503):
        asked_s = named_in(words)
    spent = status == 402 or _no_credit(status, codes, words, asked_s)
    if not spent and (status in (408, 409, 425, 429) or status >= 500):
        wait = f" (it asks to wait {asked_s:,.0f} s)" if asked_s is not None and asked_s >= 60 else ""
        return Retryable(
            f"{url} answered {status}: {said}{wait}",
            provider=provider,
            status=status,
            request_id=request_id,
            retry_after_s=asked_s,
        )
    too_long = "context_length_exceeded" in codes or _TOO_LONG.search(f"{' '.join(codes)} {message}"[:4000])
    if not spent and (status == 413 or (status in (400, 414, 422) and too_long)):
        return _overflow(said, endpoint, status)
    if status in (400, 403) and (any(c in _DECLINED for c in codes) or "content management policy" in said):
        return RefusedByModel(
            f"{endpoint.name} declined: {said}", provider=provider, status=status, request_id=request_id
        )
    if status == 404 and _NO_HOST.search(message):
        status = 400  # no host behind the address takes this form: nothing is wrong with the model's name
    bad_key = status == 400 and _BAD_KEY.search(f"{' '.join(codes)} {said}") is not None
    problem = f"{url} refused the request ({status}): {said}; check the settings of the model {endpoint.name!r}"
    if spent:
        problem = (
            f"the account at {url} has no credit left ({status}): {said}; add credit and run the same command again"
        )
    elif status in (401, 403) or bad_key:
        problem = f"{url} does not accept the key ({status}): {said}; {endpoint.key_advice}"
    elif status == 404 or "model_not_found" in codes:
        problem = f"the model {endpoint.name!r} was not found at {url} ({status}): {said}; {endpoint.not_found_advice}"
    elif 300 <= status < 400:
        place = scrub(reply.headers.get("Location", "nowhere"), secrets)
        problem = (
            f"{url} answered {status} and points to {place}; set {endpoint.address_key} to the endpoint's own address"
        )
    # What is wrong with the account is told by its own status, whatever the provider sent: no row is to blame for it.
    status = 402 if spent else 401 if bad_key else status
    return ModelError(problem, provider=provider, status=status, request_id=request_id)


def _no_credit(status: int, codes: Sequence[str], words: str, asked_s: float | None) -> bool:
    """Whether an error says, in any of its fields, that the money or the quota of the account is used up.

    Rate limits are told in the same words by some providers, with the time to wait; other statuses may quote the prompt.
    """
    if any(_NO_CREDIT.search(code) for code in codes):
        return True
    if status not in (403, 429):
        return False
    return bool(_NO_CREDIT.search(words) or (asked_s is None and _QUOTA.search(words)))


def _overflow(said: str, endpoint: Endpoint, status: int) -> ContextOverflow:
    context, asked = _CONTEXT.search(said), _ASKED.search(said)
    return ContextOverflow(
        f"the request is longer than the context of {endpoint.name} ({status}): {said}",
        provider=endpoint.provider,
        tokens=int(asked[1] or asked[2]) if asked else None,
        context=int(context[1]) if context else None,
    )


def _error_in(reply: Reply) -> tuple[tuple[str, ...], str, str]:
    """Return codes, message and all words of an error body in any of the usual shapes; else the start of the body."""
    text = decoded(reply.body[:20_000], reply.headers, "replace")
    try:
        return _error_of(json.loads(text))
    except (ValueError, RecursionError):
        said = "a web page" if text.lstrip().startswith("<") else text.strip() or "no explanation"
        return (), said, said


def _error_of(data: Any) -> tuple[tuple[str, ...], str, str]:
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    error = data.get("error") or data if isinstance(data, dict) else data
    while isinstance(error, list) and len(error) == 1:
        error = error[0]
    if not isinstance(error, dict):
        beside = [data.get(name) for name in ("code", "type", "status")] if isinstance(data, dict) else []
        codes = tuple(c for c in beside if isinstance(c, str))
        return codes, str(error), " ".join((*codes, str(error)))
    inner = error.get("innererror")
    named = [error.get("code"), inner.get("code") if isinstance(inner, dict) else None]
    named += [error.get("type"), error.get("status"), error.get("reason")]
    codes = tuple(c for c in named if isinstance(c, str))
    message = error.get("message") or error.get("detail")
    if not isinstance(message, str):
        message = json.dumps(message or error)
    return codes, message, json.dumps(error, ensure_ascii=False)
