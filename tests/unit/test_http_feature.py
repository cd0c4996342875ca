"""The provider `http` against a real socket: any JSON in, the answer out, every fault told and no key shown."""

from __future__ import annotations

import asyncio
import json
import zlib

import pytest
from pydantic import ValidationError

from rung import plugins
from rung.config import parse_config
from rung.decide.across import across
from rung.engine.obstacles import obstacles
from rung.engine.sides import side
from rung.engine.verify import verify
from rung.errors import ConfigError, ContextOverflow, ModelError, RefusedByModel, Retryable
from rung.ladder import climb
from rung.models.http import filled, found_at
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Faults, Reply
from rung.types import COLUMNS, Completion, Message, Request
from tests.unit._serving import in_a_thread
from tests.unit._worlds import rows

KEY = "tok-verysecret0123456789"
ASKED = Request((Message("system", "Be brief."), Message("user", 'a "row" {{messages}}')))
CHAT = {"messages": "{{messages}}"}  # the endpoint of the tests counts by messages


def made(**settings):
    return plugins.make("models", "http", **{"url": "http://127.0.0.1:9/ask", "body": CHAT, **settings})


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
        (says({"a.b": [{"c/d": "w", "~": "v"}]}), "/a.b/0/c~1d", "w"),
        (says({"a.b": [{"c/d": "w", "~": "v"}]}), "/a.b/0/~0", "v"),
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
        (
            {"body": {"q": "hello"}},
            "holds neither {{prompt}} nor {{messages}} nor a column, so that every example would ask the same",
        ),
        ({"body": {"q": "Chat: {{messages}}"}}, "has {{messages}} inside a longer text"),
        ({"body": {"q": "{{prompt}}", "key": "sk-abcdefgh123"}}, "holds what looks like a key"),
        ({"answer": "data..text"}, "is no path; write keys and places with dots between, such as data.0.text"),
        ({"url": "http://example.org/ask"}, "is an address of others without encryption: write https"),
        ({"url": "http://93.184.216.34/ask"}, "is an address of others without encryption"),
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


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8/a",
        "http://10.0.0.7/a",
        "http://[::1]:8/a",
        "http://gpu:8000/a",
        "http://svc.internal/a",
        "https://example.org/a",
    ],
)
def test_an_address_is_encrypted_or_near(url):
    assert made(url=url).url == url


def test_columns_stand_in_places_of_their_own_as_data():
    body = {
        "ticket": {"subject": "{{subject}}", "text": "{{ body }}"},
        "asked": "{{prompt}}",
        "messages": "{{messages}}",
    }
    request = Request((Message("user", "both"),), {COLUMNS: {"subject": 'a "{{body}}"', "body": "line\ntwo"}})
    found, seen = talk(says({"text": "x"}), request, body=body, answer="text")
    assert found.text == "x"
    assert seen["body"]["ticket"] == {"subject": 'a "{{body}}"', "text": "line\ntwo"}
    assert seen["body"]["asked"] == "both"
    service = made(body=body)
    assert service.columns == ("subject", "body")
    assert service.card("main").columns == ("subject", "body")
    assert service.bound(request).input_tokens > service.bound(Request(request.messages)).input_tokens


def two_versions(root, url, **changes):
    """Write 300 tickets of two columns, and a ladder of two versions of one service that takes these as fields."""
    made = [{"id": r["id"], "subject": r["text"][:20], "text": r["text"], "team": r["team"]} for r in rows(300)]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    body = {"subject": "{{subject}}", "ticket": {"text": "{{text}}"}, "messages": "{{messages}}"}
    models = {
        v: {"provider": "http", "name": v, "url": url, "body": {**body, "version": v}, "answer": "/result/team"}
        for v in ("v1", "v2")
    }
    raw = {
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["subject", "text"], "target": "team", "goal": 0.9,
                 "metrics": ["normalized_match"], "kind": "classification"},
        "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15},
        "models": models,
        "ladder": [{"prompt": {"model": v, "rewrites": False}} for v in models],
        **changes,
    }  # fmt: skip
    return made, parse_config(raw, root)


@pytest.mark.slow
def test_my_v1_and_my_v2_climb_one_ladder_and_are_compared_row_by_row(tmp_path):
    known = {r["text"]: r["team"] for r in rows(300)}
    wrong = []

    def script(data, attempt):
        text = data["ticket"]["text"]
        if data["subject"] != text[:20] or set(data) != {"subject", "ticket", "messages", "version"}:
            wrong.append(data)
        right = data["version"] == "v2" or zlib.crc32(text.encode()) % 10 < 6
        return says({"result": {"team": known[text] if right else "no idea"}})

    with in_a_thread(Endpoint(script=script)) as endpoint:
        _, config = two_versions(tmp_path, endpoint.url + "/route")
        run = climb(config, tmp_path / "run")
        asked = endpoint.counts.requests
        assert climb(config, tmp_path / "run").verdict == run.verdict
        assert endpoint.counts.requests == asked
    assert not wrong
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "prompt@v2")
    assert run.verdict.headline == "No fine-tuning needed: your service `v2` meets the goal."
    assert run.results["prompt@v1"].quality.status == "misses"
    found = across(side(f"{tmp_path / 'run'}:prompt@v1"), side(f"{tmp_path / 'run'}:prompt@v2"))
    assert found.word == "significantly better"
    assert (found.comparison.losses, found.comparison.n) == (0, len(run.results["prompt@v2"].outcomes))
    assert all(c.passed for c in verify(RunFolder.open(tmp_path / "run")))


def test_a_column_that_is_none_is_told_before_anything_is_asked(tmp_path):
    _, config = two_versions(tmp_path, "http://localhost:9/a")
    assert not obstacles(config)
    body = {"q": "{{subject}} {{titel}}"}
    odd = {"main": {"provider": "http", "url": "http://localhost:9/a", "body": body}}
    _, config = two_versions(tmp_path, "http://localhost:9/a", models=odd, ladder=["prompt"])
    [problem] = [o.problem for o in obstacles(config)]
    assert str(problem) == (
        "models.main.body: holds placeholders that are not filled ({{titel}}); allowed: prompt, messages, subject, text"
    )
