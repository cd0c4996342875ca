"""Small against large in a whole climb: a model of one's own learns a dear one's answers and takes its place, or does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rung.cli.demo import shipped_examples
from rung.config import load_config
from rung.engine.verify import verify
from rung.ladder import climb
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.store.run import RunFolder
from rung_nano import EXAMPLES
from tests.extra.test_rung_finetune import AS_IS, EXAMPLE, QUICK, experiment

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")
ROWS = 420
TEACHING = {"model": "small", "teacher": "main", "mixed": True, "under": "short", "tuner": {"lora": QUICK}}


def large(**changes: object) -> dict:
    """A stand-in for a large hosted model: right on nine rows in ten, slow, priced by the token."""
    lines = (EXAMPLE / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:ROWS]
    known = {row["message"]: row["reply"] for row in map(json.loads, lines)}
    return {
        "provider": "fake", "answers": known, "abilities": {"base": 0.9}, "latency_s": 30.0, "latency_spread": 0.2,
        "input_usd_per_mtok": 5.0, "output_usd_per_mtok": 15.0, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("door")
    config = experiment(
        root,
        ROWS,
        task={"kind": "classification", "goal": 0.75, "min_gain": 0.05, "tolerance": 0.05, "objective": "cheapest"},
        models={
            "main": large(),
            "small": {"provider": "nano", "threads": 1, "max_tokens": 60, "usd_per_hour": 0.1},
        },
        ladder=[AS_IS, {"finetune": TEACHING}],
        volume={"requests_per_month": 1_000_000},
    )
    return climb(config, root / "run")


def test_the_tuned_small_model_wins_by_the_second_door_and_every_part_is_told(climbed):
    assert (climbed.verdict.decision, climbed.verdict.winner) == ("meets", "finetune@small")
    assert climbed.results["prompt"].quality.status == "meets"
    [said] = [r.claim for r in climbed.verdict.reasons if "takes the place of" in r.claim]
    assert said.startswith("fine-tuning@small takes the place of prompt: at most 0.")
    assert ", cheaper ($" in said
    assert ", faster (p95 " in said
    assert "n = 60" in said
    assert [c for c in verify(RunFolder.open(climbed.folder)) if not c.passed] == []


def test_latency_is_measured_unloaded_on_sixty_uncached_requests(climbed):
    folder = RunFolder.open(climbed.folder)
    for label in ("prompt", "finetune@small"):
        profile = folder.read(f"rungs/{label}/profile.json")
        assert (len(profile["seconds"]), profile["n"]) == (60, 60)
        assert profile["p95_s"] >= profile["p50_s"]


def test_break_even_and_payback_count_rent_tuning_and_the_teacher(climbed):
    [said] = [c for c in climbed.verdict.counterfactuals if "both good enough" in c]
    assert "fine-tuning@small is cheaper above " in said
    assert "what it cost once is earned back in " in said
    assert "(a machine for fine-tuning@small: $73.00 a month)" in said
    tuning = RunFolder.open(climbed.folder).read("rungs/finetune@small/fit.json")["tuning"]
    assert tuning["lesson"].startswith("prompt (")
    assert tuning["lesson_usd"] > 0  # the teacher was asked for every training row, at its price


def test_page_and_terminal_show_the_latency_and_the_reasons(climbed):
    report = load_report(RunFolder.open(climbed.folder))
    page = " ".join(render_page(report).split())
    assert "median of 60; p95 " in page
    assert "takes the place of prompt" in page
    assert "takes the place of prompt" in render_markdown(RunFolder.open(climbed.folder))
    assert "is cheaper above" in " ".join(render_markdown(RunFolder.open(climbed.folder)).split())


@pytest.mark.parametrize(
    ("example", "rungs"),
    [
        ("house-records", ["fewshot@small", "fewshot", "finetune@small"]),
        ("ticket-replies", ["fewshot", "finetune@small"]),
    ],
)
def test_the_shipped_climbs_of_small_against_large_ask_what_they_say(example, rungs):
    assert f"{example}/small-model" in shipped_examples(EXAMPLES)
    config = load_config(EXAMPLES / example / "small-model.yaml")
    assert [s.label for s in config.ladder] == rungs
    assert config.task.objective == "cheapest"
    assert [config.models[r]["name"] for r in ("main", "small")] == ["nano-l", "nano-s"]
    assert config.models["main"]["input_usd_per_mtok"] > 0
    assert config.models["small"]["usd_per_hour"] > 0
    assert config.ladder[-1].settings["teacher"] == "main"
    assert Path(config.root) == EXAMPLES / example
