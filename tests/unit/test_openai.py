"""The openai provider against a real socket: every way an endpoint can fail has its error, and no key is ever shown."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from contextlib import suppress
from email.utils import formatdate

import aiohttp
import pytest
from pydantic import ValidationError

from rung import plugins
from rung.errors import ConfigError, ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.models._fitting import Fitted
from rung.models._post import translate
from rung.models._retry_after import retry_after
from rung.models._said import scrub
from rung.models._wire import NoAnswer
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.openai import Connection, OpenAI
from rung.store.cache import AnswerCache
from rung.testing.endpoint import MIX_A, MIX_B, Endpoint, Faults, Reply, answer_body
from rung.types import Completion, Message, Request

KEY = "sk-verysecret0123456789"
HELLO = Request((Message("system", "Be brief."), Message("user", "Hello")))


def talk(reply, request=HELLO, **given):
    """Ask one request of an endpoint that replies so; return what came back or was raised, and what it was sent."""
    seen = {}

    def script(data, attempt):
        seen.update(body=data)
        return reply(data) if callable(reply) else reply

    async def work():
        async with Endpoint(script=script).serving() as endpoint:
            model = plugins.make("models", "openai", **{"name": "m-1", "base_url": endpoint.url, **given}).connect()
            try:
                while True:
                    with suppress(Fitted):  # as the client does: again, in another form
                        return await model.complete(request)
            except ModelError as error:
                return error
            finally:
                seen["headers"] = endpoint.headers_seen
                await model.close()

    return asyncio.run(work()), seen


def error_reply(status, message="it went wrong", code=None, **headers):
    return Reply(status, json.dumps({"error": {"message": message, "code": code}}).encode(), headers)


def good(text="yes", **message):
    return Reply(body=answer_body(text, "m-1-2026", 11, 3, **message))


def test_an_answer_comes_back_with_what_it_took():
    found, seen = talk(good())
    assert isinstance(found, Completion)
    assert (found.text, found.model, found.input_tokens, found.output_tokens) == ("yes", "m-1-2026", 11, 3)
    assert (found.finish, found.cost_usd, found.cached) == ("stop", None, False)
    assert 0 < found.latency_s < 5
    assert seen["body"] == {
        "model": "m-1",
        "temperature": 0.0,
        "max_tokens": 256,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    }


def test_parameters_of_the_request_win_and_extra_fields_travel():
    request = Request(HELLO.messages, {"temperature": 0.7, "max_tokens": 9, "stop": ["\n"], "seed": 3})
    _, seen = talk(good(), request, extra_body={"top_k": 1})
    assert {k: v for k, v in seen["body"].items() if k != "messages"} == {
        "model": "m-1", "temperature": 0.7, "max_tokens": 9, "stop": ["\n"], "seed": 3, "top_k": 1,
    }  # fmt: skip


def test_a_reasoning_model_gets_no_temperature_and_the_other_length_field():
    _, seen = talk(good(), temperature=None, max_tokens_field="max_completion_tokens")
    assert {k: v for k, v in seen["body"].items() if k != "messages"} == {"model": "m-1", "max_completion_tokens": 256}


def test_the_key_comes_from_the_environment_and_travels_as_a_bearer(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    monkeypatch.setenv("MY_TEAM", "team-7")
    _, seen = talk(good(), api_key_env="MY_KEY", headers_env={"x-team": "MY_TEAM"})
    assert (seen["headers"]["authorization"], seen["headers"]["x-team"]) == (f"Bearer {KEY}", "team-7")
    _, seen = talk(good())
    assert "authorization" not in seen["headers"]


def test_a_key_that_is_not_set_is_told_by_the_name_of_its_variable(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("TEAM", raising=False)
    with pytest.raises(ConfigError) as caught:
        OpenAI(name="m-1", headers_env={"x-team": "TEAM"}).connect()
    assert "the environment has 2 problems" in str(caught.value)
    assert "the environment variable OPENAI_API_KEY is not set: put the key of https://api.openai.com/v1 there" in str(
        caught.value
    )
    assert "TEAM is not set" in str(caught.value)


def test_a_key_with_a_line_break_inside_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\nx")
    with pytest.raises(ConfigError, match="MY_KEY holds characters that no header may have") as caught:
        OpenAI(name="m", api_key_env="MY_KEY").connect()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"api_key_env": KEY}, "write the NAME of the variable, never the key"),
        ({"base_url": "api.example.org/v1"}, "is no web address; write it as https://HOST/v1"),
        ({"base_url": "https://user:pass@example.org/v1"}, "put the key into the environment"),
        ({"temprature": 1}, "Extra inputs are not permitted"),
        ({"name": ""}, "at least 1 character"),
    ],
)
def test_wrong_settings_are_refused_and_not_echoed(given, message):
    with pytest.raises(ValidationError, match=message) as caught:
        OpenAI(**{"name": "m", **given})
    assert KEY not in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "posted"),
    [
        ("http://h.example/v1", "http://h.example/v1/chat/completions"),
        ("http://h.example/v1/", "http://h.example/v1/chat/completions"),
        ("http://h.example/v1/chat/completions", "http://h.example/v1/chat/completions"),
        ("http://h.example/v1?api-version=2", "http://h.example/v1/chat/completions?api-version=2"),
    ],
)
def test_the_address_is_taken_in_every_usual_form(written, posted):
    assert Connection(OpenAI(name="m", base_url=written), {}).poster.url == posted


def test_the_identity_holds_what_shapes_answers_and_no_secret(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    one = OpenAI(
        name="m",
        base_url="http://a/v1",
        api_key_env="MY_KEY",
        concurrency=3,
        input_usd_per_mtok=1,
        output_usd_per_mtok=1,
    )
    other = OpenAI(name="m", base_url="http://a/v1", timeout_s=3)
    assert one.identity() == other.identity()
    assert one.identity()["provider"] == "openai"
    for change in (
        {"name": "n"},
        {"base_url": "http://b/v1"},
        {"temperature": 0.5},
        {"extra_body": {"top_k": 1}},
        {"max_tokens": 7},
    ):
        assert OpenAI(**{"name": "m", "base_url": "http://a/v1", **change}).identity() != other.identity()


# What the endpoint says -> what it means: kind, words of the message, further attributes.
SAID = {
    "too many": (error_reply(429, "slow down", **{"Retry-After": "7"}), Retryable, ["429", "slow down"], {"retry_after_s": 7.0}),
    "too many for today": (error_reply(429, "quota", **{"Retry-After": "7200"}), Retryable, ["429", "asks to wait 7,200 s"], {"retry_after_s": 7200.0}),
    "too many, in ms": (error_reply(429, **{"retry-after-ms": "250"}), Retryable, ["429"], {"retry_after_s": 0.25}),
    "server error": (error_reply(500, "oh no"), Retryable, ["500", "oh no"], {"retry_after_s": None, "billed": False}),
    "overloaded": (error_reply(529), Retryable, ["529"], {"status": 529}),
    "gateway page": (Reply(502, b"<html>bad gateway</html>"), Retryable, ["502", "a web page"], {}),
    "request timeout": (error_reply(408), Retryable, ["408"], {}),
    "conflict": (error_reply(409), Retryable, ["409"], {}),
    "cut-off json": (Reply(body=good().body[:60]), Retryable, ["no valid JSON"], {"billed": True, "status": 200}),
    "empty": (Reply(body=b""), Retryable, ["no valid JSON: nothing"], {"billed": True}),
    "page with 200": (Reply(body=b"<html>login</html>"), Retryable, ["a web page instead of an answer"], {"billed": True}),
    "not utf-8": (Reply(body=b'{"choices": "\xff\xfe'), Retryable, ["no valid JSON"], {}),
    "no choices": (Reply(body=b'{"choices": []}'), NoAnswer, ["an answer without choices"], {}),
    "null choices": (Reply(body=b'{"choices": null}'), NoAnswer, ["an answer without choices"], {}),
    "a list": (Reply(body=b"[1]"), Retryable, ["an answer without choices"], {}),
    "a number": (Reply(body=b"17"), Retryable, ["an answer without choices"], {}),
    "no message": (Reply(body=b'{"choices": [{}]}'), Retryable, ["an answer without choices"], {}),
    "odd message": (Reply(body=b'{"choices": [{"message": "hi"}]}'), Retryable, ["an answer without choices"], {}),
    "odd content": (Reply(body=b'{"choices": [{"message": {"content": [5]}}]}'), Retryable, ["without choices"], {}),
    "nested deep": (Reply(body=b"[" * 100_000), Retryable, ["sent an answer"], {}),
    "error with 200": (Reply(body=b'{"error": {"message": "upstream"}}'), Retryable, ["without choices", "upstream"], {}),
    "wrong key": (error_reply(401, "Incorrect API key"), ModelError, ["does not accept the key (401)", "set the environment variable MY_KEY"], {"status": 401}),
    "forbidden": (error_reply(403, "no access"), ModelError, ["does not accept the key (403)", "MY_KEY"], {}),
    "no credit": (error_reply(429, "quota", "insufficient_quota"), ModelError, ["has no credit left (429)", "add credit"], {}),
    "payment": (error_reply(402, "pay"), ModelError, ["has no credit left (402)"], {}),
    "no such model": (error_reply(404, "no m-1", "model_not_found"), ModelError, ["the model 'm-1' was not found at http://127", "check `name` and `base_url`"], {}),
    "no such model, 400": (error_reply(400, "no m-1", "model_not_found"), ModelError, ["the model 'm-1' was not found"], {}),
    "wrong path": (Reply(404, b"404 page not found"), ModelError, ["was not found", "most addresses end in /v1"], {}),
    "moved": (Reply(307, b"", {"Location": "https://elsewhere/v1"}), ModelError, ["points to https://elsewhere/v1", "set base_url"], {}),
    "bad parameter": (error_reply(400, "temperature must be 1"), ModelError, ["refused the request (400): temperature must be 1", "settings of the model 'm-1'"], {}),
    "detail": (Reply(422, b'{"detail": [{"msg": "field required"}]}'), ModelError, ["refused the request (422)", "field required"], {}),
    "too long": (error_reply(400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", "context_length_exceeded"), ContextOverflow, ["longer than the context of m-1"], {"context": 4096, "tokens": 5000}),
    "too long, llama": (error_reply(400, "the request exceeds the available context size. try increasing it"), ContextOverflow, ["longer than the context"], {"context": None}),
    "too long, 413": (error_reply(413, "prompt is too long: 9 tokens"), ContextOverflow, ["longer than the context"], {}),
    "filtered": (error_reply(400, "blocked", "content_filter"), RefusedByModel, ["m-1 declined: blocked"], {"status": 400}),
    "filtered, inner": (Reply(400, b'{"error": {"message": "blocked", "code": "invalid", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}'), RefusedByModel, ["declined"], {}),
    "refusal": (good(None, refusal="I can't help with that."), RefusedByModel, ["m-1 declined: I can't help with that."], {"input_tokens": 11, "output_tokens": 3, "status": 200}),
    "filtered answer": (good("par", finish_reason="content_filter"), RefusedByModel, ["cut by its content filter"], {"input_tokens": 11}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_an_endpoint_says_has_its_meaning(name, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    reply, kind, words, attributes = SAID[name]
    found, _ = talk(reply, api_key_env="MY_KEY")
    assert type(found) is kind, found
    for word in words:
        assert word in str(found)
    assert found.provider == "openai"
    assert {key: getattr(found, key) for key in attributes} == attributes


@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        (good("ab", finish_reason="length"), "ab", "length"),
        (good(None, finish_reason="length"), "", "length"),
        (good("", finish_reason="stop"), "", "stop"),
        (good("x", finish_reason="tool_calls"), "x", "other"),
        (good("x", finish_reason=None), "x", "other"),
        (good("x", finish_reason=["odd"]), "x", "other"),
        (good([{"type": "text", "text": "a"}, {"type": "thinking"}, {"type": "text", "text": "b"}]), "ab", "stop"),
        (good("\ud83d\ude00 \ud800"), "😀 \ud800", "stop"),
    ],
)
def test_unusual_answers_are_read(reply, text, finish):
    found, _ = talk(reply)
    assert (found.text, found.finish) == (text, finish)


def test_an_endpoint_without_token_counts_leaves_them_unknown():
    body = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).encode()
    found, _ = talk(Reply(body=body))
    assert (found.input_tokens, found.output_tokens, found.model) == (None, None, "m-1")


def test_no_answer_in_time_is_a_timeout_that_may_have_been_billed():
    found, _ = talk(Reply(delay_s=5.0), timeout_s=0.05)
    assert isinstance(found, Retryable)
    assert (found.timed_out, found.billed) == (True, True)
    assert "(timeout_s is 0.05)" in str(found)


def test_a_dropped_connection_may_be_mended():
    async def work():
        async with Endpoint(faults=Faults(drop=1.0)).serving() as endpoint:
            model = OpenAI(name="m", base_url=endpoint.url).connect()
            with pytest.raises(Retryable, match="the connection to http://127.0.0.1.* broke") as caught:
                await model.complete(HELLO)
            await model.close()
            return caught.value

    assert asyncio.run(work()).billed is True


def test_an_endpoint_that_is_not_there_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    async def work():
        model = OpenAI(name="m", base_url=url).connect()
        with pytest.raises(
            Retryable, match=f"cannot reach {url} .*check base_url and that the server is running"
        ) as caught:
            await model.complete(HELLO)
        await model.close()
        return caught.value

    assert asyncio.run(work()).billed is False


def test_an_answer_that_is_no_answer_for_its_size_is_refused():
    async def work():
        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        model = OpenAI(name="m", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1").connect()
        with pytest.raises(Retryable, match="an answer of 99999999999 bytes"):
            await model.complete(HELLO)
        await model.close()
        server.close()

    asyncio.run(work())


def test_a_server_that_speaks_no_http_may_be_mended():
    async def work():
        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        model = OpenAI(name="m", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1").connect()
        with pytest.raises(Retryable):
            await model.complete(HELLO)
        await model.close()
        server.close()

    asyncio.run(work())


def every_aiohttp_error():
    found = {v for v in vars(aiohttp).values() if isinstance(v, type) and issubclass(v, aiohttp.ClientError)}
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", every_aiohttp_error(), ids=lambda k: k.__name__)
def test_every_error_of_aiohttp_is_mapped_to_ours(kind):
    said = type(kind.__name__, (kind,), {"__init__": lambda self: None, "__str__": lambda self: f"said {KEY}"})
    error = said()
    found = translate(error, OpenAI(name="m", base_url="http://h/v1"), [KEY], 1.0)
    assert isinstance(found, ModelError)
    assert "http://h/v1" in str(found)
    assert KEY not in str(found)
    permanent = issubclass(kind, aiohttp.ClientSSLError | aiohttp.InvalidURL)
    assert isinstance(found, Retryable) is not permanent


@pytest.mark.parametrize("error", [OSError(104, "reset"), TimeoutError(), ConnectionResetError(), ssl.SSLError(1, "x")])
def test_errors_of_the_socket_may_be_mended(error):
    assert isinstance(translate(error, OpenAI(name="m", base_url="http://h/v1"), [], 1.0), Retryable)


def test_no_key_is_shown_in_any_error(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    replies = [
        error_reply(401, f"Incorrect API key provided: {KEY}"),
        error_reply(500, f"header Authorization: Bearer {KEY}"),
        error_reply(400, "your key sk-other-key-of-mine-0123 is odd"),
        Reply(body=f"<html>{KEY}".encode()),
        Reply(307, b"", {"Location": f"https://x/?key={KEY}"}),
        good(None, refusal=KEY),
    ]
    for reply in replies:
        found, _ = talk(reply, api_key_env="MY_KEY")
        shown = "".join([repr(found), str(found), repr(found.__cause__), repr(vars(found))])
        assert KEY not in shown
        assert "sk-other" not in shown
        assert "***" in str(found)


def test_scrubbing_keeps_ordinary_words_and_one_short_line():
    assert scrub("the task-force asked\n for key  lime pie", ["zz"]) == "the task-force asked for key lime pie"
    assert len(scrub("x" * 5000, [])) == 300


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read(headers, seconds):
    assert retry_after(headers) == seconds


def test_the_time_to_wait_is_read_from_a_date():
    assert retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(60, abs=2)
    assert retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0.0


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("a plain English sentence of some length " * 10, 100, 150), ("数据分析" * 50, 200, 320), ("", 8, 8)],
)
def test_prompt_tokens_are_estimated_from_above_but_not_absurdly(text, low, high):
    assert low <= Connection(OpenAI(name="m", base_url="http://h/v1"), {}).count_tokens([Message("user", text)]) <= high


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("faults", "least"), [(MIX_A, 3), (MIX_B, 1), (Faults(page=0.1, server_error=0.1), 20)], ids=["A", "B", "pages"]
)
def test_all_rows_are_answered_under_faults(tmp_path, faults, least):
    """200 rows through the whole path; Retry-After is shortened so that the test stays quick."""
    quick = Faults(faults.too_many, faults.server_error, faults.drop, faults.malformed, faults.page, retry_after="0.01")

    async def work():
        async with Endpoint(lambda p: p[::-1], faults=quick, seed=3, latency_s=0.02).serving() as endpoint:
            settings = OpenAI(name="m", base_url=endpoint.url, concurrency=32)
            with AnswerCache.open(tmp_path / "l") as answer_cache:
                client = Client(settings, settings.connect(), answer_cache, Budget())
                rows = [Request((Message("user", f"row {i}"),)) for i in range(200)]
                found = await asyncio.gather(*(client.ask(r) for r in rows))
                assert [c.text for c in found] == [f"row {i}"[::-1] for i in range(200)]
                again = await asyncio.gather(*(client.ask(r) for r in rows))
                assert all(c.cached for c in again)
                await client.close()
                return endpoint.counts, client.usage

    counts, usage = asyncio.run(work())
    assert counts.faults.total() >= least
    assert counts.requests == 200 + counts.faults.total() == usage.attempts
    assert usage.retries == counts.faults.total() == counts.asked_again
    assert 28 <= counts.most_in_flight <= usage.in_flight == 32  # some of those under way may not have arrived yet
    assert usage.given_up == 0
