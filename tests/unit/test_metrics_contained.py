"""contains and numeric: values known by hand."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung import plugins
from rung.metrics._numbers import FORMS, numbers_in
from rung.types import Example, Failure, MetricSpec, Score, Task

TASK = Task("t", "Say it.", ("text",), "answer", "knowledge", (MetricSpec("contains"),), 0.9)


def row(target):
    return Example("r1", {"text": "x"}, target, "g1")


def judged(metric, answer, target="42"):
    return metric.score(answer, row(target), TASK)


def contains(**settings):
    return plugins.make("metrics", "contains", **settings)


def numeric(**settings):
    return plugins.make("metrics", "numeric", **settings)


@pytest.mark.parametrize(
    ("settings", "target", "answer", "value"),
    [
        ({}, "Paris", "It is paris, of course.", 1.0),
        ({}, "Paris", "It is Rome.", 0.0),
        ({"casefold": False}, "Paris", "It is paris.", 0.0),
        ({}, "New  York", "in New\nYork today", 1.0),
        ({}, "card", "discard it", 0.0),
        ({"whole_words": False}, "card", "discard it", 1.0),
        ({}, "correct", "This is incorrect.", 0.0),
        ({}, "no", "I do not know.", 0.0),
        ({}, "no", "No.", 1.0),
        ({}, "C", "in C++ or", 1.0),
        ({}, "5", "it is -5", 0.0),
        ({}, "5", "it is 2.5", 0.0),
        ({}, "5", "it is 5.25", 0.0),
        ({}, "5", "from 3-5 days, at most 5.", 1.0),
        ({}, "-5", "it is −5 °C", 1.0),
        ({}, "क", "की", 0.0),
        ({"whole_words": False}, "क", "की", 0.0),
        ({}, "लड़की", "यह लड़की है।", 1.0),
        ({}, "東京", "東京都に行く", 1.0),
        ({}, "Python", "Pythonは言語", 1.0),
        ({}, "게임", "게임을 하다", 1.0),
        ({}, "게임", "보드게임", 0.0),
        ({}, "it's", "IT’S fine", 1.0),
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
    assert contains().lenient("x", row(" "), TASK) is None
    assert contains(casefold=False).lenient("<think>no</think>In **NEW** York", row("New York"), TASK) == 1.0
    assert contains(rule="Name the city.").format_rule(TASK) == "Name the city."


def test_contains_refuses_texts_that_every_answer_holds():
    assert judged(contains(), "anything", " ") == Failure(
        "metric", "the target of example 'r1' is empty, and every answer contains that"
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
    assert [n.value for n in numbers_in(written)] == [Fraction(v) for v in values]


@pytest.mark.parametrize(("value", "written"), [(value, w) for value, ways in FORMS.items() for w in ways])
def test_every_form_of_the_table_is_read(value, written):
    assert [n.value for n in numbers_in(written)] == [Fraction(value)]
    assert judged(numeric(), f"So the answer is {written}", value).value == 1.0
    assert judged(numeric(), value, written).value == 1.0
    assert judged(numeric(), written, str(Fraction(value) + 1)).value == 0.0


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (r"2\sqrt{3} and \sqrt2 and 2\pi and 2π", []),
        ("5 m^2, 6 m^{-1}, 7 m²", ["5", "6", "7"]),
        ("2^10", ["1024"]),
        ("0^-1, 10^999 and 1/0", []),
        (r"0.\overline{3}", []),
        ("1/3", ["1/3"]),
        ("3/4/2024 and 2024 3/2", []),
        ("5M and 5k", ["5", "5"]),
        ("9" * 400, ["9" * 400]),
    ],
)
def test_what_is_no_number_that_can_be_written_out_is_passed_over(written, values):
    assert [n.value for n in numbers_in(written)] == [Fraction(v) for v in values]


def test_a_decimal_comma():
    said = [n.value for n in numbers_in("1.234,5 und 12 345,25 und ,5 und 1.5 und 1,200.50", ",")]
    assert said == [Fraction(v) for v in ("1234.5", "12345.25", "0.5", "1200.5")]


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
        ({}, "25", "25%", 1.0, True),
        ({}, "25%", "25", 1.0, True),
        ({}, "25%", "25 %", 1.0, True),
        ({}, "25%", "0.25 %", 0.0, True),
        ({}, "25", "0.25%", 0.0, True),
        ({}, "0.25", "25 per cent", 1.0, True),
        ({"percent": "share"}, "25", "25%", 0.0, True),
        ({"percent": "share"}, "0.25", "25%", 1.0, True),
        ({}, "1/3", "0.333", 0.0, True),
        ({"tolerance": 0.001}, "1/3", "0.333", 1.0, True),
        ({}, "5/2", r"\frac{5}{2}", 1.0, True),
        ({}, "36", r"So \(3 \cdot 12 = \boxed{36}\), which 7 others found.", 1.0, False),
        ({}, "He has 3 of 12.\n#### 36", "3 x 12 = 36\n#### 36\n", 1.0, False),
        ({}, "9" * 70 + "1", "9" * 70 + "2", 0.0, True),
        ({}, "9" * 400, "9" * 400, 1.0, True),
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
    assert judged(numeric(), "42", "none") == Failure("metric", "the target of example 'r1' holds no number, not one")
    assert judged(numeric(), "42", "4 or 2").message == "the target of example 'r1' holds 2 numbers, not one"
    assert numeric().lenient("42", row("none"), TASK) is None
    assert judged(numeric(), "41 km").note == "the answer says 41"


def test_numeric_asks_for_the_number_only():
    assert numeric().format_rule(TASK).startswith("Answer with the number only, in digits.")
    assert numeric(decimal=",").format_rule(TASK).endswith("Write decimals with a comma.")


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "answer",
    [
        "9" * 50_000,
        "1," * 20_000,
        "-$" * 20_000,
        "1e" * 20_000,
        "1 " * 20_000,
        "$ " * 20_000,
        "1/" * 20_000,
        r"\frac" * 9_000,
        "10^" * 9_000,
    ],
)
def test_runaway_answers_are_read_quickly(answer):
    began = time.process_time()
    judged(numeric(decimal=","), answer)
    judged(numeric(), answer)
    numeric().lenient(answer, row("42"), TASK)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "answer",
    [
        "42, because 6 x 7 is 42 and 3 is not",
        "42\nI checked it 3 times.",
        "**Answer:** 42 (in 3 steps)",
        '{"answer": 42, "steps": 3}',
        "<think>41</think>\n42",
    ],
)
def test_leniently_the_number_may_stand_anywhere_that_says_answer(answer):
    assert numeric().lenient(answer, row("42"), TASK) == 1.0
    assert numeric().lenient(answer, row("43"), TASK) == 0.0


def test_leniently_the_other_decimal_mark_is_read_only_where_there_is_no_number_otherwise():
    assert numeric().lenient("1.200", row("1200"), TASK) == 0.0
    assert numeric().lenient("3,5", row("3.5"), TASK) == 1.0


def test_an_infinite_tolerance_is_refused():
    with pytest.raises(ValidationError):
        numeric(tolerance=float("inf"))
