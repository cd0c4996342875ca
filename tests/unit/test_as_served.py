"""Latency as it is served: one slow place is not blamed for our own line, requests are kept, and the plan counts them."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from rung.config import parse_config
from rung.engine.check import check
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, Retryable
from rung.evaluate.profile import ANEW, enough, profile, requests_of
from rung.ladder import climb
from rung.progress import Silent
from rung.report.text import render_text
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint
from rung.types import Candidate, Example, Limits, Message, PromptLearned
from tests.unit._kit import KitForTests, task
from tests.unit._worlds import rows

SERVICE_S = 0.02
DEV = [Example(f"d{i}", {"text": f"number {i} is about parcels"}, "delivery", f"d{i}") for i in range(8)]
CANDIDATE = Candidate(
    "prompt", "as-is", PromptLearned(messages=(Message("user", "{{text}}"),), columns=("text",)), "main"
)


@contextmanager
def served(**about):
    endpoint = Endpoint(**about)
    up, loop = threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        async with endpoint.serving():
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(10)
    yield endpoint
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


def experiment(root, url, limit, *, concurrency=16, volume=1, answers=None, goal=0.8):
    made = rows(120)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    return parse_config(
        {
            "task": {"name": "routing", "kind": "classification", "instruction": "Which team?", "inputs": ["text"],
                     "target": "team", "goal": goal, "metrics": ["normalized_match"]},
            "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15},
            "models": {"main": {"provider": "openai", "name": "stub", "base_url": url, "concurrency": concurrency,
                                "usd_per_hour": 1.0}},
            "ladder": [{"prompt": {"rewrites": False}}],
            "limits": {"p95_latency_s": limit},
            "volume": {"concurrency": volume},
        },
        root,
    )  # fmt: skip


def right_answers():
    known = {r["text"]: r["team"] for r in rows(120)}
    return lambda prompt: next((team for text, team in known.items() if text in prompt), "none")


@pytest.mark.slow
def test_a_server_with_one_place_is_not_blamed_for_our_own_line(tmp_path):
    """20 ms a request, one place, limit 0.15 s: with 16 at once an answer takes 0.3 s, and alone 20 ms."""
    with served(answering=right_answers(), latency_s=SERVICE_S, places=1) as endpoint:
        config = experiment(tmp_path, endpoint.url, 7.5 * SERVICE_S)
        run = climb(config, tmp_path / "run")
        result = run.results["prompt"]
        assert result.p95_latency_s > 2 * SERVICE_S  # in our line
        assert result.served.status == "meets"
        assert (result.served.n, result.served.concurrency) == (59, 1)
        assert SERVICE_S <= result.served.p50_s < 3 * SERVICE_S
        assert run.verdict.winner == "prompt"
        paid = endpoint.counts.requests
        again = climb(config, tmp_path / "run")
        assert endpoint.counts.requests == paid  # kept, and not asked again
        assert again.results["prompt"].served == result.served
    folder = RunFolder.open(tmp_path / "run")
    assert [c for c in verify(folder) if not c.passed] == []
    console = Console(record=True, width=120, file=io.StringIO())
    render_text(folder, console, verbose=True)
    assert "* one request at a time" in (said := console.export_text())
    latency = r"prompt \(.*latency p50 / p95 [\d.]+ m?s / [\d.]+ m?s \(at concurrency 1\b"
    assert re.search(latency, " ".join(said.split()))


@pytest.mark.slow
def test_a_server_that_is_too_slow_by_itself_breaks_the_limit(tmp_path):
    with served(answering=right_answers(), latency_s=SERVICE_S) as endpoint:
        run = climb(experiment(tmp_path, endpoint.url, 0.5 * SERVICE_S), tmp_path / "run")
    assert run.results["prompt"].served.status == "misses"
    assert (run.verdict.winner, run.verdict.decision) == (None, "misses")
    assert run.verdict.headline.startswith("Not yet: a better prompt meets the goal but takes ")


@pytest.mark.slow
def test_four_at_once_are_asked_where_the_approach_is_used_so(tmp_path):
    """One place and four at once: each waits for the other three, and the limit of two is broken."""
    with served(answering=right_answers(), latency_s=SERVICE_S, places=1) as endpoint:
        run = climb(experiment(tmp_path, endpoint.url, 2.5 * SERVICE_S, volume=4), tmp_path / "run")
    found = run.results["prompt"].served
    assert (found.concurrency, found.n, found.status) == (4, 59, "misses")
    assert found.p50_s > 3 * SERVICE_S


@pytest.mark.slow
def test_no_request_is_asked_for_the_limit_where_the_goal_is_missed_anyway(tmp_path):
    with served(answering=lambda prompt: ("billing", "delivery", "returns")[len(prompt) % 3]) as endpoint:
        run = climb(experiment(tmp_path, endpoint.url, 1.0), tmp_path / "run")
    result = run.results["prompt"]
    assert (result.quality.status, result.served, result.limits_held) == ("misses", None, None)
    assert len(RunFolder.open(run.folder).rung("prompt").profile.need().seconds) == 5


def test_the_plan_counts_the_requests_of_the_bound_and_says_so(tmp_path):
    config = experiment(tmp_path, "http://127.0.0.1:1/v1", 0.3)
    examined = plan(config).rungs[-1]
    assert examined.dev_calls == config.diagnosis.calls + 59
    assert (
        "59 requests for the latency of an approach at concurrency 1, as many as the bound of the limit of 0.3 s takes"
        in examined.note
    )


def limited(concurrency=1, **more):
    return task(limits=Limits(p95_latency_s=0.5, concurrency=concurrency), **more)


def test_a_request_that_timed_out_counts_as_its_time_limit_and_others_without_an_answer_as_unknown():
    def act(chat):
        number = int(chat[-1].content.split()[1])
        if number == 3:
            raise Retryable("late", provider="test", timed_out=True)
        if number == 5:
            raise Retryable("busy", provider="test", status=500)
        return "delivery"

    kit = KitForTests(limited(), act)
    kit.timeout_s = 9.0
    found = asyncio.run(profile(CANDIDATE, DEV, kit.task, kit, 8))
    assert sorted(found.seconds, key=lambda s: (s is None, s)) == [0.01] * 6 + [9.0, None]
    assert (found.n, found.timed_out) == (7, 1)
    assert not enough(found, CANDIDATE, kit.task, 0.5)  # one may still be answered
    assert enough(replace(found, seconds=(0.1,) * 8), CANDIDATE, kit.task, 0.7)


def test_requests_are_really_sent_each_under_a_repeat_of_its_own_and_marked_as_served():
    kit = KitForTests(limited(3), lambda chat: "delivery")
    found = asyncio.run(profile(CANDIDATE, DEV, kit.task, kit, 20))
    assert (found.n, found.concurrency) == (20, 3)
    assert len({(r.messages, r.repeat) for r in kit.requests}) == 20
    assert {r.repeat for r in kit.requests} == {3 * ANEW, 3 * ANEW + 1, 3 * ANEW + 2}
    assert all(r.as_served for r in kit.requests)


def test_as_many_requests_as_the_bound_needs():
    assert requests_of(limited(), 0.05) == 59
    assert requests_of(limited(), 0.01) == 90
    assert requests_of(limited(objective="cheapest"), 0.05) == 60
    assert requests_of(task(), 0.01) == 5  # no limit


def test_a_limit_that_no_model_could_be_judged_at_is_refused_before_anything_is_asked(tmp_path):
    config = experiment(tmp_path, "http://127.0.0.1:1/v1", 0.3, concurrency=8, volume=9)
    with pytest.raises(ConfigError, match=r"volume\.concurrency.*models\.main\.concurrency allows fewer \(8\)"):
        plan(config)
    [stop] = [f for f in check(config, Silent()).findings if f.check == "configuration"]
    assert (stop.severity, "raise that, or lower this" in stop.message) == ("stop", True)
    plan(experiment(tmp_path, "http://127.0.0.1:1/v1", 0.3, concurrency=9, volume=9))
