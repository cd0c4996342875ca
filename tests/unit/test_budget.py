"""The cap holds whatever calls do and in whatever order they end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.errors import BudgetSpent
from rung.models.budget import Budget

CENTS = st.integers(0, 40)


async def call(budget, worst, true_cost, steps, peak):
    await budget.reserve(worst)
    peak.append(budget.spent_usd + budget.reserved_usd)
    try:
        for _ in range(steps):
            await asyncio.sleep(0)
    finally:
        budget.settle(worst, true_cost)


@settings(max_examples=settings.default.max_examples * 2)
@given(limit=st.integers(0, 120), calls=st.lists(st.tuples(CENTS, CENTS, st.integers(0, 5)), max_size=30), start=CENTS)
def test_spent_and_set_aside_never_exceed_the_limit(limit, calls, start):
    """Amounts in whole units, so that sums are exact."""

    async def work():
        budget, peak = Budget(limit, spent_usd=start), []
        tasks = [call(budget, max(worst, true), true, steps, peak) for worst, true, steps in calls]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        return budget, peak, ends

    budget, peak, ends = asyncio.run(work())
    assert all(p <= limit for p in peak)
    assert budget.reserved_usd == 0
    assert all(e is None or isinstance(e, BudgetSpent) for e in ends)
    made = [true for (_, true, _), e in zip(calls, ends, strict=True) if e is None]
    assert budget.spent_usd == start + sum(made)
    refused = [max(w, t) for (w, t, _), e in zip(calls, ends, strict=True) if e is not None]
    assert all(budget.spent_usd + worst > limit for worst in refused), "a call was refused that would have fitted"


def test_a_call_waits_for_money_that_comes_back():
    async def work():
        budget = Budget(1.0)
        await budget.reserve(0.9)
        waiting = asyncio.ensure_future(budget.reserve(0.9))
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.settle(0.9, 0.01)
        await asyncio.wait_for(waiting, 1)
        assert budget.spent_usd == pytest.approx(0.01)

    asyncio.run(work())


def test_a_call_that_waits_is_refused_once_the_money_is_gone():
    async def work():
        budget = Budget(1.0)
        await budget.reserve(0.9)
        waiting = asyncio.ensure_future(budget.reserve(0.5))
        await asyncio.sleep(0)
        budget.settle(0.9, 0.9)
        with pytest.raises(BudgetSpent):
            await waiting

    asyncio.run(work())


def test_a_cancelled_wait_passes_its_turn_on():
    async def work():
        budget = Budget(1.0)
        await budget.reserve(1.0)
        first, second = (asyncio.ensure_future(budget.reserve(1.0)) for _ in range(2))
        await asyncio.sleep(0)
        budget.settle(1.0, 0.0)
        first.cancel()
        await asyncio.wait_for(second, 1)
        assert first.cancelled()

    asyncio.run(work())


def test_the_message_says_what_is_spent_what_is_needed_and_what_to_do():
    with pytest.raises(BudgetSpent) as caught:
        asyncio.run(Budget(2.0, spent_usd=1.75).reserve(0.5))
    assert str(caught.value) == (
        "the budget of $2 cannot hold the next call: $1.7500 is spent and the call may cost up to $0.5000; everything "
        "answered so far is kept: raise the budget (`budget_usd`) to at least $2.2500 and run the same command again"
    )
    assert (caught.value.spent, caught.value.limit, caught.value.exit_code) == (1.75, 2.0, 3)


def test_without_a_limit_nothing_waits_and_spending_is_counted():
    async def work():
        budget = Budget()
        for _ in range(3):
            await budget.reserve(1e9)
        budget.settle(1e9, 2.0)
        return budget.spent_usd

    assert asyncio.run(work()) == 2.0


def test_rounding_of_many_small_amounts_does_not_block_the_last_call():
    async def work():
        budget = Budget(0.35)
        for _ in range(3):
            await budget.reserve(0.1)
        for _ in range(3):
            budget.settle(0.1, 0.0)
        await asyncio.wait_for(budget.reserve(0.35), 1)

    asyncio.run(work())
