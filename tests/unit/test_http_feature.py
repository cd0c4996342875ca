"""The provider `http` against a real socket: any JSON in, the answer out, every fault told and no key shown."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import ValidationError

from rung import plugin
from rung.errors import ConfigError, ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.models.http import filled, found_at
from rung.testing.endpoint import Endpoint, Faults, Reply
from rung.types import Completion, Message, Request

KEY = "tok-verysecret0123456789"
ASKED = Request((Message("system", "Be brief."), Message("user", 'a "row" {{messages}}')))
CHAT = {"messages": "{{messages}}"}  # the endpoint of the tests counts by messages


def made(**settings):
    return plugin.make("models", "http", **{"url": "http://127.0.0.1:9/ask", "body": CHAT, **settings})


def talk(reply, request=ASKED, faults=None, **settings):
    """Ask one request of a service that replies so; return what came back or was raised, and what it was sent."""
    seen = {}

    def script(data, attempt):
        seen["body"] = data
        return reply

    async def work():
        service = Endpoint(faults=faults) if faults else Endpoint(script=script)
        async with service.serving() as endpoint:
            model = made(**{"url": endpoint.url + "/ask?v=2", **settings}).connect()
            try:
                return await model.complete(request)
            except ModelError as error:
                return error
            finally:
                seen["headers"] = endpoint.headers_seen
                await model.close()

    return asyncio.run(work()), seen


def says(data, status=200, **headers):
    return Reply(status, json.dumps(data).encode(), headers)


def test_the_body_is_filled_and_the_answer_taken_out():
    body = {"messages": [{"content": "Q: {{ prompt }}!"}], "n": 1, "deep": {"chat": "{{messages}}", "x": None}}
    reply = says({"data": [{"text": "yes"}], "usage": {"in": 11, "out": 3}})
    found, seen = talk(reply, body=body, answer="data.0.text", input_tokens="usage.in", output_tokens="usage.out")
    assert isinstance(found, Completion)
    assert (found.text, found.model, found.input_tokens, found.output_tokens) == ("yes", "http", 11, 3)
    assert (found.cost_usd, found.finish) == (None, "stop")
    assert seen["body"] == {
        "messages": [{"content": 'Q: a "row" {{messages}}!'}],
        "n": 1,
        "deep": {
            "chat": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": 'a "row" {{messages}}'}],
            "x": None,
        },
    }


def test_a_value_is_never_read_as_a_template():
    chat = (Message("user", "{{prompt}} {{prompt}}"),)
    assert filled(["{{prompt}}", "{{prompt}}-{{prompt}}"], chat) == [
        "{{prompt}} {{prompt}}",
        "-".join(["{{prompt}} {{prompt}}"] * 2),
    ]
    assert filled("{{prompt}}", (Message("system", "lone"),)) == "lone"


@pytest.mark.parametrize(
    ("reply", "answer", "text"),
    [
        (Reply(body=b" plain words\n"), None, "plain words"),
        (says({"label": 5}), "label", "5"),
        (says({"fields": {"a": "é"}}), "fields", '{"a": "é"}'),
        (says(["x", "y"], 201), "-1", "y"),
        (says({"0": {"1": "z"}}), "0.1", "z"),
        (says({"text": ""}), "text", ""),
    ],
)
def test_answers_of_any_shape(reply, answer, text):
    found, _ = talk(reply, answer=answer)
    assert found.text == text
    assert (found.input_tokens, found.output_tokens) == (None, None)


def test_token_counts_that_are_not_there_stay_unknown():
    found, _ = talk(says({"a": "x", "n": "many"}), answer="a", input_tokens="n", output_tokens="usage.out")
    assert (found.text, found.input_tokens, found.output_tokens) == ("x", None, None)


@pytest.mark.parametrize(
    ("reply", "kind", "words", "attributes"),
    [
        (says({"text": None}), Retryable, "an answer without 'data.0.text' in it: {\"text\": null}", {"billed": True}),
        (says({"data": []}), Retryable, "an answer without 'data.0.text'", {}),
        (says({"data": 5}), Retryable, "an answer without 'data.0.text'", {}),
        (Reply(body=b"[" * 100_000), Retryable, "sent an answer", {}),
        (Reply(body=b'{"data": [{"te'), Retryable, "an answer that is no valid JSON", {"billed": True}),
        (Reply(body=b"<html>login</html>"), Retryable, "a web page instead of an answer", {}),
        (Reply(body=b"\xff\xfe"), Retryable, "no valid JSON", {}),
        (says({"error": "slow down"}, 429, **{"Retry-After": "7"}), Retryable, "429", {"retry_after_s": 7.0}),
        (says({"error": "oh no"}, 503), Retryable, "answered 503: oh no", {"billed": False}),
        (says({"error": "who?"}, 401), ModelError, "does not accept the key (401): who?; check the environment variable MY_KEY", {}),
        (says({"detail": "gone"}, 404), ModelError, "was not found at http://127.0.0.1", {"status": 404}),
        (says({"detail": "gone"}, 404), ModelError, "(404): gone; check `url`", {}),
        (Reply(307, b"", {"Location": "https://elsewhere/"}), ModelError, "set url to the endpoint's own address", {}),
        (says({"error": "prompt is too long"}, 413), ContextOverflow, "longer than the context", {}),
        (says({"error": {"code": "content_filter", "message": "no"}}, 400), RefusedByModel, "declined: no", {}),
    ],
)  # fmt: skip
def test_what_a_service_says_has_its_meaning(reply, kind, words, attributes, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"Bearer {KEY}")
    found, seen = talk(reply, answer="data.0.text", headers_env={"Authorization": "MY_KEY"})
    assert type(found) is kind, found
    assert words in str(found)
    assert "?v=2" not in str(found)
    assert found.provider == "http"
    assert {key: getattr(found, key) for key in attributes} == attributes
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"


def test_a_key_that_the_service_repeats_is_not_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", f"Token {KEY}")
    found, _ = talk(says({"error": f"bad key {KEY}"}, 403), headers_env={"x-auth": "MY_KEY"})
    assert "bad key ***" in str(found)
    assert KEY not in str(found)


def test_a_dropped_connection_and_a_slow_one_may_be_mended():
    found, _ = talk(None, faults=Faults(drop=1.0))
    assert isinstance(found, Retryable)
    assert "the connection to http://127.0.0.1" in str(found)
    found, _ = talk(Reply(delay_s=5.0), timeout_s=0.05)
    assert (found.timed_out, found.billed) == (True, True)
    assert "(timeout_s is 0.05)" in str(found)


def test_a_service_that_is_not_there_is_named():
    async def work():
        model = made(url="http://127.0.0.1:9/ask").connect()
        with pytest.raises(Retryable, match="cannot reach http://127.0.0.1:9/ask .*check url and that the server"):
            await model.complete(ASKED)
        await model.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "example.org/ask"}, "is no web address; write it as https://HOST/PATH"),
        ({"url": "https://me:secret@example.org/ask"}, "holds a user name or password; put it into the environment"),
        ({"url": "https://example.org/ask?key=sk-abcdefgh123"}, "holds what looks like a key"),
        ({"headers_env": {"x-auth": KEY}}, "write the variable's NAME, never the key"),
        ({"body": {"q": "hello"}}, "holds neither {{prompt}} nor {{messages}}, so that every row would ask the same"),
        ({"body": {"q": "Chat: {{messages}}"}}, "has {{messages}} inside a longer text"),
        ({"body": {"q": "{{prompt}}", "key": "sk-abcdefgh123"}}, "holds what looks like a key"),
        ({"answer": "data..text"}, "is no path; write keys and places with dots between, such as data.0.text"),
        ({"method": "GET"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_are_refused_and_not_echoed(settings, message):
    with pytest.raises(ValidationError) as caught:
        made(**settings)
    assert message in str(caught.value)
    for secret in (KEY, "secret@", "sk-abcdefgh123"):
        assert secret not in str(caught.value)


def test_a_header_without_its_variable_is_told_at_the_start(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        made(url="http://h/ask?x=1", headers_env={"x-auth": "MY_KEY"}).connect()
    assert "the environment variable MY_KEY is not set: put the key of http://h/ask there" in str(caught.value)


def test_the_identity_holds_what_shapes_answers_and_no_address_in_plain():
    one = made(url="http://h/ask?team=7").identity()
    assert one == made(url="http://h/ask?team=7", timeout_s=3, concurrency=2, output_tokens="n").identity()
    assert "team" not in json.dumps(one)
    for change in ({"url": "http://h/ask?team=8"}, {"body": {"q": "{{prompt}}"}}, {"answer": "a"}, {"name": "n"}):
        assert made(**{"url": "http://h/ask?team=7", **change}).identity() != one


@pytest.mark.parametrize("path", ["a.b", "a.0", "b", "a.-9"])
def test_a_path_that_leads_nowhere(path):
    with pytest.raises((LookupError, TypeError)):
        found_at({"a": 5} if path == "a.b" else {"a": []}, path)


def test_whether_the_chat_reaches_a_service_is_seen_in_its_body():
    assert made(body={"question": "{{prompt}}"}).reads_chat is False
    assert made(body={"turns": ["{{messages}}"]}).reads_chat is True
