"""What a report says of one approach, from its stored answers: means, the interval after an early stop, cost, time, limits."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rung.decide.limits import limits_broken, limits_open, what_settles
from rung.errors import RungError
from rung.evaluate.measure import abstentions, scored, summarise, unanswered
from rung.stats.estimate import wilson
from rung.stats.threeway import judge
from rung.types import (
    FORMAT,
    Answer,
    Candidate,
    Completion,
    Failure,
    Limits,
    MetricSpec,
    Outcome,
    PromptLearned,
    Score,
    groups_of,
)
from tests.unit._results import outcome, result, share, task

CANDIDATE = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), "main")


def summed(rows, for_task=None, planned=3, **more):
    return summarise(CANDIDATE, tuple(rows), for_task or task(0.9), planned, **more)


def row(i, calls, *, value=1.0, adheres=None, group=None, **more):
    return Outcome(
        f"r{i}", group or f"r{i}", Answer("x", tuple(calls), **more), {"normalized_match": Score(value, adheres)}
    )


def call(usd=0.001, seconds=0.5, tokens=10, note=None):
    return Completion("x", "toy", tokens, 2, seconds, usd, price_note=note)


# --- intervals


@pytest.mark.parametrize(("right", "n"), [(24, 40), (0, 40), (77, 80)])
def test_the_interval_of_an_approach_that_stopped_early_holds_over_all_ten_looks(right, n):
    """Wilson at a tenth of the error, and no mean: where a run stops, its mean is biased."""
    found = summed([outcome(i, v) for i, v in enumerate(share(right, n))], stopped_at=n)
    at = found.estimates["normalized_match"]
    z = stats.norm.ppf(1 - 0.05 / 10 / 2)
    p, shrink = right / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (at.low, at.high) == (
        pytest.approx(max(centre - half, 0.0), abs=1e-9),
        pytest.approx(centre + half, abs=1e-9),
    )
    assert (at.mean, at.n, at.method, found.stopped_early_at) == (None, n, "wilson", n)
    whole = summed([outcome(i, v) for i, v in enumerate(share(right, n))])
    plain = whole.estimates["normalized_match"]
    assert (plain.low, plain.high) == (pytest.approx(wilson(right, n).low), pytest.approx(wilson(right, n).high))
    assert (plain.mean, plain.n_effective, whole.stopped_early_at) == (right / n, float(n), None)
    assert at.low <= plain.low < plain.high < at.high


def test_the_right_form_has_an_interval_of_the_same_kind():
    rows = [row(i, [call()], adheres=i < 30) for i in range(40)]
    at, early = (summed(rows, stopped_at=n).estimates[FORMAT] for n in (None, 40))
    assert (at.mean, at.n) == (0.75, 40)
    assert (at.low, at.high) == (pytest.approx(wilson(30, 40).low), pytest.approx(wilson(30, 40).high))
    assert early.mean is None
    assert (early.low, early.high) == (
        pytest.approx(wilson(30, 40, 0.995).low),
        pytest.approx(wilson(30, 40, 0.995).high),
    )


def test_a_failed_row_has_not_the_right_form_and_a_metric_without_form_has_none():
    failed = Outcome("r9", "r9", None, None, Failure("timeout", "none"))
    assert summed([row(0, [call()], adheres=True), failed]).estimates[FORMAT].mean == 0.5
    assert FORMAT not in summed([row(0, [call()]), row(1, [call()])]).estimates
    assert FORMAT not in summed([row(0, [call()]), failed]).estimates  # nothing but a failure is known
    mixed = summed([row(0, [call()], adheres=True), row(1, [call()])])
    assert (mixed.estimates[FORMAT].mean, mixed.estimates[FORMAT].n) == (1.0, 1)


def test_quality_is_the_three_way_rule_over_the_planned_ladder_and_rows_in_groups():
    t = task(0.9, tolerance=0.03, alpha=0.04)
    values = share(185, 200)
    found = summed([outcome(i, v) for i, v in enumerate(values)], t, planned=4)
    assert found.quality == judge(values, None, 0.9, 0.03, 0.04, 4)
    grouped = [replace(outcome(i, v), group=f"g{i // 5}") for i, v in enumerate(values)]
    names = [o.group for o in grouped]
    assert summed(grouped, t, planned=4).quality == judge(values, names, 0.9, 0.03, 0.04, 4)
    assert groups_of(grouped) == names
    assert groups_of([outcome(i, 1.0) for i in range(3)]) is None


def test_each_metric_has_its_own_estimate_over_rows_left_in():
    t = task(0.5, metrics=(MetricSpec("normalized_match"), MetricSpec("token_f1")), failure_score=None)
    rows = [
        Outcome("a", "a", Answer("x", (call(),)), {"normalized_match": Score(1.0), "token_f1": Score(0.5)}),
        Outcome("b", "b", Answer("x", (call(),)), {"normalized_match": Score(0.0), "token_f1": Score(0.25)}),
        Outcome("c", "c", None, None, Failure("refusal", "none")),
    ]
    found = summed(rows, t)
    assert {k: (e.mean, e.n) for k, e in found.estimates.items()} == {
        "normalized_match": (0.5, 2),
        "token_f1": (0.375, 2),
    }
    assert scored(rows, "token_f1", None) == [(rows[0], 0.5), (rows[1], 0.25)]
    assert [v for _, v in scored(rows, "token_f1", 0.0)] == [0.5, 0.25, 0.0]
    counted = summed(rows, replace(t, failure_score=0.0))
    assert (counted.estimates["token_f1"].mean, counted.estimates["token_f1"].n) == (0.25, 3)
    told = (
        "no example has a score: every example failed, and neither examples that the metric could not judge nor those that "
        "task.failure_score: null leaves out have one; look at why they fail with `rung climb --quick`"
    )
    with pytest.raises(RungError, match=f"^{re.escape(told)}$"):
        summed(rows[2:], t)
    assert summed(rows[2:], replace(t, failure_score=0.0)).estimates["normalized_match"].mean == 0.0


# --- cost, time, tokens


def test_cost_is_the_mean_over_answered_rows_and_unknown_where_one_price_is():
    rows = [row(0, [call(0.001), call(0.002)]), row(1, [call(0.005)]), outcome(2, None)]
    assert summed(rows).cost_per_1k_usd == pytest.approx(4.0)
    assert summed(rows).cost_note is None
    unknown = summed([*rows, row(3, [call(None, note="no price for toy")])])
    assert (unknown.cost_per_1k_usd, unknown.cost_note) == (None, "no price for toy")
    bare = summed([*rows, row(3, [call(None)])])
    assert (bare.cost_per_1k_usd, bare.cost_note) == (None, "the price of this model is unknown")
    silent = summed([outcome(0, None)])
    assert (silent.cost_per_1k_usd, silent.cost_note) == (None, "no example was answered")


def test_latency_is_the_median_and_the_95th_percentile_of_answered_rows():
    seconds = [0.1 * (i + 1) for i in range(40)]
    found = summed([*[outcome(i, 1.0, seconds=s) for i, s in enumerate(seconds)], outcome(40, None)])
    assert found.p50_latency_s == pytest.approx(float(np.quantile(seconds, 0.5)))
    assert found.p95_latency_s == pytest.approx(float(np.quantile(seconds, 0.95)))
    silent = summed([outcome(0, None)])
    assert (silent.p50_latency_s, silent.p95_latency_s) == (None, None)


def test_tokens_are_added_up_over_the_calls_of_a_request_and_unknown_where_one_is():
    rows = [row(0, [call(tokens=10), call(tokens=20)]), row(1, [call(tokens=50)])]
    assert summed([*rows, outcome(2, None)]).tokens_per_request == 40.0
    assert summed([*rows, row(2, [call(tokens=None)])]).tokens_per_request is None
    assert summed([*rows, row(2, [])]).tokens_per_request == 40.0  # answered without asking a model
    assert summed([outcome(0, None)]).tokens_per_request is None


@pytest.mark.parametrize(
    ("limits", "held"),
    [
        ({}, True),
        ({"cost_per_1k_usd": 500.0}, True),  # exactly the limit
        ({"cost_per_1k_usd": 499.0}, False),
        ({"p95_latency_s": 0.3}, True),
        ({"p95_latency_s": 0.29}, False),
        ({"cost_per_1k_usd": 900.0, "p95_latency_s": 0.29}, False),
        ({"cost_per_1k_usd": 0.5, "p95_latency_s": 1.0}, False),
    ],
)
def test_limits_are_held_up_to_the_limit_itself(limits, held):
    """Under our own load an answer takes 0.5 s, which decides nothing; as it is served, 0.3 s."""
    found = result(share(39, 40), task(0.5, limits=Limits(**limits)), usd=0.5, seconds=0.5, served=[0.3] * 90)
    assert (found.cost_per_1k_usd, found.p95_latency_s, found.load) == (500.0, 0.5, 64)
    assert found.limits_held is held


def test_an_unknown_quantity_leaves_a_limit_open_unless_another_is_broken():
    t = task(0.5, limits=Limits(cost_per_1k_usd=1.0, p95_latency_s=0.6))
    assert result(share(39, 40), t, usd=None, served=[0.5] * 90).limits_held is None
    assert result(share(39, 40), t, usd=None, served=[0.7] * 90).limits_held is False
    quick = task(0.5, limits=Limits(p95_latency_s=0.6))
    assert result(share(39, 40), quick, usd=None, served=[0.5] * 90).limits_held is True
    assert result(share(39, 40), quick).limits_held is None  # nobody asked how fast it is served


@pytest.mark.parametrize(
    ("seconds", "status", "low", "high", "advice"),
    [
        ([0.2] * 79, "inconclusive", 0.2, None, "the bound takes 80 requests, and there were 79"),
        ([0.2] * 80, "meets", 0.2, 0.2, None),
        ([0.2] * 79 + [0.6], "inconclusive", 0.2, 0.6, "about 104 more requests like these would tell (limits.latency_requests: 184)"),
        ([0.2] * 70 + [0.6] * 12, "misses", 0.6, 0.6, None),
        ([0.2] * 72 + [0.6] * 10, "misses", 0.6, 0.6, None),
        ([0.2] * 74 + [0.6] * 8, "inconclusive", 0.2, 0.6, "about 1 more request like these would tell (limits.latency_requests: 83)"),
        ([0.2] * 76 + [0.6] * 4, "inconclusive", 0.2, 0.6, "it lies too near the limit to tell"),
        ([0.2] * 79 + [None], "inconclusive", 0.2, None, "1 of 80 requests got no answer: the same command asks them again"),
        ([0.6] * 70 + [None] * 12, "misses", 0.6, None, None),
        ([0.6] * 2, "misses", 0.6, None, None),
    ],
)  # fmt: skip
def test_a_latency_limit_is_judged_three_ways_by_order_statistics(seconds, status, low, high, advice):
    """Limit 0.5 s, alpha 0.05 over 3 planned rungs: 0.95^80 < 0.05 / 3 <= 0.95^79."""
    found = result(share(39, 40), task(0.5, limits=Limits(p95_latency_s=0.5)), 3, served=seconds)
    assert found.served is not None
    assert (found.served.status, found.served.low_s, found.served.high_s, found.served.advice) == (
        status,
        low,
        high,
        advice,
    )
    assert found.limits_held is {"meets": True, "misses": False, "inconclusive": None}[status]
    assert (found.served.n, found.served.unknown) == (len(seconds) - seconds.count(None), seconds.count(None))


# --- counts


def test_failures_and_abstentions_are_counted_by_their_names():
    causes = ["timeout", "parse", "timeout", "model", "refusal"]
    rows = [Outcome(f"f{i}", f"f{i}", None, None, Failure(c, "x")) for i, c in enumerate(causes)]
    declined = [replace(outcome(i, 1.0), abstained=a) for i, a in enumerate(("wrong", "right", "wrong", None))]
    found = summed([*rows, *declined])
    assert list(found.failures.items()) == [("model", 1), ("parse", 1), ("refusal", 1), ("timeout", 2)]
    assert list(found.abstentions.items()) == [("right", 1), ("wrong", 2)]
    assert unanswered([*rows, *declined]) == 3  # by time and by the model; the others were answered
    assert abstentions(rows) == {}


def test_what_is_told_of_a_result_is_kept():
    rows = tuple(outcome(i, 1.0) for i in range(4))
    found = summed(rows, test_sha256="abc")
    assert (found.candidate, found.test_sha256, found.outcomes, found.labels) == (CANDIDATE, "abc", rows, {})


# --- what got no answer is unknown


def answered(right, wrong, silent, **changes):
    t = task(0.9, tolerance=0.02, **changes)
    return result([1.0] * right + [0.0] * wrong + [None] * silent, t)


def test_an_unanswered_example_is_wrong_for_meets_and_right_for_misses():
    assert answered(390, 10, 0).quality.status == "meets"
    assert answered(390, 10, 40).quality.status == "inconclusive"  # 390 of 440 alone would not do
    assert answered(300, 100, 0).quality.status == "misses"
    assert answered(300, 20, 80).quality.status == "inconclusive"  # 380 of 400 could be right
    assert answered(300, 90, 10).quality.status == "misses"


def test_bounds_and_interval_hold_wherever_the_unknown_lies():
    found, worst, best = answered(80, 10, 10), answered(80, 20, 0), answered(90, 10, 0)
    assert (found.quality.lower, found.quality.upper) == (worst.quality.lower, best.quality.upper)
    at = found.estimates["normalized_match"]
    assert (at.low, at.high) == (worst.estimates["normalized_match"].low, best.estimates["normalized_match"].high)
    assert (at.mean, at.n) == (pytest.approx(8 / 9), 100)
    assert found.quality.probability_good == worst.quality.probability_good


def test_an_open_verdict_says_that_examples_got_no_answer():
    found = answered(300, 20, 80).quality
    assert (found.examples_needed, found.advice) == (
        None,
        "80 of 400 test examples got no answer: the same command asks them again",
    )


def test_failures_of_the_model_count_as_the_task_says_beside_the_unknown():
    rows = [outcome(0, 1.0), outcome(1, None, cause="refusal"), outcome(2, None)]
    assert [o.bounds("normalized_match", 0.0) for o in rows] == [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0)]
    assert [o.bounds("normalized_match", None) for o in rows] == [(1.0, 1.0), None, (0.0, 1.0)]
    assert summed(rows, task(0.9, failure_score=0.0)).estimates["normalized_match"].mean == 0.5
    assert summed(rows, task(0.9, failure_score=None)).estimates["normalized_match"].mean == 1.0


# --- a limit on cost is judged by the mean with its bounds


def billed(dollars, values=None, **limits):
    t = task(0.5, limits=Limits(cost_per_1k_usd=1.0, **limits))
    rows = [outcome(i, 1.0, usd=usd) for i, usd in enumerate(dollars)]
    return summarise(CANDIDATE, tuple(rows), t, 3, level=0.01), t


@pytest.mark.parametrize(
    ("mean", "status"),
    [(0.0005, "meets"), (0.00099, "inconclusive"), (0.00101, "inconclusive"), (0.002, "misses")],
)
def test_a_cost_limit_is_kept_broken_or_open(mean, status):
    draw = np.random.default_rng(3)
    drawn = draw.gamma(4.0, 0.25, 200)
    found, t = billed(mean * drawn / drawn.mean())
    assert found.priced.status == status
    assert found.limits_held is {"meets": True, "misses": False, "inconclusive": None}[status]
    each = np.array([1000 * o.answer.cost_usd for o in found.outcomes])
    error = each.std(ddof=1) / 200**0.5
    assert found.priced.low_usd == pytest.approx(each.mean() + stats.t.ppf(0.05, 199) * error, rel=1e-3)
    assert found.priced.high_usd == pytest.approx(each.mean() + stats.t.ppf(0.99, 199) * error, rel=1e-3)
    said = limits_open(t, found) if status == "inconclusive" else limits_broken(t, found)
    assert said.startswith(
        {"inconclusive": "its cost is not settled ($", "misses": "cost"}.get(status, "cost or latency")
    )


def test_equal_costs_are_no_estimate_and_one_answer_is_none():
    exact, _ = billed([0.001] * 40)
    assert (exact.priced.low_usd, exact.priced.high_usd) == pytest.approx((1.0, 1.0))
    assert (exact.priced.status, exact.limits_held) == ("meets", True)
    alone, t = billed([0.0002])
    assert (alone.priced.status, alone.limits_held) == ("inconclusive", None)
    assert "too few answers for an interval" in limits_open(t, alone)
    unknown, t = billed([None] * 40)
    assert (unknown.priced, unknown.limits_held, limits_open(t, unknown)) == (None, None, "its cost is unknown")
    assert what_settles(t, unknown) == "give a price for the model 'main'"


@given(st.lists(st.floats(1e-5, 0.01), min_size=2, max_size=30), st.floats(0.001, 0.049))
def test_a_stricter_level_never_keeps_a_limit_that_a_looser_one_does_not(dollars, level):
    t = task(0.5, limits=Limits(cost_per_1k_usd=1.0))
    rows = tuple(outcome(i, 1.0, usd=usd) for i, usd in enumerate(dollars))
    strict, loose = (summarise(CANDIDATE, rows, t, 3, level=a).priced for a in (level, 0.05))
    assert not (strict.status == "meets" and loose.status != "meets")
    if strict.low_usd is not None:
        assert strict.low_usd <= loose.high_usd <= strict.high_usd + 1e-12


def test_a_cost_at_its_limit_is_seldom_said_to_keep_or_break_it():
    draw, t = np.random.default_rng(1), task(0.5, limits=Limits(cost_per_1k_usd=1.0))
    said = Counter(
        summarise(
            CANDIDATE,
            tuple(outcome(i, 1.0, usd=0.001 * x) for i, x in enumerate(draw.gamma(4.0, 0.25, 100))),
            t,
            1,
            level=0.05,
        ).priced.status
        for _ in range(200)
    )
    assert said["meets"] <= 0.1 * 200
    assert said["misses"] <= 0.1 * 200


def test_a_result_is_shown_without_its_answers():
    """asyncio makes a text of what a loop returns, to throw it away: for 140,000 answers that took 100 MiB and a second."""
    made = summed([outcome(f"r{i}", 1.0) for i in range(40)])
    assert len(made.outcomes) == 40
    assert len(repr(made)) < len(repr(made.outcomes))
    assert "r39" not in repr(made)


def test_the_mapping_that_all_empty_ones_share_stays_empty():
    first, second = Score(1.0), Score(0.0)
    assert first.parts is second.parts
    assert first.parts == {}
    for write in ("__setitem__", "__ior__", "setdefault", "update"):
        with pytest.raises(TypeError, match="not written to"):
            getattr(first.parts, write)("a", 1.0)
    assert second.parts == {}
