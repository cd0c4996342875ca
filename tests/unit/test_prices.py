"""Prices: the user's own, the table's, a machine's by the hour, or honestly unknown."""

from __future__ import annotations

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung.config.price import TIME_PARTS, TOKEN_PARTS
from rung.models.fake import FakeModel
from rung.models.local import Local
from rung.models.openai import OpenAI
from rung.models.prices import check_priced, most_tokens, price_of
from rung.models.recorded import Recorded
from rung.models.tokens import Bound
from rung.rungs.scratch import ScratchRung
from rung.types import Message

NONE = Bound(0, 0)
ELSEWHERE = {"base_url": "http://127.0.0.1:1/v1"}
OWN = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 2.0}


def test_an_own_price_wins_over_the_table():
    price = price_of(OpenAI(name="gpt-5-mini", **OWN))
    assert price.basis == "own"
    assert price.of_call((1000, 200), NONE).usd == pytest.approx(0.0009)
    assert price.worst_case(Bound(1_000_000, 1_000_000)) == pytest.approx(2.5)


def test_the_table_prices_a_known_model_of_a_known_provider_per_request():
    price = price_of(OpenAI(name="gpt-5-mini"))
    usage = genai_prices.Usage(input_tokens=1000, output_tokens=200)
    listed = genai_prices.calc_price(usage, "gpt-5-mini", provider_id="openai").total_price
    assert price.basis == "table"
    assert price.of_call((1000, 200), NONE).usd == pytest.approx(float(listed))
    assert price.source == f"list price, genai-prices {genai_prices.__version__}"


@pytest.mark.parametrize(
    "settings",
    [
        OpenAI(name="gpt-5-mini", **ELSEWHERE),
        OpenAI(name="gpt-5-mini", base_url="http://192.168.1.9:8000/v1"),
        OpenAI(name="gpt-5-mini", base_url="http://gpu-box:8000/v1"),
        OpenAI(name="my-very-own-model"),
        OpenAI(name="gpt-5-mini", base_url="https://models.example.org/v1"),
    ],
    ids=["loopback", "private", "host", "model", "provider"],
)
def test_a_price_that_nobody_knows_is_none_with_the_reason_and_a_problem_under_a_budget(settings):
    amount = price_of(settings).of_call((1000, 200), NONE, machine_s=1.0)
    assert amount.usd is None
    assert settings.name in amount.note
    assert (
        "set price: {input: ..., output: ...} in US dollars a million tokens, or price: {per_hour: ...}" in amount.note
    )
    assert price_of(settings).worst_case(Bound(10, 10)) is None
    problem = check_priced(settings, "models.small")
    assert problem.path == "models.small"
    assert str(problem).startswith("models.small: limits.budget_usd is set, but no price ")


def test_a_known_price_is_no_problem():
    assert check_priced(OpenAI(name="gpt-5-mini")) is None
    assert check_priced(OpenAI(name="x", usd_per_hour=0.0, **ELSEWHERE)) is None


def test_a_machine_by_the_hour_costs_its_share_of_time():
    price = price_of(OpenAI(name="local", usd_per_hour=3.6, timeout_s=50, **ELSEWHERE))
    assert price.of_call((None, None), NONE, machine_s=2.0).usd == pytest.approx(0.002)
    assert price.worst_case(Bound(10, 10)) == pytest.approx(0.05)


def test_missing_token_counts_are_priced_from_above_and_say_so():
    amount = price_of(OpenAI(name="x", max_tokens=100, **OWN)).of_call((None, 5), Bound(1000, 100))
    assert amount.usd == pytest.approx((1000 * 0.5 + 100 * 2.0) / 1e6)
    assert amount.note == "an upper bound: the endpoint reported no token counts"


def test_free_means_known_to_cost_nothing():
    zero = {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}
    assert price_of(OpenAI(name="x", **ELSEWHERE, **zero)).free
    assert price_of(OpenAI(name="x", usd_per_hour=0, **ELSEWHERE)).free
    for paid in ({"usd_per_hour": 1}, OWN, {}):
        assert not price_of(OpenAI(name="x", **ELSEWHERE, **paid)).free


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_usd_per_mtok": 1.0}, "give both input_usd_per_mtok and output_usd_per_mtok, or neither"),
        ({**OWN, "usd_per_hour": 1.0}, "or usd_per_hour, not both"),
    ],
)
def test_half_a_price_or_two_prices_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        OpenAI(name="x", **settings)


ABSURD = r"is \$1e\+308, which nobody asks for: prices are US dollars for a million tokens .*, at most 1,000,000"


@pytest.mark.parametrize("model", [OpenAI, Local, FakeModel])
@pytest.mark.parametrize(
    ("price", "kept"),
    [
        ({"input_usd_per_mtok": 1e308, "output_usd_per_mtok": 1.0}, False),
        ({"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1e308}, False),
        ({"usd_per_hour": 1e308}, False),
        *[({"price": {"input": 1.0, "output": 1.0, part: 1e308}}, False) for part in TOKEN_PARTS],
        *[({"price": {part: 1e308}}, False) for part in TIME_PARTS],
        ({"price": {"input": 1e6, "output": 1e6}}, True),
        ({"usd_per_hour": 1e6}, True),
    ],
)
def test_what_can_be_no_price_is_refused(model, price, kept):
    given = {"name": "x", **price}
    if kept:
        assert price_of(model(**given)).known
    else:
        with pytest.raises(ValidationError, match=ABSURD):
            model(**given)


def test_no_answer_and_no_machine_of_a_plan_costs_more_than_a_price_can_be():
    for settings in (
        lambda: Recorded(name="x", column="c", cost_per_1k_usd=1e308),
        lambda: ScratchRung(usd_per_gpu_hour=1e308),
    ):
        with pytest.raises(ValidationError, match=ABSURD):
            settings()


@given(st.lists(st.text(max_size=60), max_size=4))
def test_the_reserved_tokens_cover_every_byte(texts):
    messages = [Message("user", t) for t in texts]
    assert most_tokens(messages) >= sum(len(t.encode()) for t in texts) + 16 * len(texts)
