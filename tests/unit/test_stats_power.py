"""Power and sizes: against brute force, against the published design figures, and quick enough to print before a climb."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from bench.statistics.power import power_not_met, rows_for_not_met
from rung.stats.power import (
    hits_for_met,
    hits_for_not_met,
    minimum_detectable_effect,
    power_met,
    rows_for_answer,
    rows_for_met,
    rows_for_non_inferiority,
    tolerance_carried,
)

RULE = (0.9, 0.02, 0.05, 5)


@given(st.integers(1, 300), st.floats(0.0, 1.0))
def test_powers_are_probabilities_that_exclude_each_other(n, truth):
    met, misses = power_met(truth, n, *RULE), power_not_met(truth, n, *RULE)
    assert 0.0 <= met <= 1.0
    assert 0.0 <= misses <= 1.0
    assert met + misses <= 1.0 + 1e-9


def test_met_takes_precedence_where_both_bounds_hold():
    met, misses = power_met(0.89, 20_000, *RULE), power_not_met(0.89, 20_000, *RULE)
    assert met > 0.9  # between goal - tolerance and goal a large test shows both; it is called met
    assert met + misses == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("n", [1, 10, 97, 200, 450])
def test_thresholds_are_where_the_bounds_cross(n):
    lower = np.array([proportion_confint(k, n, alpha=2 * 0.01, method="beta")[0] for k in range(n + 1)])
    upper = np.array([proportion_confint(k, n, alpha=2 * 0.05, method="beta")[1] for k in range(n + 1)])
    met, misses = np.nan_to_num(lower, nan=0.0) >= 0.88, np.nan_to_num(upper, nan=1.0) < 0.9
    assert int(hits_for_met(n, *RULE)[0]) == (int(np.argmax(met)) if met.any() else n + 1)
    assert int(hits_for_not_met(n, 0.9, 0.05)[0]) == int(misses.sum()) - 1


@pytest.mark.parametrize(("truth", "rows"), [(0.90, 2569), (0.92, 614), (0.93, 381)])
def test_rows_for_met_and_the_power_stays(truth, rows):
    assert rows_for_met(truth, *RULE) == rows
    assert power_met(truth, rows - 1, *RULE) < 0.8
    assert all(power_met(truth, n, *RULE) >= 0.8 for n in range(rows, rows + 300, 7))


@pytest.mark.parametrize(("truth", "rows"), [(0.87, 749), (0.85, 299), (0.80, 89)])
def test_rows_for_not_met(truth, rows):
    assert rows_for_not_met(truth, *RULE) == rows
    assert power_not_met(truth, rows - 1, *RULE) < 0.8


@settings(max_examples=settings.default.max_examples // 4)
@given(st.floats(0.5, 0.98), st.floats(0.01, 0.08), st.integers(1, 6), st.floats(0.02, 0.1))
def test_rows_for_met_agree_with_a_plain_scan(goal, tolerance, rungs, margin):
    truth = min(goal + margin, 1.0)
    found = rows_for_met(truth, goal, tolerance, 0.05, rungs)
    sizes = np.arange(1, 4000)
    k = hits_for_met(sizes, goal, tolerance, 0.05, rungs)
    short = np.flatnonzero(stats.binom.sf(k - 1, sizes, truth) < 0.8)
    last = int(sizes[short[-1]]) + 1 if short.size else 1
    if last < 4000:
        assert found == last


def test_rows_for_an_answer_agree_with_a_plain_scan():
    sizes = np.arange(1, 401)
    met, misses = hits_for_met(sizes, 0.9, 0.1, 0.05, 1), hits_for_not_met(sizes, 0.9, 0.05)
    answered = stats.binom.sf(met - 1, sizes, 0.85) + stats.binom.cdf(np.minimum(misses, met - 1), sizes, 0.85)
    assert sizes[np.flatnonzero(answered < 0.8)[-1]] + 1 == 122
    assert rows_for_answer(0.85, 0.9, 0.1, 0.05, 1, at_most_rows=400) == 122


def test_impossible_sizes_are_none():
    assert rows_for_met(0.88, *RULE) is None
    assert rows_for_not_met(0.9, *RULE) is None
    assert rows_for_met(0.8801, *RULE) is None  # beyond 100,000 rows
    assert rows_for_answer(0.9, *RULE, at_least_rows=100, at_most_rows=1000) is None
    assert rows_for_answer(0.9, *RULE, at_least_rows=100, at_most_rows=50) is None


@pytest.mark.parametrize(
    ("discordance", "n", "plain", "worst_of_five"),
    [
        (0.05, 100, None, None), (0.05, 200, 0.044, None), (0.05, 400, 0.032, 0.038), (0.05, 1000, 0.020, 0.024),
        (0.10, 100, 0.088, None), (0.10, 200, 0.064, 0.076), (0.10, 400, 0.046, 0.054), (0.10, 1000, 0.029, 0.035),
        (0.20, 100, 0.128, 0.151), (0.20, 200, 0.091, 0.109), (0.20, 400, 0.064, 0.077), (0.20, 1000, 0.040, 0.049),
    ],
)  # fmt: skip
def test_smallest_visible_gain_is_the_design_table(discordance, n, plain, worst_of_five):
    for alpha, expected in ((0.05, plain), (0.01, worst_of_five)):
        gain = minimum_detectable_effect(n, discordance, alpha)
        assert gain == (None if expected is None else pytest.approx(expected, abs=0.0011))


@pytest.mark.parametrize(("n", "discordance", "alpha"), [(150, 0.15, 0.05), (400, 0.05, 0.01), (301, 0.3, 0.05)])
def test_the_visible_gain_is_the_first_step_with_the_power(n, discordance, alpha):
    def exact_power(gain):
        rows = np.arange(n + 1)
        beyond = stats.binom.isf(alpha / 2, rows, 0.5)  # so many wins are one too few to be shown
        seen = stats.binom.sf(beyond, rows, (1 + gain / discordance) / 2)
        return float(np.sum(stats.binom.pmf(rows, n, discordance) * seen))

    gain = minimum_detectable_effect(n, discordance, alpha)
    assert gain == pytest.approx(round(gain, 3), abs=1e-12)
    assert exact_power(gain) >= 0.8 > exact_power(gain - 0.001)


def test_visible_gain_has_the_power_it_says():
    rng = np.random.default_rng(4)
    gain = minimum_detectable_effect(300, 0.15, 0.05)
    shares = [(0.15 + gain) / 2, (0.15 - gain) / 2, 0.85]
    wins, losses, _ = rng.multinomial(300, shares, 3000).T
    p = 2 * stats.binom.sf(np.maximum(wins, losses) - 1, wins + losses, 0.5)
    assert np.mean((p <= 0.05) & (wins > losses)) == pytest.approx(0.8, abs=0.03)


def test_rows_for_non_inferiority():
    assert [rows_for_non_inferiority(0.02, d) for d in (0.05, 0.10, 0.20)] == [773, 1546, 3092]
    assert rows_for_non_inferiority(0.02, 0.0) == 1


def test_tolerance_carried_is_the_smallest_step():
    for n, margin in ((200, 0.0), (1000, 0.0), (400, 0.02)):
        t = tolerance_carried(n, 0.9, 0.05, 5, margin)
        assert power_met(0.9 + margin, n, 0.9, t, 0.05, 5) >= 0.8
        assert power_met(0.9 + margin, n, 0.9, t - 0.005, 0.05, 5) < 0.8
    assert tolerance_carried(200, 0.9, 0.05, 5) == 0.085
    assert tolerance_carried(3, 0.9, 0.05, 5) is not None or tolerance_carried(2, 0.9, 0.05, 5) is None
    assert tolerance_carried(1, 0.5, 0.05, 5) is None


def test_quick_enough_to_print_before_a_climb():
    start = time.process_time()
    rows_for_met(0.92, *RULE)
    rows_for_not_met(0.87, *RULE)
    minimum_detectable_effect(5000, 0.1, 0.01)
    tolerance_carried(2000, 0.9, 0.05, 5)
    assert time.process_time() - start < 0.2


def test_messages():
    with pytest.raises(ValueError, match=r"truth is 1\.2; it must lie between 0 and 1"):
        power_met(1.2, 100, *RULE)
    with pytest.raises(ValueError, match=r"discordance is -0\.1"):
        minimum_detectable_effect(100, -0.1, 0.05)
    with pytest.raises(ValueError, match="n is 0; give the number of test examples"):
        minimum_detectable_effect(0, 0.1, 0.05)
    with pytest.raises(ValueError, match=r"margin is 0; it must lie between 0 and 1, for example 0\.02"):
        rows_for_non_inferiority(0, 0.1)
