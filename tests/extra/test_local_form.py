"""A model on this machine is held to the form that is demanded of it, whatever it would have written."""

from __future__ import annotations

import asyncio
import importlib.util
import json

import jsonschema
import pytest

from rung import plugins
from rung.errors import ModelError
from rung.types import Message, Request
from rung_nano import WEIGHTS

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore::FutureWarning")]
pytest.importorskip("torch", reason="needs rung[local]")
pytest.importorskip("llguidance", reason="needs rung[local]")

LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["red", "größer", "a \"b\" c"]}},
    "required": ["label"],
    "additionalProperties": False,
}  # fmt: skip
RECORD = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "count": {"type": ["integer", "null"], "minimum": -9, "maximum": 99},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}, "maxItems": 2},
    },
    "required": ["name", "count", "tags"],
    "additionalProperties": False,
}


def schema_form(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def connect(**settings):
    made = {"name": "mine", "folder": str(WEIGHTS / "nano-s"), "threads": 1, "max_tokens": 120, "device": "cpu"}
    return plugins.make("models", "local", **{**made, **settings}).connect()


@pytest.fixture(scope="module")
def local():
    model = connect()
    yield model
    asyncio.run(model.close())


def ask_all(model, rows):
    """Answer (text, params) rows together."""

    async def run():
        asked = [model.complete(Request((Message("user", text),), params)) for text, params in rows]
        return await asyncio.gather(*asked)

    return asyncio.run(run())


@pytest.mark.parametrize("schema", [LABEL, RECORD])
@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_every_answer_fits_the_schema(local, schema, temperature):
    """At temperature 2 this model writes noise; not one answer may break the form."""
    params = {"response_format": schema_form(schema), "temperature": temperature}
    rows = [(f"Where is parcel {i}?", {**params, "seed": i}) for i in range(24)]
    said = ask_all(local, rows)
    for answer in said:
        jsonschema.validate(json.loads(answer.text), schema)
        assert answer.finish == "stop"
    assert list(json.loads(said[0].text)) == list(schema["properties"])
    if temperature:
        assert len({answer.text for answer in said}) > 1


def test_rows_that_are_not_held_answer_as_they_do_alone(local):
    texts = [f"My order {i} is late." for i in range(6)]
    alone = [a.text for a in ask_all(local, [(t, {}) for t in texts])]
    form = {"response_format": schema_form(LABEL)}
    mixed = ask_all(local, [(t, p) for t in texts for p in ({}, form, {"response_format": {"type": "text"}})])
    assert [a.text for a in mixed[0::3]] == alone == [a.text for a in mixed[2::3]]
    assert {json.loads(a.text)["label"] for a in mixed[1::3]} <= set(LABEL["properties"]["label"]["enum"])


def test_any_json_object(local):
    params = {"response_format": {"type": "json_object"}, "temperature": 1.5, "max_tokens": 400}
    said = ask_all(local, [(f"Order {i}", {**params, "seed": i}) for i in range(12)])
    whole = [json.loads(a.text) for a in said if a.finish == "stop"]
    assert len(whole) >= 3
    assert all(isinstance(found, dict) for found in whole)
    assert all(a.text.startswith("{") for a in said)


def test_an_answer_ends_with_its_form_and_the_length_still_counts(local):
    [whole] = ask_all(local, [("Hello", {"response_format": schema_form(LABEL)})])
    assert whole.text.endswith("}")
    [cut] = ask_all(local, [("Hello", {"response_format": schema_form(LABEL), "max_tokens": 3})])
    assert (cut.finish, cut.output_tokens) == ("length", 3)
    assert whole.text.startswith(cut.text)


@pytest.mark.parametrize(
    ("demanded", "why"),
    [
        ({"type": "json_schema", "json_schema": {"schema": {"type": "object", "patternProperties": {"(": {}}}}}, "regex"),
        ({"type": "json_schema", "json_schema": {"name": "answer"}}, "must be a json_schema with its schema"),
        ({"type": "regex", "value": "a"}, "must be a json_schema with its schema"),
        ("json", "must be a json_schema with its schema"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_held_is_refused_as_a_server_refuses_it(local, demanded, why):
    with pytest.raises(ModelError, match=why) as caught:
        ask_all(local, [("Hello", {"response_format": demanded})])
    assert caught.value.status == 400
    assert "\n" not in str(caught.value)


def test_without_the_library_the_form_is_refused_and_free_answers_go_on(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "llguidance" else there(name))
    model = connect()
    with pytest.raises(
        ModelError, match=r"'llguidance', which holds .* is not installed: pip install 'rung\[local\]'"
    ) as caught:
        ask_all(model, [("Hello", {"response_format": schema_form(LABEL)})])
    assert caught.value.status == 501
    assert ask_all(model, [("Hello", {"response_format": None})])[0].output_tokens > 0
