"""contains and numeric: values known by hand."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung import plugin
from rung.metrics._numbers import numbers_in
from rung.types import Example, Failure, MetricSpec, Score, Task

TASK = Task("t", "Say it.", ("text",), "answer", "knowledge", (MetricSpec("contains"),), 0.9)


def row(target):
    return Example("r1", {"text": "x"}, target, "g1")


def judged(metric, answer, target="42"):
    return metric.score(answer, row(target), TASK)


def contains(**settings):
    return plugin.make("metrics", "contains", **settings)


def numeric(**settings):
    return plugin.make("metrics", "numeric", **settings)


@pytest.mark.parametrize(
    ("settings", "target", "answer", "value"),
    [
        ({}, "Paris", "It is paris, of course.", 1.0),
        ({}, "Paris", "It is Rome.", 0.0),
        ({"casefold": False}, "Paris", "It is paris.", 0.0),
        ({}, "New  York", "in New\nYork today", 1.0),
        ({"whole_words": True}, "card", "discard it", 0.0),
        ({"whole_words": True}, "C++", "use C++, please", 1.0),
        ({"texts": ("refund", "14 days")}, "any", "A Refund within 14 days.", 1.0),
        ({"texts": ("refund", "14 days")}, "any", "A refund.", 0.0),
        ({"texts": ("refund", "14 days"), "match": "any"}, "any", "A refund.", 1.0),
        ({"separator": "|", "match": "any"}, "NYC | New York", "In new york.", 1.0),
        ({"separator": "|"}, "NYC | New York", "In new york.", 0.0),
    ],
)
def test_contained_texts(settings, target, answer, value):
    assert judged(contains(**settings), answer, target).value == value


def test_contains_says_what_is_missing_and_judges_no_form():
    score = judged(contains(texts=("refund", "14 days", "address")), "A refund.", "")
    assert score == Score(
        0.0, None, {"refund": 1.0, "14 days": 0.0, "address": 0.0}, "the answer lacks '14 days', 'address'"
    )
    assert contains().lenient("x", row("x"), TASK) is None
    assert contains(rule="Name the city.").format_rule(TASK) == "Name the city."


def test_contains_refuses_texts_that_every_answer_holds():
    assert judged(contains(), "anything", " ") == Failure(
        "metric", "the target of row 'r1' is empty, and every answer contains that"
    )
    with pytest.raises(ValidationError, match="holds an empty text, which every answer contains; leave it out"):
        contains(texts=("a", " "))


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("It costs $1,234.50 in all.", ["1234.50"]),
        ("−3.5", ["-3.5"]),
        ("-$7 or $-8 or US$9", ["-7", "-8", "9"]),
        ("from 3-5 to 6–8", ["3", "5", "6", "8"]),
        ("- 5 apples", ["5"]),
        ("12 % and .5", ["12", "0.5"]),
        ("1e5 and 2.5E-3", ["1E+5", "0.0025"]),
        ("1'234'567 and 12\u202f345", ["1234567", "12345"]),
        ("12,34,567 lakh", ["1234567"]),
        ("version 1.2.3 at 12:30 on 12/05, Q3 of v1.2", []),
        ("1,5 and 1,23", []),
        ("Answer:42.", ["42"]),
        ("٤٢", ["42"]),
        ("12 345", ["12", "345"]),
        ("EUR 5", ["5"]),
        ("EURO5", []),
    ],
)
def test_numbers_are_read_as_people_write_them(written, values):
    assert [n.value for n in numbers_in(written)] == [Decimal(v) for v in values]


def test_a_decimal_comma():
    said = [n.value for n in numbers_in("1.234,5 und 12 345,25 und ,5 und 1.5", ",")]
    assert said == [Decimal("1234.5"), Decimal("12345.25"), Decimal("0.5")]


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=3), st.booleans())
def test_any_number_written_with_separators_is_read_back(value, comma):
    text = f"{value:,}"
    if comma:
        text = text.translate(str.maketrans(",.", ".,"))
    (found,) = numbers_in(text, "," if comma else ".")
    assert found.value == value
    assert found.alone


@pytest.mark.parametrize(
    ("settings", "target", "answer", "value", "adheres"),
    [
        ({}, "42", "42", 1.0, True),
        ({}, "42", "The answer is 42.", 1.0, False),
        ({}, "42", "First 42, then 43", 0.0, False),
        ({}, "1,200", "$1200.00", 1.0, True),
        ({"tolerance": 0.1}, "1.0", "1.1", 1.0, True),
        ({"tolerance": 0.1}, "1.0", "1.1000001", 0.0, True),
        ({"relative": 0.05}, "-200", "-210", 1.0, True),
        ({"relative": 0.05}, "-200", "-211", 0.0, True),
        ({}, "0.12", "12 %", 1.0, True),
        ({}, "12%", "0.12", 1.0, True),
        ({"tolerance": 0.5}, "12%", "12.4 percent", 1.0, True),
        ({"tolerance": 0.5}, "12%", "0.13", 0.0, True),
        ({"decimal": ","}, "1.234,5", "1234,50 €", 1.0, True),
        ({}, "0", "1e-999", 0.0, True),
    ],
)
def test_numbers_within_a_tolerance(settings, target, answer, value, adheres):
    score = judged(numeric(**settings), answer, target)
    assert (score.value, score.adheres) == (value, adheres)
    assert numeric(**settings).lenient(answer, row(target), TASK) == value


def test_numeric_says_why_there_is_no_score():
    assert judged(numeric(), "many") == Failure(
        "parse", "the answer holds no number (digits, with '.' as decimal mark)"
    )
    assert judged(numeric(pick="only"), "6 x 7 = 42") == Failure("parse", "the answer holds 3 numbers, and they differ")
    assert judged(numeric(pick="only"), "42, so 42").value == 1.0
    assert numeric(pick="only").lenient("6 x 7 = 42", row("42"), TASK) == 1.0
    assert judged(numeric(), "42", "none") == Failure("metric", "the target of row 'r1' holds no number, not one")
    assert judged(numeric(), "42", "4 or 2").message == "the target of row 'r1' holds 2 numbers, not one"
    assert numeric().lenient("42", row("none"), TASK) is None
    assert judged(numeric(), "41").note == "the answer says 41"


def test_numeric_asks_for_the_number_only():
    assert numeric().format_rule(TASK).startswith("Answer with the number only, in digits.")
    assert numeric(decimal=",").format_rule(TASK).endswith("Write decimals with a comma.")


@pytest.mark.parametrize(
    "answer", ["9" * 50_000, "1," * 20_000, "-$" * 20_000, "1e" * 20_000, "1 " * 20_000, "$ " * 20_000]
)
def test_runaway_answers_are_read_quickly(answer):
    began = time.perf_counter()
    judged(numeric(decimal=","), answer)
    judged(numeric(), answer)
    assert time.perf_counter() - began < 1


def test_an_infinite_tolerance_is_refused():
    with pytest.raises(ValidationError):
        numeric(tolerance=float("inf"))
