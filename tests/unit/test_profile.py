"""What a rung's answers take, asked one after the other: seconds, and prompt tokens by part."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from rung.errors import NotOffered
from rung.evaluate.profile import ANEW, MANY, ROWS, _counted, profile
from rung.types import Answer, Candidate, Demonstration, Example, FewShotLearned, Message, Source
from tests.unit._kit import KitForTests, task

OWN = (Message("system", "Route the message."), Message("assistant", "Understood, I will"), Message("user", "{{text}}"))
SHOWN = (Demonstration("t0", {"text": "please send my money"}, "refund"),)
CANDIDATE = Candidate(
    "fewshot",
    "fixed k=1",
    FewShotLearned(messages=OWN, columns=("text",), demonstrations=SHOWN, k=1),
    "main",
)
DEV = [Example(f"d{i}", {"text": f"number {i} is about parcels"}, "delivery", f"d{i}") for i in range(8)]


def profiled(kit: KitForTests, dev=DEV, candidate=CANDIDATE):
    return asyncio.run(profile(candidate, dev, kit.task, kit))


def test_prompt_tokens_are_told_by_part_and_own_turns_are_no_examples():
    kit = KitForTests(task(), lambda chat: "delivery it is")
    found = profiled(kit)
    assert found.tokens == {"instruction": 6.0, "examples": 5.0, "passages": 0.0, "input": 5.0}
    assert (found.output_tokens, found.n, found.note) == (3.0, ROWS, None)
    assert (found.candidate, found.seconds, found.p50_s) == (CANDIDATE.id, (0.01,) * ROWS, 0.01)
    assert found.p95_s is None
    assert [r.repeat for r in kit.requests] == [ANEW] * ROWS
    assert len({r.messages for r in kit.requests}) == ROWS


def test_few_rows_are_asked_again_where_the_cheapest_is_sought():
    kit = KitForTests(task(objective="cheapest"), lambda chat: "delivery")
    found = profiled(kit, DEV[:3])
    assert (found.n, len(found.seconds), found.p95_s) == (MANY, MANY, pytest.approx(0.01))
    assert Counter(r.repeat for r in kit.requests) == {ANEW + turn: 3 for turn in range(MANY // 3)}


def test_trouble_is_a_note_and_leaves_a_gap():
    def refuse(chat):
        raise NotOffered("not this\none")

    found = profiled(KitForTests(task(), refuse))
    assert (found.n, found.seconds, found.note) == (0, (None,) * ROWS, "not this one")
    assert (found.tokens, found.output_tokens, found.p50_s) == (None, None, None)
    assert profiled(KitForTests(task()), []).note == "there are no dev examples to ask"


def test_passages_are_counted_as_they_stand_in_a_prompt():
    """A passage of several lines stands on one line of the prompt, its links taken out."""
    passage = "Returns take thirty days.\nSee [the form](http://shop.example/form) before you send it.\nLabels are free of charge."
    shown = "[1] Returns take thirty days. See the form before you send it. Labels are free of charge."
    chat = (Message("system", "Answer."), Message("user", f"Context:\n{shown}\n\nHow long do returns take?"))
    row = Example("d0", {"text": "How long do returns take?"}, "thirty days", "d0")
    answer = Answer("thirty days", (), (Source("faq.md", "line 1", passage),))
    kit = KitForTests(task())
    parts = _counted("main", chat, row, answer, 0, kit)
    assert parts["input"] == 5
    assert 12 <= parts["passages"] <= 16  # not the words of a link that is gone
    assert sum(parts.values()) == kit.count_tokens("main", chat)
