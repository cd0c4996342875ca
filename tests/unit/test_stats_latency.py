"""Faster at the 95th percentile: every figure by hand from the paired bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from rung.stats.latency import faster, lower_bound, requests_for_bound, upper_bound


def test_percentiles_and_p_value_are_those_of_the_paired_bootstrap():
    rng = np.random.default_rng(3)
    before = rng.gamma(4.0, 0.2, 60)
    after = before * 0.6 + rng.gamma(4.0, 0.06, 60)
    found = faster([*before, None, 1.0], [*after, 1.0, None], seed=11)
    assert found is not None
    assert found.n == 60
    assert (found.before_s, found.after_s) == (
        pytest.approx(np.quantile(before, 0.95)),
        pytest.approx(np.quantile(after, 0.95)),
    )
    drawn = np.random.default_rng(11).integers(0, 60, (10_000, 60))
    slower = np.quantile(before[drawn], 0.95, axis=1) <= np.quantile(after[drawn], 0.95, axis=1)
    assert 0.01 < found.p_value < 1.0
    assert found.p_value == pytest.approx(2 * (1 + slower.sum()) / 10_001)
    assert faster(before, after, seed=11).p_value == found.p_value
    assert faster(after, before, seed=11).p_value == 1.0


def test_the_bound_takes_59_requests_at_one_in_twenty_and_90_at_one_in_a_hundred():
    assert (requests_for_bound(0.05), requests_for_bound(0.01)) == (59, 90)
    for level in (0.05, 0.01, 0.05 / 3):
        n = requests_for_bound(level)
        assert 0.95**n <= level < 0.95 ** (n - 1)
        assert upper_bound([1.0] * (n - 1), level) is None
        assert upper_bound(list(range(n)), level) == n - 1  # the largest of them


@pytest.mark.parametrize("level", [0.05, 0.01])
@pytest.mark.parametrize("n", [5, 59, 90, 93, 124, 200, 1000])
def test_each_bound_is_the_tightest_that_keeps_its_level(n, level):
    """The k-th of n values lies above the 95th percentile where fewer than k values lie below it: a binomial count."""
    ranks = range(1, n + 1)
    above = [k for k in ranks if binom.sf(k - 1, n, 0.95) <= level]
    below = [k for k in ranks if binom.cdf(k - 1, n, 0.95) <= level]
    assert upper_bound([*ranks][::-1], level) == (min(above) if above else None)
    assert lower_bound([*ranks][::-1], level) == (max(below) if below else None)


@pytest.mark.slow
def test_bounds_err_no_more_often_than_they_say():
    rng = np.random.default_rng(5)
    drawn, truth = rng.lognormal(0.0, 0.6, (4000, 59)), float(np.exp(0.6 * 1.6448536))
    too_low = np.mean([(upper_bound(list(x), 0.05) or np.inf) < truth for x in drawn])
    too_high = np.mean([(lower_bound(list(x), 0.05) or 0.0) > truth for x in drawn])
    assert 0.035 < too_low < 0.060
    assert too_high < 0.04  # 0.027 exactly: ranks come in steps
