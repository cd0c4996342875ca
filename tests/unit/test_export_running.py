"""A running server is the same model only where that is shown, on the frozen test examples, through its own address."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp.web
import pytest

from rung.engine.reopen import reopened
from rung.errors import RungError
from rung.exports.parity import answered_by
from rung.exports.running import check_server, target_at, through
from rung.ladder import climb
from rung.progress import Silent
from rung.serve import server as module
from rung.serve.server import Server
from rung.serve.winner import opened
from rung.store.run import RunFolder
from rung.types import Message
from tests.unit._worlds import rows, world

TEAMS = {r["text"]: r["team"] for r in rows(120)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in which a model that is always right meets the goal; a test set of 48."""
    root = tmp_path_factory.mktemp("running")
    climb(world(root, 120, ladder=["prompt"], diagnosis={"calls": 0}, task={"min_gain": 0.2}), root / "run")
    return root / "run"


@asynccontextmanager
async def model_server(wrong=0.0, served=("m-1",), status=200):
    """A server of a model: it finds the row in the last message, and of every hundred answers some are wrong."""
    seen = []

    async def chat(request):
        body = await request.json()
        seen.append(body)
        text = body["messages"][-1]["content"]
        team = next(team for row, team in TEAMS.items() if row in text)
        answer = "other" if len(seen) % 10 < wrong * 10 else team
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        return aiohttp.web.json_response({"choices": [choice]}, status=status)

    async def models(request):
        return aiohttp.web.json_response({"data": [{"id": name} for name in served]})

    app = aiohttp.web.Application()
    app.add_routes([aiohttp.web.post("/v1/chat/completions", chat), aiohttp.web.get("/v1/models", models)])
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", seen
    finally:
        await runner.cleanup()


async def checked(run, url, model=None):
    async with reopened(run, Silent()) as again:
        return await through(again, "prompt", url, model, None)


@pytest.mark.parametrize(("wrong", "same"), [(0.0, True), (0.3, False)])
def test_a_model_behind_another_server_is_asked_the_measured_prompt(run, wrong, same):
    async def work():
        async with model_server(wrong) as (url, seen):
            return await checked(run, url), seen

    before = RunFolder.open(run).times_opened
    found, seen = asyncio.run(work())
    assert found.n == len(seen) == 48
    assert found.same is same
    assert (found.answers_changed == 0) is same
    assert {body["model"] for body in seen} == {"m-1"}
    chat = RunFolder.open(run).rung("prompt").result.need().candidate.prompt
    assert seen[0]["messages"][0] == {"role": chat[0].role, "content": chat[0].content}
    assert isinstance(chat[0], Message)
    assert RunFolder.open(run).times_opened == before + 1


@pytest.mark.parametrize("share", [0, 2])
def test_a_served_approach_is_told_the_inputs_alone(run, share, monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.0)

    async def work():
        async with opened(run) as winner:
            system, count, texts = winner.system, iter(range(1000)), []

            class Other:
                async def answer(self, inputs):
                    texts.append(inputs["text"])
                    found = await system.answer(inputs)
                    return replace(found, text="other") if next(count) % 4 < share else found

            async with Server(replace(winner, system=Other()), "routing").listening("127.0.0.1", 0) as url:
                return await checked(run, url), texts

    found, texts = asyncio.run(work())
    assert set(texts) <= set(TEAMS)
    assert (found.n, found.answers_changed, found.same) == (48, 24 if share else 0, not share)


def test_what_a_program_said_is_scored_and_not_what_the_measured_model_says(run):
    async def work():
        async with reopened(run, Silent()) as again:
            some = again.split.dev[:3]
            return await answered_by(again, again.candidate("prompt"), {e.id: f"said {e.id}" for e in some}, some), some

    outcomes, some = asyncio.run(work())
    assert [o.answer.text for o in outcomes] == [f"said {e.id}" for e in some]


def test_a_server_that_fails_or_is_something_else_is_said_so(run):
    async def work(model=None, **server):
        async with model_server(**server) as (url, _):
            await checked(run, url, model)

    for said, asked in (
        ("m-1, m-2; name one of them", {"served": ("m-1", "m-2")}),
        ("does not serve 'm-9'; it serves m-1", {"model": "m-9"}),
    ):
        with pytest.raises(RungError, match=said):
            asyncio.run(work(**asked))
    with pytest.raises(RungError):
        asyncio.run(work(status=401))
    with pytest.raises(RungError, match="cannot be reached"):
        asyncio.run(target_at("http://127.0.0.1:9/v1", None, None))
    with pytest.raises(RungError, match="no measured approach 'rag'"):
        check_server(run, "rag", "http://127.0.0.1:9/v1")
    assert json.loads((run / "run.json").read_text())["status"] == "done"


def test_a_list_of_models_that_comes_in_parts_is_read_whole():
    async def models(request):
        reply = aiohttp.web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        for part in (b'{"data": [{"id": ', b'"m-1"}', b"]}"):
            await reply.write(part)
            await asyncio.sleep(0.05)
        return reply

    async def work():
        app = aiohttp.web.Application()
        app.add_routes([aiohttp.web.get("/v1/models", models)])
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            return await target_at(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", None, None)
        finally:
            await runner.cleanup()

    assert asyncio.run(work()).name == "m-1"
