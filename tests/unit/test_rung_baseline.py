"""Rung 0: what needs no language model."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from rung.errors import NotOffered
from rung.plugins import find
from rung.rungs.baseline import Baseline
from rung.store.folder import from_json, to_json
from rung.types import BaselineLearned, Candidate, Example, FitInput, MetricSpec
from tests.unit._kit import KitForTests, examples, task


def fit(train, dev, **settings):
    the_task = settings.pop("task", task())
    kit = KitForTests(the_task)
    return asyncio.run(Baseline(**settings).fit(FitInput(the_task, tuple(train), tuple(dev)), kit)), kit


def row(i: int, text: str, target: str) -> Example:
    return Example(f"r{i}", {"text": text}, target, f"r{i}")


def test_words_that_tell_labels_make_the_classifier_win():
    fitted, kit = fit(examples(90, "t"), examples(60, "d"))
    means = {t.candidate.name: t.mean for t in fitted.trials}
    assert fitted.candidate.name == "linear"
    assert means["linear"] > 0.9 > means["majority"]
    assert means["majority"] == pytest.approx(1 / 3)
    assert kit.requests == []
    assert [o.example_id for o in fitted.dev] == [e.id for e in examples(60, "d")]
    assert all(o.answer.calls == () and o.answer.cost_usd == 0 and o.answer.latency_s >= 0 for o in fitted.dev)


def test_majority_stays_on_a_tie_and_one_answer_allows_no_classifier():
    train = [row(i, f"text number {i} alone", "same") for i in range(12)]
    fitted, _ = fit(train, [row(99, "whatever", "same")])
    assert fitted.candidate.name == "majority"
    assert fitted.candidate.learned == BaselineLearned(method="majority", answer="same")
    assert [(s.what, s.reason) for s in fitted.skipped] == [
        ("baseline linear", "all 12 training examples have the answer 'same': a classifier needs two")
    ]


def test_nearest_wins_where_answers_follow_single_rows():
    words = ["apple", "bread", "cheese", "dough", "eggs", "flour", "grape", "honey"]
    train = [row(i, f"{w} {w} order", f"document_store {w}") for i, w in enumerate(words)]
    dev = [row(100 + i, f"please bring {w}", f"document_store {w}") for i, w in enumerate(words)]
    fitted, _ = fit(train, dev)
    assert fitted.candidate.name == "nearest"
    assert "8 different answers in 8 training examples are no labels" in fitted.skipped[0].reason


def test_not_offered_for_free_text_and_without_rows():
    with pytest.raises(NotOffered, match="baseline needs training examples, and there are none"):
        fit([], examples(5, "d"))
    long = [row(i, f"q{i}", f"a long answer of its own kind numbered {i} that never comes twice") for i in range(20)]
    with pytest.raises(NotOffered, match=r"only 0% of 20 training answers occur twice.*longer than 13 words"):
        fit(long, long[:3])


def test_offered_for_records_though_none_repeats():
    rows = [row(i, f"order {i}", json.dumps({"number": i, "note": " ".join(["long"] * 12)})) for i in range(10)]
    fitted, _ = fit(
        rows[:8], rows[8:], task=task(kind="extraction", labels=None, metrics=(MetricSpec("normalized_match"),))
    )
    assert {t.candidate.name for t in fitted.trials} == {"majority", "nearest"}


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["majority", "nearest", "linear"])
def test_a_stored_candidate_answers_as_before(name: str):
    train, dev = examples(60, "t"), examples(30, "d")
    fitted, kit = fit(train, dev)
    candidate = next(t.candidate for t in fitted.trials if t.candidate.name == name)
    stored = replace(from_json(to_json(candidate, Candidate), Candidate), trained_on=())
    before = asyncio.run(kit.run(candidate, dev))
    after = asyncio.run(kit.run(stored, dev))
    assert [o.answer.text for o in before] == [o.answer.text for o in after]
    assert stored.id == candidate.id


def test_rows_are_capped_at_random_and_the_user_is_told():
    fitted, kit = fit(examples(90, "t"), examples(6, "d"), most_rows=30)
    assert len(fitted.candidate.trained_on) == 30
    assert kit.said == ["baseline: learns from 30 of 90 training examples"]


def test_blank_inputs_are_answered():
    train = [row(i, "", "a" if i % 2 else "b") for i in range(8)]
    fitted, _ = fit(train, train[:4])
    assert {o.answer.text for o in fitted.dev} <= {"a", "b"}


def test_found_by_name():
    assert find("rungs", "baseline") is Baseline
    assert not Baseline.asks
    assert not Baseline.trains
