"""What keeps a model from being tuned costs the climb one rung: a paragraph, and everything else as ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rung.ladder import climb
from rung.store.run import RunFolder
from rung_nano import WEIGHTS
from tests.extra.test_rung_finetune import AS_IS, QUICK, experiment

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")


def odd_base(root: Path, **changes: str | None) -> dict:
    """A second model of the provider local whose folder was changed: a file's new text, or None to remove it."""
    shutil.copytree(WEIGHTS / "nano-s", root / "base")
    for name, text in changes.items():
        place = root / "base" / name.replace("__", ".")
        if text is None:
            place.unlink()
        else:
            place.write_text(text)
    return {"provider": "local", "name": "odd", "folder": str(root / "base"), "threads": 1, "max_tokens": 60}


def without(name: str, key: str) -> str:
    settings = json.loads((WEIGHTS / "nano-s" / name).read_text())
    settings.pop(key, None)
    return json.dumps(settings)


def shorter() -> str:
    settings = json.loads((WEIGHTS / "nano-s" / "config.json").read_text())
    return json.dumps({**settings, "max_position_embeddings": 20})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"chat_template__jinja": None},
            "the tokenizer of odd has no chat template, so it is a base model that follows no instructions",
        ),
        (
            {
                "generation_config__json": '{"do_sample": false}',
                "tokenizer_config__json": without("tokenizer_config.json", "eos_token"),
                "config__json": without("config.json", "eos_token_id"),
                "chat_template__jinja": (WEIGHTS / "nano-s" / "chat_template.jinja")
                .read_text()
                .replace("<|end|>", "\n"),
            },
            "the tokenizer of odd names no end token, so a tuned model would never stop",
        ),
        ({"config__json": shorter()}, "no training example fits the context of odd (20 tokens"),
    ],
)
def test_a_base_that_cannot_be_tuned_costs_the_other_rungs_nothing(tmp_path, changes, words):
    models = {
        "main": {"provider": "fake", "answers": {}},
        "small": odd_base(tmp_path, **changes),
    }
    steps = [AS_IS, {"finetune": {"model": "small", "tuner": {"lora": QUICK}, "force": True}}, "fewshot"]
    run = climb(experiment(tmp_path, 60, models=models, ladder=steps), tmp_path / "run")
    assert list(run.results) == ["prompt", "fewshot"]
    [skipped] = [r.rule for r in run.verdict.reasons if "fine-tuning@small was not run" in r.claim]
    assert words in skipped
    assert "\n" not in skipped


def test_a_prompt_too_long_for_the_base_is_left_out_and_the_short_one_is_tuned(tmp_path):
    """As where rung 1 lists hundreds of labels: the bare row has room, the instruction above it has not."""
    config = json.loads((WEIGHTS / "nano-s" / "config.json").read_text())
    models = {
        "main": {"provider": "fake", "answers": {}},
        "small": odd_base(tmp_path, config__json=json.dumps({**config, "max_position_embeddings": 160})),
    }
    steps = [{"finetune": {"model": "small", "tuner": {"lora": {**QUICK, "epochs": 1}}, "force": True}}]
    told = "Reply to the customer. " + " ".join(f"Team {n} gets messages of kind {n}." for n in range(60))
    run = climb(
        experiment(tmp_path, 60, models=models, ladder=steps, task={"instruction": told}),
        tmp_path / "run",
    )
    assert "finetune@small" in run.results
    fit = RunFolder.open(run.folder).read("rungs/finetune@small/fit.json")
    [left_out] = [s for s in fit["skipped"] if s["what"] == "finetune, whole prompt"]
    assert "no training example fits the context of odd (160 tokens" in left_out["reason"]
    assert fit["candidate"]["learned"]["under"] == "short"


def test_a_full_disk_in_a_checkpoint_leaves_the_rung_out_and_the_same_command_tunes_it(tmp_path, monkeypatch):
    quick = {**QUICK, "epochs": 1}
    config = experiment(tmp_path, 60, ladder=[AS_IS, {"finetune": {"tuner": {"lora": quick}, "force": True}}])

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("rung.tuners._local.save_state", full)
        run = climb(config, tmp_path / "run")
    assert list(run.results) == ["prompt"]
    [skipped] = [r.rule for r in run.verdict.reasons if "fine-tuning was not run" in r.claim]
    assert skipped.startswith("a checkpoint of lora")
    assert "could not be written" in skipped
    assert "No space left on device" in skipped
    before = run.results["prompt"]
    asked = RunFolder.open(run.folder).read("spend.json")["calls"]
    again = climb(config, tmp_path / "run")
    assert list(again.results) == ["prompt", "finetune"]
    assert again.results["prompt"] == before
    assert RunFolder.open(run.folder).read("spend.json")["calls"] > asked


def test_too_little_memory_is_estimated_and_leaves_the_rung_out(tmp_path, monkeypatch):
    monkeypatch.setattr("rung.tuners._local.free_memory", lambda: 50_000_000)
    steps = [AS_IS, {"finetune": {"tuner": {"full": {**QUICK, "learning_rate": 1e-3}}, "force": True}}]
    run = climb(experiment(tmp_path, 60, ladder=steps), tmp_path / "run")
    assert list(run.results) == ["prompt"]
    [skipped] = [r.rule for r in run.verdict.reasons if "fine-tuning was not run" in r.claim]
    assert "and about 50 MB are free: use LoRA instead of full tuning" in skipped


def test_what_was_tuned_stays_when_less_memory_is_free_the_next_time(tmp_path, monkeypatch):
    steps = [AS_IS, {"finetune": {"tuner": {"full": {**QUICK, "learning_rate": 1e-3}}, "force": True}}]
    config = experiment(tmp_path, 60, ladder=steps)
    first = climb(config, tmp_path / "run")
    for module in ("_local", "_preflight"):
        monkeypatch.setattr(f"rung.tuners.{module}.free_bytes", lambda device: 0, raising=False)
    again = climb(config, tmp_path / "run")
    assert list(again.results) == ["prompt", "finetune"]
    assert again.verdict == first.verdict
