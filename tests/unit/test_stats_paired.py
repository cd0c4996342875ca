"""Paired comparisons: against scipy, statsmodels and published figures; properties; quick simulations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from rung.stats.paired import (
    Difference,
    compare_paired,
    difference,
    holm,
    mcnemar_exact,
    newcombe,
    non_inferior,
    paired_interval,
    sign_flip,
    tango,
)

binary_pairs = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=80)


# --- agreement --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (6, 16), (16, 6), (40, 20), (7, 7), (300, 250)])
def test_mcnemar_agrees_with_statsmodels(wins, losses):
    reference = mcnemar([[10, losses], [wins, 10]], exact=True).pvalue
    assert mcnemar_exact(wins, losses) == pytest.approx(float(reference), abs=1e-9)


def test_published_figures_for_cavo_2012():
    """Complete response before and after therapy, 59 / 6 / 16 / 80; figures printed in Fagerland, Lydersen and Laake 2014."""
    span = newcombe(59, 16, 6, 80)  # second minus first = 6 - 16 rows
    assert (round(span.low, 4), round(span.high, 4)) == (-0.1186, -0.0046)
    assert round(mcnemar_exact(6, 16), 6) == 0.052479
    table = Difference(6 / 161, 16 / 161, 161.0, math.inf, 1.0)
    assert tango(table, -0.1240) == pytest.approx(1.96, abs=0.005)
    assert tango(table, -0.0054) == pytest.approx(-1.96, abs=0.005)


def test_tango_matches_its_definition_by_constrained_likelihood():
    up, down, n, gain = 12, 20, 150, -0.1
    q = np.linspace(0.1 + 1e-6, 0.54, 400_000)  # share of losses; wins have q + gain
    likelihood = up * np.log(q + gain) + down * np.log(q) + (n - up - down) * np.log(1 - 2 * q - gain)
    best = q[np.argmax(likelihood)]
    expected = (up - down - n * gain) / math.sqrt(n * (2 * best + gain - gain**2))
    assert tango(Difference(up / n, down / n, n, math.inf, 1.0), gain) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("planned", [4, 7])
def test_holm_agrees_with_statsmodels(planned):
    p = [0.04, 0.001, 0.3, 0.012]
    reference = multipletests(p + [1.0] * (planned - 4), method="holm")[1][:4]
    assert holm(p, planned) == pytest.approx(list(reference), abs=1e-12)
    assert holm([], 3) == ()


def test_sign_flip_agrees_with_scipy_exactly():
    diff = np.array([0.3, -0.1, 0.45, 0.2, -0.05, 0.6, 0.15, 0.0, 0.33])
    reference = stats.permutation_test(
        (diff,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue
    assert sign_flip(diff, seed=1) == pytest.approx(float(reference), abs=1e-9)


# --- properties -------------------------------------------------------------------------------------------------------


@given(binary_pairs)
def test_sign_flip_of_single_rows_is_mcnemar(pairs):
    diff = np.array([b - a for a, b in pairs])
    wins, losses = int((diff > 0).sum()), int((diff < 0).sum())
    assert sign_flip(diff, seed=0) == pytest.approx(mcnemar_exact(wins, losses), abs=1e-9)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_exact_group_flips_agree_with_enumeration(sums):
    rows = [math.copysign(1.0, s) for s in sums for _ in range(abs(s))]
    groups = [str(i) for i, s in enumerate(sums) for _ in range(abs(s))]
    if not rows:
        rows, groups = [0.0], ["a"]
    totals = [
        sum(f * s for f, s in zip(flip, sums, strict=True)) for flip in itertools.product((1, -1), repeat=len(sums))
    ]
    expected = np.mean([abs(t) >= abs(sum(sums)) for t in totals])
    assert sign_flip(rows, groups, seed=0) == pytest.approx(float(expected), abs=1e-9)


@given(binary_pairs, st.sampled_from([None, 3, 10]))
def test_exchange_turns_the_sign(pairs, group_size):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    groups = None if group_size is None else [str(i // group_size) for i in range(len(a))]
    forth, back = compare_paired(a, b, groups, seed=7), compare_paired(b, a, groups, seed=7)
    assert forth.gain == pytest.approx(-back.gain)
    assert (forth.wins, forth.losses, forth.ties) == (back.losses, back.wins, back.ties)
    assert forth.p_value == pytest.approx(back.p_value, abs=1e-9)
    assert -1.0 <= forth.low <= forth.gain + 1e-12
    assert forth.gain - 1e-12 <= forth.high <= 1.0
    assert forth.wins + forth.losses + forth.ties == forth.n == len(pairs)
    if groups is None:
        assert forth.low == pytest.approx(-back.high, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(0, 5))
def test_holm_is_monotone_and_never_below_the_raw_value(p, more):
    adjusted = holm(p, len(p) + more)
    assert all(a >= raw - 1e-12 and a <= 1.0 for a, raw in zip(adjusted, p, strict=True))
    order = np.argsort(p)
    assert np.all(np.diff(np.array(adjusted)[order]) >= -1e-12)


def test_random_flips_are_near_the_exact_answer_and_seeded():
    rng = np.random.default_rng(2)
    diff = rng.normal(0.05, 0.3, 60)
    p = sign_flip(diff, seed=3)
    assert p == sign_flip(diff, seed=3)
    assert p == pytest.approx(stats.ttest_1samp(diff, 0.0).pvalue, abs=0.03)


def test_no_difference_is_no_evidence_and_has_width():
    same = [1.0, 0.0] * 30
    for groups in (None, [str(i // 6) for i in range(60)]):
        test = compare_paired(same, same, groups, seed=0)
        assert (test.gain, test.p_value, test.wins) == (0.0, 1.0, 0)
        assert test.low < -0.02
        assert test.high > 0.02
    graded = compare_paired([0.5] * 40, [0.5] * 40, seed=0)
    assert graded.low < 0.0 < graded.high


def test_bootstrap_is_as_wide_as_student_for_few_groups():
    rng = np.random.default_rng(6)
    a = np.full(8, 0.5)
    b = np.clip(0.55 + 0.1 * rng.standard_normal(8), 0, 1)
    span = paired_interval(a, b, seed=1)
    low, high = stats.ttest_1samp(b - a, 0.0).confidence_interval(0.95)
    assert span.high - span.low == pytest.approx(high - low, rel=0.15)


def test_methods_are_named():
    a, b = [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]
    assert compare_paired(a, b).method == "McNemar exact, Newcombe interval"
    assert compare_paired(a, b, list("xxyy")).method == "sign-flip over groups, bootstrap interval over groups"
    assert (
        compare_paired([0.1, 0.2, 0.3], [0.2, 0.2, 0.9]).method
        == "sign-flip over examples, bootstrap interval over examples"
    )


def test_one_group_shows_nothing():
    a, b = [0.0] * 20, [1.0] * 20
    assert compare_paired(a, b, ["g"] * 20).p_value == 1.0
    assert paired_interval(a, b, ["g"] * 20).low == -1.0
    ni = non_inferior(a, b, ["g"] * 20, 0.02, 0.05)
    assert (ni.shown, ni.lower, ni.p_value) == (False, -1.0, 1.0)


@given(binary_pairs, st.floats(0.005, 0.3), st.sampled_from([None, 4]))
def test_non_inferiority_bound_and_p_value_agree(pairs, margin, group_size):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    groups = None if group_size is None else [str(i // group_size) for i in range(len(a))]
    ni = non_inferior(a, b, groups, margin, 0.05)
    if abs(ni.p_value - 0.05) > 1e-6:
        assert ni.shown == (ni.lower > -margin)
    assert -1.0 <= ni.lower <= np.mean(b) - np.mean(a) + 1e-9


def test_equal_answers_need_rows_before_they_count_as_not_worse():
    few, many = [1.0] * 50, [1.0] * 400
    assert not non_inferior(few, few, None, 0.02, 0.05).shown  # 50 equal rows do not exclude 2 % worse
    assert non_inferior(many, many, None, 0.02, 0.05).shown
    assert not non_inferior(many, many, [str(i // 20) for i in range(400)], 0.02, 0.05).shown


def test_graded_difference_is_worth_more_rows():
    rng = np.random.default_rng(8)
    a = rng.random(300) * 0.8
    b = a + rng.random(300) * 0.2
    assert difference(a, b, None).n_eff == 1200  # at most four yes/no rows each
    assert difference(a[:50], b[:50], None).n_eff == 50


# --- values by hand -----------------------------------------------------------------------------------------------------


def test_sign_flips_are_counted_all_or_drawn_as_announced():
    rising = [0.10 + 0.01 * i for i in range(30)]
    assert sign_flip(rising[:13], seed=1) == 2 / 2**13  # 2^13 patterns are fewer than 10,000: all of them
    assert sign_flip(rising, seed=1) == 1 / 10_001  # drawn: none of them is as far from 0
    assert sign_flip(rising, seed=1, resamples=100) == 1 / 101
    assert sign_flip([-x for x in rising], seed=1, resamples=100) == 1 / 101
    groups = [f"g{i % 5}" for i in range(30)]
    assert sign_flip(rising, groups, seed=1) == 2 / 2**5
    assert sign_flip([0.5, -0.5, 0.3, 0.2, 0.1], ["a", "a", "b", "c", "d"], seed=1) == 2 / 2**3  # group a cancels out
    assert sign_flip([0.5, -0.5], ["a", "a"], seed=1) == 1.0
    assert sign_flip([1.0, 1.0, 1.0, -1.0], seed=1) == 10 / 16
    assert sign_flip([2.0, 1.0], seed=1) == 0.5
    assert sign_flip([1.0] * 40 + [-1.0] * 20, seed=1) == pytest.approx(mcnemar_exact(40, 20), abs=1e-12)  # not drawn
    drawn = sign_flip([0.31, -0.29, 0.33, -0.1] * 5, seed=1)
    assert drawn == pytest.approx(sign_flip([0.31, -0.29, 0.33, -0.1] * 5, seed=1, resamples=2_000_000), abs=0.02)
    assert drawn != sign_flip([0.31, -0.29, 0.33, -0.1] * 5, seed=2)


@pytest.mark.parametrize("groups", [None, 12])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_bootstrap_interval_is_widened_to_student(groups, level):
    rng = np.random.default_rng(5)
    a, b = rng.random(40) * 0.5, rng.random(40)
    names = None if groups is None else [f"g{(i * i) % groups}" for i in range(40)]
    diff = b - a
    if names is None:
        sums, sizes = diff, np.ones(40)
    else:
        kept = sorted(set(names), key=names.index)
        sums = np.array([sum(d for d, n in zip(diff, names, strict=True) if n == g) for g in kept])
        sizes = np.array([names.count(g) for g in kept])
    count = sums.size
    drawn = np.random.default_rng(7).integers(0, count, (4000, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    wide = math.sqrt(count / (count - 1)) * stats.t.ppf((1 + level) / 2, count - 1)
    expected = np.quantile(means, [stats.norm.cdf(-wide), stats.norm.cdf(wide)])
    span = paired_interval(a, b, names, level, seed=7)
    assert (span.low, span.high) == pytest.approx(tuple(expected), abs=1e-9)
    test = compare_paired(a, b, names, seed=7, level=level)
    assert (test.low, test.high, test.n) == (span.low, span.high, 40)
    assert (test.wins, test.losses, test.ties) == (int((diff > 0).sum()), int((diff < 0).sum()), 0)


def test_groups_that_agree_exactly_have_the_score_interval_of_one_row_a_group():
    a, b = [0.5] * 40, [0.7] * 40
    names = [str(i // 4) for i in range(40)]
    span, change = paired_interval(a, b, names), difference(np.array(a), np.array(b), names)
    q = stats.t.ppf(0.975, 40 / 4 - 1)
    assert change.n_eff == pytest.approx(10.0)
    assert tango(change, span.low) == pytest.approx(q, abs=1e-6)
    assert tango(change.reversed, -span.high) == pytest.approx(q, abs=1e-6)
    assert span.low < 0.2 < span.high
    same = paired_interval(a, a, names)
    assert same.low == pytest.approx(-same.high)


def test_not_worse_is_a_score_test_with_the_quantile_of_its_rows():
    a, b = [1.0] * 90 + [0.0] * 10, [1.0] * 86 + [0.0] * 4 + [1.0] * 3 + [0.0] * 7
    plain, change = non_inferior(a, b, None, 0.1, 0.05), difference(np.array(a), np.array(b), None)
    assert (change.up, change.down, change.n_eff, change.df) == (0.03, 0.04, 100.0, math.inf)
    assert plain.p_value == pytest.approx(stats.norm.cdf(-tango(change, -0.1)), abs=1e-9)
    assert tango(change, plain.lower) == pytest.approx(stats.norm.ppf(0.95), abs=1e-6)
    assert plain.shown is (plain.p_value < 0.05)
    assert non_inferior(a, b, None, 0.1, plain.p_value).shown is False  # exactly alpha is not below it
    names = [str(i // 5) for i in range(100)]
    grouped, change = non_inferior(a, b, names, 0.1, 0.05), difference(np.array(a), np.array(b), names)
    assert change.df == 100 / 5 - 1
    assert grouped.p_value == pytest.approx(stats.t.cdf(-tango(change, -0.1), 19), abs=1e-9)
    assert tango(change, grouped.lower) == pytest.approx(stats.t.ppf(0.95, 19), abs=1e-6)


def test_where_every_row_differs_the_interval_of_the_gain_stays_within_one():
    assert newcombe(0, 0, 20, 0).high == 1.0
    assert newcombe(0, 20, 0, 0).low == -1.0
    mirrored, plain = newcombe(30, 4, 9, 7), newcombe(30, 9, 4, 7)
    assert (mirrored.low, mirrored.high) == (pytest.approx(-plain.high), pytest.approx(-plain.low))
    few, many = newcombe(30, 4, 9, 7, 0.8), newcombe(30, 4, 9, 7)
    assert many.low < few.low < few.high < many.high


# --- quick simulations --------------------------------------------------------------------------------------------------


def test_false_gains_and_interval_coverage_by_simulation():
    rng = np.random.default_rng(9)
    false, covered, runs = 0, 0, 400
    for run in range(runs):
        a, b = (rng.random((2, 150)) < 0.85).astype(float)
        test = compare_paired(a, b, seed=run)
        false += test.p_value < 0.05
        covered += test.low <= 0.0 <= test.high
    assert false / runs <= 0.06
    assert 0.92 <= covered / runs <= 0.99


def test_non_inferiority_errs_about_alpha_at_the_margin():
    rng = np.random.default_rng(10)
    wrong, runs = 0, 800
    for _ in range(runs):
        losses = rng.random(500) < 0.10
        wins = (rng.random(500) < 0.05 / 0.9) & ~losses  # true gain -0.05
        a, b = np.where(losses, 1.0, np.where(wins, 0.0, 1.0)), np.where(losses, 0.0, 1.0)
        wrong += non_inferior(a, b, None, 0.05, 0.05).shown
    assert 0.02 <= wrong / runs <= 0.07


# --- bad input ----------------------------------------------------------------------------------------------------------


def test_messages():
    with pytest.raises(ValueError, match="2 scores against 1; a paired comparison needs the same examples in both"):
        compare_paired([0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="3 p-values but only 2 planned comparisons; plan them all beforehand"):
        holm([0.1, 0.2, 0.3], 2)
    with pytest.raises(ValueError, match="must all lie between 0 and 1"):
        holm([1.2], 2)
    with pytest.raises(ValueError, match=r"wins \(-1\) and losses \(2\) are counts of examples"):
        mcnemar_exact(-1, 2)
    with pytest.raises(ValueError, match="margin is 2; it must lie between 0 and 1"):
        non_inferior([1.0], [1.0], None, 2, 0.05)
    with pytest.raises(ValueError, match="at least one finite number"):
        sign_flip([], seed=0)
