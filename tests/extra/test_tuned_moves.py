"""A tuned winner moves on: tuned again on another base and paired on the same test examples, or held against what lies below it."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
import yaml

pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

from rung import cli
from rung.errors import RungError
from rung.generations.migrate import migrate
from rung.generations.step_down import stepping_down
from rung.ladder import climb
from rung.serve.fallback import _by_tokens
from rung.serve.winner import opened
from rung.store.run import RunFolder
from tests.extra.test_rung_finetune import AS_IS, QUICK, experiment

pytestmark = pytest.mark.extra
SMALL = {"provider": "nano", "threads": 1, "max_tokens": 60, "usd_per_hour": 0.1}
MODELS = {
    "main": SMALL,
    "large": {**SMALL, "name": "nano-l"},
    "hosted": {"provider": "openai", "name": "m", "base_url": "http://127.0.0.1:9/v1"},
}
TUNING = {"finetune": {"tuner": {"lora": QUICK}, "force": True, "under": "short"}}


def of(root):
    return experiment(root, models=MODELS, ladder=[AS_IS, TUNING], task={"goal": 0.5, "tolerance": 0.1})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("moves")
    climb(of(root), root / "run")
    verdict = json.loads((root / "run/verdict.json").read_text())
    (root / "run/verdict.json").write_text(json.dumps({**verdict, "winner": None, "tentative_pick": "finetune"}))
    return root


def test_weights_are_tuned_again_on_the_other_base_and_held_against_the_old_ones(root):
    before = {p: p.read_bytes() for p in (root / "run").rglob("*") if p.is_file()}
    found = migrate(of(root), root / "run", "large", 0.3)
    runs = [RunFolder.open(root / name) for name in ("run", "run-large")]
    assert (found.approach, found.folder) == ("finetune@large", root / "run-large")
    assert runs[0].parts.manifest.need()["test"] == runs[1].parts.manifest.need()["test"]
    assert found.found.comparison.n == runs[0].parts.manifest.need()["test"]["rows"]
    old, new = (side.result.candidate for side in (found.found.lower, found.found.upper))
    assert (old.learned.base, new.learned.base) == ("main", "large")
    assert old.learned.weights.sha256 != new.learned.weights.sha256
    assert {p: p.read_bytes() for p in (root / "run").rglob("*") if p.is_file()} == before
    again = migrate(of(root), root / "run", "large", 0.3)
    assert (again.folder, again.found.comparison) == (found.folder, found.found.comparison)


def test_where_it_cannot_be_tuned_one_sentence_says_what_to_do(root):
    with pytest.raises(
        RungError, match="models.hosted is 'm' of the provider 'openai', whose weights are not on this machine"
    ):
        migrate(of(root), root / "run", "hosted")
    assert not (root / "run-hosted").exists()


def test_what_lies_below_is_measured_alone_and_held_against_the_stored_answers(root, monkeypatch, capsys):
    asked, where = stepping_down(of(root), root / "run")
    assert ([s.label for s in asked.ladder], asked.current, where.name) == (["prompt"], None, "run-step-down")
    raw = of(root).model_dump(mode="json", exclude={"root"})
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["rung", "climb", "--step-down", "--folder", "run"])
    assert cli.run() == 1
    out = capsys.readouterr().out
    assert "No lower approach is shown to suffice (decided at the level 0.05): fine-tuning stays" in out
    assert "run-step-down:prompt against run:finetune" in out
    assert RunFolder.open(root / "run-step-down").measured == ("prompt",)
    assert not (root / "run-step-down" / "tuned").exists()  # nothing is tuned
    monkeypatch.setattr(sys, "argv", ["rung", "climb", "--step-down", "--folder", "run", "--json"])
    assert cli.run() == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["suffices"], list(said["compared"])) == (None, ["prompt"])


def test_tuned_weights_tell_how_sure_they_are_and_answer_as_they_did(root):
    async def work():
        async with opened(root / "run", "finetune") as winner:
            told = await _by_tokens(winner)
            stored = {o.example_id: o.answer.text for o in winner.run.folder.rung("finetune").dev.need()}
            found = [(*await told.answer(e.inputs), stored[e.id]) for e in winner.run.split.dev]
            return found, winner.run.folder.rung("finetune").sureness.need()

    found, kept = asyncio.run(work())
    assert all(answer.text == text and 0.0 < confidence < 1.0 for answer, confidence, text in found)
    assert len(kept.logprobs) == len(kept.right) == len(found)
    assert all(p <= 0.0 for p in kept.logprobs.values())
