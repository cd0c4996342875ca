"""Tuned weights that forget: the dial, replay, the gentler recipe, and the veto where nothing helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from rung.decide.tuned import gate_was_open, vetoed
from rung.rungs import _remedies
from rung.rungs._prompting import instructed
from rung.rungs._remedies import keep_abilities
from rung.rungs._tuning import Place, Try, Tuned
from rung.testing.kit import small_rows, small_task
from rung.types import Message, TuningRow, TuningTrial, Weights
from tests.unit._kit import KitForTests
from tests.unit._results import result

TASK, ROWS = small_task(), small_rows(60, "row")
BASE = {"task summaries": {f"r{i}": 1.0 for i in range(60)}}


@dataclass(frozen=True)
class Recipe:
    title: str = "lora rank 16, rate 0.01"
    form: str = "adapter"

    def gentler(self):
        return None if "gentle" in self.title else replace(self, title="gentle lora rank 4, rate 0.003")


@dataclass
class Shop:
    """A workshop whose weights keep as much as `keeps` says by path."""

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
    def keeper(self):
        return self

    async def scores(self, role):
        share = 1.0 if role == "main" else self.keeps[role]
        return {"task summaries": {r: float(i < share * 60) for i, r in enumerate(BASE["task summaries"])}}


def tuned(path, dev, tried=None):
    tried = tried or Try(Recipe(), instructed("Route.", ("text",)), "short", ROWS[:40], 1.0)
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
    mended = asyncio.run(keep_abilities(tuned("w", 0.95), Place(TASK, kit, shop, ROWS[40:], 1)))
    return mended, seen, kit


def test_weights_that_keep_everything_are_left_alone(monkeypatch):
    shop = Shop({"w": 1.0})
    mended, seen, _ = keep(monkeypatch, shop, {})
    assert mended.veto is None
    assert [(r.name, r.chosen) for r in mended.remedies] == [("as tuned", True)]
    assert not seen
    assert not shop.made


def test_the_dial_is_turned_down_until_nothing_is_forgotten(monkeypatch):
    shop = Shop({"w": 0.2, "w*0.75": 0.5, "w*0.5": 1.0})
    mended, seen, kit = keep(monkeypatch, shop, {"w*0.75": 0.94, "w*0.5": 0.93})
    assert mended.veto is None
    assert mended.winner.weights.path == "w*0.5"
    assert [r.name for r in mended.remedies] == ["as tuned", "adapter scale 0.75", "adapter scale 0.5"]
    assert [r.chosen for r in mended.remedies] == [False, False, True]
    assert mended.remedies[0].forgetting.worst_change == pytest.approx(-0.8)
    assert not seen  # no training was needed
    assert "Tuning cost other abilities: task summaries 1.00 to 0.20. Remedies are tried." in kit.said[0]


def test_replay_is_tried_where_the_dial_costs_what_tuning_gained(monkeypatch):
    keeps = {"w": 0.2, "w*0.75": 0.5, "w*0.5": 0.9, "w*0.25": 1.0, "mixed+10": 1.0}
    dev = {"w*0.75": 0.9, "w*0.5": 0.7, "w*0.25": 0.4, "mixed+10": 0.94}
    mended, seen, _ = keep(monkeypatch, Shop(keeps, rehearsal=50), dev)
    assert mended.veto is None
    assert mended.winner.weights.path == "mixed+10"  # a quarter of 40 rows
    assert seen == ["mixed+10"]


def test_what_forgets_whatever_is_tried_is_vetoed_and_cannot_win(monkeypatch):
    keeps = dict.fromkeys(("w", "w*0.75", "w*0.5", "w*0.25", "soft"), 0.3)
    dev = dict.fromkeys(("w*0.75", "w*0.5", "w*0.25", "soft"), 0.9)
    mended, seen, _ = keep(monkeypatch, Shop(keeps), dev)
    assert seen == ["soft"]  # no rows to rehearse: replay is left out
    assert mended.winner.weights.path == "w"
    assert mended.veto == "Tuning cost other abilities: task summaries 1.00 to 0.30."
    measured = result([1.0] * 50, TASK)
    forgetting = replace(measured, candidate=replace(measured.candidate, settings={"forgets": mended.veto}))
    assert vetoed(forgetting) == mended.veto
    assert not gate_was_open(TASK, "finetune", {"finetune": forgetting})
    assert gate_was_open(TASK, "finetune", {"finetune": measured})
