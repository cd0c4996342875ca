"""Tuned weights that forget: the dial, replay, the gentler recipe, and the veto where nothing helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from rung.decide.tuned import gate_was_open, vetoed
from rung.prompts.templates import instructed
from rung.rungs.finetune import _trials
from rung.testing.kit import small_rows, small_task
from rung.tuning import remedies as _remedies
from rung.tuning.remedies import keep_abilities
from rung.tuning.search import Try, Tuned, TuningPlace, TuningPrompt, candidate_of
from rung.types import Message, TunedLearned, TuningRow, TuningTrial, Weights
from tests.unit._kit import KitForTests
from tests.unit._results import result

TASK, ROWS = small_task(), small_rows(60, "row")
KEPT = 200  # rows of the kept task: fewer cannot show that nothing is lost
BASE = {"task summaries": {f"r{i}": 1.0 for i in range(KEPT)}}


@dataclass(frozen=True)
class Recipe:
    title: str = "lora rank 16, rate 0.01"
    form: str = "adapter"

    def gentler(self):
        return None if "gentle" in self.title else replace(self, title="gentle lora rank 4, rate 0.003")


@dataclass
class Shop:
    """A tuning space whose weights keep as much as `keeps` says by path."""

    keeps: dict[str, float]
    rehearsal: int = 0
    made: list[str] = field(default_factory=list)

    @property
    def base(self):
        return type("Base", (), {"role": "main"})()

    def role(self, weights):
        return weights.path

    def scaled(self, tuner, weights, scale):
        self.made.append(f"{weights.path}*{scale:g}")
        return replace(weights, path=self.made[-1])

    def replay(self, rows):
        return tuple(TuningRow(f"kept/{i}", (Message("user", "?"),), "!") for i in range(min(rows, self.rehearsal)))

    @property
    def regression_suite(self):
        return self

    async def scores(self, role):
        share = 1.0 if role == "main" else self.keeps[role]
        return {"task summaries": {r: float(i < share * KEPT) for i, r in enumerate(BASE["task summaries"])}}


def tuned(path, dev, tried=None):
    tried = tried or Try(Recipe(), TuningPrompt("short", instructed("Route.", ("text",))), ROWS[:40], 1.0)
    trial = TuningTrial(path, {}, "short", 40, 1.0, 10, (), 10, dev, 100, 1.0, "all steps done")
    return Tuned(tried, trial, Weights(path, "0" * 64, "adapter"), 20)


def keep(monkeypatch, shop, dev_of):
    """Run the remedies on weights called "w", whose dev score is 0.95; `dev_of`: that of other weights by path."""
    seen = []

    async def dev(_, weights, at):
        return dev_of[weights.path]

    async def tune(tried, at):
        path = ("soft" if "gentle" in tried.tuner.title else "mixed") + (
            f"+{len(tried.replay)}" if tried.replay else ""
        )
        seen.append(path)
        return tuned(path, dev_of[path], tried)

    monkeypatch.setattr(_remedies, "_dev", dev)
    monkeypatch.setattr(_remedies, "tune", tune)
    kit = KitForTests(TASK)
    fixed = asyncio.run(keep_abilities(tuned("w", 0.95), TuningPlace(TASK, kit, shop, ROWS[40:], 1)))
    return fixed, seen, kit


def test_weights_that_keep_everything_are_left_alone(monkeypatch):
    shop = Shop({"w": 1.0})
    fixed, seen, _ = keep(monkeypatch, shop, {})
    assert fixed.veto is None
    assert [(r.name, r.chosen) for r in fixed.remedies] == [("as tuned", True)]
    assert not seen
    assert not shop.made


def test_the_dial_is_turned_down_until_nothing_is_forgotten(monkeypatch):
    shop = Shop({"w": 0.2, "w*0.75": 0.5, "w*0.5": 1.0})
    fixed, seen, kit = keep(monkeypatch, shop, {"w*0.75": 0.94, "w*0.5": 0.93})
    assert fixed.veto is None
    assert (fixed.winner.weights.path, fixed.dev, fixed.trained) == ("w*0.5", 0.93, ())
    tried = _trials((tuned("w", 0.95),), fixed, "main", candidate_of(fixed.winner.tried, fixed.winner.weights, "main"))
    assert [(t.candidate.tuned.path, t.mean, t.kept) for t in tried] == [("w", 0.95, False), ("w*0.5", 0.93, True)]
    assert [r.name for r in fixed.remedies] == ["as tuned", "adapter scale 0.75", "adapter scale 0.5"]
    assert [r.chosen for r in fixed.remedies] == [False, False, True]
    assert fixed.remedies[0].forgetting.worst_change == pytest.approx(-0.8)
    assert not seen  # no training was needed
    assert "Tuning cost other abilities: task summaries 1.00 to 0.20. Remedies are tried." in kit.said[0]


def test_a_remedy_must_be_shown_to_keep_what_was_forgotten(monkeypatch):
    """At .97 no loss is significant any more, and none is excluded either: the weights stay as tuned, and may not win."""
    shop = Shop({"w": 0.2, "w*0.75": 0.97, "w*0.5": 0.97, "w*0.25": 0.97, "soft": 0.97})
    fixed, _, _ = keep(monkeypatch, shop, dict.fromkeys(("w*0.75", "w*0.5", "w*0.25", "soft"), 0.95))
    assert [k.status for k in fixed.remedies[1].forgetting.kept] != ["kept"]
    assert fixed.winner.weights.path == "w"
    assert fixed.veto is not None


def test_a_remedy_that_costs_the_goal_is_none(monkeypatch):
    keeps = {"w": 0.2, "w*0.75": 1.0, "w*0.5": 1.0, "w*0.25": 1.0, "soft": 1.0}
    dev = {"w*0.75": TASK.goal - 0.01, "w*0.5": 0.5, "w*0.25": 0.4, "soft": 0.4}
    fixed, _, _ = keep(monkeypatch, Shop(keeps), dev)
    assert fixed.winner.weights.path == "w"
    assert fixed.veto is not None


def test_general_abilities_that_fall_are_told_and_change_nothing(monkeypatch):
    monkeypatch.setattr(Shop, "scores", lambda self, role: _scores(role))

    async def _scores(role):
        return {"abilities, all": {f"r{i}": float(role == "main" or i < 20) for i in range(120)}}

    fixed, seen, kit = keep(monkeypatch, Shop({"w": 0.2}), {})
    assert (fixed.veto, fixed.winner.weights.path, seen) == (None, "w", [])
    assert "A warning only" in kit.said[0]


def test_replay_is_tried_where_the_dial_costs_what_tuning_gained(monkeypatch):
    keeps = {"w": 0.2, "w*0.75": 0.5, "w*0.5": 0.9, "w*0.25": 1.0, "mixed+10": 1.0}
    dev = {"w*0.75": 0.9, "w*0.5": 0.7, "w*0.25": 0.4, "mixed+10": 0.94}
    fixed, seen, _ = keep(monkeypatch, Shop(keeps, rehearsal=50), dev)
    assert fixed.veto is None
    assert fixed.winner.weights.path == "mixed+10"  # a quarter of 40 rows
    assert seen == ["mixed+10"]
    [again] = fixed.trained
    assert (again.weights.path, again.trial.seconds, fixed.dev) == ("mixed+10", 1.0, 0.94)
    tried = _trials((tuned("w", 0.95), again), fixed, "main", candidate_of(again.tried, again.weights, "main"))
    assert [(t.candidate.tuned.path, t.kept) for t in tried] == [("w", False), ("mixed+10", True)]


def test_what_forgets_whatever_is_tried_is_vetoed_and_cannot_win(monkeypatch):
    keeps = dict.fromkeys(("w", "w*0.75", "w*0.5", "w*0.25", "soft"), 0.3)
    dev = dict.fromkeys(("w*0.75", "w*0.5", "w*0.25", "soft"), 0.9)
    fixed, seen, _ = keep(monkeypatch, Shop(keeps), dev)
    assert seen == ["soft"]  # no rows to rehearse: replay is left out
    assert fixed.winner.weights.path == "w"
    assert fixed.veto == "Tuning cost other abilities: task summaries 1.00 to 0.30."
    measured = result([1.0] * 50, TASK)
    forgets = TunedLearned(
        messages=(), columns=(), weights=Weights("w", "0", "full"), base="main", tuner="lora", under="short", rows=9,
        forgets=fixed.veto,
    )  # fmt: skip
    forgetting = replace(measured, candidate=replace(measured.candidate, learned=forgets))
    assert vetoed(forgetting) == fixed.veto
    assert not gate_was_open(TASK, "finetune", {"finetune": forgetting})
    assert gate_was_open(TASK, "finetune", {"finetune": measured})
