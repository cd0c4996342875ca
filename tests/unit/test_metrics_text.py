"""normalized_match, token_f1, regex and python: values known by hand."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung import plugins
from rung.metrics.text import normalise, words
from rung.types import Example, Failure, MetricSpec, Score, Task

LABELS = ("billing", "card_arrival", "card", "C++", "C#")


def task(labels=None):
    return Task(
        "t", "Sort it.", ("text",), "label", "classification", (MetricSpec("normalized_match"),), 0.9, labels=labels
    )


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
    metric = plugins.make("metrics", "normalized_match")
    score = metric.score(answer, row(target), task(("billing", "card_arrival", "card")))
    assert (score.value, score.adheres) == (right, adheres)


def test_labels_that_differ_by_punctuation_only_are_kept_apart():
    metric = plugins.make("metrics", "normalized_match")
    assert value(metric, "C#", "C++", ("C++", "C#")) == 0.0
    assert value(metric, "C#", "C#", ("C++", "C#")) == 1.0


# What the pairs have in common was once erased: a sign, a mark of a letter, a symbol.
DIFFERENT = [
    ("-5", "5"), ("+5", "-5"), ("- 5", "5"), ("5%", "5"), ("5°", "5"), ("$5", "5"), ("#5", "5"), ("~5", "5"), (">5", "<5"), ("≤5", "≥5"),
    ("a < b", "a > b"), ("x=5", "x<5"), ("x-y", "x+y"), ("A-", "A+"), ("A+", "A"), ("C++", "C#"), ("10^5", "10-5"), ("10⁵", "105"),
    ("x²", "x2"), ("1½", "11/2"), ("1/2", "1.2"), ("1/2", "12"), ("3,5", "3.5"), ("1.5", "15"), ("12:30", "12.30"), ("5!", "5"),
    ("[0, 1)", "(0, 1]"), ("की", "का"), ("लड़की", "लड़का"), ("ไม่", "ไม้"), ("شَعر", "شِعر"), ("é", "e"), ("e\u0301", "e"),
    ("👍", "👎"), ("👍 ok", "👎 ok"), ("?", "!"),
]  # fmt: skip
ALIKE = [
    ("Billing.", "billing"), ("card_arrival", "card arrival"), ("card-arrival", "Card Arrival"), ("“Yes”", "yes"), ("(billing)", "billing"),
    ("**billing**", "billing"), ("`x`", "x"), ("¿Sí?", "sí"), ("−5", "-5"), ("5 %", "5%"), ("x = 5", "x=5"), ("5 - 3", "5-3"),
    ("yes / no", "yes/no"), ("Berlin,Paris", "berlin, paris"), ("- billing", "billing"), ("# billing", "billing"),
    ("Paris — France", "Paris, France"), ("don’t", "don't"), ("東京、大阪", "東京 大阪"), ("5.", "5"), ("नमस्ते।", "नमस्ते"),
    ("type_1", "type 1"), ("10⁵", "10^5"), ("½", "1/2"), ("bil\u00adling", "billing"), ("é", "e\u0301"), ("[0,1)", "[0, 1)"), ("５", "5"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "target"), DIFFERENT)
def test_what_changes_the_meaning_is_never_forgiven(said, target):
    metric = plugins.make("metrics", "normalized_match")
    for a, b in ((said, target), (target, said)):
        assert value(metric, a, b) == 0.0
        assert a in "?!" or value(metric, f"It is {a}.", f"It is {b}.") == 0.0
    assert value(metric, said, said) == 1.0
    assert said == "?" or value(metric, f"“{said}”", said) == 1.0


@pytest.mark.parametrize(("said", "target"), ALIKE)
def test_what_says_nothing_is_forgiven(said, target):
    metric = plugins.make("metrics", "normalized_match")
    assert value(metric, said, target) == value(metric, target, said) == 1.0


WORDLESS = {("- 5", "5"), ("#5", "5"), ("~5", "5"), ("5!", "5"), ("[0, 1)", "(0, 1]"), ("12:30", "12.30")}


@pytest.mark.parametrize("name", ["token_f1", "rouge_l"])
@pytest.mark.parametrize(("said", "target"), [pair for pair in DIFFERENT if pair not in WORDLESS])
def test_words_keep_their_signs_and_marks(name, said, target):
    assert value_of(name, said, target) < 1.0
    assert value_of(name, said, said) == 1.0


@pytest.mark.parametrize(("said", "target"), [("की", "का"), ("ไม่", "ไม้"), ("-5", "5"), ("é", "e")])
def test_chrf_tells_marks_and_signs_apart_and_compares_composed_letters(said, target):
    assert value_of("chrf", said, target) < 1.0
    assert value_of("chrf", "cafe\u0301", "café") == 1.0


def test_words_of_scripts_without_spaces_are_their_characters_with_their_marks():
    assert words("ไม่ไป 你好 it's A+ 3.5% x<5") == ["ไม่", "ไป", "你", "好", "it", "s", "a+", "3.5%", "x", "<5"]
    assert words("the") == ["the"]
    assert 0.0 < value_of("token_f1", "ฉันไม่ไป", "ฉันไป") < 1.0


@given(st.text(max_size=40))
def test_normalising_twice_is_normalising_once_and_a_text_equals_itself_in_capitals(text):
    once = normalise(text)
    assert normalise(once) == once or value(plugins.make("metrics", "normalized_match"), once, once) == 1.0
    assert value(plugins.make("metrics", "normalized_match"), f"“{text}”", text) in (0.0, 1.0)


@given(st.integers(0, 10**9), st.sampled_from(["-", "+", "<", ">", "^", "=", "/", ".", "±"]))
def test_a_sign_before_a_number_always_counts(number, sign):
    assert value(plugins.make("metrics", "normalized_match"), f"{sign}{number}", str(number)) == 0.0
    assert value(plugins.make("metrics", "normalized_match"), f"{number}{sign}{number}", f"{number} {number}") == 0.0


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "text", ["*a " * 9_000, "-" * 30_000, "a-" * 9_000, " - 1" * 9_000, "(" * 30_000, ",," * 9_000, "~~a" * 9_000]
)
def test_runaway_answers_are_normalised_quickly(text):
    began = time.perf_counter()
    normalise(text)
    words(text)
    assert time.perf_counter() - began < 2


def test_punctuation_alone_is_not_nothing():
    metric = plugins.make("metrics", "normalized_match")
    assert value(metric, "?", "!") == 0.0


def test_alias_earns_the_score_but_not_the_form():
    metric = plugins.make("metrics", "normalized_match", aliases={"Invoices": "billing"})
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
    metric = plugins.make("metrics", "normalized_match")
    t = task(("billing", "card_arrival", "card"))
    assert metric.lenient(answer, row("billing"), t) == 1.0
    assert metric.lenient(answer, row("card"), t) == 0.0


def test_lenient_takes_the_longer_label_and_refuses_two():
    metric = plugins.make("metrics", "normalized_match")
    t = task(("billing", "card_arrival", "card"))
    assert metric.lenient("surely card arrival, I think", row("card_arrival"), t) == 1.0
    assert metric.lenient("surely card arrival, I think", row("card"), t) == 0.0
    assert metric.lenient("either billing or card", row("billing"), t) == 0.0


def test_form_without_labels():
    metric = plugins.make("metrics", "normalized_match")
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
    assert (
        plugins.make("metrics", "normalized_match")
        .format_rule(task(("a", "b")))
        .startswith("Answer with the label only.")
    )
    assert plugins.make("metrics", "token_f1").format_rule(task()).endswith(".")


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
    assert math.isclose(value(plugins.make("metrics", "token_f1"), answer, target), expected)


def test_token_f1_takes_the_best_of_several_targets_and_forgives_lead_ins():
    metric = plugins.make("metrics", "token_f1", alternatives="|")
    assert value(metric, "nine", "9|nine") == 1.0
    assert metric.lenient("Answer: nine", row("nine"), task()) == 1.0
    assert metric.score("nine", row("nine"), task()).adheres is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_token_f1_is_symmetric_and_in_range(a, b):
    metric = plugins.make("metrics", "token_f1")
    assert 0.0 <= value(metric, a, b) <= 1.0
    assert value(metric, a, b) == value(metric, b, a)


@given(st.text(max_size=60), st.text(max_size=20))
def test_lenient_exact_match_never_takes_away(answer, target):
    metric = plugins.make("metrics", "normalized_match")
    strict = value(metric, answer, target)
    assert metric.lenient(answer, row(target), task()) >= strict


def test_regex_as_a_form():
    metric = plugins.make("metrics", "regex", pattern=r"\d{4}-\d\d")
    assert value(metric, "2024-05", "x") == 1.0
    assert value(metric, "on 2024-05", "x") == 0.0
    assert metric.lenient("on 2024-05", row("x"), task()) == 1.0


def test_regex_with_a_group_takes_the_answer_out():
    metric = plugins.make("metrics", "regex", pattern=r"Answer: (.+)", rule="Write 'Answer: ' and the answer.")
    assert value(metric, "Answer: Blue", "blue") == 1.0
    assert metric.score("Blue", row("blue"), task()) == Failure("parse", "the answer does not match 'Answer: (.+)'")
    assert metric.lenient("so. Answer: blue", row("blue"), task()) == 1.0
    assert metric.format_rule(task()) == "Write 'Answer: ' and the answer."


def test_regex_that_does_not_compile_is_refused():
    with pytest.raises(ValidationError, match="'\\(' is not a regular expression"):
        plugins.make("metrics", "regex", pattern="(")


SCORING = """
import numpy
from decimal import Decimal
from fractions import Fraction
class Truth:
    def __bool__(self):
        return True
ODD = {"bool_": numpy.bool_(True), "float32": numpy.float32(1), "int64": numpy.int64(1), "array": numpy.ones((1, 1))[0, 0],
       "above": 1.0000000000000002, "below": 1 + -1e-17, "Decimal": Decimal(1), "Fraction": Fraction(1), "Truth": Truth(),
       "huge": 10**400, "inf": float("inf"), "None": None, "list": [1], "complex": 1j, "many": numpy.ones(3), "above by more": 1.01}
def odd(answer, target, inputs):
    return ODD[answer]
def polite(answer, target, inputs):
    return "please" in answer and inputs["text"] == "x"
def wild(answer, target, inputs):
    return {"nan": float("nan"), "two": 2, "text": "no"}[answer]
"""


def test_python_function(tmp_path):
    (tmp_path / "scoring.py").write_text(SCORING)
    metric = plugins.make("metrics", "python", function=f"{tmp_path}/scoring.py:polite")
    assert value(metric, "yes please", "-") == 1.0
    assert value(metric, "yes", "-") == 0.0
    wild = plugins.make("metrics", "python", function=f"{tmp_path}/scoring.py:wild")
    for answer, said in (("nan", "returned nan"), ("two", "returned 2.0"), ("text", "returned str"), ("?", "KeyError")):
        failure = wild.score(answer, row("-"), task())
        assert isinstance(failure, Failure)
        assert failure.cause == "metric"
        assert said in failure.message


@pytest.mark.parametrize(
    "kind", ["bool_", "float32", "int64", "array", "above", "below", "Decimal", "Fraction", "Truth"]
)
def test_a_python_function_may_return_the_numbers_and_truth_values_of_any_library(tmp_path, kind):
    (tmp_path / "scoring.py").write_text(SCORING)
    metric = plugins.make("metrics", "python", function=f"{tmp_path}/scoring.py:odd")
    assert value(metric, kind, "-") == 1.0


@pytest.mark.parametrize(
    ("kind", "said"),
    [("huge", "OverflowError"), ("inf", "returned inf"), ("None", "returned NoneType"), ("list", "returned list"),
     ("complex", "returned complex"), ("many", "TypeError"), ("above by more", "returned 1.01")],
)  # fmt: skip
def test_what_is_no_number_between_0_and_1_is_the_rows_failure(tmp_path, kind, said):
    (tmp_path / "scoring.py").write_text(SCORING)
    failure = plugins.make("metrics", "python", function=f"{tmp_path}/scoring.py:odd").score(kind, row("-"), task())
    assert isinstance(failure, Failure)
    assert said in failure.message


def test_python_function_that_is_not_there_is_refused_before_use(tmp_path):
    (tmp_path / "scoring.py").write_text(SCORING)
    with pytest.raises(ValidationError, match="defines no function 'rude'; it has: odd, polite, wild"):
        plugins.make("metrics", "python", function=f"{tmp_path}/scoring.py:rude")
    with pytest.raises(ValidationError, match="no file"):
        plugins.make("metrics", "python", function=f"{tmp_path}/none.py:rude")
    with pytest.raises(ValidationError, match=r"not of the form path\.py:function"):
        plugins.make("metrics", "python", function="scoring.py")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("billing", 1.0),
        (" billing\n", 1.0),
        ("Billing", 0.0),
        ("billing.", 0.0),
        ('"billing"', 0.0),
        ("```\nbilling\n```", 0.0),
    ],
)
def test_exact_match_is_strict(answer, expected):
    assert value_of("exact_match", answer, "billing") == expected
    assert plugins.make("metrics", "exact_match").lenient(answer, row("billing"), task()) == 1.0


def value_of(name, answer, target):
    return value(plugins.make("metrics", name), answer, target)
