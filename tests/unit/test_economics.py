"""What rungs cost to use: months, break-even volumes, what was paid once, and which rungs are efficient."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.decide.economics import (
    UNTOLD,
    BreakEven,
    Offer,
    bill,
    break_even,
    break_even_sentence,
    economics,
    efficient,
    one_off,
    requests,
)
from rung.types import HOURS_A_MONTH, Estimate, Preflight, RequestCost, Tuning


def offer(label="a", quality=0.8, usd: float | None = 1.0, usd_per_hour: float | None = None, **more) -> Offer:
    """`usd`: of 1,000 requests, as measured: by token, or as the share of a machine that they kept busy."""
    each = RequestCost(None if usd is None else usd / 1000, usd_per_hour=usd_per_hour or 0.0)
    return Offer(label, Estimate(quality, quality - 0.05, quality + 0.05, 100, "wilson"), each, usd, **more)


def test_a_month_by_token_grows_with_the_volume():
    assert offer(usd=0.5).month_usd(300_000) == 150.0
    assert offer(usd=0.0).month_usd(300_000) == 0.0
    assert offer(usd=None).month_usd(300_000) is None


def test_a_rented_machine_is_paid_for_all_its_hours():
    rented = offer(usd=0.1, usd_per_hour=0.9)
    assert rented.machine_month_usd == pytest.approx(657.0)
    assert rented.served_a_month == pytest.approx(6_570_000)
    assert rented.month_usd(10) == rented.month_usd(6_570_000) == pytest.approx(657.0)
    assert rented.month_usd(6_570_001) == pytest.approx(2 * 657.0)


def test_from_which_volume_a_rented_machine_is_cheaper_than_tokens():
    by_token, rented = offer("prompt", usd=2.0), offer("finetune", usd=0.1, usd_per_hour=0.9)
    found = break_even(by_token, rented)
    assert (found.when, found.requests) == ("from", pytest.approx(328_500))
    assert by_token.month_usd(found.requests) == pytest.approx(rented.month_usd(found.requests))
    back = break_even(rented, by_token)
    assert (back.when, back.requests) == ("below", found.requests)


def test_machines_that_cost_more_a_request_even_when_busy_never_pay():
    by_token, rented = offer("prompt", usd=0.05), offer("finetune", usd=0.1, usd_per_hour=0.9)
    assert break_even(by_token, rented).when == "never"
    assert break_even(rented, by_token).when == "always"


@pytest.mark.parametrize(
    ("lower", "upper", "when"),
    [(1.0, 0.5, "always"), (0.5, 1.0, "never"), (0.5, 0.5, "equal"), (0.0, 0.1, "never"), (None, 0.1, "unknown")],
)
def test_tokens_against_tokens(lower, upper, when):
    found = break_even(offer("a", usd=lower), offer("b", usd=upper))
    assert (found.when, found.requests, found.months) == (when, None, None)


def test_an_unknown_price_is_named():
    assert break_even(offer("a"), offer("b", usd=None)).note == "what b costs is unknown"


def test_machines_of_one_price_differ_in_what_they_serve():
    a, b = offer("prompt", usd=0.1, usd_per_hour=0.9), offer("finetune", usd=0.05, usd_per_hour=0.9)
    found = break_even(a, b)
    assert found.when == "equal"
    assert found.note == (
        "one machine each, which serves up to 6,570,000 requests a month at prompt and 13,140,000 at fine-tuning"
    )


def test_what_was_paid_once_is_earned_back_in_months():
    prompt, tuned = offer("prompt", usd=1.0), offer("finetune", usd=0.2, one_off_usd=40.0)
    assert break_even(prompt, tuned, 100_000).months == pytest.approx(0.5)
    assert break_even_sentence(break_even(prompt, tuned, 100_000)).endswith("earned back in 15 days")
    assert break_even_sentence(break_even(prompt, tuned, 3_000_000)).endswith("earned back in a day")
    assert break_even(prompt, tuned).note == (
        "fine-tuning cost $40.00 once; give volume.requests_per_month to see when that is earned back"
    )
    dear = offer("finetune", usd=2.0, one_off_usd=40.0)
    assert break_even(prompt, dear, 100_000).note == (
        "the $40.00 that fine-tuning cost once are not earned back at 100,000 requests a month"
    )
    unknown = offer("finetune", usd=0.2, one_off_usd=None, one_off_note="no price of the machine")
    assert break_even(prompt, unknown, 100_000).note == "what fine-tuning cost once is unknown: no price of the machine"


def test_efficient_rungs_are_those_that_nothing_beats_for_their_money():
    offers = [
        offer("baseline", 0.5, 0.0),
        offer("prompt", 0.7, 0.2),
        offer("fewshot", 0.9, 0.6),
        offer("rag", 0.85, 0.9),
        offer("scratch", 0.95, None),
    ]
    assert efficient(offers) == ("baseline", "prompt", "fewshot")
    assert efficient([offer("a", 0.7, 0.2), offer("b", 0.7, 0.2)]) == ("a", "b")


def test_every_pair_is_compared():
    found = economics([offer("a"), offer("b", usd=2.0), offer("c", usd=3.0)], 1000)
    assert [(p.lower, p.upper) for p in found.break_evens] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.requests_per_month == 1000


money = st.one_of(st.just(0.0), st.floats(0.001, 50))
offers = st.builds(
    lambda q, usd, hour: offer("x", q, usd, usd_per_hour=hour if usd else None),
    st.floats(0, 1),
    money,
    st.one_of(st.none(), st.floats(0.1, 10)),
)


@settings(max_examples=settings.default.max_examples * 2)
@given(a=offers, b=offers)
def test_the_crossing_is_where_months_cost_the_same(a, b):
    found = break_even(a, b)
    if found.requests is None:
        return
    at = found.requests
    assert 0 < at <= min(o.served_a_month or float("inf") for o in (a, b)) * (1 + 1e-9)
    first, second = a.month_usd(at), b.month_usd(at)
    assert first == pytest.approx(second, rel=1e-6)
    less, more = a.month_usd(at * 0.5), b.month_usd(at * 0.5)
    assert (less <= more) is (found.when == "from")


@given(st.lists(offers, min_size=1, max_size=6))
def test_the_cheapest_and_the_best_are_always_efficient(found):
    named = [replace(o, label=str(i)) for i, o in enumerate(found)]
    on = set(efficient(named))
    best = max(o.quality.point for o in named)
    assert on & {o.label for o in named if o.quality.point == best}
    cheapest = min(o.cost_per_1k_usd for o in named)
    assert on & {o.label for o in named if o.cost_per_1k_usd == cheapest}
    assert HOURS_A_MONTH == 730.0


def test_at_least_one_machine_is_paid_and_one_more_for_each_that_is_full():
    rented = offer(usd=0.1, usd_per_hour=0.9)
    assert [rented.month_usd(n) for n in (0, 1, 6_570_000, 13_140_000, 13_140_001)] == pytest.approx(
        [657.0, 657.0, 657.0, 1314.0, 1971.0]
    )
    assert (offer(usd=0.0, usd_per_hour=0.9).served_a_month, offer(usd=0.0, usd_per_hour=0.9).month_usd(10)) == (
        None,
        0.0,
    )
    assert (offer(usd=None, usd_per_hour=0.9).served_a_month, offer().machine_month_usd) == (None, 0.0)


def test_two_machines_of_different_rent_are_compared_by_rent_within_what_one_serves():
    cheap, dear = offer("a", usd=0.1, usd_per_hour=0.9), offer("b", usd=0.1, usd_per_hour=1.8)
    assert (break_even(cheap, dear).when, break_even(dear, cheap).when) == ("never", "always")
    assert (break_even(cheap, cheap).when, break_even(cheap, cheap).requests) == ("equal", None)
    assert break_even(offer("a"), offer("b")).note is None  # no machine: no rooms to compare


def test_a_crossing_beyond_what_one_machine_serves_is_none():
    """At 0.05 against 0.049 a thousand, the rent crosses at 13.1 million requests; one machine serves 13.4 million."""
    by_token = offer("a", usd=0.05)
    below = offer("b", usd=0.049, usd_per_hour=0.9)
    found = break_even(by_token, below)
    assert (found.when, found.requests) == ("from", pytest.approx(13_140_000))
    same = offer("b", usd=0.05, usd_per_hour=0.9)  # both end exactly together
    assert break_even(by_token, same).when == "from"
    above = offer("b", usd=0.051, usd_per_hour=0.9)
    assert (break_even(by_token, above).when, break_even(above, by_token).when) == ("never", "always")
    tuned = replace(above, one_off_usd=60.0)
    dear = break_even(by_token, tuned, 100_000)
    assert (dear.when, dear.requests, dear.months) == ("never", None, None)
    assert dear.note == "the $60.00 that b cost once are not earned back at 100,000 requests a month"
    spared = break_even(above, replace(by_token, one_off_usd=65.2), 100_000)  # 657 a month for the machine, 5 by token
    assert (spared.when, spared.requests, spared.months, spared.note) == ("always", None, pytest.approx(0.1), None)


def test_only_what_the_upper_rung_cost_more_is_to_be_earned_back():
    first, second = offer("a", usd=1.0, one_off_usd=10.0), offer("b", usd=0.5, one_off_usd=60.0)
    assert break_even(first, second, 100_000).months == pytest.approx(50 / 50)
    assert break_even(
        offer("a", one_off_usd=None), offer("b", usd=0.5, one_off_usd=60.0), 100_000
    ).months == pytest.approx(1.2)
    same = offer("b", usd=0.5, one_off_usd=10.0)
    assert (break_even(first, same, 100_000).months, break_even(first, same).note) == (None, None)
    assert break_even(first, offer("b", usd=0.5, one_off_usd=None)).note == "what b cost once is unknown"
    level = offer("b", usd=1.0, one_off_usd=60.0)
    assert break_even(first, level, 100_000).note == (
        "the $50.00 that b cost once are not earned back at 100,000 requests a month"
    )


def test_what_one_beats_needs_more_quality_or_less_cost():
    base = offer("a", 0.8, 0.5)
    assert efficient([base, offer("b", 0.8, 0.4)]) == ("b",)
    assert efficient([base, offer("b", 0.81, 0.5)]) == ("b",)
    assert efficient([base, offer("b", 0.79, 0.5)]) == ("a",)
    assert efficient([base, offer("b", 0.9, 0.6)]) == ("a", "b")
    assert efficient([offer("a", 0.8, None)]) == ()


@pytest.mark.parametrize(
    ("number", "written"),
    [(None, "unknown"), (0.4, "1"), (1.0, "1"), (9.96, "10"), (12.4, "12"), (328_500, "330,000"), (65_700, "66,000")],
)
def test_a_crossing_is_written_with_two_digits(number, written):
    assert requests(number) == written


def test_each_case_of_a_pair_has_its_sentence():
    def said(when, **more):
        return break_even_sentence(BreakEven("a", "b", when, **more))

    assert said("from", requests=328_500) == "b is cheaper above 330,000 requests a month"
    assert said("below", requests=328_500) == "b is cheaper below 330,000 requests a month"
    assert (said("always"), said("never")) == ("b is cheaper at any volume", "a is cheaper at any volume")
    assert (said("equal"), said("unknown", note="why")) == ("both cost the same", "unknown (why)")
    assert [said("always", months=m).split("earned back in ")[1] for m in (0.04, 0.05, 1.0, 2.0, 2.1)] == [
        "a day", "2 days", "30 days", "61 days", "2.1 months",
    ]  # fmt: skip


def test_a_bill_names_volume_and_rent_or_says_nothing():
    assert bill(offer(usd=0.5), 300_000) == "$150.00 a month at 300,000 requests"
    assert bill(offer(usd=0.1, usd_per_hour=0.9), 10) == "$657.00 a month at 10 requests, the rent of its machine"
    assert (bill(offer(usd=0.5), None), bill(offer(usd=None), 10), bill(offer(usd=0.5), 0)) == ("", "", "")


def test_tuning_costs_machine_time_and_the_answers_of_its_teacher():
    took = Tuning("toy", Preflight((), ""), (), (), None, seconds=7200, lesson_usd=0.5)
    assert one_off(took, 1.5) == (3.5, None)
    assert one_off(replace(took, lesson_usd=None), None) == (
        None,
        "tuning took 7,200 s on a machine without a price (price.per_hour)",
    )
    assert one_off(replace(took, elsewhere=True, paid_usd=40.0), None) == (40.0, None)
    assert one_off(replace(took, elsewhere=True), 1.5) == (None, UNTOLD)
