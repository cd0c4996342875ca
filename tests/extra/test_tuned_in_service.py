"""A tuned approach in service: the official client gets what the tuned weights answered when they were measured."""

from __future__ import annotations

import asyncio
import sys

import pytest

pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

import openai

from rung import cli
from rung.config import parse_config
from rung.ladder import climb
from rung.serve import server as module
from rung.serve.server import Server
from rung.serve.winner import checked, opened
from rung.store.run import RunFolder
from rung_nano import EXAMPLES
from tests.tiers import NIGHTLY

pytestmark = pytest.mark.extra

QUICK = {"search": False, "epochs": 1, "batch_rows": 8, "threads": 1}


def assert_served_as_stored(run, label, count):
    """Check that the official client gets the stored answers to so many dev examples, and the start's check changes none."""

    async def work():
        async with opened(run, label) as winner:
            check = await checked(winner)
            dev = winner.run.split.dev[:count]
            stored = {o.example_id: o.answer.text for o in winner.run.folder.rung(winner.label).dev.need()}
            made = Server(winner, "replies", say=lambda _: None)
            async with made.listening("127.0.0.1", 0) as url, openai.AsyncOpenAI(base_url=url, api_key="x") as client:
                asked = [
                    client.chat.completions.create(
                        model="replies", messages=[{"role": "user", "content": e.inputs["message"]}]
                    )
                    for e in dev
                ]
                said = [r.choices[0].message.content for r in await asyncio.gather(*asked)]
            return check.answers_changed, said, [stored[e.id] for e in dev]

    changed, said, stored = asyncio.run(work())
    assert len(said) == count
    assert (changed, said) == (0, stored)


def test_the_official_client_gets_what_the_tuned_weights_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.02)
    lines = (EXAMPLES / "ticket-replies" / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:120]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = parse_config(
        {
            "task": {"name": "replies", "kind": "style", "instruction": "Answer the customer.", "inputs": ["message"],
                     "target": "reply", "metrics": ["normalized_match"], "goal": 0.99},
            "data": {"path": "rows.jsonl", "id": "id"},
            "split": {"test": 0.25, "dev": 0.25, "seed": 7},
            "models": {"main": {"provider": "nano", "threads": 1, "max_tokens": 24, "usd_per_hour": 0.1}},
            "ladder": [{"finetune": {"tuner": {"lora": QUICK}, "force": True}}],
            "general_abilities": False, "stop_early": False, "diagnosis": {"calls": 0},
        },
        tmp_path,
    )  # fmt: skip
    climb(config, tmp_path / "run")
    assert_served_as_stored(tmp_path / "run", "finetune", 8)


@pytest.mark.skipif(not NIGHTLY, reason="climbs a whole shipped example, tuning and all")
def test_the_winner_of_the_demo_that_ends_tuned_is_served_as_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.02)
    monkeypatch.setattr(sys, "argv", ["rung", "demo", "ticket-replies", "--folder", str(tmp_path)])
    assert cli.run() == 0
    assert RunFolder.open(tmp_path / "run").verdict.need().winner == "finetune"
    assert_served_as_stored(tmp_path / "run", None, 100)
