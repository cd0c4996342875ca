"""Early stop: the foreseen verdict against brute force, and exact error rates of the group-sequential form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rung.stats.distribution import at_least, binomial_mass, smallest_hits
from rung.stats.estimate import wilson
from rung.stats.sequential import Curtailment, look_sizes, second_level
from rung.stats.threeway import judge

RULE = (0.9, 0.02, 0.05, 5)


@pytest.mark.parametrize(
    ("n", "looks"), [(1, (1,)), (7, (1, 2, 3, 4, 5, 6, 7)), (25, (3, 5, 8, 10, 13, 15, 18, 20, 23, 25))]
)
def test_looks_are_tenths_rounded_up(n, looks):
    assert look_sizes(n) == looks


@pytest.mark.parametrize("n", [1, 20, 133, 400])
def test_verdict_on_all_rows_is_the_three_way_rule(n):
    rule = Curtailment(n, *RULE)
    for hits in range(n + 1):
        expected = judge([1.0] * hits + [0.0] * (n - hits), None, *RULE).status
        assert rule.verdict(hits) == expected
        assert rule.decide(hits, n) == expected


@pytest.mark.parametrize("n", [60, 200])
def test_decides_only_when_all_three_rates_agree(n):
    rule = Curtailment(n, *RULE)
    final = np.array([rule.verdict(k) for k in range(n + 1)])
    answers = set()
    for seen in rule.looks[1:-1:2]:
        for hits in range(seen // 2, seen + 1):
            left, span, agreed = n - seen, wilson(hits, seen, 0.90), []
            masses = [stats.binom.pmf(np.arange(left + 1), left, r) for r in (span.low, hits / seen, span.high)]
            for status in ("meets", "misses", "inconclusive"):
                reached = final[hits : hits + left + 1] == status
                if min(mass[reached].sum() for mass in masses) >= 0.99:
                    agreed.append(status)
            assert rule.decide(hits, seen) == (agreed[0] if agreed else None)
            answers.add(rule.decide(hits, seen))
    assert {"misses", "inconclusive", None} <= answers


def test_stops_far_away_and_not_near():
    rule = Curtailment(400, *RULE)
    assert rule.decide(24, 40) == "misses"
    assert rule.decide(36, 40) is None
    assert rule.decide(316, 320) == "meets"
    assert rule.decide(23, 39) is None  # not a look
    assert (
        Curtailment(200, 0.9, 0.0, 0.05, 5).decide(162, 180) == "inconclusive"
    )  # an inconclusive end can be certain, too


@pytest.mark.parametrize("n", [60, 100, 160])
@pytest.mark.parametrize("kept", [0.2, 0.5])
def test_two_looks_err_at_most_as_one_whatever_was_added_after_the_first(n, kept):
    """Every number of first hits, and for each the number of added rows that errs the most: the whole error, exactly."""
    total, rate = 0.03, 0.88
    spent = (1 - kept) * total
    mass = binomial_mass(n, rate)
    first = int(smallest_hits(n, rate, spent)[0])
    as_planned = worst = float(mass[first:].sum())
    for hits in range(first):
        errs = {added: _errs(hits, n, added, rate, spent, total) for added in (n // 4, n, 3 * n)}
        as_planned += mass[hits] * errs[n]
        worst += mass[hits] * max(errs.values())
    assert 0.6 * total < as_planned <= worst <= total


def _errs(hits, seen, added, rate, spent, total):
    level = second_level(hits, seen, added, rate, spent, total)
    needed = int(smallest_hits(seen + added, rate, level)[0])
    return float(at_least(needed - hits, added, rate)) if needed > hits else 1.0


def test_the_level_of_a_second_look_is_between_what_was_kept_and_all():
    assert second_level(144, 160, 160, 0.88, 0.024, 0.03) == pytest.approx(0.01659, abs=1e-5)  # 0.006 was kept
    assert second_level(144, 160, 160, 0.88, 0.03, 0.03) < 0.03  # nothing was kept: nearly nothing is left
    assert second_level(30, 100, 1, 0.88, 0.024, 0.03) < 1e-5  # no number of hits decides
    assert second_level(0, 5000, 10000, 0.88, 0.024, 0.03) > 0.0
    for wrong in (
        (5, 4, 1, 0.9, 0.01, 0.02),
        (4, 5, 0, 0.9, 0.01, 0.02),
        (4, 5, 1, 1.0, 0.01, 0.02),
        (4, 5, 1, 0.9, 0.03, 0.02),
    ):
        with pytest.raises(ValueError, match="no second look"):
            second_level(*wrong)


def test_curtailment_keeps_the_verdict_by_simulation():
    rng = np.random.default_rng(12)
    rule, same, used = Curtailment(400, *RULE), 0, 0
    for rate in (0.80, 0.96):
        for _ in range(150):
            hits = np.cumsum(rng.random(400) < rate)
            stop = next(s for s in rule.looks if rule.decide(int(hits[s - 1]), s))
            same += rule.decide(int(hits[stop - 1]), stop) == rule.verdict(int(hits[-1]))
            used += stop / 400
    assert same / 300 >= 0.98
    assert used / 300 <= 0.5


def test_messages():
    with pytest.raises(ValueError, match="n is 0; the test set needs at least 1 example"):
        Curtailment(0, *RULE)
    with pytest.raises(ValueError, match="5 hits of 4 examples out of 10 cannot be; hits <= seen <= n must hold"):
        Curtailment(10, *RULE).decide(5, 4)
    with pytest.raises(ValueError, match="goal is 0"):
        Curtailment(10, 0.0, 0.02, 0.05, 5)
