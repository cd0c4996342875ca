"""Early stop: the foreseen verdict against brute force, and exact error rates of the group-sequential form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rung.stats.distribution import binomial_mass
from rung.stats.estimate import wilson
from rung.stats.sequential import Curtailment, GroupSequential, look_sizes
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


def exit_probabilities(rule: GroupSequential, rate: float, looks: int = 10) -> tuple[float, float]:
    """Walk all paths of hits exactly: P(met), P(not met) within the first `looks` looks."""
    mass, before, met, misses = np.ones(1), 0, 0.0, 0.0
    for seen in rule.looks[:looks]:
        mass, before = np.convolve(mass, binomial_mass(seen - before, rate)), seen
        for hits in range(mass.size):
            status = rule.decide(hits, seen)
            if status == "meets":
                met += mass[hits]
            elif status == "misses":
                misses += mass[hits]
            if status is not None:
                mass[hits] = 0.0
    return met, misses


def test_group_sequential_spends_little_early():
    rule = GroupSequential(1000, *RULE)
    for looks in (1, 3, 5, 8):
        met, misses = exit_probabilities(rule, 0.88, looks)[0], exit_probabilities(rule, 0.90, looks)[1]
        share = (looks / 10) ** 2
        assert met <= 0.01 * share
        assert 0.5 * 0.05 * share <= misses <= 0.05 * share


@pytest.mark.parametrize("n", [50, 200, 400])
def test_group_sequential_errors_are_exact(n):
    rule = GroupSequential(n, *RULE)
    wrong_met = exit_probabilities(rule, 0.88)[0]
    assert 0.004 < wrong_met <= 0.01  # uses most of the error it is given, never more
    assert exit_probabilities(rule, 0.80)[0] <= 0.01
    assert 0.0 < exit_probabilities(rule, 0.90)[1] <= 0.05
    assert exit_probabilities(rule, 0.70)[1] > 0.95


def test_group_sequential_answers_at_its_looks_and_always_at_the_end():
    rule = GroupSequential(100, 0.9, 0.02, 0.05, 3)
    assert rule.met_from == (11, 21, 31, 41, 50, 59, 71, 78, 87, 96)
    assert rule.not_met_to == (4, 12, 21, 30, 39, 47, 57, 65, 74, 84)
    assert (rule.decide(84, 100), rule.decide(85, 100), rule.decide(96, 100)) == ("misses", "inconclusive", "meets")
    assert (rule.decide(49, 50), rule.decide(50, 50), rule.decide(39, 50)) == (None, "meets", "misses")
    assert rule.decide(96, 99) is None
    assert GroupSequential(1, 0.75, 0.1, 0.25, 1).not_met_to == (0,)  # a miss has just the error that may be spent


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
    with pytest.raises(ValueError, match="11 examples out of 10 cannot be"):
        GroupSequential(10, *RULE).decide(5, 11)
    with pytest.raises(ValueError, match="goal is 0"):
        Curtailment(10, 0.0, 0.02, 0.05, 5)
