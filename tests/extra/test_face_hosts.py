"""The face in the places where an event loop runs already: a Jupyter kernel, and a FastAPI worker."""

import asyncio
import contextlib
import json
import os
import re
import sqlite3
import time
from pathlib import Path

import pytest

import rung
from rung.store.cache import AnswerCache
from rung.store.run import RunFolder

pytestmark = pytest.mark.extra
PAGE = Path(__file__).parents[2] / "docs" / "python.md"
CELL = """
import rung
from tests.unit._worlds import rows
made = rows(300)
model = rung.Fake({r["text"]: r["team"] for r in made}, abilities={"base": 0.97}, latency_s=0.05, wait=True, concurrency=8)
run = rung.climb(made, FOLDER, inputs="text", target="team", goal=0.85, models=model, ladder=["baseline", "prompt"])
run
"""
PATIENCE_S = 120


@pytest.fixture
def kernel(tmp_path):
    manager_of = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    source = str(Path(rung.__file__).parents[1])
    path = os.pathsep.join([source, str(PAGE.parents[1]), os.environ.get("PYTHONPATH", "")])
    manager, client = manager_of.start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": path}, startup_timeout=PATIENCE_S
    )
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def stored(folder):
    """Return how many different requests the run folder holds the answers of, whoever paid for them."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        return ledger.execute("SELECT COUNT(*) FROM answers").fetchone()[0]


def outputs(client, asked):
    """Return what a cell showed until the kernel is idle again: messages by type."""
    found = []
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE_S)
        if message["parent_header"].get("msg_id") != asked:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return found
        found.append((message["msg_type"], message["content"]))


def cell(folder):
    return CELL.replace("FOLDER", repr(folder))


def answered(folder):
    """Return how many answers the run itself has asked for."""
    path = folder / "ledger.sqlite"
    if not path.exists():
        return 0
    with AnswerCache.open(path) as cache:
        return sum(s.answers for s in cache.spend())


def test_a_climb_in_a_kernel_is_interrupted_resumed_and_equal_to_one_at_once(kernel, tmp_path):
    manager, client = kernel
    asked = client.execute(cell("runs/cut"))
    until = time.monotonic() + PATIENCE_S
    while answered(tmp_path / "runs/cut") < 20:
        assert time.monotonic() < until, "no answer came"
        time.sleep(0.05)
    manager.interrupt_kernel()
    [(_, error)] = [(kind, content) for kind, content in outputs(client, asked) if kind == "error"]
    assert error["ename"] == "Interrupted"
    assert "everything answered so far is kept in runs/cut: `rung climb runs/cut` goes on" in error["evalue"]
    cut = RunFolder(tmp_path / "runs/cut")
    assert cut.read("run.json")["status"] == "interrupted"
    kept = answered(cut.path)
    assert kept >= 20

    shown = outputs(client, client.execute(cell("runs/cut")))
    assert not [content for kind, content in shown if kind == "error"]
    [result] = [content["data"] for kind, content in shown if kind == "execute_result"]
    assert result["text/html"].startswith("<iframe sandbox srcdoc=")
    outputs(client, client.execute(cell("runs/whole")))
    whole = RunFolder(tmp_path / "runs/whole")
    assert cut.read("verdict.json") == whole.read("verdict.json")
    for label in ("baseline", "prompt"):
        name = f"rungs/{label}/result.json"
        assert (cut.has(name), answers(cut, label)) == (whole.has(name), answers(whole, label))
    assert answered(cut.path) == stored(cut.path) == stored(whole.path)  # nothing was asked twice
    assert answered(whole.path) == 0  # all of it was in the project's cache

    waited = outputs(client, client.execute("(await rung.aclimb(made, 'runs/whole', inputs='text', target='team', goal=0.85, "
                                            "models=model, ladder=['baseline', 'prompt'])).winner"))  # fmt: skip
    assert [c["data"]["text/plain"] for kind, c in waited if kind == "execute_result"] == ["'prompt'"]


def answers(folder, label):
    path = folder.path / f"rungs/{label}/outcomes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(line["example_id"], line["answer"]["text"], line["scores"]) for line in lines]


def test_two_climbs_at_once_in_one_worker(tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    monkeypatch.chdir(tmp_path)
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if "FastAPI" in b)
    names = {"__name__": "served"}
    exec(compile(block.replace("abilities=", "latency_s=0.02, wait=True, abilities="), PAGE.name, "exec"), names)

    async def ask():
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=PATIENCE_S) as client:
            both = asyncio.gather(client.post("/climbs/one"), client.post("/climbs/two"))
            beats = 0
            while not both.done():  # the loop is free meanwhile
                await asyncio.sleep(0.01)
                beats += 1
            return *await both, beats

    one, two, beats = asyncio.run(ask())
    assert one.status_code == two.status_code == 200
    assert one.json() == two.json()
    assert one.json()["winner"] == "prompt"
    assert beats > 50
    spans = [[e["at"] for e in RunFolder(tmp_path / "runs" / name).events()] for name in ("one", "two")]
    assert spans[0][0] <= spans[1][-1]
    assert spans[1][0] <= spans[0][-1]
    assert rung.load_run("runs/one").verdict == rung.load_run("runs/two").verdict
