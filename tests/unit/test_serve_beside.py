"""A second approach beside the served one: a shadow that nobody waits for, and one that answers what the first is not sure of."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rung.errors import RungError
from rung.serve import winner as opening
from rung.serve.confidence import Softmax, Threshold
from rung.serve.fallback import Fallback
from rung.serve.log import RequestLog
from rung.serve.shadow import MOST, Shadow
from rung.types import Answer
from tests.unit.test_serve import Stub, no_last_words, served, server  # noqa: F401  a fixture


class Sure:
    """A classifier: sure of texts that are marked so."""

    async def answer(self, inputs):
        return (await self.decided(inputs))[0]

    async def decided(self, inputs):
        text = inputs["text"]
        if text == "broken":
            raise ZeroDivisionError(text)
        return Answer("first"), {"first": 5.0 if text == "sure" else 0.1, "second": 0.0}


def test_a_shadow_is_logged_and_counted_and_nobody_waits_for_it(tmp_path):
    async def work():
        slow = Stub(seconds=0.3)
        shadow = Shadow(server(slow).winner)
        async with served(Stub(), shadow=shadow, log=RequestLog(tmp_path / "log", print)) as (made, session, url):
            shadow.log, shadow.counts = made.log, made.counts
            began, said = asyncio.get_running_loop().time(), []
            for text in ("a", "broken", "b"):
                async with session.post(f"{url}/predict", json={"text": text}) as reply:
                    said.append((await reply.json()).get("answer"))
            waited = asyncio.get_running_loop().time() - began
            while sum(made.counts.shadow.values()) < 2:
                await asyncio.sleep(0.01)
            return said, waited, dict(made.counts.shadow)

    said, waited, counted = asyncio.run(work())
    assert said == ["<a>", None, "<b>"]
    assert waited < 0.3
    assert counted == {"same": 2}
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    by_id = {line["id"]: line for line in lines if "shadow" in line}
    assert {line["answer"]: by_id[line["id"]]["answer"] for line in lines if line.get("status") == 200} == {
        "<a>": "<a>",
        "<b>": "<b>",
    }


def test_a_shadow_that_fails_or_falls_behind_is_counted_and_stopped_with_the_server():
    async def work():
        slow, failing = Shadow(server(Stub(seconds=9)).winner), Shadow(server(Stub()).winner)
        for _ in range(MOST + 3):
            slow.follow("n", {"text": "a"}, Answer("x"))
        failing.follow("n", {"text": "bug"}, Answer("x"))
        failing.follow("n", {"text": "y"}, Answer("x"))
        await asyncio.sleep(0.05)
        await slow.close()
        return slow.counts.shadow, failing.counts.shadow, slow.winner.system.cancelled

    assert asyncio.run(work()) == ({"skipped": 3}, {"failed": 1, "other": 1}, MOST)


def test_what_the_served_approach_is_not_sure_of_is_answered_by_the_other():
    async def work():
        other = Fallback(replace(server(Stub()).winner, label="fewshot"), Threshold(0.9, 0.5, 50, 1))
        async with served(Sure(), fallback=other) as (made, session, url):
            made.winner = replace(made.winner, confidence=Softmax(1.0, 50))
            found = []
            for text in ("sure", "doubtful"):
                async with session.post(f"{url}/predict", json={"text": text}) as reply:
                    found.append(await reply.json())
            return found, made.counts.fallbacks

    (kept, passed_on), count = asyncio.run(work())
    assert (kept["answer"], kept["approach"], round(kept["confidence"], 2)) == ("first", "prompt", 0.99)
    assert (passed_on["answer"], passed_on["approach"], passed_on["confidence"]) == ("<doubtful>", "fewshot", None)
    assert count == 1


def test_an_approach_is_no_shadow_of_itself(monkeypatch):
    monkeypatch.setattr(opening, "measured_label", lambda *_: "prompt")
    with pytest.raises(RungError, match="prompt is served already"):
        asyncio.run(opening.beside(replace(server(Stub()).winner, run=SimpleNamespace(folder=None)), "prompt"))
