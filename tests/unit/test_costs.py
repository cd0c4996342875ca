"""What is billed, and what a request costs in service: cached input, thoughts, batches, rents, and prices that nobody knows."""

import asyncio
import html
import json
import math
from dataclasses import replace

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung.config import parse_config
from rung.config.price import PriceParts, service_of
from rung.decide.economics import Offer, break_even
from rung.engine.verify import verify
from rung.errors import ConfigError
from rung.ladder import climb_in_loop
from rung.models._usage import billed_in, usage_in
from rung.models.openai import OpenAI
from rung.models.prices import price_of
from rung.models.tokens import Bound
from rung.report.data import as_data
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.types import Answer, Billed, Completion, Estimate, RequestCost, Service

PARTS = {"input": 3.0, "output": 15.0, "cached_input": 0.3, "cache_write": 3.75}
HOURS = 730


# --- what an endpoint says of its bill

TOLD = {
    "openai": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
         "prompt_tokens_details": {"cached_tokens": 900}, "completion_tokens_details": {"reasoning_tokens": 40}},
        (1000, 50), Billed(900, None, 40),
    ),
    "anthropic, cached input beside the rest": (
        {"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 200},
        (1200, 50), Billed(900, 200, None),
    ),
    "a gateway to anthropic, cached input within the prompt": (
        {"prompt_tokens": 1200, "completion_tokens": 50, "total_tokens": 1250, "cache_read_input_tokens": 900,
         "cache_creation_input_tokens": 200},
        (1200, 50), Billed(900, 200, None),
    ),
    "a gateway that leaves the cached input out, found by the total": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1950, "cache_read_input_tokens": 900},
        (1900, 50), Billed(900, None, None),
    ),
    "gemini": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1350, "cachedContentTokenCount": 700,
         "thoughtsTokenCount": 300},
        (1000, 350), Billed(700, None, 300),
    ),
    "deepseek": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 360},
        (1000, 50), Billed(640, None, None),
    ),
    "moonshot": ({"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 512}, (1000, 50), Billed(512)),
    "a thought beside the answer, in the total": (
        {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 410,
         "completion_tokens_details": {"reasoning_tokens": 300}},
        (100, 310), Billed(None, None, 300),
    ),
    "a thought beside the answer, in no total": (
        {"prompt_tokens": 100, "completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 300}},
        (100, 310), Billed(None, None, 300),
    ),
    "more from the cache than was sent is not believed": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
         "prompt_tokens_details": {"cached_tokens": -5}},
        (1000, 50), None,
    ),
    "nothing told": ({"prompt_tokens": 1000, "completion_tokens": 50}, (1000, 50), None),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "tokens", "billed"), TOLD.values(), ids=TOLD)
def test_each_vendor_s_words_for_its_bill_are_read_and_nothing_is_counted_twice(usage, tokens, billed):
    found = usage_in({"usage": usage}, 20)
    assert (found, billed_in({"usage": usage}, found)) == (tokens, billed)


def test_what_gemini_says_beside_usage_is_read():
    data = {"usage": {"prompt_tokens": 1000, "completion_tokens": 5}, "usageMetadata": {"cachedContentTokenCount": 600}}
    assert billed_in(data, usage_in(data, 5)) == Billed(600, None, None)


numbers = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=3)
details = st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), numbers, max_size=2)


@given(
    st.dictionaries(
        st.sampled_from(
            ["prompt_tokens", "input_tokens", "completion_tokens", "total_tokens", "cache_read_input_tokens",
             "cache_creation_input_tokens", "cached_tokens", "reasoning_tokens", "prompt_tokens_details",
             "completion_tokens_details"],
        ),
        numbers | details,
    )
)  # fmt: skip
def test_what_is_billed_is_part_of_what_was_used_whatever_an_endpoint_says(usage):
    tokens = usage_in({"usage": usage}, 3)
    billed = billed_in({"usage": usage}, tokens)
    if billed is not None:
        assert (billed.cached or 0) + (billed.written or 0) <= (tokens[0] or 0)
        assert (billed.reasoning or 0) <= (tokens[1] or 0)


# --- the price of a call


def test_cached_input_and_cache_writes_have_their_own_price_and_what_they_spared_is_kept():
    price = price_of(OpenAI(name="x", price=PARTS))
    read = price.of_call((10_000, 100), Bound(0, 0), billed=Billed(9_000, None, None))
    assert read.usd == pytest.approx((1_000 * 3 + 9_000 * 0.3 + 100 * 15) / 1e6)
    assert read.uncached_usd == pytest.approx((10_000 * 3 + 100 * 15) / 1e6)
    both = price.of_call((10_000, 100), Bound(0, 0), billed=Billed(8_000, 1_000, None))
    assert both.usd == pytest.approx((1_000 * 3 + 8_000 * 0.3 + 1_000 * 3.75 + 100 * 15) / 1e6)
    assert both.uncached_usd == pytest.approx((1_000 * 3 + 9_000 * 3.75 + 100 * 15) / 1e6)  # it would be written
    assert price.of_call((10_000, 100), Bound(0, 0)).uncached_usd is None


def test_a_long_shared_prefix_costs_a_fifth_of_what_full_price_says():
    """The case that tilted towards tuning: 4,000 of 4,050 input tokens are the same in every request."""
    price = price_of(OpenAI(name="x", price={**PARTS, "output": 6.0}))
    found = price.of_call((4_050, 10), Bound(0, 0), billed=Billed(4_000))
    assert found.uncached_usd / found.usd == pytest.approx(8.6, abs=0.1)


def test_reasoning_tokens_are_part_of_the_output_and_paid_once():
    price = price_of(OpenAI(name="x", price=PARTS))
    usage = {"prompt_tokens": 100, "completion_tokens": 400, "completion_tokens_details": {"reasoning_tokens": 390}}
    tokens = usage_in({"usage": usage}, 20)
    amount = price.of_call(tokens, Bound(0, 0), billed=billed_in({"usage": usage}, tokens))
    assert amount.usd == pytest.approx((100 * 3 + 400 * 15) / 1e6)


def test_the_table_s_price_of_cached_input_is_used():
    price = price_of(OpenAI(name="gpt-5-mini"))
    usage = genai_prices.Usage(input_tokens=2000, output_tokens=10, cache_read_tokens=1500)
    listed = genai_prices.calc_price(usage, "gpt-5-mini", provider_id="openai").total_price
    found = price.of_call((2000, 10), Bound(0, 0), billed=Billed(1500))
    assert found.usd == pytest.approx(float(listed))
    assert found.uncached_usd == pytest.approx(price.by_tokens(2000, 10))
    assert found.usd < 0.5 * found.uncached_usd


def test_the_cap_reserves_the_dearest_price_of_input_and_no_cache():
    assert price_of(OpenAI(name="x", price=PARTS)).worst_case(Bound(1_000_000, 0)) == pytest.approx(3.75)
    plain = price_of(OpenAI(name="x", price={"input": 3, "output": 15, "cached_input": 0.3}))
    assert plain.worst_case(Bound(1_000_000, 1_000_000)) == pytest.approx(18.0)
    dear = price_of(OpenAI(name="x", price={"input": 3, "output": 15, "cached_input": 30}))
    assert dear.worst_case(Bound(1_000_000, 1_000_000)) == pytest.approx(45.0)


def test_a_machine_by_the_minute_is_one_by_the_hour():
    minute = price_of(OpenAI(name="x", base_url="http://127.0.0.1:1/v1", price={"per_minute": 0.06}))
    assert (minute.basis, minute.source) == ("hour", "share of a machine at $3.6 an hour")
    assert minute.of_call((None, None), Bound(0, 0), machine_s=2.0).usd == pytest.approx(0.002)
    models = {"main": {"price": {"per_minute": 0.06}}, "old": {"usd_per_hour": 2}, "free": {"usd_per_hour": 0}}
    models |= {"batch": {"price": {"batch_discount": 0.5}}, "tokens": {"price": PARTS}}
    assert service_of(models, 7) == Service(7, {"main": pytest.approx(3.6), "old": 2.0}, {"batch": 0.5})


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ({"input": -1, "output": 2}, "greater than or equal to 0"),
        ({"input": 1}, "lacks output: beside input give input and output"),
        ({"cached_input": 1}, "lacks input and output: beside cached_input give"),
        ({}, "names no part of a price"),
        ({"input": 1, "output": 2, "per_hour": 3}, r"by token \(input, output\) and by time \(per_hour\); give one"),
        ({"per_hour": 1, "per_minute": 1}, "gives per_hour and per_minute; give one"),
        ({"per_hour": 1, "batch_discount": 0.5}, "batch_discount beside a price by time"),
        ({"input": 1, "output": 2, "batch_discount": 1}, "less than 1"),
        ({"input": 1, "ouput": 2}, "Extra inputs"),
    ],
)
def test_a_price_with_negative_or_missing_parts_is_refused_in_one_sentence(price, said):
    with pytest.raises(ValidationError, match=said):
        PriceParts.model_validate(price)


def test_a_price_is_given_once_and_its_problem_names_the_key(tmp_path):
    with pytest.raises(ValidationError, match="give the price once: in price, or as input_usd_per_mtok"):
        OpenAI(name="x", price=PARTS, input_usd_per_mtok=1, output_usd_per_mtok=2)
    with pytest.raises(ConfigError) as found:
        parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", price={"input": -1, "output": 2}), tmp_path)
    [problem] = found.value.problems
    assert problem.path == "models.main.price.input"
    assert len(str(problem).splitlines()) == 1


def test_a_misspelt_part_of_a_price_names_the_parts_there_are(tmp_path):
    with pytest.raises(ConfigError) as found:
        parse_config(raw(tmp_path, "http://127.0.0.1:1/v1", price={"inptu": 1, "output": 2}), tmp_path)
    parts = "allowed: input, output, cached_input, cache_write, batch_discount, per_hour, per_minute"
    assert str(found.value.problems[0]) == f"models.main.price.inptu: openai has no such setting; {parts}"


# --- what a request costs in service


def test_a_cache_is_the_colder_the_fewer_requests_come():
    cost = RequestCost(usd=0.001, uncached_usd=0.005, cached_share=0.9)
    assert cost.per_1k_usd(None) == pytest.approx(1.0)  # as measured, one straight after the other
    assert cost.per_1k_usd(1) == pytest.approx(5.0, rel=1e-3)
    a_five_minutes = HOURS * 12
    assert cost.per_1k_usd(a_five_minutes) == pytest.approx(1 + 4 * math.exp(-1))
    assert cost.per_1k_usd(10_000_000) == pytest.approx(1.0)
    assert "90 % of the input came from the provider's cache" in cost.basis(None)
    assert "$5 where requests are rare" in cost.basis(None)
    assert "reckoned for 8,760 requests a month" in cost.basis(a_five_minutes)


def test_the_rent_is_part_of_the_cost_of_a_request_at_the_stated_volume():
    cost = RequestCost(usd=0.0001, uncached_usd=0.0001, usd_per_hour=1.0)
    assert cost.per_1k_usd(None) == pytest.approx(0.1)
    assert cost.per_1k_usd(10_000) == pytest.approx(73.0)
    assert cost.per_1k_usd(10_000_000) == pytest.approx(2 * 730 / 10_000)  # it serves 7.3 million: two machines
    assert cost.basis(10_000) == "the rent of a machine at 10,000 requests a month"
    assert cost.basis(10_000_000) == "the rent of 2 machines at 10,000,000 requests a month"
    assert cost.basis(None).startswith("a rented machine that is busy all the time")


def test_a_batch_discount_lowers_the_cost_in_service_and_not_what_a_call_was_billed():
    cost = RequestCost(usd=0.001, uncached_usd=0.001, batch_discount=0.5)
    assert cost.per_1k_usd(None) == pytest.approx(0.5)
    assert cost.basis(None) == "at the price of a batch API, 50 % off"
    priced = price_of(OpenAI(name="x", price={**PARTS, "batch_discount": 0.5}))
    assert priced.of_call((1_000_000, 0), Bound(0, 0)).usd == pytest.approx(3.0)


def test_a_discount_alone_leaves_the_price_to_the_table():
    assert price_of(OpenAI(name="gpt-5-mini", price={"batch_discount": 0.5})).basis == "table"


@given(
    st.lists(st.tuples(st.floats(1e-6, 1), st.floats(1, 10)), min_size=1, max_size=20),
    st.one_of(st.none(), st.integers(1, 10**7)),
    st.sampled_from([0.0, 2.5]),
    st.sampled_from([0.0, 0.5]),
)
def test_the_mean_over_all_answers_is_the_cost_of_1_000_requests(costs, volume, rent, off):
    answers = [answered(usd, usd * more) for usd, more in costs]
    cost = RequestCost(
        sum(a.cost_usd for a in answers) / len(answers),
        sum(a.uncached_usd for a in answers) / len(answers),
        rent,
        0.0 if rent else off,
    )
    mean = sum(cost.of(a, volume) for a in answers) / len(answers)
    assert 1000 * mean == pytest.approx(cost.per_1k_usd(volume))


def answered(usd, anew):
    call = Completion("x", "m", 10, 1, 0.1, usd, billed=Billed(5, None, None, anew))
    return Answer("x", (call,))


def offered(label, cost):
    return Offer(label, Estimate(0.9, 0.85, 0.95, 100, "wilson"), cost, cost.per_1k_usd(None))


def test_the_break_even_counts_a_cold_cache_where_requests_are_rare():
    cached = offered("prompt", RequestCost(0.001, 0.01))
    rented = offered("finetune", RequestCost(0.00001, 0.00001, usd_per_hour=0.05))
    found = break_even(cached, rented)
    assert found.when == "from"
    assert cached.month_usd(found.requests) == pytest.approx(rented.month_usd(found.requests), rel=1e-6)
    assert cached.month_usd(found.requests * 0.9) < rented.month_usd(found.requests * 0.9)
    warm = replace(cached, cost=RequestCost(0.001, 0.001))
    assert found.requests < break_even(warm, rented).requests  # full warmth would promise too much to the prompt
    assert (
        break_even(offered("a", RequestCost(0.001, 0.01)), offered("b", RequestCost(0.0001, 0.0001))).when == "always"
    )


# --- a climb through an endpoint


def raw(root, url, *, rows=60, volume=None, limits=None, **settings):
    lines = [json.dumps({"text": f"please route item number {i} to {'nord' if i % 2 else 'sued'}",
                         "team": "nord" if i % 2 else "sued"}) for i in range(rows)]  # fmt: skip
    (root / "rows.jsonl").write_text("\n".join(lines))
    return {
        "task": {"name": "r", "instruction": "Route it.", "inputs": ["text"], "target": "team", "goal": 0.8,
                 "tolerance": 0.1},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "openai", "name": "stub", "base_url": url, **settings}},
        "ladder": [{"prompt": {"rewrites": False}}],
        "diagnosis": {"calls": 0},
        **({"volume": {"requests_per_month": volume}} if volume else {}),
        **({"limits": limits} if limits else {}),
    }  # fmt: skip


def warm(data, _):
    """Answer right, with 900 of 1,000 input tokens read from the cache."""
    text = data["messages"][-1]["content"]
    body = json.loads(answer_body("nord" if "nord" in text.rsplit("number", 1)[-1] else "sued", "stub", 1000, 10))
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 900}
    return Reply(body=json.dumps(body).encode())


def climbing(root, *changes):
    """Climb once for each of `changes`, in one folder, with one endpoint; return the results and the requests made."""

    async def work():
        async with Endpoint(script=warm).serving() as endpoint:
            found = []
            for change in changes:
                config = parse_config(raw(root, endpoint.url, **change), root)
                found.append((await climb_in_loop(config, root / "run"), endpoint.counts.requests))
            return found

    return asyncio.run(work())


@pytest.mark.slow
def test_one_number_everywhere_for_cached_input_at_a_volume(tmp_path):
    cached, anew = (100 * 3 + 900 * 0.3 + 10 * 15) / 1e6, (1000 * 3 + 10 * 15) / 1e6
    [(ended, _)] = climbing(tmp_path, {"price": PARTS, "volume": HOURS * 12})
    wanted = 1000 * (cached + math.exp(-1) * (anew - cached))
    result = ended.results["prompt"]
    assert result.cost_per_1k_usd == pytest.approx(wanted)
    assert (result.cost.usd, result.cost.uncached_usd) == (pytest.approx(cached), pytest.approx(anew))
    assert result.cost.cached_share == pytest.approx(0.9)
    run = RunFolder.open(tmp_path / "run")
    report = load_report(run)
    shown = f"${wanted:.2f}"
    assert ended.verdict.decision == "meets"
    assert shown in render_markdown(run)
    assert shown in render_page(report)
    assert "90 % of the input came from the provider's cache in this run, reckoned for 8,760" in html.unescape(
        render_page(report)
    )
    [told] = [r["result"] for r in as_data(run)["rungs"] if r["label"] == "prompt"]
    assert told["cost_per_1k_usd"] == pytest.approx(wanted)
    assert [c.what for c in verify(run) if not c.passed] == []


@pytest.mark.slow
def test_a_new_volume_a_new_limit_and_a_price_given_later_cost_no_call_and_move_the_verdict(tmp_path):
    unpriced, priced, rarely, tight = (
        {"limits": {"cost_per_1k_usd": 2.0}},
        {"limits": {"cost_per_1k_usd": 2.0}, "price": PARTS},
        {"limits": {"cost_per_1k_usd": 2.0}, "price": PARTS, "volume": 10},
        {"limits": {"cost_per_1k_usd": 0.1}, "price": PARTS},
    )
    (first, asked), *later = climbing(tmp_path, unpriced, priced, rarely, tight)
    assert first.results["prompt"].limits_held is None
    assert first.verdict.decision == "inconclusive"
    assert "give a price for `main`" in first.verdict.headline
    assert [requests for _, requests in later] == [asked] * 3
    (known, _), (rare, _), (over, _) = later
    assert (known.verdict.decision, known.results["prompt"].cost_per_1k_usd) == ("meets", pytest.approx(0.72))
    assert rare.results["prompt"].cost_per_1k_usd == pytest.approx(3.15, rel=1e-2)
    assert (rare.results["prompt"].limits_held, over.results["prompt"].limits_held) == (False, False)
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


def test_an_unknown_cost_is_one_word_in_a_tile_with_what_to_do_beside_it(tmp_path):
    climbing(tmp_path, {"volume": 1000})
    run = RunFolder.open(tmp_path / "run")
    page = render_page(load_report(run))
    assert 'data-label="Cost per 1,000">unknown</td>' in page
    assert "set price: {input: ..., output: ...}" in page
    cells = [line for line in render_markdown(run).splitlines() if line.startswith("|")]
    assert not any("no price" in cell for cell in cells)
    assert "Cost of prompt is unknown: no price is known for stub" in render_markdown(run)
