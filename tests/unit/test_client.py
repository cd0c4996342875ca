"""The client loses nothing, asks nothing twice, retries what can be fixed and stops at what cannot."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import (
    BudgetSpent,
    ConfigError,
    ContextOverflow,
    Interrupted,
    ModelError,
    RefusedByModel,
    Retryable,
)
from rung.models._counts import Usage
from rung.models._pace import Clock, Rate, wait_before
from rung.models._wire import NoAnswer
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.settings import ProviderSettings
from rung.store.cache import AnswerCache
from rung.types import Completion, Message, Request

PRICED = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}


class Scripted(ProviderSettings):
    """A model whose every attempt is decided by a function of the prompt and the attempt's number."""

    name: str = "scripted"

    def connect(self):
        raise AssertionError("tests hand the model in")


class Model:
    def __init__(self, act=lambda prompt, attempt: "yes"):
        self.act = act
        self.asked: dict[str, int] = {}
        self.under_way = self.most = 0
        self.pause = 0
        self.closed = 0

    async def complete(self, request):
        prompt = request.messages[-1].content
        attempt = self.asked[prompt] = self.asked.get(prompt, 0) + 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(self.pause + 1):
                await asyncio.sleep(0)
            said = self.act(prompt, attempt)
        finally:
            self.under_way -= 1
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Completion) else Completion(said, "m", 10, 5, 0.5, None)

    def count_tokens(self, messages):
        return 10 * len(messages)

    async def close(self):
        self.closed += 1


class FakeTime:
    """A clock that jumps to the next sleeper once nobody else can move."""

    def __init__(self):
        self.t = 0.0
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        wake = self.t + seconds
        for _ in range(3):
            await asyncio.sleep(0)
        self.t = max(self.t, wake)

    @property
    def clock(self):
        return Clock(lambda: self.t, self.sleep)


def trouble(message="busy", **more):
    return Retryable(message, provider="test", **more)


def ask(text, repeat=0, **params):
    return Request((Message("user", text),), params, repeat)


@contextlib.contextmanager
def opened(tmp_path, model, budget=None, time=None, **given):
    with AnswerCache.open(tmp_path / "answer_cache") as answer_cache:
        yield Client(
            Scripted(**given), model, answer_cache, budget or Budget(), clock=(time or FakeTime()).clock, role="main"
        )


def together(client, *requests):
    async def work():
        return await asyncio.gather(*(client.ask(r) for r in requests), return_exceptions=True)

    return asyncio.run(work())


def one(client, request):
    [found] = together(client, request)
    if isinstance(found, BaseException):
        raise found
    return found


def test_an_answer_is_priced_stored_and_counted(tmp_path):
    with opened(tmp_path, Model(), **PRICED) as client:
        found = one(client, ask("a"))
        assert found == Completion("yes", "m", 10, 5, 0.5, 20e-6)
        assert client.usage == Usage(
            answers=1, attempts=1, input_tokens=10, output_tokens=5, usd=pytest.approx(20e-6), in_flight=1
        )
        assert client.answered == 1
        assert client.spend()["usd"] == pytest.approx(20e-6)


def test_the_same_request_is_answered_from_the_ledger_with_its_cost_and_latency(tmp_path):
    with opened(tmp_path, Model(), **PRICED) as client:
        one(client, ask("a"))
    model = Model()
    with opened(tmp_path, model, **PRICED) as client:
        found = one(client, ask("a"))
        assert (found.cached, found.cost_usd, found.latency_s) == (True, 20e-6, 0.5)
        assert model.asked == {}
        assert client.usage == Usage(cached=1)
        assert client.spend()["calls"] == 1
        assert one(client, ask("a", repeat=1)).cached is False


@pytest.mark.parametrize(
    ("said", "kept"),
    [("so \ud83d", "so \ufffd"), ("\udc00x", "\ufffdx"), ("\ud83d\ude00 ü", "😀 ü"), ("\ufeffok", "\ufeffok")],
)
def test_half_a_surrogate_pair_is_replaced_so_that_an_answer_can_be_kept(tmp_path, said, kept):
    with opened(tmp_path, Model(lambda *_: said), **PRICED) as client:
        assert one(client, ask("a")).text == kept
    with opened(tmp_path, Model()) as client:
        assert one(client, ask("a")).text == kept


def test_equal_requests_in_flight_are_asked_once(tmp_path):
    model = Model()
    with opened(tmp_path, model) as client:
        found = together(client, *[ask("a")] * 5, ask("b"))
        assert model.asked == {"a": 1, "b": 1}
        assert [c.cached for c in found] == [False, True, True, True, True, False]
        assert (client.usage.answers, client.usage.cached) == (2, 4)


def test_those_who_wait_for_a_cancelled_request_ask_for_themselves(tmp_path):
    model = Model()
    model.pause = 5
    with opened(tmp_path, model) as client:

        async def work():
            first, second = (asyncio.ensure_future(client.ask(ask("a"))) for _ in range(2))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first.cancel()
            found = await second
            assert first.cancelled()
            return found

        assert asyncio.run(work()).text == "yes"
        assert model.asked == {"a": 2}


def test_a_waiter_that_is_cancelled_leaves_the_asker_alone(tmp_path):
    model = Model()
    model.pause = 5
    with opened(tmp_path, model) as client:

        async def work():
            first, second = (asyncio.ensure_future(client.ask(ask("a"))) for _ in range(2))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            second.cancel()
            assert (await first).text == "yes"
            assert second.cancelled()

        asyncio.run(work())


def test_requests_are_in_flight_up_to_the_concurrency_and_never_above(tmp_path):
    model = Model()
    model.pause = 20
    with opened(tmp_path, model, concurrency=7) as client:
        together(client, *(ask(str(i)) for i in range(50)))
        assert model.most == 7
        assert client.usage.in_flight == 7


def test_trouble_is_retried_with_growing_jittered_waits(tmp_path):
    time = FakeTime()
    model = Model(lambda p, n: trouble() if n < 6 else "yes")
    with opened(tmp_path, model, time=time) as client:
        found = one(client, ask("a"))
        assert (found.text, found.attempts) == ("yes", 6)
        assert len(time.slept) == 5
        assert all(s <= ceiling for s, ceiling in zip(time.slept, (0.5, 1, 2, 4, 8), strict=True))
        assert (client.usage.attempts, client.usage.retries, client.usage.answers) == (6, 5, 1)


def test_the_waits_are_the_same_in_every_run(tmp_path):
    slept = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        time = FakeTime()
        with opened(tmp_path / folder, Model(lambda p, n: trouble() if n < 4 else "yes"), time=time) as client:
            one(client, ask("a"))
        slept.append(time.slept)
    assert slept[0] == slept[1]
    assert len(set(slept[0])) == 3


def test_the_time_a_provider_names_is_waited_for(tmp_path):
    time = FakeTime()
    model = Model(lambda p, n: trouble(retry_after_s=7.0) if n == 1 else "yes")
    with opened(tmp_path, model, time=time) as client:
        one(client, ask("a"))
    assert 7.0 <= time.slept[0] <= 7.0 * 1.25


def test_a_provider_that_asks_for_an_hour_is_not_waited_for(tmp_path):
    time = FakeTime()
    model = Model(lambda p, n: trouble("come back later", retry_after_s=3600.0) if p == "a" else "yes")
    with opened(tmp_path, model, time=time) as client:
        one(client, ask("b"))
        with pytest.raises(Retryable, match="no answer after 1 attempt: come back later") as caught:
            one(client, ask("a"))
        assert caught.value.retry_after_s == 3600.0
    assert time.slept == []


def test_a_rate_limit_is_waited_out_by_time_and_not_by_attempts(tmp_path):
    time = FakeTime()
    model = Model(lambda p, n: trouble("too many", status=429) if p == "a" and n < 15 else "yes")
    with opened(tmp_path, model, time=time, attempts=3) as client:
        one(client, ask("b"))
        found = one(client, ask("a"))
        assert (found.text, found.attempts) == ("yes", 15)
        assert client.usage.given_up == 0


def test_a_rate_limit_without_end_is_given_up_after_five_minutes(tmp_path):
    time = FakeTime()
    model = Model(lambda p, n: trouble("too many", status=429) if p == "a" else "yes")
    with opened(tmp_path, model, time=time, attempts=3) as client:
        one(client, ask("b"))
        with pytest.raises(Retryable, match="no answer after .* attempts: too many"):
            one(client, ask("a"))
        assert 300 <= time.t < 330


def test_a_rate_limit_before_the_first_answer_counts_attempts(tmp_path):
    told = "did not answer once, last after 3 attempts: too many"
    model = Model(lambda p, n: trouble("too many", status=429))
    with opened(tmp_path, model, attempts=3) as client, pytest.raises(ModelError, match=told):
        one(client, ask("a"))


def test_attempts_end_and_the_last_trouble_is_told(tmp_path):
    model = Model(lambda p, n: trouble(f"busy {n}", status=503, timed_out=True) if p == "a" else "yes")
    with opened(tmp_path, model, attempts=3) as client:
        one(client, ask("b"))
        with pytest.raises(Retryable, match="no answer after 3 attempts: busy 3") as caught:
            one(client, ask("a"))
        assert (caught.value.status, caught.value.timed_out) == (503, True)
        assert client.usage.given_up == 1
        assert one(client, ask("c")).text == "yes"


def test_an_endpoint_that_never_answered_stops_the_run_instead_of_failing_every_row(tmp_path):
    with opened(tmp_path, Model(lambda p, n: trouble("cannot reach http://x"))) as client:
        with pytest.raises(
            ModelError, match=r"'scripted' \(models.main\) did not answer once, last after 6 attempts: cannot"
        ) as caught:
            one(client, ask("a"))
        assert not isinstance(caught.value, Retryable)
        assert (caught.value.exit_code, client.answered) == (2, 0)


def test_rows_that_never_get_an_answer_do_not_keep_a_second_sitting_from_its_end(tmp_path):
    model = Model(lambda p, n: trouble("500 on this row") if p == "odd" else "yes")
    for _ in range(2):
        with opened(tmp_path, model, attempts=2) as client:
            assert one(client, ask("even")).text == "yes"
            with pytest.raises(Retryable, match="no answer after 2 attempts: 500 on this row"):
                one(client, ask("odd"))


def test_an_endpoint_that_goes_down_interrupts_the_run(tmp_path):
    model = Model(lambda p, n: "yes" if p == "up" else trouble("gone"))
    with opened(tmp_path, model, attempts=1, concurrency=4) as client:
        one(client, ask("up"))
        found = together(client, *(ask(str(i)) for i in range(12)))
        assert [type(e) for e in found].count(Retryable) == 9
        stopped = [e for e in found if isinstance(e, Interrupted)]
        assert "10 requests in a row were given up" in str(stopped[0])
        assert stopped[0].exit_code == 4
        assert one(client, ask("up", repeat=1)).text == "yes"


@pytest.mark.parametrize(
    "error",
    [ModelError("no such model", provider="t", status=404), ContextOverflow("too long", provider="t", tokens=9)],
)
def test_what_no_retry_can_mend_is_raised_at_once_and_not_stored(tmp_path, error):
    model = Model(lambda p, n: error)
    with opened(tmp_path, model) as client:
        for asked in (1, 2):
            with pytest.raises(type(error), match=str(error)):
                one(client, ask("a"))
            assert model.asked == {"a": asked}


def test_a_refusal_is_stored_with_its_cost_and_not_asked_again(tmp_path):
    refusal = RefusedByModel("m declined: no", provider="t", status=200, input_tokens=10, output_tokens=5)
    model = Model(lambda p, n: refusal)
    with opened(tmp_path, model, **PRICED) as client:
        for _ in range(2):
            with pytest.raises(RefusedByModel, match="m declined: no"):
                one(client, ask("a"))
        assert model.asked == {"a": 1}
        assert client.spend()["usd"] == pytest.approx(20e-6)


def test_a_refusal_by_a_filter_before_the_model_costs_nothing(tmp_path):
    model = Model(lambda p, n: RefusedByModel("filtered", provider="t", status=400))
    with opened(tmp_path, model, **PRICED) as client:
        with pytest.raises(RefusedByModel):
            one(client, ask("a"))
        assert client.spend()["usd"] == 0.0


def test_a_budget_with_an_unknown_price_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match=r"models.main: limits.budget_usd is set, but no price is known for scripted"):
        opened(tmp_path, Model(), Budget(1.0)).__enter__()


def test_a_budget_too_small_for_one_call_is_told_before_anything_is_asked(tmp_path):
    model = Model()
    with opened(tmp_path, model, Budget(1e-6), **PRICED) as client:
        with pytest.raises(BudgetSpent, match="cannot hold the next call: \\$0.0000 is spent"):
            one(client, ask("a"))
        assert model.asked == {}


def test_stored_answers_cost_nothing_under_a_spent_budget(tmp_path):
    with opened(tmp_path, Model(), **PRICED) as client:
        one(client, ask("a"))
    with opened(tmp_path, Model(), Budget(1e-9), **PRICED) as client:
        assert one(client, ask("a")).cached


@pytest.mark.slow
@given(
    limit=st.integers(0, 4000),
    calls=st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 64), st.sampled_from(["ok", "busy", "broken"])), max_size=25
    ),
    concurrency=st.integers(1, 30),
    seed=st.integers(0, 5),
)
def test_the_cap_holds_for_any_mix_of_calls_at_any_concurrency(tmp_path_factory, limit, calls, concurrency, seed):
    """Costs in millionths of a dollar; an attempt that may have been billed counts as its worst case."""
    draw = random.Random(seed)
    told = {str(i): c for i, c in enumerate(calls)}
    billed = []

    def act(prompt, attempt):
        tokens_in, tokens_out, kind = told[prompt]
        if kind != "ok" and attempt == 1:
            billed.append(tokens_in + 2 * tokens_out if kind == "broken" else 0)
            return trouble(billed=kind == "broken")
        billed.append(tokens_in + 2 * tokens_out)
        return Completion("x", "m", tokens_in, tokens_out, 0.1, None)

    model = Model(act)
    model.pause = draw.randint(0, 4)
    budget = Budget(limit / 1e6)
    folder = tmp_path_factory.mktemp("cap")
    with opened(folder, model, budget, max_tokens=64, concurrency=concurrency, **PRICED) as client:
        # most_tokens is 80 and a byte each: pad so that the estimate covers the tokens that the model will bill
        together(
            client,
            *(
                ask(p.rjust(1), pad="x") if t[0] <= 80 else Request((Message("system", "y" * 140), Message("user", p)))
                for p, t in told.items()
            ),
        )
        assert sum(billed) <= limit + 1e-6, "the endpoint billed more than the cap"
        assert budget.spent_usd <= limit / 1e6 + 1e-12
        stored = client.spend()
        assert stored["usd"] == pytest.approx(budget.spent_usd), "a resumed run would count something else"


def test_money_that_lost_attempts_may_have_cost_survives_into_the_next_run(tmp_path):
    model = Model(lambda p, n: trouble("cut off", billed=True) if n == 1 else "yes")
    with opened(tmp_path, model, max_tokens=10, **PRICED) as client:
        one(client, ask("a"))
        worst = (80 + 1 + 2 * 10) / 1e6
        assert client.usage.lost_usd == pytest.approx(worst)
        assert client.spend()["lost_usd"] == pytest.approx(worst)
        assert client.spend()["usd"] == pytest.approx(worst + 20e-6)


def test_a_shared_machine_is_paid_once_however_many_ask_at_once(tmp_path):
    time = FakeTime()

    entered = []

    class Slow(Model):
        async def complete(self, request):
            entered.append(request)
            while len(entered) < 4:
                await asyncio.sleep(0)
            if request.messages[-1].content == "0":
                time.t += 10.0  # ten seconds pass while all four are under way
            await asyncio.sleep(0)
            return Completion("x", "m", 1, 1, 10.0, None)

    with opened(tmp_path, Slow(), time=time, usd_per_hour=3600.0, concurrency=4) as client:
        found = together(client, *(ask(str(i)) for i in range(4)))
        assert sum(c.cost_usd for c in found) == pytest.approx(10.0)
        assert [c.cost_usd for c in found] == [pytest.approx(2.5)] * 4


def test_an_answer_without_token_counts_is_priced_from_above_with_a_note(tmp_path):
    model = Model(lambda p, n: Completion("x", "m", None, None, 0.1, None))
    with opened(tmp_path, model, max_tokens=10, **PRICED) as client:
        found = one(client, ask("a"))
        assert found.cost_usd == pytest.approx((81 + 20) / 1e6)
        assert found.price_note == "an upper bound: the endpoint reported no token counts"


def test_an_unknown_price_stays_unknown(tmp_path):
    with opened(tmp_path, Model()) as client:
        found = one(client, ask("a"))
        assert found.cost_usd is None
        assert "no price is known for scripted" in found.price_note
        assert client.spend()["usd"] is None
        assert client.usage.unpriced == 1


def test_request_starts_are_spread_by_the_rate(tmp_path):
    time = FakeTime()
    starts = []

    class Noting(Model):
        async def complete(self, request):
            starts.append(time.t)
            return Completion("x", "m", 1, 1, 0.0, None)

    with opened(tmp_path, Noting(), time=time, requests_per_minute=60, concurrency=1) as client:
        together(client, *(ask(str(i)) for i in range(5)))
    assert starts == pytest.approx([0, 1, 2, 3, 4])


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 3)), min_size=1, max_size=30))
def test_no_minute_sees_more_tokens_than_allowed_beyond_one_request(calls):
    time = FakeTime()
    rate = Rate(None, 600, time.clock)
    starts = []

    async def work():
        for tokens, pause in calls:
            time.t += pause
            await rate.wait(tokens)
            starts.append((time.t, tokens))

    asyncio.run(work())
    for begin, _ in starts:
        inside = [tokens for at, tokens in starts if begin <= at < begin + 60]
        assert sum(inside) - inside[-1] <= 600 * 1.001


def test_tokens_that_were_not_used_bring_the_next_start_forward():
    time = FakeTime()
    rate = Rate(None, 600, time.clock)
    asyncio.run(rate.wait(600))
    rate.correct(600, 60)
    asyncio.run(rate.wait(1))
    assert time.slept == [pytest.approx(6.0)]


@given(st.integers(2, 100), st.integers(0, 1000))
def test_a_wait_is_never_negative_nor_above_its_ceiling(attempt, seed):
    wait_s = wait_before(attempt, None, random.Random(seed))
    assert 0 <= wait_s <= min(30.0, 0.5 * 2 ** (attempt - 2))


def test_a_full_disk_stops_the_row_and_returns_the_reserved_money(tmp_path):
    budget = Budget(1.0)
    with opened(tmp_path, Model(lambda p, n: "x" * 300_000), budget, **PRICED) as client:
        client._cache._writer.execute("PRAGMA max_page_count = 1")
        with pytest.raises(Interrupted, match="the disk is full .* everything answered so far is kept"):
            one(client, Request((Message("user", "a"),)))
        assert budget.reserved_usd == 0
        assert budget.spent_usd == pytest.approx(20e-6)


def test_the_card_tells_what_a_rung_may_know(tmp_path):
    with opened(tmp_path, Model(), context=4096, note="small") as client:
        card = client.card("judge")
        assert (card.role, card.name, card.context, card.max_tokens, card.note) == (
            "judge",
            "scripted",
            4096,
            256,
            "small",
        )
        assert client.count_tokens([Message("user", "x")] * 3) == 30


def test_closing_closes_the_model(tmp_path):
    model = Model()
    with opened(tmp_path, model) as client:
        asyncio.run(client.close())
        assert model.closed == 1


@pytest.mark.parametrize("asked_s", [0.0, 0.001, 0.01])
def test_a_provider_that_asks_to_come_back_at_once_is_not_asked_without_end(tmp_path, asked_s):
    time = FakeTime()
    model = Model(lambda p, n: trouble("too many", status=429, retry_after_s=asked_s) if p == "a" else "yes")
    with opened(tmp_path, model, time=time, attempts=3) as client:
        one(client, ask("b"))
        with pytest.raises(Retryable, match="no answer after .* attempts: too many"):
            one(client, ask("a"))
    assert model.asked["a"] <= 100
    assert 250 <= time.t < 330
    assert min(time.slept) >= 0.05


@pytest.mark.parametrize("asked_s", [0.0, 0.5, 30.0])
def test_whoever_waits_is_told_that_the_endpoint_lets_nobody_through(tmp_path, asked_s):
    """After 10 s without an answer, or where the endpoint asks for as long; then less and less often."""
    time, said = FakeTime(), []
    model = Model(lambda p, n: trouble("too many", status=429, retry_after_s=asked_s) if p == "a" else "yes")
    with opened(tmp_path, model, time=time, attempts=3) as client:
        client.say = lambda text: said.append((time.t, text))
        one(client, ask("b"))
        assert said == []
        with pytest.raises(Retryable):
            one(client, ask("a"))
        one(client, ask("c"))
        assert said[0][0] <= 10.0
        assert re.fullmatch(
            r"models\.main: waiting: .*too many.*; no answer for \d+ s, asked again in [\d.]+ s \(Ctrl-C ends it, and keeps "
            r"every answer\)",
            said[0][1],
        )
        for (earlier, _), (later, _), rest_s in zip(said, said[1:], (60, 120, 240), strict=False):
            assert later - earlier >= rest_s - 1e-6
        assert 2 <= len(said) <= 4


def test_short_waits_between_answers_are_not_told(tmp_path):
    time, said = FakeTime(), []
    model = Model(lambda p, n: trouble("too many", status=429, retry_after_s=1.0) if n < 6 else "yes")
    with opened(tmp_path, model, time=time, attempts=9, concurrency=1) as client:
        client.say = said.append
        for text in "abcdefgh":
            one(client, ask(text))
    assert time.t > 40
    assert said == []


def test_time_in_flight_counts_as_time_that_was_waited(tmp_path):
    time = FakeTime()

    def slow(prompt, attempt):
        time.t += 60.0 if prompt == "a" else 0.0
        return trouble("too many", status=429, retry_after_s=0.0) if prompt == "a" else "yes"

    model = Model(slow)
    with opened(tmp_path, model, time=time, attempts=2) as client:
        one(client, ask("b"))
        with pytest.raises(Retryable):
            one(client, ask("a"))
    assert model.asked["a"] == 5


def test_a_model_that_is_always_busy_is_given_up_by_attempts_too(tmp_path):
    model = Model(lambda p, n: trouble("too many", status=429, retry_after_s=0.0) if p == "a" else "yes")

    async def no_time(_):
        await asyncio.sleep(0)

    with AnswerCache.open(tmp_path / "l") as cache:
        client = Client(Scripted(attempts=3), model, cache, Budget(), clock=Clock(lambda: 0.0, no_time))
        one(client, ask("b"))
        with pytest.raises(Retryable, match="no answer after 100 attempts"):
            one(client, ask("a"))


@given(st.integers(2, 200), st.floats(0, 300), st.integers(0, 1000))
def test_no_wait_is_shorter_than_its_floor(attempt, asked_s, seed):
    floor = min(5.0, 0.05 * 2.0 ** min(attempt - 2, 10))
    assert wait_before(attempt, asked_s, random.Random(seed)) >= max(asked_s, floor)
    assert wait_before(attempt, None, random.Random(seed)) >= 0.125


def no_answer(message="blocked"):
    return NoAnswer(message, provider="test", status=200, billed=True)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_a_row_without_an_answer_is_kept_as_such_and_not_asked_again(tmp_path, place):
    texts = [f"row {i}" for i in range(6)]
    script = lambda p, n: no_answer() if p == texts[place] else "yes"  # noqa: E731
    model = Model(script)
    with opened(tmp_path, model, attempts=2, concurrency=1, **PRICED) as client:
        found = together(client, *map(ask, texts))
        asyncio.run(client.close())
        spent = client.spend()["usd"]
    assert [isinstance(e, RefusedByModel) for e in found] == [i == place for i in range(6)]
    assert "no answer after 2 attempts: blocked" in str(found[place])
    assert model.asked[texts[place]] == 2
    again = Model(script)
    with opened(tmp_path, again, attempts=2, concurrency=1, **PRICED) as client:
        found = together(client, *map(ask, texts))
        assert [isinstance(e, RefusedByModel) for e in found] == [i == place for i in range(6)]
        assert again.asked == {}
        assert client.spend()["usd"] == pytest.approx(spent)


def test_an_endpoint_that_answers_nothing_stops_the_run_and_nothing_is_kept(tmp_path):
    model = Model(lambda p, n: no_answer())
    for _ in range(2):
        with opened(tmp_path, model, attempts=2, concurrency=1) as client:
            with pytest.raises(ModelError, match="did not answer once, last after 2 attempts: blocked") as caught:
                one(client, ask("a"))
            assert not isinstance(caught.value, RefusedByModel)
            asyncio.run(client.close())
    assert model.asked["a"] == 4


def test_an_outage_without_answers_keeps_no_row_as_unanswerable(tmp_path):
    model = Model(lambda p, n: "yes" if p == "up" else no_answer())
    with opened(tmp_path, model, attempts=1, concurrency=1) as client:
        one(client, ask("up"))
        found = together(client, *(ask(str(i)) for i in range(12)))
        assert any(isinstance(e, Interrupted) for e in found)
        asyncio.run(client.close())
    better = Model()
    with opened(tmp_path, better, attempts=1, concurrency=1) as client:
        found = together(client, *(ask(str(i)) for i in range(12)))
        assert all(not isinstance(e, Exception) for e in found)
        assert len(better.asked) == 12


def test_rows_given_up_before_make_no_outage(tmp_path):
    """Thirty rows in trouble of their own, asked one after the other in a later session: the endpoint is not down."""
    odd = [f"odd {i}" for i in range(30)]
    script = lambda p, n: trouble("500 on this row", status=500) if p in odd else "yes"  # noqa: E731
    mixed = [ask(t) for i, o in enumerate(odd) for t in (o, f"even {i}")]
    with opened(tmp_path, Model(script), attempts=1, concurrency=1) as client:
        one(client, ask("first"))
        found = together(client, *mixed)
        assert [type(e) for e in found[::2]] == [Retryable] * 30
        asyncio.run(client.close())
    model = Model(script)
    with opened(tmp_path, model, attempts=1, concurrency=1) as client:
        found = together(client, *mixed)
        assert [type(e) for e in found[::2]] == [Retryable] * 30, "asked again, and no outage"
        assert set(model.asked) == set(odd)


def test_a_session_that_is_cancelled_tells_and_books_what_was_broken_off(tmp_path):
    model = Model()
    model.pause = 1000
    told = []
    with opened(tmp_path, model, max_tokens=10, concurrency=2, **PRICED) as client:
        client.say = told.append

        async def work():
            tasks = [asyncio.ensure_future(client.ask(ask(str(i)))) for i in range(5)]
            while model.under_way < 2:
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

        asyncio.run(work())
        worst = (81 + 2 * 10) / 1e6
        assert client.spend()["lost_usd"] == pytest.approx(2 * worst), "those that were not sent cost nothing"
        assert client.usage.broken_off == 2
    assert told == [
        "models.main: 2 requests were broken off after being sent; what they may cost is booked in full, since nobody tells"
    ]


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_an_endpoint_that_lets_nobody_in_bills_nothing_that_is_broken_off(tmp_path, status):
    refused = ModelError("no such key", provider="stub", status=status)
    model = Model(lambda p, n: refused)
    told = []
    with opened(tmp_path, model, max_tokens=10, concurrency=4, **PRICED) as client:
        client.say = told.append

        async def work():
            tasks = [asyncio.ensure_future(client.ask(ask(str(i)))) for i in range(5)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            model.pause = 1000
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

        asyncio.run(work())
        assert client.usage.broken_off == 0
        assert client.spend()["lost_usd"] == 0.0
    assert told == []


def test_under_a_cap_the_first_answer_is_asked_for_alone(tmp_path):
    model, most = Model(), []
    model.pause = 3

    def act(prompt, attempt):
        most.append(model.under_way)
        return trouble() if len(most) == 1 else "yes"

    model.act = act
    with opened(tmp_path, model, Budget(1.0), concurrency=8, **PRICED) as client:
        together(client, *(ask(str(i)) for i in range(20)))
    assert most[:2] == [1, 1], "until there is an answer, one at a time"
    assert max(most) > 4


def test_thoughts_and_bounds_are_told_with_the_money(tmp_path):
    def act(prompt, attempt):
        return Completion("x", "m", None if prompt == "b" else 5, 5, 0.1, None, thought=9 if prompt == "a" else 0)

    with opened(tmp_path, Model(act), max_tokens=10, **PRICED) as client:
        together(client, ask("a"), ask("b"))
        spend = client.spend()
        assert spend["notes"] == ["1 answer came with a thought, which is not scored"]
        assert spend["bound_usd"] == pytest.approx((81 + 20) / 1e6)
