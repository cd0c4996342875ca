"""exact_match, token_f1, regex and python: values known by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung import plugin
from rung.types import Example, Failure, MetricSpec, Score, Task

LABELS = ("billing", "card_arrival", "card", "C++", "C#")


def task(labels=None):
    return Task("t", "Sort it.", ("text",), "label", "classification", (MetricSpec("exact_match"),), 0.9, labels=labels)


def row(target, text="x"):
    return Example("r1", {"text": text}, target, "g1")


def value(metric, answer, target, labels=None):
    score = metric.score(answer, row(target), task(labels))
    assert isinstance(score, Score), score
    return score.value


@pytest.mark.parametrize(
    ("answer", "target", "right", "adheres"),
    [
        ("billing", "billing", 1.0, True),
        (" billing\n", "billing", 1.0, True),
        ("Billing.", "billing", 1.0, False),
        ("card arrival", "card_arrival", 1.0, False),
        ("card", "billing", 0.0, True),
        ("It is billing", "billing", 0.0, False),
        ("", "billing", 0.0, False),
    ],
)
def test_exact_match_with_labels(answer, target, right, adheres):
    metric = plugin.make("metrics", "exact_match")
    score = metric.score(answer, row(target), task(("billing", "card_arrival", "card")))
    assert (score.value, score.adheres) == (right, adheres)


def test_labels_that_differ_by_punctuation_only_are_kept_apart():
    metric = plugin.make("metrics", "exact_match")
    assert value(metric, "C#", "C++", ("C++", "C#")) == 0.0
    assert value(metric, "C#", "C#", ("C++", "C#")) == 1.0


def test_punctuation_alone_is_not_nothing():
    metric = plugin.make("metrics", "exact_match")
    assert value(metric, "?", "!") == 0.0


def test_alias_earns_the_score_but_not_the_form():
    metric = plugin.make("metrics", "exact_match", aliases={"Invoices": "billing"})
    score = metric.score("invoices", row("billing"), task(("billing", "card")))
    assert (score.value, score.adheres) == (1.0, False)


@pytest.mark.parametrize(
    "answer",
    [
        "billing",
        '"billing"',
        "**Billing**",
        "[billing]",
        "Label: billing",
        "-> billing",
        '{"label": "billing"}',
        '```json\n{"team": "billing"}\n```',
        "The customer asks about an invoice, so this goes to billing.",
        "Reasoning: it names an invoice\nAnswer: billing",
    ],
)
def test_lenient_finds_the_label(answer):
    metric = plugin.make("metrics", "exact_match")
    t = task(("billing", "card_arrival", "card"))
    assert metric.lenient(answer, row("billing"), t) == 1.0
    assert metric.lenient(answer, row("card"), t) == 0.0


def test_lenient_takes_the_longer_label_and_refuses_two():
    metric = plugin.make("metrics", "exact_match")
    t = task(("billing", "card_arrival", "card"))
    assert metric.lenient("surely card arrival, I think", row("card_arrival"), t) == 1.0
    assert metric.lenient("surely card arrival, I think", row("card"), t) == 0.0
    assert metric.lenient("either billing or card", row("billing"), t) == 0.0


def test_form_without_labels():
    metric = plugin.make("metrics", "exact_match")
    t = task()
    adheres = {a: metric.score(a, row("Paris"), t).adheres for a in
               ("Paris", "Rome", "The capital is Paris.", '"Paris"', "Answer: Paris", "Paris\nIt is big.", "")}  # fmt: skip
    assert adheres == {
        "Paris": True, "Rome": True, "The capital is Paris.": False, '"Paris"': False, "Answer: Paris": False,
        "Paris\nIt is big.": False, "": False,
    }  # fmt: skip
    assert metric.lenient("The capital is Paris.", row("Paris"), t) == 1.0
    assert metric.lenient("The capital is Parisian.", row("Paris"), t) == 0.0


def test_format_rules_are_sentences():
    assert plugin.make("metrics", "exact_match").format_rule(task(("a", "b"))).startswith("Answer with the label only.")
    assert plugin.make("metrics", "token_f1").format_rule(task()).endswith(".")


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("the cat sat", "a cat sat", 1.0),
        ("cat sat down", "cat sat", 0.8),
        ("cat cat", "cat", 2 / 3),
        ("dog", "cat", 0.0),
        ("", "", 1.0),
        ("", "cat", 0.0),
        ("Größe: ÄRGER", "größe ärger", 1.0),
        ("東京都", "東京", 0.8),
    ],
)
def test_token_f1(answer, target, expected):
    assert math.isclose(value(plugin.make("metrics", "token_f1"), answer, target), expected)


def test_token_f1_takes_the_best_of_several_targets_and_forgives_lead_ins():
    metric = plugin.make("metrics", "token_f1", alternatives="|")
    assert value(metric, "nine", "9|nine") == 1.0
    assert metric.lenient("Answer: nine", row("nine"), task()) == 1.0
    assert metric.score("nine", row("nine"), task()).adheres is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_token_f1_is_symmetric_and_in_range(a, b):
    metric = plugin.make("metrics", "token_f1")
    assert 0.0 <= value(metric, a, b) <= 1.0
    assert value(metric, a, b) == value(metric, b, a)


@given(st.text(max_size=60), st.text(max_size=20))
def test_lenient_exact_match_never_takes_away(answer, target):
    metric = plugin.make("metrics", "exact_match")
    strict = value(metric, answer, target)
    assert metric.lenient(answer, row(target), task()) >= strict


def test_regex_as_a_form():
    metric = plugin.make("metrics", "regex", pattern=r"\d{4}-\d\d")
    assert value(metric, "2024-05", "x") == 1.0
    assert value(metric, "on 2024-05", "x") == 0.0
    assert metric.lenient("on 2024-05", row("x"), task()) == 1.0


def test_regex_with_a_group_takes_the_answer_out():
    metric = plugin.make("metrics", "regex", pattern=r"Answer: (.+)", rule="Write 'Answer: ' and the answer.")
    assert value(metric, "Answer: Blue", "blue") == 1.0
    assert metric.score("Blue", row("blue"), task()) == Failure("parse", "the answer does not match 'Answer: (.+)'")
    assert metric.lenient("so. Answer: blue", row("blue"), task()) == 1.0
    assert metric.format_rule(task()) == "Write 'Answer: ' and the answer."


def test_regex_that_does_not_compile_is_refused():
    with pytest.raises(ValidationError, match="'\\(' is not a regular expression"):
        plugin.make("metrics", "regex", pattern="(")


SCORING = """
def polite(answer, target, inputs):
    return "please" in answer and inputs["text"] == "x"
def wild(answer, target, inputs):
    return {"nan": float("nan"), "two": 2, "text": "no"}[answer]
"""


def test_python_function(tmp_path):
    (tmp_path / "scoring.py").write_text(SCORING)
    metric = plugin.make("metrics", "python", function=f"{tmp_path}/scoring.py:polite")
    assert value(metric, "yes please", "-") == 1.0
    assert value(metric, "yes", "-") == 0.0
    wild = plugin.make("metrics", "python", function=f"{tmp_path}/scoring.py:wild")
    for answer, said in (("nan", "returned nan"), ("two", "returned 2.0"), ("text", "returned str"), ("?", "KeyError")):
        failure = wild.score(answer, row("-"), task())
        assert isinstance(failure, Failure)
        assert failure.cause == "metric"
        assert said in failure.message


def test_python_function_that_is_not_there_is_refused_before_use(tmp_path):
    (tmp_path / "scoring.py").write_text(SCORING)
    with pytest.raises(ValidationError, match="defines no function 'rude'; it has: polite, wild"):
        plugin.make("metrics", "python", function=f"{tmp_path}/scoring.py:rude")
    with pytest.raises(ValidationError, match="no file"):
        plugin.make("metrics", "python", function=f"{tmp_path}/none.py:rude")
    with pytest.raises(ValidationError, match=r"not of the form path\.py:function"):
        plugin.make("metrics", "python", function="scoring.py")
