"""Weights tuned with passages in the prompt: what they are tuned on, that they are asked so, and what becomes of them afterwards."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

from rung.config import parse_config
from rung.contracts import revived
from rung.engine.reopen import reopened
from rung.errors import RungError
from rung.exports.write import exported
from rung.ladder import climb
from rung.progress import Silent
from rung.rungs.tuning_prompts import PASSAGES, with_passages
from rung.store.run import RunFolder
from rung_nano import EXAMPLES

pytestmark = pytest.mark.extra

QUICK = {"search": False, "epochs": 1, "batch_rows": 8, "threads": 1}


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("passages")
    example = EXAMPLES / "catalogue"
    shutil.copytree(example / "documents", root / "documents")
    lines = (example / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:130]
    (root / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = parse_config(
        {
            "task": {"name": "sheets", "kind": "knowledge", "instruction": "Answer the question of the customer.", "inputs": ["question"],
                     "target": "answer", "metrics": ["normalized_match"], "goal": 0.99, "min_gain": 0.02},
            "data": {"path": "rows.jsonl", "id": "id", "group_by": "product"},
            "documents": {"path": "documents"},
            "split": {"test": 0.25, "dev": 0.2, "seed": 7},
            "models": {"main": {"provider": "nano", "threads": 1, "max_tokens": 40, "usd_per_hour": 0.1}},
            "ladder": ["rag", {"finetune": {"tuner": {"lora": QUICK}, "force": True}}],
            "general_abilities": False, "stop_early": False,
        },
        root,
    )  # fmt: skip
    return config, climb(config, root / "run")


def test_they_are_raced_against_the_bare_example_and_answer_with_their_passages(climbed):
    config, run = climbed
    fit = RunFolder.open(config.root / "run").rung("finetune").fitted.need()
    assert {t.prompt for t in fit.tuning.trials} == {"short", PASSAGES}
    learned = run.results["finetune"].candidate.learned
    assert (
        learned.under == PASSAGES
    )  # the bare question is not enough: products of the test set stand in the sheets alone
    assert (learned.passages.choice.cite, learned.passages.demonstrations) == (False, ())
    answers = [o.answer for o in run.results["finetune"].outcomes]
    assert all(answer.sources for answer in answers)
    assert all(call.input_tokens > 100 for answer in answers for call in answer.calls)


def test_examples_are_shown_in_tuning_as_they_are_asked_in_use(climbed):
    config, _ = climbed

    async def both():
        async with reopened(config.root / "run", Silent()) as opened:
            kit, dev = opened.kit(), opened.split.dev[:3]
            space = SimpleNamespace(base=SimpleNamespace(role="main"), stage=lambda *_: nullcontext(lambda _: None))
            prompt = await with_passages(opened.candidate("rag"), space, dev, kit)
            live = revived(opened.candidate("finetune"), opened.task, kit)
            return [
                (prompt.chat(e), (await live.request(e.inputs, await live.passages(e.inputs)))[0].messages) for e in dev
            ]

    for tuned_on, asked in asyncio.run(both()):
        assert tuple(tuned_on) == tuple(asked)
        assert any("Context" in m.content or "passage" in m.content for m in asked)


def test_they_are_not_handed_on_alone_and_it_is_said_why(climbed):
    config, _ = climbed
    with pytest.raises(
        RungError, match="tuned to answer from passages of your documents.*`rung serve` answers with it"
    ):
        exported(config.root / "run", "finetune", "adapter", config.root / "out", None)
    assert not (config.root / "out").exists()


def test_without_passages_below_there_is_no_such_prompt(climbed):
    config, run = climbed
    below = run.results["rag"].candidate
    for changed in (
        {"choice": replace(below.learned.choice, k=0, whole=False)},
        {"response_format": {"type": "json_object"}},
    ):
        candidate = replace(below, learned=replace(below.learned, **changed))
        assert asyncio.run(with_passages(candidate, None, (), None)) is None
    assert asyncio.run(with_passages(None, None, (), None)) is None
    assert (
        json.loads((config.root / "run" / "rungs" / "finetune" / "fit.json").read_text())["candidate"]["learned"][
            "passages"
        ]["kind"]
        == "rag"
    )
