"""What rungs cost to use: months, break-even volumes, what was paid once, and which rungs are efficient."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.decide.economics import HOURS_A_MONTH, Offer, break_even, break_even_sentence, economics, efficient
from rung.types import Estimate


def offer(label="a", quality=0.8, usd: float | None = 1.0, **more) -> Offer:
    return Offer(label, Estimate(quality, quality - 0.05, quality + 0.05, 100, "wilson"), usd, **more)


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
        "one machine each, which serves up to 6,570,000 requests a month at prompt and 13,140,000 at finetune"
    )


def test_what_was_paid_once_is_earned_back_in_months():
    prompt, tuned = offer("prompt", usd=1.0), offer("finetune", usd=0.2, one_off_usd=40.0)
    assert break_even(prompt, tuned, 100_000).months == pytest.approx(0.5)
    assert break_even_sentence(break_even(prompt, tuned, 100_000)).endswith("earned back in 15 days")
    assert break_even_sentence(break_even(prompt, tuned, 3_000_000)).endswith("earned back in a day")
    assert break_even(prompt, tuned).note == (
        "finetune cost $40.00 once; give volume.requests_per_month to see when that is earned back"
    )
    dear = offer("finetune", usd=2.0, one_off_usd=40.0)
    assert break_even(prompt, dear, 100_000).note == (
        "the $40.00 that finetune cost once are not earned back at 100,000 requests a month"
    )
    unknown = offer("finetune", usd=0.2, one_off_usd=None, one_off_note="no price of the machine")
    assert break_even(prompt, unknown, 100_000).note == "what finetune cost once is unknown: no price of the machine"


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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=100, deadline=None)
@given(st.lists(offers, min_size=1, max_size=6))
def test_the_cheapest_and_the_best_are_always_efficient(found):
    named = [Offer(str(i), o.quality, o.cost_per_1k_usd, usd_per_hour=o.usd_per_hour) for i, o in enumerate(found)]
    on = set(efficient(named))
    best = max(o.quality.point for o in named)
    assert on & {o.label for o in named if o.quality.point == best}
    cheapest = min(o.cost_per_1k_usd for o in named)
    assert on & {o.label for o in named if o.cost_per_1k_usd == cheapest}
    assert HOURS_A_MONTH == 730.0
