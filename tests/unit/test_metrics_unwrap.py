"""How answers are taken out of their wrapping: each step alone, and every metric's lenient word."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import plugins
from rung.metrics import unwrap
from rung.metrics.unwrap import STEPS, json_object, label_in_sentence, parse_json
from rung.types import Example, MetricSpec, Score, Task

LABELS = ("billing", "card", "card_arrival", "C++", "C")
WRAPPED = st.lists(
    st.sampled_from(["```json\n", "```", "<think>", "</think>", '"', "**", "Answer:", "->", "\n", "{", "}", '"a":', "1", ",", "x", ".", " ",
                     "\\boxed{", "The answer is "])
    | st.text(max_size=4)
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("step", "wrapped", "bare"),
    [
        ("after_thought", "<think>\nhm: card?\n</think>\n\nbilling", "billing"),
        ("after_thought", "hm, card?\n</think>\nbilling", "billing"),
        ("after_thought", "<Reasoning>a</Reasoning><think>b</think>billing", "billing"),
        ("after_thought", "<think>never closed", "<think>never closed"),
        ("strip_fence", "Here:\n```json\n{1}\n```\nDone", "{1}"),
        ("strip_fence", "~~~\nx\n~~~", "x"),
        ("strip_fence", "```python\nx", "x"),
        ("strip_quotes", ' "**billing**" ', "billing"),
        ("strip_quotes", "“billing”", "billing"),
        ("strip_quotes", "it's", "it's"),
        ("after_lead", "Label: billing", "billing"),
        ("after_lead", "**Final answer:** billing.", "billing"),
        ("after_lead", "-> billing", "billing"),
        ("after_lead", "After all of this I think that the right answer is billing.", "billing"),
        ("after_lead", "12:30", "12:30"),
        ("after_lead", "https://example.org", "https://example.org"),
        ("first_line", "\n\n billing \nbecause", "billing"),
        ("last_line", "because\nbilling\n\n", "billing"),
        ("boxed", r"so \boxed{1} and then \boxed{\frac{1}{2}} is it", r"\frac{1}{2}"),
        ("boxed", r"\boxed{never closed", r"\boxed{never closed"),
        ("first_json", 'Sure {you}: {"a": [1, 2,], // two\n} and {"b": 2}', '{"a": [1, 2]}'),
        ("first_json", "{'paid': True, 'by': None}", '{"paid": true, "by": null}'),
        ("first_json", '{"a": "x, }"}', '{"a": "x, }"}'),
        ("first_json", '{"http": "http://x"}', '{"http": "http://x"}'),
        ("only_value", 'It is {"label": "billing"}', "billing"),
        ("only_value", '{"n": 1.50}', "1.5"),
        ("only_value", '{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
    ],
)
def test_each_step(step, wrapped, bare):
    assert STEPS[step](wrapped) == bare


@pytest.mark.parametrize("name", STEPS)
@given(text=WRAPPED)
def test_a_step_never_raises_and_done_twice_does_what_it_does_once(name, text):
    once = STEPS[name](text)
    assert STEPS[name](once) == once


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("text", ["billing", "a b", "Paris, France", "-5", "x y z"])
def test_a_step_leaves_a_bare_answer_alone(name, text):
    assert STEPS[name](text) == text


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    "text", ["{" * 20_000, "{}" * 10_000, '{"a' * 9_000, '"\\' * 9_000, "```" * 9_000, "<think>" * 5_000, "answer is " * 5_000,
             "a:" * 9_000, "(" * 20_000, " " * 20_000, "\\boxed{" * 3_000, "/*" * 9_000, "9" * 20_000]
)  # fmt: skip
def test_a_step_is_quick_on_runaway_answers(name, text):
    began = time.perf_counter()
    STEPS[name](text)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The customer asks about an invoice, so: Billing.", "billing"),
        ("surely card arrival, I think", "card_arrival"),
        ("written in C++, of course", "C++"),
        ("billing or card", "billing or card"),
        ("cards", "cards"),
    ],
)
def test_a_label_in_a_sentence(text, label):
    assert label_in_sentence(text, LABELS) == label
    assert label_in_sentence(label, LABELS) == label


def test_labels_that_only_case_tells_apart_are_not_looked_for():
    assert label_in_sentence("It is a.", ("A", "a")) == "It is a."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e400}', "1e400 is beyond"),
        ("[" * 60, "nested deeper than 50 levels"),
        ("9" * 5000, "digit"),
    ],
)
def test_json_without_a_value_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse_json(text)
    assert json_object(text) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3) | st.lists(inner, max_size=3)))  # fmt: skip
def test_any_object_is_found_in_prose_in_a_fence_and_in_pythons_spelling(value):
    wanted = {"x": value}
    for text in (
        json.dumps(wanted),
        f"Sure:\n```json\n{json.dumps(wanted)}\n```\n.",
        f"I say {json.dumps(wanted, indent=1)} so",
    ):
        assert json_object(text) == wanted
    assert json_object(repr(wanted)) == wanted


TASK = Task(
    "t",
    "Sort it.",
    ("text",),
    "label",
    "classification",
    (MetricSpec("normalized_match"),),
    0.9,
    labels=("billing", "card"),
)
FREE = Task("t", "Say it.", ("text",), "answer", "knowledge", (MetricSpec("normalized_match"),), 0.9)
FORMS = [
    "{}",
    "```\n{}\n```",
    "<think>Is it something else?</think>\n{}",
    "Answer: {}",
    "Sure!\n\n{}",
    "```json\n{}\n```\nLet me know!",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("metric", "settings", "target", "answer", "wrong"),
    [
        ("normalized_match", {}, "billing", "billing", "card"),
        ("exact_match", {}, "billing", "billing", "card"),
        ("token_f1", {}, "in Paris", "in Paris", "over there"),
        ("rouge_l", {}, "in Paris", "in Paris", "over there"),
        ("chrf", {}, "in Paris", "in Paris", "..."),
        ("contains", {}, "Paris", "in Paris", "Rome"),
        ("numeric", {}, "1200.5", "$1,200.50", "-1200.5"),
        ("regex", {"pattern": r"(\d{4}-\d\d)"}, "2024-05", "2024-05", "2024-06"),
        ("sql", {}, "select a from t", "SELECT a FROM t", "SELECT b FROM t"),
        ("lines", {}, "a\nb", "a\nb", "c\nd"),
        ("json_fields", {}, '{"order_id": 1200, "paid": true, "to": "Ann Lee"}', '{"orderId": "1,200", "Paid": "true", "to": "Ann Lee.",}',
         '{"orderId": "12", "Paid": "false", "to": "Bob"}'),
        ("json_fields", {}, '{"a": {"b": 1}}', "{'result': {'a': {'B': 1}}}", "{'result': {'a': {'B': 2}}}"),
    ],
)  # fmt: skip
def test_every_metric_finds_the_right_answer_in_its_wrapping_and_no_wrong_one(
    metric, settings, target, answer, wrong, form
):
    made = plugins.make("metrics", metric, **settings)
    row = Example("r1", {"text": "x"}, target, "r1")
    task = TASK if target in TASK.labels else FREE
    assert made.lenient(form.replace("{}", answer), row, task) == 1.0
    assert made.lenient(form.replace("{}", wrong), row, task) < 0.5
    strict = made.score(form.replace("{}", answer), row, task)
    assert not isinstance(strict, Score) or strict.value <= 1.0


def test_the_table_names_functions_of_the_module():
    assert all(getattr(unwrap, name) is step for name, step in STEPS.items())
