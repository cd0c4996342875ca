"""No cent over the cap, none unrecorded: whatever an endpoint bills, tells or keeps to itself."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung.errors import BudgetSpent, ModelError
from rung.models._exposure import settle_earlier
from rung.models._length import longest_answer, unbounded
from rung.models._usage import usage_in
from rung.models.budget import Budget
from rung.models.client import Client
from rung.models.http import Http
from rung.models.openai import OpenAI
from rung.store.cache import AnswerCache
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.types import Message, Request

PRICE = {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 10_000.0}  # a tenth of a cent, a cent a token
CAP = 20.0


def usd(tokens_in, tokens_out):
    return (tokens_in * 1000 + tokens_out * 10_000) / 1e6


def ask(text):
    return Request((Message("user", text),))


@dataclass
class Billing:
    """An endpoint with a meter. `obeys`: keeps to the longest length that a body names; `tells`: what it says of usage."""

    tells: Any = "right"
    obeys: bool = True
    tokens_out: int = 10_000
    delay_s: float = 0.0
    billed: float = 0.0
    answers: int = 0
    dearest: float = field(default=0.0)

    def script(self, data, attempt):
        tokens_in = len(json.dumps(data["messages"])) // 4
        allowed = max(v for k, v in data.items() if k in ("max_tokens", "max_completion_tokens"))
        tokens_out = min(self.tokens_out, allowed) if self.obeys else self.tokens_out
        self.billed += usd(tokens_in, tokens_out)
        self.dearest = max(self.dearest, usd(tokens_in, tokens_out))
        self.answers += 1
        body = json.loads(answer_body("word " * tokens_out, "m", tokens_in, tokens_out))
        if self.tells != "right":
            body["usage"] = self.tells
        return Reply(body=json.dumps(body).encode(), delay_s=self.delay_s)


def climb(folder, billing, *, rows=200, cap=CAP, first=0, **given):
    """Ask many rows at once, as a climb does, until the end or the budget stops it; return what is recorded."""

    async def work():
        async with Endpoint(script=billing.script).serving() as endpoint:
            settings = OpenAI(
                **{"name": "m", "base_url": endpoint.url, "concurrency": 16, "max_tokens": 8, **PRICE, **given}
            )
            with AnswerCache.open(folder / "ledger.sqlite") as cache:
                await settle_earlier(cache, folder, lambda _: None)
                spent = sum(s.usd + s.lost_usd for s in cache.spend())
                client = Client(settings, settings.connect(), cache, Budget(cap, spent_usd=spent))
                stopped = None
                try:
                    async with asyncio.TaskGroup() as group:
                        for i in range(first, first + rows):
                            group.create_task(client.ask(ask(f"row {i}")))
                except* BudgetSpent as errors:
                    stopped = str(errors.exceptions[0])
                finally:
                    await client.close()
                return client.spend(), stopped

    return asyncio.run(work())


ODD_USAGE = {
    "none": None,
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "true": {"prompt_tokens": True, "completion_tokens": True},
    "negative": {"prompt_tokens": -5, "completion_tokens": -5},
    "words": {"prompt_tokens": "12", "completion_tokens": "3"},
    "a text": "12 tokens",
    "a list": [12, 3],
    "a number": 15,
    "beyond 64 bits": {"prompt_tokens": 2**70, "completion_tokens": 2**63},
    "absurd": {"prompt_tokens": 10**12, "completion_tokens": 3},
    "parts": {"prompt_tokens": 1.5, "completion_tokens": float("inf")},
    "no tokens for a text": {"prompt_tokens": 12, "completion_tokens": 0},
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("told", ODD_USAGE)
@pytest.mark.parametrize("given", [{}, {"extra_body": {"max_completion_tokens": 90}}], ids=["plain", "extra_body"])
def test_without_a_usage_that_can_be_true_the_most_is_recorded_and_the_cap_holds(tmp_path, told, given):
    billing = Billing(tells=ODD_USAGE[told])
    spend, stopped = climb(tmp_path, billing, **given)
    assert "budget of $20 cannot hold" in stopped
    assert billing.billed <= CAP
    assert spend["usd"] >= billing.billed > 0
    assert spend["bound_usd"] == pytest.approx(spend["usd"])


@pytest.mark.parametrize(
    "given",
    [
        {"extra_body": {"max_tokens": 90}},
        {"extra_body": {"max_completion_tokens": 90}},
        {"max_tokens_field": "max_completion_tokens", "max_tokens": 90},
        {"extra_body": {"max_completion_tokens": 90, "tools": [{"type": "function", "function": {"name": "x" * 300}}]}},
    ],
)
def test_what_is_set_aside_is_read_from_the_body_as_it_is_sent(tmp_path, given):
    billing = Billing()
    spend, stopped = climb(tmp_path, billing, **given)
    assert "cannot hold the next call" in stopped
    assert billing.answers > 10
    assert billing.billed == pytest.approx(spend["usd"])
    assert spend["usd"] <= CAP
    assert spend["bound_usd"] == 0


@pytest.mark.parametrize("tells", ["right", None], ids=["told", "untold"])
def test_a_model_that_keeps_to_no_length_is_stopped_by_its_first_answer(tmp_path, tells):
    billing = Billing(obeys=False, tokens_out=300, tells=tells)
    spend, stopped = climb(tmp_path, billing)
    assert "where a request allowed 8 tokens: a budget of $20 cannot be kept" in stopped
    assert "set models.main.max_tokens to what it needs" in stopped
    assert billing.answers == 1
    assert spend["usd"] >= billing.billed
    assert any("where a request allowed 8 tokens" in note for note in spend["notes"])


def test_what_ended_a_climb_stands_in_its_money_before_the_models_are_closed(tmp_path):
    """A climb writes its spend down before it closes its clients."""

    async def work():
        async with Endpoint(script=Billing(obeys=False, tokens_out=300).script).serving() as endpoint:
            settings = OpenAI(name="m", base_url=endpoint.url, max_tokens=8, **PRICE)
            with AnswerCache.open(tmp_path / "ledger.sqlite") as cache:
                client = Client(settings, settings.connect(), cache, Budget(CAP))
                with pytest.raises(BudgetSpent):
                    await client.ask(ask("row"))
                noted = client.spend()["notes"]
                await client.close()
                return noted, client.spend()["notes"]

    before, after = asyncio.run(work())
    assert before == after
    assert "answered with 300 output tokens, where a request allowed 8 tokens" in before[0]


def test_without_a_cap_such_a_model_is_told_and_goes_on(tmp_path):
    billing = Billing(obeys=False, tokens_out=300)
    spend, stopped = climb(tmp_path, billing, cap=None, rows=20)
    assert (stopped, billing.answers) == (None, 20)
    assert spend["usd"] == pytest.approx(billing.billed)
    assert len(spend["notes"]) == 1


def test_a_hidden_instruction_is_learnt_from_the_first_answer(tmp_path):
    hidden = {"prompt_tokens": 400, "completion_tokens": 2}
    billing = Billing(tells=hidden, tokens_out=2)
    spend, stopped = climb(tmp_path, billing, rows=500)
    assert "cannot hold the next call" in stopped
    assert spend["usd"] <= CAP
    assert spend["usd"] == pytest.approx(billing.answers * usd(400, 2))
    assert "bills more input than is sent: 400 tokens" in spend["notes"][0]


def test_a_thought_that_only_the_total_counts_is_paid_as_output(tmp_path):
    billing = Billing(tells={"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 18}, tokens_out=4)
    spend, _ = climb(tmp_path, billing, rows=3)
    assert spend["usd"] == pytest.approx(3 * usd(10, 8))


def test_a_stop_by_the_budget_breaks_no_request_off(tmp_path):
    """All that was sent is answered, stored and recorded: nothing is paid for the bin."""
    billing = Billing(delay_s=0.02)
    spend, stopped = climb(tmp_path, billing, rows=300)
    assert stopped is not None
    assert spend["calls"] == billing.answers
    assert spend["lost_usd"] == 0


def test_five_interruptions_keep_the_cap_and_are_recorded(tmp_path):
    billing = Billing(delay_s=0.2)
    cap, spend = 6.0, {}

    async def interrupted(first):
        async with Endpoint(script=billing.script).serving() as endpoint:
            settings = OpenAI(name="m", base_url=endpoint.url, concurrency=8, max_tokens=8, **PRICE)
            with AnswerCache.open(tmp_path / "ledger.sqlite") as cache:
                told = []
                budget = Budget(cap, spent_usd=sum(s.usd + s.lost_usd for s in cache.spend()))
                client = Client(settings, settings.connect(), cache, budget)
                client.say = told.append
                tasks = [asyncio.ensure_future(client.ask(ask(f"row {first + i}"))) for i in range(8)]
                await asyncio.sleep(0.3)  # the first answer is there, the others are under way
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await client.close()
                return client.spend(), told

    for session in range(5):
        spend, told = asyncio.run(interrupted(100 * session))
    assert spend["usd"] >= billing.billed
    assert billing.billed <= cap
    assert spend["lost_usd"] > 0
    assert told == [] or "broken off after being sent" in told[-1]


def test_what_was_in_flight_at_a_kill_is_booked_by_the_next_session(tmp_path):
    billing = Billing(delay_s=0.5)

    async def killed():
        async with Endpoint(script=billing.script).serving() as endpoint:
            settings = OpenAI(name="m", base_url=endpoint.url, concurrency=8, max_tokens=8, **PRICE)
            cache = AnswerCache.open(tmp_path / "ledger.sqlite")
            client = Client(settings, settings.connect(), cache, Budget(CAP))
            client._attempts.proven = True
            tasks = [asyncio.ensure_future(client.ask(ask(f"row {i}"))) for i in range(8)]
            while endpoint.counts.requests < 8:
                await asyncio.sleep(0.01)
            for name in ("ledger.sqlite", "ledger.sqlite-wal"):  # the disk as a kill leaves it
                (tmp_path / "left").mkdir(exist_ok=True)
                (tmp_path / "left" / name).write_bytes((tmp_path / name).read_bytes())
            await asyncio.gather(*tasks)
            await client.close()
            cache.close()

    asyncio.run(killed())
    billed = billing.billed
    spend, _ = climb(tmp_path / "left", billing, rows=0)
    assert billed <= spend["usd"] <= 2 * 8 * usd(85, 8) + 1e-9
    again, _ = climb(tmp_path / "left", billing, rows=0)
    assert again["usd"] == spend["usd"], "booked twice"


def test_a_session_that_ends_well_books_nothing(tmp_path):
    billing = Billing()
    spend, _ = climb(tmp_path, billing, rows=30)
    again, _ = climb(tmp_path, billing, rows=0)
    assert again["usd"] == spend["usd"] == pytest.approx(billing.billed)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"by_role": 5}', '{"by_role": {"main": {"usd": "x"}}}'])
def test_a_damaged_record_of_money_stops_nobody(tmp_path, text):
    (tmp_path / "spend.json").write_text(text)
    spend, _ = climb(tmp_path, Billing(), rows=2)
    assert spend["calls"] == 2


def test_money_does_not_begin_anew_where_the_cache_is_removed(tmp_path):
    told = []
    spend = {"by_role": {"main": {"usd": 19.0}, "judge": {"usd": None}}}
    (tmp_path / "spend.json").write_text(json.dumps(spend))

    async def settle():
        with AnswerCache.open(tmp_path / "ledger.sqlite") as cache:
            await settle_earlier(cache, tmp_path, told.append)
            await settle_earlier(cache, tmp_path, told.append)

    asyncio.run(settle())
    assert told == [
        "models.main: $19.0000 more was spent than the cache holds, by the run folder: it counts, and is booked again"
    ]
    billing = Billing()
    found, _ = climb(tmp_path, billing)
    assert 19.0 < found["usd"] <= CAP
    assert billing.billed <= 1.0


LENGTHS = [
    ({"max_tokens": 90}, 90),
    ({"max_tokens": 9, "max_completion_tokens": 90}, 90),
    ({"options": {"num_predict": 90}, "max_tokens": 5}, 90),
    ({"generationConfig": {"maxOutputTokens": 90}}, 90),
    ({"parameters_of": [{"MAX_NEW_TOKENS": 90}]}, 90),
    ({"max_tokens": 90, "thinking": {"type": "enabled", "budget_tokens": 60}}, 150),
    ({"max_tokens": 10, "n": 3}, 30),
    ({"max_tokens": 10, "best_of": 4, "n": 2}, 40),
    ({"tools": [{"parameters": {"max_tokens": 9999}}]}, None),
    ({"top_k": 1}, None),
]


@pytest.mark.parametrize(("body", "most"), LENGTHS)
def test_the_longest_answer_is_found_wherever_a_body_sets_it(body, most):
    assert longest_answer(body) == most


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"options": {"num_predict": -1}}, "options.num_predict"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_completion_tokens": 2.5}, "max_completion_tokens"),
        ({"thinking_budget": -1}, "thinking_budget"),
        ({"candidate_count": 2}, "candidate_count"),
    ],
)
def test_an_answer_without_a_length_or_several_answers_are_refused(body, path):
    assert unbounded(body) == path
    with pytest.raises(
        ValidationError, match=f"sets {path} to what leaves the length or the number of the answers open"
    ):
        OpenAI(name="m", extra_body=body)


@pytest.mark.parametrize("body", [{"n": 1}, {"max_tokens": 4}, {"top_k": 3}, {"response_format": {"schema": {"n": 5}}}])
def test_other_fields_travel(body):
    assert OpenAI(name="m", extra_body=body).extra_body == body


@pytest.mark.parametrize("field", ["messages", "input"])
def test_a_body_that_says_something_else_is_refused(field):
    with pytest.raises(ValidationError, match="holds messages, input or stream"):
        OpenAI(name="m", extra_body={field: []})


def test_a_service_of_ones_own_is_reserved_for_by_its_body():
    service = Http(url="http://h/x", body={"q": "{{prompt}}", "options": {"num_predict": 700}}, max_tokens=5)
    assert service.bound(ask("a")).output_tokens == 700
    assert service.bound(ask("a")).input_tokens > 81
    assert Http(url="http://h/x", max_tokens=5).bound(ask("a")).output_tokens == 5


@given(
    usage=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]), inner, max_size=3
            )
        ),
    ),
    characters=st.integers(0, 10_000),
)
def test_no_usage_whatever_costs_an_answer_or_breaks_a_limit_of_the_cache(usage, characters):
    for count in usage_in({"usage": usage}, characters):
        assert count is None or (type(count) is int and 0 <= count < 2**63)


def test_a_usage_of_thousands_of_digits_keeps_its_answer(tmp_path):
    body = answer_body("yes", "m", 7, 3).replace(b'"prompt_tokens": 7', b'"prompt_tokens": ' + b"9" * 5000)

    async def work():
        async with Endpoint(script=lambda *_: Reply(body=body)).serving() as endpoint:
            model = OpenAI(name="m", base_url=endpoint.url).connect()
            try:
                return await model.complete(ask("a"))
            except ModelError as error:
                return error
            finally:
                await model.close()

    found = asyncio.run(work())
    assert (found.text, found.input_tokens, found.output_tokens) == ("yes", None, 3)
