"""Races among candidates: the shape of the schedule, who stays, and that good ones rarely fall out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.stats.racing import Round, calls, halving, survivors


@given(st.integers(1, 40), st.integers(1, 3000), st.sampled_from([1.5, 2.0, 3.0]))
def test_schedule_grows_in_rows_and_ends_with_one_on_all_rows(candidates, rows, eta):
    rounds = halving(candidates, rows, eta)
    seen, kept = [r.rows for r in rounds], [r.keep for r in rounds]
    assert seen == sorted(seen)
    assert seen[0] >= min(20, rows)
    assert kept == sorted(kept, reverse=True)
    assert kept[0] <= candidates
    assert rounds[-1] == Round(rows, 1)
    assert calls(rounds, candidates) <= candidates * rows


def test_known_schedules_and_their_calls():
    assert halving(1, 150) == (Round(150, 1),)
    assert halving(2, 150) == (Round(75, 2), Round(150, 1))
    assert halving(4, 150) == (Round(75, 2), Round(150, 1))
    assert halving(8, 150) == (Round(38, 4), Round(75, 2), Round(150, 1))
    assert halving(8, 150, first=20)[0] == Round(20, 4)
    assert calls(halving(8, 150), 8) == 8 * 38 + 4 * 37 + 2 * 75
    assert calls(halving(16, 400), 16) / (16 * 400) < 0.4


def test_best_stay_and_the_earlier_wins_a_tie():
    scores = {"as-is": [1.0, 0.0, 1.0], "b": [1.0, 1.0, 1.0], "c": [1.0, 1.0, 0.0], "d": [0.0, 0.0, 0.0]}
    assert survivors(scores, 2) == ("b", "as-is")
    assert survivors(scores, 3) == ("b", "as-is", "c")
    assert survivors({"first": [1.0], "second": [1.0]}, 1) == ("first",)


def test_clearly_worse_goes_ahead_of_schedule():
    rng = np.random.default_rng(1)
    good = (rng.random(60) < 0.9).astype(float)
    near = np.where(np.arange(60) == 3, 1.0 - good, good)
    bad = (rng.random(60) < 0.5).astype(float)
    assert survivors({"good": good, "near": near, "bad": bad}, 3) in (("good", "near"), ("near", "good"))
    assert survivors({"good": good[:10], "bad": 1.0 - good[:10]}, 2) == ("good", "bad")  # ten rows prove nothing


def test_equals_are_rarely_dropped_early():
    rng = np.random.default_rng(2)
    dropped = sum(len(survivors({"a": a, "b": b}, 2)) < 2 for a, b in (rng.random((500, 2, 75)) < 0.85).astype(float))
    assert dropped / 500 <= 0.03  # one-sided 0.01, applied to whichever of two looks worse


def test_messages():
    with pytest.raises(ValueError, match="0 candidates over 10 dev examples is no race; both must be at least 1"):
        halving(0, 10)
    with pytest.raises(ValueError, match=r"eta is 1\.0; it must be above 1"):
        halving(3, 10, 1.0)
    with pytest.raises(ValueError, match="keep is 0; at least one candidate must stay"):
        survivors({"a": [1.0]}, 0)
    with pytest.raises(
        ValueError, match=r"candidates have \[1, 2\] scored examples; a race compares the same examples"
    ):
        survivors({"a": [1.0], "b": [1.0, 0.0]}, 1)


def test_two_candidates_get_a_look_at_half_of_forty_rows_and_none_below():
    assert halving(2, 40) == (Round(20, 2), Round(40, 1))
    assert halving(2, 39) == (Round(39, 1),)
    assert halving(2, 41) == (Round(21, 2), Round(41, 1))
    assert halving(2, 100, first=30) == (Round(30, 2), Round(100, 1))
    assert halving(3, 60) == (Round(30, 2), Round(60, 1))
    assert halving(9, 270, 3.0) == (Round(90, 3), Round(270, 1))
    assert halving(5, 100, 3.0) == (Round(34, 2), Round(100, 1))
    assert halving(4, 30) == (Round(20, 2), Round(30, 1))  # a first round has twenty rows, or all
    assert halving(4, 12) == (Round(12, 2), Round(12, 1))
    assert halving(1, 1) == (Round(1, 1),)


@pytest.mark.parametrize(
    ("rows", "wrong", "stays"), [(20, 5, True), (20, 6, False), (19, 18, True), (60, 6, True), (60, 7, False)]
)
def test_clearly_worse_is_a_one_sided_hundredth_on_twenty_rows_or_more(rows, wrong, stays):
    """The paired difference against 2.326 of its standard error, one win and one loss added."""
    good, bad = [1.0] * rows, [0.0] * wrong + [1.0] * (rows - wrong)
    smoothed = np.append(np.subtract(bad, good), [1.0, -1.0])
    distance = (wrong / rows) / math.sqrt(smoothed.var(ddof=1) / rows)
    assert (distance < 2.3263 or rows < 20) is stays
    assert (len(survivors({"good": good, "bad": bad}, 2)) == 2) is stays


def test_calls_are_counted_once_a_row_and_candidate_left():
    rounds = (Round(10, 2), Round(25, 5), Round(40, 1))
    assert calls(rounds, 4) == 4 * 10 + 2 * 15 + 2 * 15
    assert calls((), 4) == 0
