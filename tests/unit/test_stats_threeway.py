"""The three-way rule against its definition, its messages, and exact error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics.power import power_not_met
from rung.stats.distribution import binomial_mass
from rung.stats.estimate import sample_lower, sample_upper, summarise
from rung.stats.power import power_met, rows_for_answer
from rung.stats.threeway import judge, judge_sample


def rows(hits: int, n: int) -> list[float]:
    return [1.0] * hits + [0.0] * (n - hits)


def test_the_three_answers():
    met = judge(rows(190, 200), None, 0.9, 0.02, 0.05, 5)
    inconclusive = judge(rows(185, 200), None, 0.9, 0.02, 0.05, 5)
    misses = judge(rows(170, 200), None, 0.9, 0.02, 0.05, 5)
    assert (met.status, inconclusive.status, misses.status) == ("meets", "inconclusive", "misses")
    assert met.examples_needed is None
    assert misses.examples_needed is None
    assert inconclusive.examples_needed == 528
    assert inconclusive.advice is None


@given(
    st.integers(0, 120), st.sampled_from([0.7, 0.9, 0.95, 1.0]), st.sampled_from([0.0, 0.02, 0.05]), st.integers(1, 6)
)
def test_follows_its_definition(hits, goal, tolerance, rungs):
    quality = judge(rows(hits, 120), None, goal, tolerance, 0.05, rungs)
    lower = stats.beta.ppf(0.05 / rungs, hits, 121 - hits) if hits else 0.0
    upper = stats.beta.ppf(0.95, hits + 1, 120 - hits) if hits < 120 else 1.0
    expected = "meets" if lower >= goal - tolerance else "misses" if upper < goal else "inconclusive"
    assert quality.status == expected
    assert quality.lower == pytest.approx(lower, abs=1e-9)
    assert quality.upper == pytest.approx(upper, abs=1e-9)
    good = stats.beta.sf(goal - tolerance, hits + 0.5, 120.5 - hits)
    assert quality.probability_good == pytest.approx(good, abs=1e-9)
    assert quality.probability_at_goal == pytest.approx(stats.beta.sf(goal, hits + 0.5, 120.5 - hits), abs=1e-9)
    assert quality.probability_at_goal <= quality.probability_good
    assert (quality.examples_needed is None) or quality.examples_needed > 120
    assert (quality.advice is None) or quality.status == "inconclusive"


def test_rows_needed_is_the_size_with_power_for_either_answer():
    truth = 185.5 / 201
    n = judge(rows(185, 200), None, 0.9, 0.02, 0.05, 5).examples_needed
    either = [power_met(truth, m, 0.9, 0.02, 0.05, 5) + power_not_met(truth, m, 0.9, 0.02, 0.05, 5) for m in (n - 1, n)]
    assert either[0] < 0.8 <= either[1]
    assert rows_for_answer(truth, 0.9, 0.02, 0.05, 5) == n


def test_beyond_ten_times_the_rows_advises_instead():
    quality = judge(rows(45, 50), None, 0.9, 0.0, 0.05, 5)
    assert (quality.status, quality.examples_needed) == ("inconclusive", None)
    assert quality.advice == "widen the tolerance or change the goal"


@pytest.mark.parametrize(("hits", "n", "examples_needed"), [(53, 57, 547), (33, 35, None)])
def test_ten_times_the_rows_is_the_most_that_is_advised(hits, n, examples_needed):
    truth = (hits + 0.5) / (n + 1)
    assert judge(rows(hits, n), None, 0.9, 0.02, 0.05, 5).examples_needed == examples_needed
    assert rows_for_answer(truth, 0.9, 0.02, 0.05, 5) == (examples_needed or 381)  # 9.6 and 10.9 times the rows


def test_a_bound_exactly_at_its_line_meets_the_goal_and_does_not_miss_it():
    at = judge(rows(150, 200), None, 0.9, 0.02, 0.05, 5)
    assert judge(rows(150, 200), None, at.lower, 0.0, 0.05, 5).status == "meets"
    assert judge(rows(150, 200), None, at.upper, 0.0, 0.05, 5).status == "inconclusive"
    assert judge(rows(150, 200), None, np.nextafter(at.upper, 1.0), 0.0, 0.05, 5).status == "misses"


def test_what_is_unknown_counts_as_wrong_below_and_as_right_above():
    worst, best = summarise(rows(170, 200)), summarise(rows(185, 200))
    quality = judge_sample(worst, 0.9, 0.02, 0.05, 5, best=best)
    alone = judge_sample(worst, 0.9, 0.02, 0.05, 5)
    assert (quality.lower, quality.upper) == (sample_lower(worst, 0.01), sample_upper(best, 0.05))
    assert (alone.lower, alone.upper) == (sample_lower(worst, 0.01), sample_upper(worst, 0.05))
    assert (quality.status, alone.status) == ("inconclusive", "misses")
    assert quality.probability_good == alone.probability_good


def test_few_groups_never_claim_met():
    names = [str(i // 40) for i in range(200)]
    quality = judge(rows(200, 200), names, 0.6, 0.3, 0.05, 1)
    assert quality.lower >= 0.3
    assert quality.status == "inconclusive"
    assert quality.advice.startswith(
        "the test examples come from 5 groups; at least 8 are needed before 'meets' can be said"
    )
    enough = judge(rows(200, 200), [str(i // 20) for i in range(200)], 0.6, 0.3, 0.05, 1)
    assert enough.status == "meets"
    bad = judge(rows(0, 200), names, 0.7, 0.3, 0.05, 1)
    assert bad.status == "misses"  # few groups may still show that it is not good enough


def test_grouped_rows_need_more_rows():
    rng = np.random.default_rng(3)
    scores = rows(275, 300)
    names = [str(i // 6) for i in range(300)]
    order = rng.permutation(300)
    scores = [scores[i] for i in order]
    alone, grouped = judge(scores, None, 0.9, 0.02, 0.05, 5), judge(scores, names, 0.9, 0.02, 0.05, 5)
    assert grouped.lower < alone.lower
    assert grouped.examples_needed > alone.examples_needed > 300
    sample = summarise(scores, names)
    effective = rows_for_answer((sample.hits + 0.5) / (sample.n_eff + 1), 0.9, 0.02, 0.05, 5)
    assert grouped.examples_needed == math.ceil(effective * 300 / sample.n_eff)


def test_wrong_met_over_a_ladder_and_wrong_not_met_exactly():
    n = 200
    statuses = [judge(rows(k, n), None, 0.9, 0.02, 0.05, 5).status for k in range(n + 1)]
    met = np.array([s == "meets" for s in statuses])
    misses = np.array([s == "misses" for s in statuses])
    assert binomial_mass(n, 0.88)[met].sum() <= 0.01  # alpha / 5 each, so at most alpha over five rungs
    assert binomial_mass(n, 0.90)[misses].sum() <= 0.05
    assert binomial_mass(n, 0.95)[met].sum() == pytest.approx(power_met(0.95, n, 0.9, 0.02, 0.05, 5), abs=1e-12)
    assert binomial_mass(n, 0.85)[misses].sum() == pytest.approx(power_not_met(0.85, n, 0.9, 0.02, 0.05, 5), abs=1e-12)


def test_messages():
    with pytest.raises(ValueError, match=r"goal is 90; it must lie above 0 and be at most 1, for example 0\.9"):
        judge([1.0], None, 90, 0.02, 0.05, 5)
    with pytest.raises(ValueError, match=r"tolerance is 0\.95; it must lie between 0 and the goal \(0\.9\)"):
        judge([1.0], None, 0.9, 0.95, 0.05, 5)
    with pytest.raises(ValueError, match="planned_rungs is 0; count the approaches of the ladder"):
        judge([1.0], None, 0.9, 0.02, 0.05, 0)
    with pytest.raises(ValueError, match="there are no scores"):
        judge([], None, 0.9, 0.02, 0.05, 5)
