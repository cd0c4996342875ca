"""The race of recipes and prompts: what is tuned, in which order, and what is spared because nothing could come of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from rung.prompts.templates import instructed
from rung.testing.kit import small_rows, small_task
from rung.tuning import search as searching
from rung.tuning.search import Tuned, TuningPlace, TuningPrompt
from rung.types import TuningTrial, Weights
from tests.unit._kit import KitForTests

ROWS = small_rows(60, "row")
PROMPTS = (
    TuningPrompt("short", instructed("Route.", ("text",))),
    TuningPrompt("whole", instructed("Route the message to one team.", ("text",))),
)


@dataclass(frozen=True)
class Recipe:
    title: str = "lora"
    form: str = "adapter"


def raced(monkeypatch, dev_of, min_gain=0.05, goal=0.9, prompts=PROMPTS, **how):
    """Race with dev scores by prompt and share; return the race, what was tuned in its order, and what was said."""
    made = []

    async def tune(tried, at):
        made.append((tried.prompt.name, tried.share))
        dev = dev_of[made[-1]]
        trial = TuningTrial(
            "lora", {}, tried.prompt.name, len(tried.rows), tried.share, 10, (), 10, dev, 100, 1.0, "all steps done"
        )
        return Tuned(tried, trial, Weights(f"{made[-1]}", "0" * 64, "adapter"), 20)

    monkeypatch.setattr(searching, "tune", tune)
    task = replace(small_task(), min_gain=min_gain, goal=goal)
    kit = KitForTests(task)
    found = asyncio.run(
        searching.search((Recipe(),), prompts, ROWS[:40], TuningPlace(task, kit, None, ROWS[40:], 1), **how)
    )
    return found, made, kit.said


@pytest.mark.parametrize(
    ("short", "whole", "chosen"), [(0.80, 0.86, "whole"), (0.80, 0.84, "short"), (0.86, 0.9, "short")]
)
def test_a_longer_prompt_is_tuned_and_takes_the_place_where_it_gains_enough(monkeypatch, short, whole, chosen):
    scores = {
        ("short", 0.25): 0.7,
        ("short", 0.5): short,
        ("whole", 0.5): whole,
        ("whole", 0.25): 0.7,
        (chosen, 1.0): 0.95,
    }
    found, made, _ = raced(monkeypatch, scores)
    assert found.winner.tried.prompt.name == chosen
    assert made[:3] == [("short", 0.25), ("short", 0.5), ("whole", 0.5)]


@pytest.mark.parametrize(
    ("goal", "why"), [(0.99, "leaves no room for a gain of 0.05"), (0.9, "reaches the goal of 0.9")]
)
def test_a_longer_prompt_that_is_not_needed_or_could_not_gain_enough_is_not_tuned(monkeypatch, goal, why):
    scores = {("short", 0.25): 0.9, ("short", 0.5): 0.96, ("short", 1.0): 0.98}
    found, made, said = raced(monkeypatch, scores, goal=goal)
    assert made == [("short", 0.25), ("short", 0.5), ("short", 1.0)]
    assert [t.trial.prompt for t in found.tried] == ["short"] * 3
    assert f"finetune: the whole prompt is not tuned: 0.960 on dev {why}" in said
    assert [t.dev for t in found.curve] == [0.9, 0.96, 0.98]


def test_without_a_curve_shares_are_tuned_only_where_they_choose(monkeypatch):
    found, made, _ = raced(monkeypatch, {("short", 1.0): 0.9}, prompts=PROMPTS[:1], curve=False)
    assert (made, found.curve, len(found.winner.tried.rows)) == ([("short", 1.0)], (), 40)
    scores = {("short", 0.25): 0.7, ("short", 0.5): 0.8, ("whole", 0.5): 0.81, ("short", 1.0): 0.9}
    assert len(raced(monkeypatch, scores, curve=False)[1]) == 4
