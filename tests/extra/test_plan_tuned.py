"""What `rung plan` says of a tuned climb is an upper bound: no climb asks more, and none that meets it all asks much less."""

from __future__ import annotations

import json

import pytest

from rung.engine import number_format
from rung.engine.plan import plan
from rung.ladder import climb
from rung.models import local
from rung.progress import Silent
from rung.store.run import RunFolder
from rung.types import Forgetting
from rung_nano import WEIGHTS
from tests.extra.test_rung_finetune import QUICK, experiment

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

TUNED = {"finetune": {"tuner": {"lora": {**QUICK, "epochs": 1, "batch_rows": 2}}, "force": True}}


class Heard(Silent):
    """Keeps what a climb says."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def planned_and_asked(config, heard=None):
    """Return the calls that are planned, those that a climb asks, and the lines of the plan by name."""
    lines = plan(config).rungs
    climb(config, config.root / "run", heard)
    asked = RunFolder.open(config.root / "run").spend.need()["calls"]
    return sum(r.dev_calls + r.test_calls for r in lines), asked, {r.rung: r for r in lines}


def other_task(root):
    """Write another task of the user, with rows to spare; return its path."""
    raw = experiment(root, 40).model_dump(mode="json", exclude={"root"}, exclude_unset=True)
    (root / "rung.yaml").write_text(json.dumps(raw), encoding="utf-8")
    return str(root / "rung.yaml")


def test_the_plan_of_a_tuned_climb_is_not_exceeded(tmp_path):
    """The general abilities are asked before and after, as they are unless that is turned off."""
    config = experiment(tmp_path, 60, ladder=["baseline", TUNED], general_abilities=True, diagnosis={"calls": 0})
    heard = Heard()
    planned, asked, lines = planned_and_asked(config, heard)
    assert planned / 3 <= asked <= planned
    assert "120 examples of what tuning must not harm are asked before and after" in lines["finetune"].note
    [told] = [said for said in heard.said if said.startswith("finetune: tuning takes about ")]
    assert told.endswith("minutes at most, by parts of a step that were computed; dev answers and remedies come on top")
    without = plan(config.model_copy(update={"general_abilities": False})).rungs
    assert lines["finetune"].dev_calls - next(r for r in without if r.rung == "finetune").dev_calls == 2 * 120


def test_neither_is_it_where_all_remedies_are_tried_and_the_longer_prompt_wins(tmp_path, monkeypatch):
    """The dev score rises at every look and with the longer prompt; the user's other task stays forgotten whatever is tried."""
    monkeypatch.setattr("rung.tuning.regression.ROWS_A_TASK", 20)
    monkeypatch.setattr(Forgetting, "vetoed", property(lambda self: True))
    scores = iter(range(10**6))
    monkeypatch.setattr("rung.tuning.search.mean_score", lambda *_: 1e-4 * next(scores))
    config = experiment(
        tmp_path,
        60,
        ladder=["baseline", TUNED],
        regression_tasks=[other_task(tmp_path / "other")],
        diagnosis={"calls": 0},
        task={"min_gain": 1e-4},
    )
    planned, asked, lines = planned_and_asked(config)
    line = lines["finetune"]
    own = RunFolder.open(tmp_path / "run").rung("finetune").fitted.need()
    # a recipe, two prompts, all examples, the longer prompt's quarter, and two remedies that are tuned
    assert len(own.trials) == line.candidates == 7
    assert len(own.tuning.remedies) == 6
    assert 0.9 * planned <= asked <= planned
    assert "20 examples of what tuning must not harm are asked before and after, and for each remedy" in line.note
    assert "2 on all as remedies where a regression task is forgotten" in line.note
    assert own.tuning.tokens <= line.tuning.tokens


def test_a_teacher_is_planned_at_its_own_price(tmp_path):
    dear = {"provider": "fake", "answers": {}, "input_usd_per_mtok": 50.0, "output_usd_per_mtok": 50.0}
    models = {"main": {"provider": "nano", "threads": 1, "max_tokens": 60, "usd_per_hour": 0.0}, "large": dear}

    def line(**more):
        step = {"finetune": {**TUNED["finetune"], **more}}
        return next(r for r in plan(experiment(tmp_path, 60, models=models, ladder=[step])).rungs if r.test_calls)

    alone, taught = line(), line(teacher="large")
    assert taught.dev_calls - alone.dev_calls == 30  # the training examples
    per_call = taught.input_tokens / (taught.dev_calls + taught.test_calls)
    assert taught.usd > alone.usd + 30 * 50e-6 * per_call
    assert taught.usd < alone.usd + 30 * 50e-6 * (per_call + 60)
    assert line(teacher="main").dev_calls == taught.dev_calls


def test_comparing_number_formats_is_planned_where_the_format_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_WORTH_COMPARING", 0)
    model = {"provider": "local", "name": "own", "folder": str(WEIGHTS / "nano-s"), "threads": 1, "max_tokens": 60}

    def lines(**more):
        config = experiment(tmp_path, 160, models={"main": {**model, **more}}, ladder=[{"prompt": {"rewrites": False}}])
        return {r.rung: r for r in plan(config).rungs}

    line = lines()["number formats"]
    assert (line.candidates, line.dev_calls, line.test_calls) == (1, 2 * number_format.ROWS, 0)
    assert "number formats" not in lines(dtype="float32")
