"""ExperimentBudget, intervals and one-sided bounds: properties, agreement with scipy and statsmodels, quick simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from rung.stats.distribution import at_least, at_most, binomial_mass, smallest_hits
from rung.stats.estimate import (
    can_claim_met,
    clopper_pearson_lower,
    clopper_pearson_upper,
    cluster_variance,
    group_numbers,
    interval_mean,
    sample_lower,
    sample_upper,
    summarise,
    wilson,
)

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
score_lists = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def rows(hits: int, n: int) -> list[float]:
    return [1.0] * hits + [0.0] * (n - hits)


# --- agreement with reference libraries -------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (183, 200), (999, 1000)])
def test_intervals_agree_with_statsmodels_and_scipy(k, n):
    low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
    ours = wilson(k, n)
    assert ours.low == pytest.approx(max(low, 0.0), abs=1e-9)
    assert ours.high == pytest.approx(min(high, 1.0), abs=1e-9)
    lower = stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, method="exact").low
    upper = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert clopper_pearson_lower(k, n, 0.05) == pytest.approx(lower, abs=1e-9)
    assert clopper_pearson_upper(k, n, 0.05) == pytest.approx(upper, abs=1e-9)
    assert sample_lower(summarise(rows(k, n), None), 0.05) == pytest.approx(lower, abs=1e-9)
    assert sample_upper(summarise(rows(k, n), None), 0.05) == pytest.approx(upper, abs=1e-9)


def test_binomial_tails_agree_with_scipy():
    for n, p in ((1, 0.3), (17, 0.9), (400, 0.88)):
        k = np.arange(n + 1)
        assert at_least(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), abs=1e-12)
        assert at_most(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), abs=1e-12)
        assert binomial_mass(n, p) == pytest.approx(stats.binom.pmf(k, n, p), abs=1e-12)
    assert at_least([-3, 0, 6], 5, 0.5) == pytest.approx([1.0, 1.0, 0.0])


def test_smallest_hits_is_the_smallest():
    sizes = np.arange(1, 300)
    for p, alpha in ((0.88, 0.01), (0.5, 0.025), (0.02, 0.05), (0.999, 0.05)):
        k = smallest_hits(sizes, p, alpha)
        assert np.all(stats.binom.sf(k - 1, sizes, p) <= alpha + 1e-12)
        assert np.all(stats.binom.sf(k - 2, sizes, p)[k > 0] > alpha - 1e-12)
    assert list(smallest_hits([2, 3], 0.5, 0.25)) == [2, 3]  # two of two have just that probability


def test_cluster_variance_agrees_with_statsmodels_cr1():
    rng = np.random.default_rng(5)
    names = [f"g{i}" for i in rng.integers(0, 12, 90)]
    values = rng.random(90)
    numbers = group_numbers(names, 90)
    fit = OLS(values, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": numbers, "use_correction": True, "df_correction": False}
    )
    # statsmodels multiplies by (n - 1) / (n - k) too, which is 1 for a mean
    assert cluster_variance(values, numbers).value == pytest.approx(float(fit.cov_params()[0, 0]), rel=1e-9)
    assert cluster_variance(values, None).value == pytest.approx(values.var(ddof=1) / 90, rel=1e-12)


def test_korn_graubard_by_hand():
    values, names = rows(45, 50), [f"g{i % 10}" for i in range(50)]
    sample = summarise(values, names)
    ratio = stats.norm.ppf(0.95) / stats.t.ppf(0.95, 50 / 5 - 1)
    n = sample.n_cautious * ratio**2
    expected = stats.beta.ppf(0.05, 0.9 * n, n - 0.9 * n + 1)
    assert sample_lower(summarise(values, names), 0.05) == pytest.approx(expected, abs=1e-9)


# --- properties -------------------------------------------------------------------------------------------------------


@given(counts, st.floats(0.5, 0.999))
def test_interval_holds_the_mean_and_mirrors(count, level):
    k, n = count
    span, mirror = wilson(k, n, level), wilson(n - k, n, level)
    assert 0.0 <= span.low <= k / n <= span.high <= 1.0
    assert span.low == pytest.approx(1.0 - mirror.high, abs=1e-12)


@given(counts, st.floats(0.001, 0.2))
def test_bounds_are_ordered_and_fall_with_alpha(count, alpha):
    k, n = count
    assert 0.0 <= clopper_pearson_lower(k, n, alpha) <= k / n <= clopper_pearson_upper(k, n, alpha) <= 1.0
    assert clopper_pearson_lower(k, n, alpha / 2) <= clopper_pearson_lower(k, n, alpha)
    if k < n:
        assert clopper_pearson_lower(k, n, alpha) <= clopper_pearson_lower(k + 1, n, alpha)


@settings(max_examples=settings.default.max_examples * 3 // 2)
@given(score_lists, st.integers(1, 8), st.randoms(use_true_random=False))
def test_any_scores_any_groups(scores, n_groups, random):
    groups = [f"g{random.randrange(n_groups)}" for _ in scores]
    for names in (None, groups):
        span = interval_mean(scores, names)
        lower, upper = sample_lower(summarise(scores, names), 0.05), sample_upper(summarise(scores, names), 0.05)
        assert 0.0 <= span.low <= span.mean <= span.high <= 1.0
        assert 0.0 <= lower <= span.mean + 1e-12
        assert span.mean - 1e-12 <= upper <= 1.0
        assert 0.0 < span.n_eff <= 4 * len(scores)
    order = list(range(len(scores)))
    random.shuffle(order)
    again = interval_mean([scores[i] for i in order], [groups[i] for i in order])
    assert again.low == pytest.approx(interval_mean(scores, groups).low, abs=1e-9)


def test_groups_widen_and_singletons_do_not():
    values = rows(80, 100)
    alone = interval_mean(values)
    singletons = interval_mean(values, [str(i) for i in range(100)])
    grouped = interval_mean(values, [str(i // 10) for i in range(100)])  # rows of a group agree: the worst case
    assert (singletons.low, singletons.high, singletons.method) == (alone.low, alone.high, "wilson")
    assert grouped.n_eff < 12
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.n_groups == 10
    assert grouped.method == "wilson n_eff, grouped"


def test_all_right_in_groups_counts_groups():
    sample = summarise([1.0] * 100, [str(i // 10) for i in range(100)])
    assert sample.n_eff == pytest.approx(10.0)
    sample = summarise([1.0] * 100, [str(i // 2) for i in range(100)])
    assert sample.n_eff == pytest.approx(50.0)


def test_graded_scores_are_worth_more_rows_but_only_in_large_samples():
    rng = np.random.default_rng(1)
    small, large = rng.beta(6, 4, 99), rng.beta(6, 4, 400)
    assert interval_mean(small).n_eff == 99
    assert 400 < interval_mean(large).n_eff <= 1600
    assert interval_mean([0.7] * 50).n_eff == 50
    assert interval_mean([0.5]).low == 0.0  # one graded row says nothing
    assert interval_mean([0.5]).high == 1.0


def test_one_group_says_nothing():
    span = interval_mean(rows(30, 40), ["same"] * 40)
    assert (span.low, span.high) == (0.0, 1.0)
    assert sample_lower(summarise(rows(40, 40), ["same"] * 40), 0.05) == 0.0
    assert sample_upper(summarise(rows(0, 40), ["same"] * 40), 0.05) == 1.0


def test_met_needs_eight_groups():
    assert [can_claim_met(g) for g in (None, 1, 7, 8, 50)] == [True, False, False, True, True]


# --- bad input --------------------------------------------------------------------------------------------------------


def test_messages_name_the_thing():
    with pytest.raises(ValueError, match="no scores; an interval needs at least one scored example"):
        interval_mean([])
    with pytest.raises(ValueError, match=r"score 1\.5 of example 1 is outside \[0, 1\]; turn losses over"):
        interval_mean([0.0, 1.5])
    with pytest.raises(ValueError, match="score nan of example 0"):
        interval_mean([float("nan")])
    with pytest.raises(ValueError, match="2 scores came with 1 group names"):
        interval_mean([0.0, 1.0], ["a"])
    with pytest.raises(ValueError, match="scores have 2 dimensions"):
        interval_mean([[0.0]])
    with pytest.raises(ValueError, match="level is 95"):
        wilson(1, 2, 95)
    with pytest.raises(ValueError, match=r"alpha is 0\.95; it must lie between 0 and 0\.5"):
        sample_lower(summarise([1.0], None), 0.95)
    with pytest.raises(ValueError, match="3 hits of 2 examples is no rate"):
        wilson(3, 2)


# --- quick simulations (the full ones: bench/statistics) ----------------------------------------------------------------


def test_grouped_coverage_and_one_sided_errors_by_simulation():
    rng = np.random.default_rng(11)
    runs, covered, wrong = 300, 0, 0
    names = [str(i // 10) for i in range(300)]
    for rate in (0.7, 0.9):
        for _ in range(runs):
            rates = np.repeat(rng.beta(9 * rate, 9 * (1 - rate), 30), 10)  # intra-class correlation 0.1
            scores = (rng.random(300) < rates).astype(float)
            span = interval_mean(scores, names)
            covered += span.low <= rate <= span.high
            wrong += sample_lower(summarise(scores, names), 0.05) > rate
    assert 0.92 <= covered / (2 * runs) <= 0.99
    assert wrong / (2 * runs) <= 0.05
    naive = wilson(270, 300)
    assert naive.high - naive.low < span.high - span.low


def test_clopper_pearson_never_errs_more_than_alpha():
    n = 60
    k = np.arange(n + 1)
    lower = np.array([clopper_pearson_lower(int(x), n, 0.05) for x in k])
    for rate in np.linspace(0.02, 0.98, 49):
        assert binomial_mass(n, rate)[lower > rate].sum() <= 0.05 + 1e-12
