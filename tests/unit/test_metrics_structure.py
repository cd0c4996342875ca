"""json_fields and lines: values known by hand."""

from __future__ import annotations

import json
import math
import socket
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from referencing.exceptions import Unresolvable

from rung import plugins
from rung.metrics._schema import violation
from rung.types import Example, Failure, MetricSpec, Score, Task


def task(labels=None):
    return Task("t", "Do it.", ("text",), "out", "extraction", (MetricSpec("json_fields"),), 0.9, labels=labels)


def row(target, **inputs):
    return Example("r1", inputs or {"text": "x"}, target if isinstance(target, str) else json.dumps(target), "g1")


def score(metric, answer, target, labels=None, **inputs):
    answer = answer if isinstance(answer, str) else json.dumps(answer)
    return metric.score(answer, row(target, **inputs), task(labels))


ORDER = {"name": "Ann", "items": [{"sku": "A1", "n": 2}, {"sku": "B2", "n": 1}], "paid": True}


def test_equal_objects_score_one_whatever_the_order_of_items():
    metric = plugins.make("metrics", "json_fields")
    turned = ORDER | {"items": ORDER["items"][::-1]}
    assert score(metric, turned, ORDER).value == 1.0
    assert score(plugins.make("metrics", "json_fields", ordered=True), turned, ORDER).value == pytest.approx(2 / 6)


def test_a_missing_item_costs_its_leaves_only():
    metric = plugins.make("metrics", "json_fields")
    found = score(metric, ORDER | {"items": ORDER["items"][1:]}, ORDER)
    assert found.value == pytest.approx(2 * 4 / (4 + 6))
    assert found.parts == {"name": 1.0, "items": pytest.approx(2 / 3), "paid": 1.0}


def test_swapped_numbers_between_items_are_not_right():
    swapped = ORDER | {"items": [{"sku": "A1", "n": 1}, {"sku": "B2", "n": 2}]}
    assert score(plugins.make("metrics", "json_fields"), swapped, ORDER).value < 1.0


def test_an_added_field_costs_precision_and_where_the_fields_are_named_the_form():
    found = score(plugins.make("metrics", "json_fields"), {"a": "1", "b": "2"}, {"a": "1"})
    assert (found.value, found.adheres) == (pytest.approx(2 / 3), True)  # "b" may be a slot that other examples have
    assert found.note == "the answer has 'b', which is not asked for"
    assert (
        score(plugins.make("metrics", "json_fields", fields=["a"]), {"a": "1", "b": "2"}, {"a": "1"}).adheres is False
    )


def test_an_optional_slot_is_content_and_no_matter_of_form():
    metric = plugins.make("metrics", "json_fields")
    found = score(metric, {"people": "4"}, {"people": "4", "time": "8 pm"})
    assert (found.adheres, found.note) == (True, "the answer lacks 'time'")
    schema = {"type": "object", "required": ["people", "time"]}
    assert (
        score(plugins.make("metrics", "json_fields", schema=schema), {"people": "4"}, {"people": "4"}).adheres is False
    )


def test_fields_leave_the_others_out():
    metric = plugins.make("metrics", "json_fields", fields=["a"])
    assert score(metric, {"a": "1"}, {"a": "1", "b": "9"}) == Score(1.0, True, {"a": 1.0})
    assert metric.format_rule(task()) == 'Answer with one JSON object and nothing else. Use exactly these keys: "a".'


def test_types_and_normalisers():
    metric = plugins.make(
        "metrics", "json_fields", normalise={"day": "date", "tel": "digits", "sum": "number", "code": "exact"}
    )
    said = {"day": "March 3rd, 2025", "tel": "+44 (20) 1", "sum": "$1,200.00", "code": "x", "ok": True, "n": 1}
    want = {"day": "2025-03-03", "tel": "44-201", "sum": 1200, "code": "X", "ok": 1, "n": 1.0}
    assert score(metric, said, want).parts == {"day": 1.0, "tel": 1.0, "sum": 1.0, "code": 0.0, "ok": 0.0, "n": 1.0}


def test_null_is_missing_unless_told_otherwise():
    assert score(plugins.make("metrics", "json_fields"), {"a": None, "b": "x"}, {"b": "x"}).value == 1.0
    strict = plugins.make("metrics", "json_fields", null_is_missing=False)
    assert score(strict, {"a": None, "b": "x"}, {"b": "x"}).value < 1.0


def test_all_fields():
    metric = plugins.make("metrics", "json_fields", all_fields=True)
    assert score(metric, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}).value == 0.0
    assert score(metric, {"a": "1"}, {"a": "1"}).value == 1.0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('```json\n{"a": "1"}\n```', "the answer is not JSON"),
        ('Here: {"a": "1"} as asked', "the answer is not JSON"),
        ("[1]", "not an object: list"),
        ("", "not JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a":' * 2000, "nested deeper than 50 levels"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_parse_failure(answer, said):
    failure = score(plugins.make("metrics", "json_fields"), answer, {"a": "1"})
    assert isinstance(failure, Failure)
    assert failure.cause == "parse"
    assert said in failure.message


@pytest.mark.parametrize(
    ("said", "target", "right"),
    [
        (int("9" * 400), int("9" * 400), 1.0),
        (int("9" * 400), int("9" * 399 + "8"), 0.0),
        (2**53 + 1, 2**53, 0.0),
        (2**53 + 1, 2**53 + 1, 1.0),
        (1.0, 1, 1.0),
        ("0.5", 0.5, 1.0),
        (1e300, 1e300, 1.0),
        (1e-7, 1e-7, 1.0),
        (-0.0, 0, 1.0),
        ("1" * 5000, "1" * 4999 + "2", 0.0),
    ],
)
@pytest.mark.parametrize("normalise", ["text", "number"])
def test_numbers_are_compared_exactly(said, target, right, normalise):
    metric = plugins.make("metrics", "json_fields", normalise={"n": normalise})
    assert score(metric, {"n": said}, {"n": target}).value == right
    assert metric.lenient(json.dumps({"n": said}), row({"n": target}), task()) == right


@pytest.mark.parametrize("multiple", [0.5, 3, 1e-9])
def test_a_number_that_no_float_holds_leaves_no_exception_of_the_schema(multiple):
    metric = plugins.make("metrics", "json_fields", schema={"properties": {"n": {"multipleOf": multiple}}})
    found = score(metric, '{"n": ' + "9" * 400 + "}", {"n": 1})
    assert isinstance(found, Score)
    assert found.value == 0.0


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
                    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3) | st.lists(inner, max_size=3)),
       st.sampled_from(["text", "exact", "number", "digits", "date"]))  # fmt: skip
def test_any_json_equals_itself_under_every_reading(value, how):
    metric = plugins.make("metrics", "json_fields", normalise={"a": how}, null_is_missing=False)
    assert score(metric, {"a": value}, {"a": value}).value == 1.0
    assert metric.lenient(json.dumps({"a": value}), row({"a": value}), task()) == 1.0


@pytest.mark.parametrize("answer", ['```json\n{"a": "1"}\n```', 'Here {you} are: {"a": "1"} as asked', '{"a": "1"}'])
def test_lenient_finds_the_object(answer):
    metric = plugins.make("metrics", "json_fields")
    assert metric.lenient(answer, row({"a": "1"}), task()) == 1.0
    assert metric.lenient("no object", row({"a": "1"}), task()) == 0.0


def test_a_target_that_is_not_json_is_told_with_its_row():
    failure = score(plugins.make("metrics", "json_fields"), {"a": 1}, "oops")
    assert isinstance(failure, Failure)
    assert failure.cause == "metric"
    assert failure.message.startswith("the target of example 'r1' is not JSON")


SCHEMA = {
    "type": "object",
    "required": ["kind", "n"],
    "additionalProperties": False,
    "properties": {
        "kind": {"enum": ["bug", "wish"]},
        "n": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "maxItems": 1, "items": {"type": "string", "pattern": "^[a-z]+$"}},
    },
}


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({"kind": "bug", "n": 1}, None),
        ({"kind": "bug", "n": 1, "tags": ["ok"]}, None),
        ({"kind": "bug"}, "answer: 'n' is a required property"),
        ({"kind": "mess", "n": 1}, "answer.kind is not one of ['bug', 'wish']"),
        ({"kind": "bug", "n": True}, "answer.n is not of type 'integer'"),
        ({"kind": "bug", "n": 0}, "answer.n is less than the minimum of 1"),
        ({"kind": "bug", "n": 1, "z": 1}, "answer: Additional properties are not allowed ('z' was unexpected)"),
        ({"kind": "bug", "n": 1, "tags": ["A"]}, "answer.tags[0] does not match '^[a-z]+$'"),
        ({"kind": "bug", "n": 1, "tags": ["a", "b"]}, "answer.tags is too long (maxItems 1)"),
    ],
)
def test_schema_is_the_form(said, note):
    found = score(plugins.make("metrics", "json_fields", schema=SCHEMA), said, {"kind": "bug", "n": 1})
    assert (found.adheres, found.note) == (note is None, note)


DEEP = {
    "$defs": {"node": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"},
              "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "additionalProperties": False}},
    "$ref": "#/$defs/node",
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "said", "note"),
    [
        (DEEP, {"n": 1, "next": {"n": 2, "next": None}}, None),
        (DEEP, {"n": 1, "next": {"n": "2"}}, "answer.next.n is not of type 'integer'"),
        ({"properties": {"a": {"const": 1}}}, {"a": True}, "answer.a: 1 was expected"),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 10**400}, None),
        ({"properties": {"a": {"format": "date"}}}, {"a": "2026-02-30"}, "answer.a is not a 'date'"),
        ({"properties": {"a": {"format": "date-time"}}}, {"a": "2026-02-28T10:00:00Z"}, None),
        ({"properties": {"a": {"format": "date-time"}}}, {"a": "2026-02-28"}, "answer.a is not a 'date-time'"),
        ({"properties": {"a": {"format": "date-time"}}}, {"a": "2026-02-30T10:00:00Z"}, "answer.a is not a 'date-time'"),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}}, {"a": 1}, "answer: 'b' is a dependency of 'a'"),
    ],
)  # fmt: skip
def test_references_formats_and_older_drafts(schema, said, note):
    found = score(plugins.make("metrics", "json_fields", schema=schema), said, said)
    assert (found.adheres, found.note) == (note is None, note)


def test_a_long_value_does_not_drown_the_message():
    schema = {"properties": {"a": {"maxLength": 5, "type": "string"}}}
    found = score(plugins.make("metrics", "json_fields", schema=schema), {"a": "x" * 5000}, {"a": "x"})
    assert found.note == "answer.a is too long (maxLength 5)"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, "schema.type is not valid under any of the given schemas"),
        ({"properties": {"a": {"anyOf": []}}}, "schema.properties.a.anyOf should be non-empty"),
        ({"properties": {"a": {"requird": ["b"]}}}, "schema.properties.a: unknown keyword 'requird'; did you mean 'required'?"),
        ({"allOf": [{"qqq": 1}]}, r"schema.allOf\[0\]: unknown keyword 'qqq'; it would not be checked; leave it out"),
        ({"properties": {"a": {"pattern": "["}}}, "schema.properties.a.pattern is not a 'regex'"),
        ({"properties": {"a": {"format": "uri"}}}, "schema.properties.a.format: 'uri' cannot be checked; known: date, "),
        ({"properties": {"a": {"const": date(2026, 1, 1)}}}, "not JSON serializable; write it as JSON has it"),
        ({"$schema": "https://example.org/mine"}, r"schema.\$schema: 'https://example.org/mine' is no draft that is known"),
        ({"$ref": "https://example.org/a.json"}, r"schema.\$ref: 'https://example.org/a.json' lies outside; nothing is fetched"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, r"schema.properties.a.\$ref: '#/\$defs/b' leads nowhere in this schema"),
        ({"properties": {"a": {"$ref": "#/properties"}}}, "schema.properties.a: refers to a place that holds no schema"),
        ({"properties": {"a": {"$id": "https://example.org/a"}}}, r"schema.properties.a.\$id: only the whole schema may have one"),
        ({"$ref": "#"}, "schema: refers to itself without end"),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}}, "schema.properties.a: refers to itself without end"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_checked_in_full_is_refused_with_the_place(schema, said):
    with pytest.raises(ValidationError, match=said):
        plugins.make("metrics", "json_fields", schema=schema)


def test_no_schema_makes_a_connection(monkeypatch):
    """Even one whose references would be followed: the refusal comes first, and the library has no way out."""

    def closed(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", closed)
    monkeypatch.setattr(socket.socket, "connect", closed)
    outside = {"properties": {"a": {"$ref": "http://127.0.0.1:9/a.json"}}}
    with pytest.raises(ValidationError, match="nothing is fetched"):
        plugins.make("metrics", "json_fields", schema=outside)
    with pytest.raises(Unresolvable):
        violation({"a": 1}, outside)  # unchecked


FLAT = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=3), max_size=4)


@given(FLAT, FLAT)
def test_json_fields_range_identity_and_symmetry(a, b):
    metric = plugins.make("metrics", "json_fields")
    assert 0.0 <= score(metric, a, b).value <= 1.0
    assert score(metric, a, a).value == 1.0
    assert math.isclose(score(metric, a, b).value, score(metric, b, a).value) or any(
        isinstance(v, list) for v in (a | b).values()
    )


TARGET = "Hello Ann\nbilling\nYour bill is 5 euros.\nYours, Nimbo"


def style(**settings):
    checks = [
        {"line": 1, "startswith": "Hello"},
        {"line": 2, "one_of": "labels"},
        {"line": 2, "target": "equals"},
        {"line": -1, "equals": "Yours, Nimbo"},
    ]
    return plugins.make("metrics", "lines", count=4, checks=checks, **settings)


def test_lines_share_parts_and_form():
    found = score(style(), TARGET, TARGET, ("billing", "card"))
    assert found == Score(1.0, True, dict.fromkeys(
        ("count", "line 1 startswith", "line 2 one_of", "line 2 equals target", "line -1 equals"), 1.0))  # fmt: skip
    wrong_label = score(style(), TARGET.replace("billing", "card"), TARGET, ("billing", "card"))
    assert (wrong_label.value, wrong_label.adheres) == (0.8, True)
    wrong_form = score(style(), TARGET.replace("Hello", "Hi"), TARGET, ("billing", "card"))
    assert (wrong_form.value, wrong_form.adheres) == (0.8, False)
    assert score(style(all_checks=True), TARGET.replace("Hello", "Hi"), TARGET, ("billing",)).value == 0.0


def test_too_few_lines_fail_the_checks_of_the_missing_ones():
    found = score(style(), "Hello Ann", TARGET, ("billing",))
    assert found.parts == {
        "count": 0.0, "line 1 startswith": 1.0, "line 2 one_of": 0.0, "line 2 equals target": 0.0, "line -1 equals": 0.0,
    }  # fmt: skip


def test_lenient_lines_forgive_bullets_and_chatter():
    chatty = "Sure, here you are:\n\n1. Hello Ann\n2. billing\n3. It is 5.\n4. Yours, Nimbo\n\nAnything else?"
    assert style().lenient(chatty, row(TARGET), task(("billing",))) == 1.0
    assert style().lenient(chatty.replace("billing", "card"), row(TARGET), task(("billing", "card"))) == 0.8
    whole = style(all_checks=True)
    assert whole.lenient(chatty, row(TARGET), task(("billing",))) == 1.0
    assert whole.lenient(chatty.replace("billing", "card"), row(TARGET), task(("billing", "card"))) == 0.0


def test_without_checks_each_line_must_equal_the_target():
    metric = plugins.make("metrics", "lines")
    assert score(metric, "a\nb", "a\nb").value == 1.0
    assert score(metric, "a\nc", "a\nb").value == pytest.approx(2 / 3)
    assert score(metric, "a\n\nb", "a\nb").parts["count"] == 0.0
    assert metric.format_rule(task()) is None


def test_absent_texts_and_input_columns():
    metric = plugins.make("metrics", "lines", count="any", checks=[{"line": "each", "regex": "^[A-Z]"}],
                         absent=["sorry"], absent_inputs=["name"])  # fmt: skip
    assert score(metric, "Dear Ann, Sorry!", "x", name="Ann").value == pytest.approx(1 / 3)
    assert score(metric, "Dear you", "x", name="Ann").value == 1.0
    failure = score(metric, "Dear you", "x", text="q")
    assert failure == Failure("metric", "absent_inputs names 'name'; the example's input columns are text")


def test_sections():
    metric = plugins.make("metrics", "lines", unit="section", count=2, checks=[{"line": 2, "endswith": "."}])
    assert score(metric, "one\nmore\n\ntwo.", "x").value == 1.0
    assert score(metric, "one\n\ntwo.\n\nthree", "x").value == 0.5


def test_two_demands_of_one_kind_on_one_line_are_both_counted():
    checks = [{"line": 1, "contains": "a"}, {"line": 1, "contains": "b"}]
    metric = plugins.make("metrics", "lines", count="any", checks=checks)
    assert score(metric, "a", "x").parts == {"line 1 contains": 1.0, "line 1 contains (2)": 0.0}


def test_format_rule_says_every_fixed_demand():
    assert style(absent=["sorry"]).format_rule(task(("billing", "card"))) == (
        "Write exactly 4 lines and nothing else. Line 1 starts with 'Hello'. Line 2 is one of: billing, card. "
        "The last line is exactly 'Yours, Nimbo'. Do not write 'sorry'."
    )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"line": 1}, "exactly one of equals, startswith"),
        ({"line": 1, "equals": "a", "contains": "b"}, "found equals and contains"),
        ({"line": 0, "equals": "a"}, "line 0 does not exist"),
        ({"line": 1, "regex": "("}, "is not a regular expression"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(check, said):
    with pytest.raises(ValidationError, match=said):
        plugins.make("metrics", "lines", checks=[check])
