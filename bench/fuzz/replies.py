"""What endpoints answer: chat replies, embeddings, a feature behind an address, error bodies, usage, times to wait."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from multidict import CIMultiDict

from bench.fuzz.target import Target, must, writable
from rung.embedding import _MARK
from rung.errors import ModelError
from rung.foreign import whole
from rung.models._post import unpacked
from rung.models._wire import Reply
from rung.models.http import Http, HttpConnection
from rung.models.openai import Connection, OpenAI
from rung.models.presets import Anthropic, Azure, Gemini, Ollama, OpenRouter, Preset, Vllm
from rung.models.vendors import VENDORS
from rung.types import Message, Request

SECRET = "sk-0123456789abcdefghij"
_HEADERS = ("retry-after", "retry-after-ms", "x-request-id", "location")


def reply_of(data: bytes) -> Reply:
    """Return the reply in an input: status and headers above an empty line, the body below."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    headers = CIMultiDict(
        (name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon
    )
    return Reply(int(first) if first.isascii() and first.isdigit() and len(first) == 3 else 200, headers, body)


class _Posted:
    """Stands where requests are sent."""

    notices: tuple[str, ...] = ()

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    async def post(self, body: bytes) -> Reply:
        json.loads(body)
        return self.reply


def _result(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine that never waits returns."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("waits for something")


def _asked(connect: Callable[[], Any], request: Request) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        connection = connect()
        posted = _Posted(reply_of(data))
        for name in ("poster", "_poster", "_embeddings"):
            if hasattr(connection, name):
                setattr(connection, name, posted)
        for _ in range(3):  # a refusal may be answered by another form of the request
            try:
                answer = _result(connection.complete(request))
            except ModelError as error:
                waits = getattr(error, "retry_after_s", None)
                must(waits is None or (math.isfinite(waits) and waits >= 0), f"waits for {waits}")
                must(SECRET not in str(error) and SECRET[-8:] not in str(error), "shows a key")
                writable(str(error))
                must(str(error).isprintable(), f"steers the terminal: {str(error)[:80]!r}")
                continue
            kept = replace(answer, text=whole(answer.text), model=whole(answer.model))  # as the client keeps it
            writable(kept.text, kept.model)
            for tokens in (kept.input_tokens, kept.output_tokens):
                must(tokens is None or 0 <= tokens < 2**53, f"{tokens} tokens")
            return

    return run


def _packed_body(data: bytes, folder: Path) -> None:
    import zlib

    import aiohttp

    for packing in ("gzip", "deflate"):
        try:
            unpacked(data, packing)
        except (aiohttp.ClientPayloadError, zlib.error):
            continue


PRESETS: tuple[type[Preset], ...] = (Anthropic, Gemini, Azure, Ollama, Vllm, OpenRouter)
AZURE = "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21"


def _vendors(request: Request) -> Callable[[bytes, Path], None]:
    """Return a target that gives a reply to the connection of every preset, and what that learnt to the next one."""

    def connected(settings: OpenAI, learnt: list[str]) -> Connection:
        connection = Connection(settings, {settings.key_header[0]: settings.key_header[1] + SECRET})
        connection.recall(learnt)
        return connection

    def run(data: bytes, folder: Path) -> None:
        for preset in PRESETS:
            settings = preset(name="m", **({"base_url": AZURE} if preset is Azure else {}))
            learnt: list[str] = []
            for _ in range(2):
                connection = connected(settings, learnt)
                _asked(lambda made=connection: made, request)(data, folder)  # type: ignore[misc]
                writable(*connection.notices, *connection.learnt)
                must(
                    all(len(told) < 2_000 and told.isprintable() for told in connection.notices), "a notice for nobody"
                )
                learnt = json.loads(json.dumps(connection.learnt))

    return run


def _address(data: bytes, folder: Path) -> None:
    """Take a text as every preset's address: a vendor's key goes to no host but the vendor's, as the client reads the address."""
    import aiohttp
    from pydantic import ValidationError
    from yarl import URL

    text = data.decode("utf-8", "replace")
    for preset in (OpenAI, *PRESETS):
        try:
            settings = preset(name="m", base_url=text)
        except ValidationError as error:
            told = str(error.errors(include_url=False, include_context=False)[0]["msg"])
            must(bool(told.strip()) and len(told) < 20_000, "a message for nobody")
            continue
        settings.price_url  # noqa: B018 - reads the address
        connection = Connection(settings, {})
        for poster in (connection.poster, connection._embeddings):
            try:
                url = URL(poster.url)
            except (ValueError, aiohttp.InvalidURL):
                continue  # told where it is sent
            must(url.scheme in ("http", "https"), f"asks by {url.scheme}")
            vendor = VENDORS["openai" if preset is OpenAI else settings.provider]
            if settings.key_variable is not None:
                host = (url.host or "").rstrip(".")
                own = any(host.endswith(h) if h.startswith(".") else host == h for h in vendor.hosts)
                must(own and url.scheme == "https", f"sends the key of {vendor.title} to {url.host}")


def _settings(**more: Any) -> OpenAI:
    return OpenAI(name="m", base_url="http://localhost:1/v1", **more)


def targets() -> tuple[Target, ...]:
    """Return the targets of this file."""
    import gzip
    import zlib

    chat = Request((Message("system", "s"), Message("user", "u")), {"temperature": 0.0, "seed": 1})
    answer = {"id": "1", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}  # fmt: skip
    parts = {
        "choices": [
            {
                "message": {"content": [{"type": "text", "text": "a"}], "reasoning_content": "b"},
                "finish_reason": "length",
            }
        ],
        "usage": None,
    }
    errors = (
        {"error": {"message": f"Incorrect API key provided: {SECRET}", "type": "invalid_request_error", "code": "invalid_api_key"}},
        {"error": {"message": "maximum context length is 4096 tokens. However, you requested 5000 tokens", "code": "context_length_exceeded"}},
        {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported, use 'max_completion_tokens'", "param": "max_tokens"}},
        {"error": {"message": "Rate limit reached. Please try again in 20s.", "type": "rate_limit"}},
        [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "34s"}]}}],
        {"detail": [{"loc": ["body"], "msg": "field required"}]}, {"error": "insufficient_quota"},
    )  # fmt: skip
    told = [f"{status}\nretry-after: {wait}\n\n{json.dumps(body)}".encode() for body, status, wait in zip(
        errors, (401, 400, 400, 429, 429, 422, 429), ("1", "0", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "nan", "9" * 400), strict=True)]  # fmt: skip
    odd = [f"200\n\n{body}".encode() for body in (
        "", "null", "[]", '{"choices": []}', '{"choices": [{"message": {"content": "\\ud800"}}]}', "<html>502</html>", '{"error": {"code": "502", "message": "x"}}',
        '{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": ' + "9" * 5000 + "}}", json.dumps(parts), "[" * 3000,
        '{"model": "\\u001b[2J", "choices": [{"message": {"content": "<think>x</think>y", "refusal": "no\\ud800"}, "finish_reason": "content_filter"}]}')]  # fmt: skip
    vectors = {
        "data": [{"index": 1, "embedding": [0.1, 2]}, {"index": 0, "embedding": [1e3, -4]}],
        "model": "m",
        "usage": {"prompt_tokens": 3},
    }
    two = Request((Message("user", "a"), Message("user", "b")), {_MARK: True})
    told_by_vendors = [f"{status}\n\n{json.dumps(body)}".encode() for status, body in (
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}),
        (400, {"error": {"code": 400, "message": "Unable to submit request: `seed` is not supported", "status": "INVALID_ARGUMENT"}}),
        (400, {"error": {"message": "The response was filtered", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation",
               "content_filter_result": {"hate": {"filtered": True, "severity": "high"}}}}}),
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}),
        (404, {"error": "model 'm' not found"}), (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}),
        (200, {"error": {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "x", "raw": "{}"}}}),
        (200, {"choices": [{"error": {"code": 429, "message": "slow down"}, "message": {"role": "assistant", "content": ""}, "finish_reason": "error"}]}),
        (200, {"choices": [{"message": {"content": "", "reasoning": "because", "reasoning_details": [{"text": "x"}]}, "finish_reason": "length"}], "usage":
               {"prompt_tokens": 3, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 9}, "cost": 0.1}}),
        (200, {"choices": [{"content_filter_results": {"hate": {"filtered": True}}, "finish_reason": "content_filter", "message": {"content": None}}],
               "prompt_filter_results": [{"prompt_index": 0}]}),
        (200, {"model": "gemini", "choices": [{"finish_reason": "MAX_TOKENS", "message": {"role": "model"}}], "usage": {"promptTokenCount": 3}}),
    )]  # fmt: skip
    words = ('"choices"', '"message"', '"content"', '"usage"', '"prompt_tokens"', '"error"', '"code"', '"finish_reason"', '"refusal"', "null", "-1", "1e400",
             "retry-after: ", "retry-after-ms: ", "try again in ", "max_tokens", "\\ud800", SECRET[:12])  # fmt: skip
    good = f"200\n\n{json.dumps(answer)}".encode()
    feature = Http(url="http://localhost:1/x", answer="data.0.text", input_tokens="usage.in", output_tokens="usage.out")
    whole = json.dumps({"data": [{"text": "yes"}], "usage": {"in": 3, "out": 1}})
    return (
        Target("reply-chat", _asked(lambda: Connection(_settings(), {"Authorization": f"Bearer {SECRET}"}), chat), (good, *told, *odd), words),
        Target("reply-embeddings", _asked(lambda: Connection(_settings(), {"Authorization": f"Bearer {SECRET}"}), two),
               (f"200\n\n{json.dumps(vectors)}".encode(), *told[:2], *odd[:3], b'200\n\n{"data": [{"embedding": "AAAA"}]}'), (*words, '"embedding"', '"index"', '"data"')),
        Target("reply-feature", _asked(lambda: HttpConnection(feature, {"X": SECRET}), chat), (f"200\n\n{whole}".encode(), *told, *odd), (*words, '"text"')),
        Target("reply-vendor", _vendors(chat), (good, *told_by_vendors, *told), (*words, '"finish_reason"', '"type"', "529", "seed", "not supported")),
        Target("reply-address", _address, tuple(a.encode() for a in ("https://api.openai.com/v1", "https://api.anthropic.com", AZURE, "http://localhost:11434",
               "https://api.openai.com:443\\@e.x/v1", "https://[::1]:1/v1", "https://openrouter.ai./api/v1?a=b", "https://generativelanguage.googleapis.com#@e.x")),
               ("https://", "@", "\\", "%2e", ".openai.azure.com", "api.anthropic.com", "\u3002", "#", "?", ":443", "\t", "[::1]")),
        Target("reply-packed", _packed_body, (gzip.compress(good, mtime=0), zlib.compress(good), gzip.compress(bytes(100_000), mtime=0))),
    )  # fmt: skip
