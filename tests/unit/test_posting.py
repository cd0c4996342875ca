"""What comes over the wire is bounded, what goes out is told: packed answers, proxies, open files, keys in addresses."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import subprocess
import sys
import tracemalloc
import zlib

import aiohttp
import pytest
from pydantic import ValidationError

from rung.errors import ModelError, Retryable
from rung.models import _post
from rung.models._files import within_open_files
from rung.models._post import unpacked
from rung.models.http import Http
from rung.models.openai import OpenAI
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.types import Message, Request

HELLO = Request((Message("user", "Hello"),))
GOOD = answer_body("yes", "m", 3, 1)


def asked(reply, **given):
    async def work():
        async with Endpoint(script=lambda *_: reply).serving() as endpoint:
            model = OpenAI(name="m", base_url=endpoint.url, **given).connect()
            try:
                return await model.complete(HELLO), endpoint.headers_seen
            except ModelError as error:
                return error, endpoint.headers_seen
            finally:
                await model.close()

    return asyncio.run(work())


def deflated(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("packing", "body"),
    [("gzip", gzip.compress(GOOD)), ("x-gzip", gzip.compress(GOOD)), ("deflate", zlib.compress(GOOD)), ("deflate", deflated(GOOD)),
     ("identity", GOOD), ("", GOOD), (" GZIP ", gzip.compress(GOOD))],
)  # fmt: skip
def test_answers_that_come_packed_are_read(packing, body):
    found, headers = asked(Reply(body=body, headers={"Content-Encoding": packing}))
    assert found.text == "yes"
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("packing", "body", "words"),
    [
        ("gzip", gzip.compress(GOOD)[:-20], "breaks off while it is unpacked"),
        ("gzip", GOOD, "broke"),
        ("deflate", b"\x00\x01", "broke"),
        ("br", b"abc", "packed as 'br', which was not asked for"),
    ],
)
def test_what_cannot_be_unpacked_may_be_mended(packing, body, words):
    found, _ = asked(Reply(body=body, headers={"Content-Encoding": packing}))
    assert isinstance(found, Retryable)
    assert words in str(found)
    assert found.billed


@pytest.mark.sample(1)
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, deflated], ids=["gzip", "zlib", "deflate"])
def test_a_small_answer_that_unpacks_to_gigabytes_is_not_unpacked(pack, monkeypatch):
    monkeypatch.setattr(_post, "LONGEST_BODY", 1_000_000)
    bomb = pack(bytes(64_000_000))
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(aiohttp.ClientPayloadError, match="unpacks to more than 1000000"):
            unpacked(bomb, "gzip" if bomb[:2] == b"\x1f\x8b" else "deflate")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_an_answer_without_a_length_is_bounded_while_it_is_read(monkeypatch):
    monkeypatch.setattr(_post, "LONGEST_BODY", 100_000)

    async def work():
        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            with_end = False
            while not with_end and not writer.is_closing():
                writer.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
                try:
                    await writer.drain()
                except ConnectionError:
                    with_end = True
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        model = OpenAI(name="m", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1").connect()
        with pytest.raises(Retryable, match="an answer of more than 100000 bytes"):
            await model.complete(HELLO)
        await model.close()
        server.close()

    asyncio.run(asyncio.wait_for(work(), 20))


def test_a_proxy_is_told_by_its_host_alone(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    [said] = OpenAI(name="m", base_url="https://h.example/v1").connect().notices
    assert said == "requests to https://h.example/v1 go through the proxy proxy.example:3128 (named in the environment)"
    [said] = Http(url="https://h.example/x").connect().notices
    assert "proxy.example:3128" in said
    monkeypatch.setenv("no_proxy", "h.example")
    assert OpenAI(name="m", base_url="https://h.example/v1").connect().notices == ()


ADDRESSES = [
    "https://h.example/v1?api_key=abcdef",
    "https://h.example/v1?key=abcdef",
    "https://h.example/v1?api-version=2&sig=abcdef",
    "https://h.example/v1?code=abcdef",
    "https://h.example/v1/sk-abcdefgh12345",
    "https://user:pass@h.example/v1",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "settings", [lambda a: OpenAI(name="m", base_url=a), lambda a: Http(url=a)], ids=["openai", "http"]
)
def test_a_key_in_an_address_is_refused_and_not_repeated(settings, address):
    with pytest.raises(ValidationError, match="environment") as caught:
        settings(address)
    assert "abcdef" not in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("value", ["sk-abcdefgh12345", "Bearer abcdefgh", "abc def", "", "1A"])
@pytest.mark.parametrize(
    "settings",
    [lambda h: OpenAI(name="m", headers_env=h), lambda h: Http(url="http://h/x", headers_env=h)],
    ids=["openai", "http"],
)
def test_a_key_in_the_place_of_a_variable_is_refused(settings, value):
    with pytest.raises(ValidationError, match="write the variable's NAME, never the key") as caught:
        settings({"x-key": value})
    assert "abcdefgh" not in str(caught.value)


@pytest.mark.parametrize("body", [{"api_key": "abcdefgh"}, {"a": [{"token": "abcdefgh"}]}, {"x": "sk-abcdefgh12345"}])
@pytest.mark.parametrize(
    "settings",
    [lambda b: OpenAI(name="m", extra_body=b), lambda b: Http(url="http://h/x", body={"q": "{{prompt}}", **b})],
    ids=["openai", "http"],
)
def test_a_key_in_a_body_is_refused(settings, body):
    with pytest.raises(ValidationError, match="holds what looks like a key") as caught:
        settings(body)
    assert "abcdefgh" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "posted"),
    [
        ("https://h/openai/deployments/m/chat/completions?api-version=1", "https://h/openai/deployments/m/chat/completions?api-version=1"),
        ("https://h/openai/deployments/m?api-version=1", "https://h/openai/deployments/m/chat/completions?api-version=1"),
        ("https://h/v1/chat/completions/", "https://h/v1/chat/completions"),
        ("https://h/v1/embeddings?a=b", "https://h/v1/chat/completions?a=b"),
        ("https://h/v1/?a=b#part", "https://h/v1/chat/completions?a=b"),
        ("https://h", "https://h/chat/completions"),
        ("https://[::1]:8000/v1/", "https://[::1]:8000/v1/chat/completions"),
    ],
)  # fmt: skip
def test_an_address_is_taken_as_portals_show_it(written, posted):
    assert OpenAI(name="m", base_url=written, api_key_env=None).connect().poster.url == posted


def test_prices_and_times_are_finite():
    for given in ({"timeout_s": float("inf")}, {"usd_per_hour": float("nan")}, {"requests_per_minute": float("inf")}):
        with pytest.raises(ValidationError, match="finite"):
            OpenAI(name="m", **given)


FILES = """
import json, os, resource, sys
from rung.models._files import within_open_files
from rung.models.openai import OpenAI
for soft, hard, *each in json.loads(sys.argv[1]):
    if not os.fork():  # a limit that is lowered cannot be raised again
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        told = []
        models = {f"m{i}": OpenAI(name="m", base_url="http://h/v1", concurrency=n) for i, n in enumerate(each)}
        found = within_open_files(models, told.append)
        print(json.dumps([[s.concurrency for s in found.values()], resource.getrlimit(resource.RLIMIT_NOFILE)[0], told]), flush=True)
        os._exit(0)
    os.wait()
"""
OPEN_FILES = [
    ((256, 4096, 512), [512], 576, 0),
    ((256, 256, 512), [192], 256, 1),
    ((256, 256, 64), [64], 256, 0),
    ((64, 64, 64), [32], 64, 1),
    ((256, 256, 512, 16), [96, 16], 256, 1),
    ((1024, 1024, 16), [16], 1024, 0),
]


@pytest.mark.slow
def test_no_more_connections_than_open_files():
    words = [sys.executable, "-c", FILES, json.dumps([limits for limits, *_ in OPEN_FILES])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    for found, (limits, *wanted) in zip(map(json.loads, done.stdout.splitlines()), OPEN_FILES, strict=True):
        assert [found[0], found[1], len(found[2])] == wanted, limits
        for said in found[2]:
            assert "concurrency is" in said
            assert "(ulimit -n)" in said


def test_without_models_the_limit_stays():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert within_open_files({}, lambda _: None) == {}
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
