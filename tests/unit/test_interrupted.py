"""A climb that is stopped from outside: what it says, what the folder says, and that nothing is paid twice."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import zlib

import pytest
import yaml

from rung.report.load import load_report
from rung.store.cache import AnswerCache
from rung.store.folder import at_work, locked
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint
from tests.unit._worlds import LABELS, rows

CONCURRENCY = 8


@pytest.fixture
def endpoint():
    """Serve an endpoint from a thread; its counts say what was paid."""
    # Long enough for a busy machine to look at the folder meanwhile; answers differ, as those of a model do.
    served = Endpoint(latency_s=0.4, answering=lambda text: LABELS[zlib.crc32(text.encode()) % 3])
    up, loop = threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        async with served.serving():
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(10)
    yield served
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


@pytest.fixture
def start(tmp_path, endpoint):
    made = rows(160)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    task = {
        "name": "routing",
        "kind": "classification",
        "instruction": "Which team?",
        "inputs": "text",
        "target": "team",
    }
    main = {"provider": "openai", "name": "stub", "base_url": endpoint.url, "concurrency": CONCURRENCY}
    raw = {
        "task": {**task, "goal": 0.9},
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": main},
        "ladder": ["prompt"],
        "diagnosis": {"calls": 0},
    }
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))

    with contextlib.ExitStack() as begun:

        def run() -> subprocess.Popen[str]:
            words = [sys.executable, "-c", "from rung.cli import main; main()", "climb"]
            process = subprocess.Popen(words, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            begun.enter_context(process)
            begun.callback(process.kill)  # where a test fails, nothing of it runs on beside the next
            return process

        yield run


def wait_for(condition, process):
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
def test_stopped_and_killed_climbs_go_on_and_pay_only_what_was_in_flight_again(start, endpoint, tmp_path):
    folder = RunFolder(tmp_path / "runs" / "routing")
    first = start()
    wait_for(lambda: endpoint.counts.requests >= 2 * CONCURRENCY, first)
    assert at_work(folder)
    assert load_report(folder).head["status"] == "running"
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=30)
    assert first.returncode == 4, said
    assert "interrupted; everything answered so far is kept in runs/routing: `rung climb runs/routing` goes on" in said
    assert "Traceback" not in said
    assert folder.read("run.json")["status"] == "interrupted"

    seen = endpoint.counts.requests
    second = start()
    wait_for(lambda: endpoint.counts.requests >= seen + 2 * CONCURRENCY, second)
    second.kill()
    second.communicate(timeout=30)
    assert folder.read("run.json")["status"] == "running"  # it had no time to write anything else
    report = load_report(folder)
    assert report.head["status"] == "interrupted"
    assert report.rungs[0].why_not == "the run has not come so far"

    endpoint.latency_s = 0.0
    third = start()
    _, said = third.communicate(timeout=60)
    assert third.returncode == 1, said
    assert folder.read("run.json")["status"] == "done"
    with AnswerCache.open(folder.path / "ledger.sqlite") as answer_cache:
        kept = sum(s.answers for s in answer_cache.spend())  # what is asked anew on purpose is kept, too
    assert endpoint.counts.requests - kept <= 2 * 2 * CONCURRENCY  # at most what was in flight at each end


def test_a_folder_is_at_work_only_while_it_is_held(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    assert not at_work(folder)
    with locked(folder):
        assert at_work(folder)
    assert not at_work(folder)


SERVER = """
import asyncio, sys, zlib
from rung.testing.endpoint import Endpoint
from tests.unit._worlds import LABELS
async def serve():
    served = Endpoint(latency_s=float(sys.argv[2]), answering=lambda text: LABELS[zlib.crc32(text.encode()) % 3])
    async with served.serving(int(sys.argv[1])):
        print(served.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(serve())
"""


@contextlib.contextmanager
def server(port="0", latency_s="0.1"):
    """A server in a process of its own, which can be killed."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, port, latency_s], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
def test_a_server_that_dies_on_the_way_leaves_what_was_measured_and_the_same_command_goes_on(start, tmp_path):
    folder = RunFolder(tmp_path / "runs" / "routing")
    raw = yaml.safe_load((tmp_path / "rung.yaml").read_text())
    raw["ladder"] = [{"prompt": {"rewrites": False}}, {"fewshot": {"k": [3], "selections": ["nearest"]}}]
    with server() as (served, url):
        raw["models"]["main"] |= {"base_url": url, "attempts": 2}
        (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
        climb = start()
        wait_for(lambda: folder.rung("prompt").written.exists, climb)
        before = folder.rung("prompt").measured()
        served.kill()
        _, said = climb.communicate(timeout=60)
    assert climb.returncode == 4, said
    assert "Traceback" not in said
    assert "(models.main) stopped answering: 10 requests in a row were given up" in said
    assert "everything answered so far is kept: run the same command again once the endpoint is back" in said
    assert folder.measured == ("prompt",)
    with server(url.rpartition(":")[2].partition("/")[0], "0"):
        _, said = (again := start()).communicate(timeout=60)
    assert again.returncode == 1, said
    assert folder.measured == ("prompt", "fewshot")
    assert folder.rung("prompt").measured() == before
