"""What a rung plans to ask: an upper figure, without asking; and what it asks, once each."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from functools import cache

import pytest

from rung.errors import NotOffered
from rung.prompts import race as _race
from rung.prompts.race import planned_calls
from rung.prompts.structured import FORMS
from rung.rungs.baseline import Baseline
from rung.rungs.fewshot import FewShot
from rung.rungs.prompt import Prompt
from rung.types import Example, FitInput, Message, canonical_json
from tests.unit._kit import KitForTests, examples, task, topic_of

TRAIN = tuple(examples(90, "t"))


def luck(share: float, salt: str = ""):
    """Return a model that is right on `share` of the chats, by their text alone."""

    def script(messages) -> str:
        text = salt + "\n".join(m.content for m in messages)
        right = hashlib.blake2b(text.encode(), digest_size=4).digest()[0] < 256 * share
        return topic_of(messages[-1].content) if right else "refund"

    return script


def takes_deliveries_for_refunds(messages) -> str:
    label = topic_of(messages[-1].content)
    return "refund" if label == "delivery" else label


def planned_and_asked(rung, script, *, shown=90, rows=60, context=None):
    """Fit on the first `shown` training rows; return the plan, what was fitted and the kit asked. Not to be changed."""
    return _planned_and_asked(rung, script, shown, rows, context)


@cache
def _planned_and_asked(rung, script, shown, rows, context):
    the_task, train, dev = task(), TRAIN[:shown], examples(rows, "d")
    silent = KitForTests(the_task, script, context=context)
    plan = rung.plan(FitInput(the_task, tuple(train), tuple(dev)), silent)
    assert silent.requests == []
    kit = KitForTests(the_task, script, context=context)
    fitted = asyncio.run(rung.fit(FitInput(the_task, tuple(train), tuple(dev)), kit))
    return plan, fitted, kit


HALF = luck(0.5)
SCRIPTS = [HALF, luck(0.9, "a"), lambda m: "?", takes_deliveries_for_refunds]


@pytest.mark.sample(2)
@pytest.mark.parametrize("rows", [1, 25, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "rung", [Prompt(), Prompt(rewrites=False), FewShot(), FewShot(k=(2,), selections=("nearest",))]
)
def test_a_plan_is_never_exceeded(rung, rows):
    for script in SCRIPTS:
        plan, fitted, kit = planned_and_asked(rung, script, rows=rows)
        assert rows <= len(kit.requests) <= plan.dev_calls
        assert sum(t.calls for t in fitted.trials) == len(kit.requests)
        ways = 5 if isinstance(rung, Prompt) else 0  # user turn, schema, three fields of servers
        assert len(fitted.trials) <= plan.candidates + ways


@pytest.mark.slow
@pytest.mark.parametrize("rung", [Prompt(), FewShot(k=(1, 3))])
def test_candidates_are_compared_on_a_part_of_a_large_dev_part(rung, monkeypatch):
    """The choice alone is asked all rows."""
    monkeypatch.setattr(_race, "MOST_RACED", 40)
    for script in SCRIPTS:
        plan, fitted, kit = planned_and_asked(rung, script, rows=120)
        rows = {t.candidate.name: t.rows for t in fitted.trials}
        assert rows.pop(fitted.candidate.name) == len(fitted.dev) == 120
        assert max(rows.values()) == 40
        assert len(kit.requests) <= plan.dev_calls
        more = FORMS if isinstance(rung, Prompt) else 0  # requests by which it is seen which form the server takes
        assert plan.dev_calls == planned_calls(plan.candidates, 120, 4 if isinstance(rung, Prompt) else 3) + more
        assert repeats(kit) == 0


@pytest.mark.slow
def test_a_plan_holds_where_candidates_are_skipped():
    for context in (40, 70):
        for rung in (Prompt(), FewShot()):
            plan, _, kit = planned_and_asked(rung, HALF, context=context)
            assert len(kit.requests) <= plan.dev_calls


def test_fewer_candidates_are_never_planned_dearer():
    for rows in (1, 5, 19, 20, 21, 39, 40, 41, 60, 150, 1000):
        figures = [planned_calls(n, rows) for n in range(1, 25)]
        assert figures == sorted(figures)
        assert figures[0] == rows
        assert planned_calls(5, rows, 2) == planned_calls(5, rows) + 2 * min(rows, 500)


@pytest.mark.parametrize("rung", [Prompt(), FewShot()])
def test_a_plan_shows_the_dearest_chats(rung):
    plan, _, kit = planned_and_asked(rung, HALF)
    longest = max(
        sum(len(m.content) for m in r.messages) for r in kit.requests if "Rules:" not in r.messages[0].content
    )
    assert len(plan.chats) == 20
    assert max(sum(len(m.content) for m in chat) for chat in plan.chats) >= 0.85 * longest


def test_few_shot_is_planned_on_top_of_the_longest_rewrite():
    plan, _, _ = planned_and_asked(FewShot(), HALF)
    assert all('for example "' in chat[0].content for chat in plan.chats)
    assert all(len(chat) == 2 + 2 * 8 for chat in plan.chats)


def test_what_a_plan_says_of_a_prompt_without_rewrites():
    plan = Prompt(rewrites=False).plan(FitInput(task(), tuple(TRAIN), tuple(examples(30, "d"))), KitForTests(task()))
    assert (plan.candidates, plan.dev_calls) == (1, 30)
    assert plan.chats[0][0] == Message("system", "Route the message to one team.")


def test_a_baseline_plans_no_call():
    plan = Baseline().plan(FitInput(task(), tuple(TRAIN), tuple(examples(30, "d"))), KitForTests(task()))
    assert (plan.candidates, plan.dev_calls, plan.chats) == (3, 0, ())
    with pytest.raises(NotOffered, match="baseline needs training examples"):
        Baseline().plan(FitInput(task(), (), tuple(examples(30, "d"))), KitForTests(task()))


def test_plans_refuse_like_fits():
    with pytest.raises(NotOffered, match="fewshot shows training examples, and there are none"):
        FewShot().plan(FitInput(task(), (), tuple(examples(30, "d"))), KitForTests(task()))


# -- nothing is asked twice -----------------------------------------------------------------------------------------------


def repeats(kit: KitForTests) -> int:
    keys = Counter(canonical_json([dict(r.params), *(m.as_dict() for m in r.messages)]) for r in kit.requests)
    return sum(n - 1 for n in keys.values())


@pytest.mark.sample(2)
@pytest.mark.parametrize("rung", [Prompt(), FewShot(), FewShot(k=(1, 2, 3, 90))])
@pytest.mark.parametrize("shown", [90, 1])
def test_no_request_is_asked_twice_within_a_fit(rung, shown):
    for script in SCRIPTS:
        _, fitted, kit = planned_and_asked(rung, script, shown=shown)
        assert repeats(kit) == 0
        assert len({t.candidate.name for t in fitted.trials}) == len(fitted.trials)


def test_rewrites_with_equal_texts_are_asked_once():
    """No word tells these labels apart and no row may be quoted: definitions would say no more than the list."""
    dev = examples(30, "d")
    train = [Example(f"c{e.id}", e.inputs, ("login", "refund")[i % 2], e.id) for i, e in enumerate(dev)]
    kit = KitForTests(task(), luck(0.5))
    fitted = asyncio.run(Prompt().fit(FitInput(task(), tuple(train), tuple(dev)), kit))
    names = {t.candidate.name for t in fitted.trials}
    assert "structured" in names
    assert "structured-definitions" not in names
    assert repeats(kit) == 0


def test_all_training_rows_are_shown_in_one_order_only():
    _, fitted, _ = planned_and_asked(FewShot(k=(1, 3)), HALF, shown=3)
    names = [t.candidate.name for t in fitted.trials]
    assert "fixed k=3" in names
    assert "nearest k=3" not in names
    _, fitted, _ = planned_and_asked(FewShot(k=(3,), selections=("nearest",)), HALF, shown=3)
    assert [t.candidate.name for t in fitted.trials] == ["k=0", "nearest k=3"]
