"""The longest way of a race of recipes, counted before it is run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rung.tuning.planned import LongestRace
from rung.types import TuningNeed


@dataclass(frozen=True)
class Kept:
    asked: int = 0
    vetoes: bool = False


RACE = LongestRace(recipes=4, prompts=2, curve=True, remedies=0)


def test_every_run_has_four_looks_at_up_to_150_dev_examples():
    assert RACE.runs == 4 + 2 + 1 + 1
    assert RACE.calls(100, Kept()) == 4 * 8 * 100 + 100
    assert RACE.calls(400, Kept()) == 4 * 8 * 150 + 400
    assert LongestRace(1, 1, True, 0).runs == 3
    assert LongestRace(1, 1, False, 0).calls(100, Kept()) == 4 * 100 + 100


def test_what_must_be_kept_is_asked_before_and_after_and_for_each_remedy():
    none = RACE.calls(100, Kept())
    assert RACE.calls(100, Kept(120)) - none == 2 * 120
    mended = LongestRace(4, 2, True, remedies=2).calls(100, Kept(120, vetoes=True))
    assert mended - none == 2 * 120 + 3 * (100 + 120) + 2 * (4 * 100 + 120)


@pytest.mark.parametrize(
    ("race", "seconds"),
    [
        (RACE, 100 * (4 * 0.25 + 0.5) + 300 * (0.5 + 1 + 0.25)),
        (LongestRace(1, 1, True, 2), 100 * 0.75 + 300),
        (LongestRace(1, 1, False, 0), 300),
    ],
)
def test_its_time_is_that_of_its_shares_of_the_examples(race, seconds):
    assert race.seconds(100.0, 300.0) == pytest.approx(seconds)
    assert race.seconds(None, 300.0) is race.seconds(100.0, None) is None


def test_remedies_are_tuned_on_all_examples_and_a_quarter_more():
    one = TuningNeed(1000, 10.0, 5, 7, "as counted")
    with_others = TuningNeed(1250, 12.5, 5, 7, "as counted")
    need = LongestRace(1, 1, False, remedies=2).need(one, one, with_others, 60)
    assert (need.tokens, need.seconds, need.memory_bytes, need.disk_bytes) == (3500, 35.0, 5, 7)
    assert need.note == "1 run on 60 examples, 2 on all as remedies where a regression task is forgotten; as counted"
