"""The server: what it answers to the official client, to bad requests, to slow and vanished clients, and while it stops."""

import asyncio
import json
import os
import stat
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import openai
import pytest

from rung.errors import ContextOverflow, ModelError, RefusedByModel, Retryable, RungError
from rung.serve import server as module
from rung.serve.log import RequestLog
from rung.serve.server import Limits, Server, is_loopback
from rung.serve.winner import Winner
from rung.types import Answer, Candidate, Completion, MetricSpec, PromptLearned, Source, Task

TASK = Task("routing", "Route.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9)
TWO = Task("routing", "Route.", ("subject", "body"), "team", "classification", (MetricSpec("normalized_match"),), 0.9)
TOKEN = "0123456789abcdef"


class Stub:
    """Answers with its inputs; some inputs mean trouble."""

    def __init__(self, seconds=0.0):
        self.seconds, self.answered, self.cancelled = seconds, 0, 0

    async def answer(self, inputs):
        text = " / ".join(inputs.values())
        trouble = {
            "refuse": RefusedByModel("no", provider="p"),
            "long": ContextOverflow("too long", provider="p"),
            "late": Retryable("late", provider="p", timed_out=True),
            "busy": Retryable("busy", provider="p", status=429),
            "broken": ModelError("http://inside.example says 401", provider="p"),
            "bug": ZeroDivisionError("of a plug-in"),
        }.get(text)
        if trouble is not None:
            raise trouble
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.answered += 1
        sources = (Source("book.md", "page 2", "as it stands"),) if text == "cite" else ()
        finish = "length" if text == "cut" else "stop"
        return Answer(f"<{text}>", (Completion("raw", "m", 7, 3, 0.1, None, finish),), sources)


def server(system, task=TASK, **more):
    candidate = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=task.inputs), "main")
    run = SimpleNamespace(task=task, clients={"main": SimpleNamespace(settings=SimpleNamespace(name="m-1"))})
    return Server(Winner(run, "prompt", candidate, system), "routing", **{"say": lambda text: None, **more})


@asynccontextmanager
async def served(system=None, task=TASK, **more):
    """Yield (server, session, url) of a server on a free port."""
    made = server(system or Stub(), task, **more)
    async with made.listening("127.0.0.1", 0) as url, aiohttp.ClientSession() as session:
        yield made, session, url


@pytest.fixture(autouse=True)
def no_last_words(monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.02)


def chat(text, **more):
    return {"model": "routing", "messages": [{"role": "user", "content": text}], **more}


def test_the_official_client_gets_answer_usage_and_models():
    async def work():
        async with served() as (_, _session, url), openai.AsyncOpenAI(base_url=url, api_key="x") as client:
            return await client.chat.completions.create(**chat("hello")), await client.models.list()

    found, models = asyncio.run(work())
    assert found.choices[0].message.content == "<hello>"
    assert found.choices[0].finish_reason == "stop"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (7, 3, 10)
    assert [(m.id, m.root.split("/")[0], m.parent) for m in models.data] == [("routing", "prompt", "m-1")]


def test_the_official_client_streams_with_usage_only_where_asked():
    async def work(**more):
        async with served() as (_, _session, url), openai.AsyncOpenAI(base_url=url, api_key="x") as client:
            return [c async for c in await client.chat.completions.create(**chat("cut"), stream=True, **more)]

    bare, told = asyncio.run(work()), asyncio.run(work(stream_options={"include_usage": True}))
    for chunks in (bare, told):
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "<cut>"
        assert [c.choices[0].finish_reason for c in chunks if c.choices] == [None, "length"]
    assert all(c.usage is None for c in bare)
    assert (told[-1].usage.total_tokens, told[-1].choices) == (10, [])


def test_columns_go_in_and_answer_and_sources_come_out():
    async def work():
        async with served(task=TWO) as (_, session, url):
            one = await (await session.post(f"{url}/predict", json={"body": "b", "subject": 5})).json()
            text = json.dumps({"subject": "s", "body": None})
            two = await (await session.post(f"{url}/chat/completions", json=chat(text))).json()
            plain = await session.post(f"{url}/chat/completions", json=chat("no object"))
            return one, two["choices"][0]["message"]["content"], plain.status

    one, two, plain = asyncio.run(work())
    assert (one["answer"], one["sources"], one["confidence"]) == ("<5 / b>", [], None)  # in the task's order, as text
    assert (two, plain) == ("<s / >", 400)


def test_sources_stand_beside_a_chat_answer_and_what_is_not_read_is_named():
    async def work():
        async with served() as (_, session, url):
            asked = chat("cite", temperature=0.7, seed=1, user="me")
            asked["messages"].insert(0, {"role": "system", "content": "be brief"})
            reply = await session.post(f"{url}/chat/completions", json=asked)
            return await reply.json(), reply.headers["x-rung-ignored"]

    found, ignored = asyncio.run(work())
    assert found["rung"]["sources"] == [{"document": "book.md", "position": "page 2", "text": "as it stands"}]
    assert ignored == "temperature, seed, messages (system)"


BAD = [
    ("{", 400, "invalid_json"),
    ("[1]", 400, "invalid_json"),
    ("[" * 100_000, 400, "invalid_json"),
    ('{"model": NaN}', 400, "invalid_json"),
    (b"\xff\xfe", 400, "invalid_json"),
    ({}, 400, "missing_model"),
    ({**chat("x"), "model": "gpt-4"}, 404, "model_not_found"),
    ({"model": "routing"}, 400, "invalid_messages"),
    ({"model": "routing", "messages": [{"role": "king", "content": "x"}]}, 400, "invalid_messages"),
    ({"model": "routing", "messages": [{"role": "assistant", "content": "x"}]}, 400, "invalid_messages"),
    (chat(None), 400, "invalid_content"),
    (chat([{"type": "image_url", "image_url": {"url": "x"}}]), 400, "invalid_content"),
    (chat("\ud800"), 400, "invalid_content"),
    (chat("x", n=2), 400, "unsupported_value"),
    (chat("x", tools=[{"type": "function"}]), 400, "unsupported_parameter"),
    (chat("x", stream="yes"), 400, "invalid_type"),
    (chat("x", stream_options=5), 400, "invalid_type"),
    ("x" * 1_000_001, 413, "body_too_large"),
    (chat("refuse"), 422, "refused_by_model"),
    (chat("long"), 400, "context_length_exceeded"),
    (chat("late"), 504, "model_timeout"),
    (chat("busy"), 503, "model_unavailable"),
    (chat("broken"), 502, "model_error"),
    (chat("bug"), 502, "model_error"),
]


def test_bad_requests_get_errors_as_openai_writes_them_and_the_service_stays_up():
    told = []

    async def work():
        async with served(say=told.append) as (made, session, url):
            found = []
            for body, _, _ in BAD:
                data = body if isinstance(body, str | bytes) else json.dumps(body)
                async with session.post(f"{url}/chat/completions", data=data) as reply:
                    error = (await reply.json())["error"]
                    assert set(error) == {"message", "type", "param", "code"}
                    assert "inside.example" not in error["message"]
                    found.append((reply.status, error["code"]))
            for method, way, packed in (
                ("GET", "/predict", {}),
                ("POST", "/nothing", {}),
                ("POST", "/predict", {"Content-Encoding": "gzip"}),
            ):
                async with session.request(method, url + way, data=b"{}", headers=packed) as reply:
                    found.append((reply.status, (await reply.json())["error"]["code"]))
            for cells in ({"text": "a", "more": 1}, {}):
                async with session.post(f"{url}/predict", json=cells) as reply:
                    found.append((reply.status, (await reply.json())["error"]["param"]))
            async with session.post(
                f"{url}/chat/completions", json=chat([{"type": "text", "text": "still there"}])
            ) as reply:
                return found, (await reply.json())["choices"][0]["message"]["content"], made.counts.in_flight

    found, last, in_flight = asyncio.run(work())
    assert found[: len(BAD)] == [(status, code) for _, status, code in BAD]
    assert found[len(BAD) :] == [
        (405, "method_not_allowed"),
        (404, "not_found"),
        (415, "unsupported_encoding"),
        (400, "more"),
        (400, "text"),
    ]
    assert (last, in_flight) == ("<still there>", 0)
    assert sum("inside.example" in text for text in told) == 1  # the operator learns why, once


def test_a_token_is_asked_for_and_another_host_is_refused_without_one():
    async def work():
        async with served(token=TOKEN) as (_, session, url):
            given = [None, "wrong", TOKEN[:-1], TOKEN + "é"]
            headers = [{"Authorization": f"Bearer {t}"} if t else {} for t in (*given, TOKEN)]
            statuses = []
            for h in headers:
                async with session.post(f"{url}/predict", json={"text": "a"}, headers=h) as reply:
                    statuses.append(reply.status)
            async with session.get(url.replace("/v1", "/health")) as reply:
                return statuses, reply.status

    assert asyncio.run(work()) == ([401, 401, 401, 401, 200], 200)

    async def open_to_all():
        async with server(Stub()).listening("0.0.0.0", 0):
            pass

    with pytest.raises(RungError, match=r"0\.0\.0\.0 can be reached from other machines.*--token-env"):
        asyncio.run(open_to_all())


def test_pages_of_other_places_are_not_answered_through_a_browser_here():
    async def work():
        async with served() as (_, session, url):
            statuses = []
            for headers in (
                {"Host": "evil.example"},
                {"Origin": "https://evil.example"},
                {"Origin": "null"},
                {"Origin": "http://localhost:3000"},
            ):
                async with session.post(f"{url}/predict", json={"text": "a"}, headers=headers) as reply:
                    statuses.append(reply.status)
            return statuses

    assert asyncio.run(work()) == [403, 403, 403, 200]
    assert [
        is_loopback(h)
        for h in ("127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "10.0.0.1", "localhost.evil.example")
    ] == [True] * 4 + [False] * 3


def test_what_is_slow_ends_in_time():
    async def work():
        limits = Limits(deadline_s=0.15, read_s=0.1, silence_s=0.2)
        async with served(Stub(seconds=5), limits=limits) as (made, session, url):
            async with session.post(f"{url}/predict", json={"text": "a"}) as reply:
                late = reply.status, (await reply.json())["error"]["code"]
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            slow = []
            for sent in (
                b"POST /v1/predict HT",
                b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                slow.append(await asyncio.wait_for(reader.read(), 3))
                writer.close()
            return late, slow, made.winner.system.cancelled

    late, (no_head, no_body), cancelled = asyncio.run(work())
    assert late == (504, "deadline_exceeded")
    assert no_head == b""  # closed without a word
    assert no_body.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in no_body
    assert cancelled == 1


def test_what_is_no_http_gets_400_and_nobody_a_traceback(caplog):
    async def work():
        async with served(Stub()) as (_, session, url):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))
            writer.write(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n{}")
            said = await asyncio.wait_for(reader.read(), 3)
            writer.close()
            async with session.post(f"{url}/predict", json={"text": "a"}) as reply:
                return said, reply.status

    said, status = asyncio.run(work())
    assert said.startswith(b"HTTP/1.0 400") or said.startswith(b"HTTP/1.1 400")
    assert status == 200
    assert caplog.records == []


def test_a_client_that_goes_away_cancels_its_work():
    async def work():
        async with served(Stub(seconds=5)) as (made, session, url):
            asked = asyncio.create_task(session.post(f"{url}/predict", json={"text": "a"}))
            while not made.counts.in_flight:
                await asyncio.sleep(0.005)
            asked.cancel()
            while made.counts.in_flight:
                await asyncio.sleep(0.005)
            return made.winner.system.cancelled, made.counts.requests["/v1/predict", 499]

    assert asyncio.run(asyncio.wait_for(work(), 3)) == (1, 1)


def test_too_many_at_once_are_told_to_come_back():
    async def work():
        async with served(Stub(seconds=0.1), limits=Limits(at_once=2)) as (_, session, url):
            replies = await asyncio.gather(*(session.post(f"{url}/predict", json={"text": "a"}) for _ in range(5)))
            return sorted(r.status for r in replies), {r.headers.get("Retry-After") for r in replies if r.status == 429}

    assert asyncio.run(work()) == ([200, 200, 429, 429, 429], {"1"})


def test_a_graceful_stop_answers_what_was_accepted_and_tells_the_rest(monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.2)

    async def work():
        system = Stub(seconds=0.02)
        made, found = server(system), []

        async def client(session, url):
            for _ in range(200):
                try:
                    async with session.post(f"{url}/predict", json={"text": "a"}) as reply:
                        found.append((reply.status, await reply.json()))
                except aiohttp.ClientConnectorError:  # nobody listens any more: never accepted
                    return
                if reply.status != 200:
                    return

        async with aiohttp.ClientSession() as session:
            async with made.listening("127.0.0.1", 0) as url:
                clients = [asyncio.create_task(client(session, url)) for _ in range(30)]
                while system.answered < 60:
                    await asyncio.sleep(0.01)
            await asyncio.gather(*clients)
        return found, system

    found, system = asyncio.run(work())
    answered = [body for status, body in found if status == 200]
    assert len(answered) == system.answered >= 60
    assert system.cancelled == 0
    assert {body["error"]["code"] for status, body in found if status != 200} <= {"stopping"}


def test_the_log_is_its_owners_alone_and_private_texts_are_masked(tmp_path):
    log = tmp_path / "log.jsonl"

    async def work():
        async with served(log=RequestLog(log, print)) as (_, session, url):
            for text in ("write to a.b@example.com", "broken"):
                async with session.post(f"{url}/predict", json={"text": text}):
                    pass

    asyncio.run(work())
    first, second = map(json.loads, log.read_text().splitlines())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert (first["inputs"], first["answer"]) == ({"text": "write to [e-mail]"}, "<write to [e-mail]>")
    assert (second["status"], second["error"]) == (502, "model_error")


def test_a_full_disk_is_told_once_and_the_log_goes_on_when_there_is_room(tmp_path, monkeypatch):
    told, real, room = [], os.write, [True, False, False, True]
    log = RequestLog(tmp_path / "log.jsonl", told.append)

    def write(file, data):
        if room.pop(0):
            return real(file, data)
        if len(room) == 2:
            return real(file, data[:10])  # a part fits
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    for number in range(4):
        log.write({"id": str(number)})
    log.close()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in (lines[0], lines[2])] == ["0", "3"]
    assert ["written again" in text for text in told] == [False, True]
    (tmp_path / "link").symlink_to(tmp_path / "log.jsonl")
    with pytest.raises(RungError, match="cannot be written"):
        RequestLog(tmp_path / "link", told.append)


def test_metrics_have_few_series_that_no_request_can_name():
    async def work():
        async with served() as (_, session, url):
            for way in ("/predict", "/a", "/b"):
                async with session.post(url + way, json={"text": "a"}):
                    pass
            async with session.get(url.replace("/v1", "/metrics")) as reply:
                return await reply.text()

    text = asyncio.run(work())
    assert 'rung_requests_total{way="/v1/predict",status="200"} 1\n' in text
    assert 'rung_requests_total{way="other",status="404"} 2\n' in text
    assert 'rung_tokens_total{side="input"} 7\n' in text
    assert "rung_request_seconds_count 3\n" in text
