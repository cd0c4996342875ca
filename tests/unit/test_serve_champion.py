"""The champion of a folder of generations in service: promotions and rollbacks under load lose no request."""

import asyncio
import json
import shutil
import sys
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from rung import cli
from rung.errors import NotTheSame
from rung.ladder import climb
from rung.serve import champion as module
from rung.serve import server as server_module
from rung.serve import winner as winner_module
from rung.serve.champion import followed
from rung.serve.log import RequestLog
from rung.serve.server import Limits, Server
from rung.serve.winner import opened
from rung.store.generations import Generations, Step, champion_of, fingerprint
from rung.store.run import RunFolder
from tests.unit._worlds import rows, world

ONE = {"ladder": [{"prompt": {"rewrites": False}}], "diagnosis": {"calls": 0}, "task": {"goal": 0.5}}
SURE, NEVER = {"abilities": {"base": 1.0}}, {"abilities": {"base": 0.7}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two generations, the first of which is the champion; the second answers otherwise."""
    root = tmp_path_factory.mktemp("generations")
    place = Generations(root / "again")
    with place.held():
        for number, model in ((1, SURE), (2, NEVER)):
            climb(world(root, 120, model=model, **ONE), root / "again" / str(number))
        place.record(step(place, 1, "begun"))
    return root


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(server_module, "LAST_WORDS_S", 0.02)
    shutil.copytree(made, tmp_path / "it")
    return Generations(tmp_path / "it/again")


def step(place, number, what="promoted"):
    run = RunFolder.open(place.path / str(number))
    return Step(what, number, str(number), "prompt", fingerprint(run, "prompt"), "ann", "")


def served(place, work, told, log=None, **limits):
    """Serve the champion while `work(server, session, url)` runs; return its result. `told` receives what the operator is told."""

    async def run():
        path, label, number = champion_of(place.path)
        async with opened(path, label, generation=number) as winner:
            server = Server(winner, "routing", Limits(**limits), say=told.append, log=log)
            following, listening = followed(server, place.path, False).at_work(), server.listening("127.0.0.1", 0)
            async with following, listening as url, aiohttp.ClientSession() as session:
                return await work(server, session, url)

    return asyncio.run(run())


async def until(met):
    for _ in range(1000):
        if met():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def test_promotions_and_rollbacks_under_load_lose_nothing(place):
    row = next(r for r in rows(120))

    async def work(server, session, url):
        statuses, stop, seen = [], asyncio.Event(), []

        async def ask():
            while not stop.is_set():
                async with session.post(f"{url}/predict", json={"text": row["text"]}) as reply:
                    statuses.append(reply.status)
                await asyncio.sleep(0.002)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        winners = [server.winner]
        for turn in range(10):
            number = 2 if turn % 2 == 0 else 1
            with place.held():
                place.record(step(place, number, "promoted" if number == 2 else "rolled back"))
            await until(lambda n=number: server.winner.generation == n)
            winners.append(server.winner)
            async with session.get(url.removesuffix("/v1") + "/health") as reply:
                seen.append((await reply.json())["generation"])
        stop.set()
        await asyncio.gather(*asking)
        return statuses, seen, len({id(w) for w in winners})

    told = []
    statuses, seen, winners = served(place, work, told, deadline_s=0.2)
    assert len(statuses) > 50
    assert set(statuses) == {200}
    assert seen == [2, 1] * 5
    assert winners == 11
    assert told.count("generation 2 (prompt) answers from now on") == 5


def test_a_champion_that_is_damaged_or_answers_otherwise_is_not_taken_and_said_once(place, monkeypatch):
    async def refuse(winner):
        raise NotTheSame("another answer")

    async def work(server, session, url):
        with place.held():
            place.record(step(place, 2))
            (place.path / "2/rungs/prompt/fit.json").write_text("{}")
        await until(lambda: told)
        monkeypatch.setattr(module, "checked", refuse)
        with place.held():
            place.record(step(place, 1, "rolled back"))
        await until(lambda: len(told) == 2)
        place.champion.where.write_text("{")
        await asyncio.sleep(0.05)
        async with session.post(f"{url}/predict", json={"text": "a"}) as reply:
            return reply.status, server.winner.generation

    told = []
    assert served(place, work, told) == (200, 1)
    assert len(told) == 2
    assert told[0].startswith("generation 2 is not taken, and what was served stays: generation 2 in ")
    assert told[1] == "generation 1 is not taken, and what was served stays: another answer"


def test_what_answered_before_is_closed_after_the_deadline_and_the_rest_at_the_end(place, monkeypatch):
    events = []

    @asynccontextmanager
    async def noted(path, label, **more):
        async with opened(path, label, **more) as winner:
            yield winner
        events.append(f"closed {path.name}")

    async def work(server, session, url):
        for number in (2, 1):
            with place.held():
                place.record(step(place, number))
            await until(lambda n=number: server.winner.generation == n)
            events.append(f"taken {number}")
        await until(lambda: "closed 2" in events)
        events.append("end")

    monkeypatch.setattr(module, "opened", noted)
    served(place, work, [], deadline_s=0.3)
    assert events == ["taken 2", "taken 1", "closed 2", "end", "closed 1"]


def test_requests_are_answered_while_a_new_champion_is_made_ready(place, monkeypatch):
    slow_s = 0.4

    def slowly(*words):
        time.sleep(slow_s)
        return winner_module.revived_before(*words)

    async def work(server, session, url):
        monkeypatch.setattr(winner_module, "revived", slowly)
        with place.held():
            place.record(step(place, 2))
        took = []
        while server.winner.generation != 2:
            began = time.perf_counter()
            async with session.post(f"{url}/predict", json={"text": "a"}) as reply:
                assert reply.status == 200
            took.append(time.perf_counter() - began)
        return took

    monkeypatch.setattr(winner_module, "revived_before", winner_module.revived, raising=False)
    took = served(place, work, [])
    assert len(took) > 10
    assert max(took) < slow_s


def test_the_log_says_which_generation_answered_and_the_watch_counts_the_champions_alone(
    place, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "requests.jsonl"

    async def work(server, session, url):
        for number, count in ((1, 2), (2, 3)):
            with place.held():
                place.record(step(place, number))
            await until(lambda n=number: server.winner.generation == n)
            for text in range(count):
                async with session.post(f"{url}/predict", json={"text": f"{number} {text}"}) as reply:
                    assert reply.status == 200

    log = RequestLog(path, print)
    served(place, work, [], log=log)
    log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["generation"] for line in lines] == [1, 1, 2, 2, 2]

    def watched(*words):
        monkeypatch.setattr(sys, "argv", ["rung", "watch", str(place.path), str(path), *words])
        code = cli.run()
        return code, *capsys.readouterr()

    code, out, _ = watched()
    assert (code, "prompt of generation 2: 3 requests" in out, "2 of other approaches, generations" in out) == (
        0,
        True,
        True,
    ), out
    with place.held():
        place.record(step(place, 1, "rolled back"))
    found = json.loads(watched("--json")[1])
    assert (found["generation"], found["requests"], found["left_out"]["of_others"]) == (1, 2, 3)
    path.write_text("".join(line for line in path.read_text().splitlines(True) if '"generation": 2' in line))
    code, _, err = watched()
    assert (code, "holds no request that prompt of generation 1 answered (3 of others, 0 damaged)" in err) == (2, True)
