"""Real weights on this machine, real rows: every answer fits the schema that it is held to."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import jsonschema
import pytest

from bench.real.forms import task_of
from rung import plugins
from rung.errors import RungError
from rung.prompts.structured import form_of
from rung.types import Message, Request
from rung_nano.fetched import MODELS, Cache

pytestmark = [
    pytest.mark.real,
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
pytest.importorskip("torch", reason="needs rung[local]")
pytest.importorskip("llguidance", reason="needs rung[local]")


@pytest.fixture(scope="module")
def smollm2():
    place = os.environ.get("RUNG_WEIGHTS")
    if not place:
        pytest.skip("set RUNG_WEIGHTS to a folder: real weights are fetched into it once (93 MB)")
    try:
        folder = Cache(Path(place).resolve()).model("smollm2")
    except RungError as error:
        pytest.skip(str(error))
    made = {"name": MODELS["smollm2"].title, "folder": str(folder), "dtype": "bfloat16", "threads": 1, "batch": 16}
    model = plugins.make("models", "local", **made, max_tokens=160).connect()
    yield model
    asyncio.run(model.close())


def answers(model, task, dev, params):
    async def run():
        chats = [(Message("user", f"{task.instruction}\n\n{e.inputs['text'][:400]}"),) for e in dev]
        return await asyncio.gather(*(model.complete(Request(chat, params)) for chat in chats))

    return asyncio.run(run())


def bounded(schema):
    """Bound the length of texts: where nothing does, a small model may repeat itself until its answer is cut off."""
    fields = {k: {**v, "maxLength": 24} if "enum" not in v else v for k, v in schema["properties"].items()}
    return {**schema, "properties": fields}


@pytest.mark.parametrize("name", ["it-tickets", "restaurant8k"])
def test_a_hundred_of_a_hundred_answers_are_valid(smollm2, shared_data, name):
    """Held to its schema, the model that hardly ever answers in the form by itself always does."""
    task, train, dev = task_of(name, shared_data / name, 100)
    schema = bounded(form_of(task, train).schema)
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    said = answers(smollm2, task, dev, {"response_format": form})
    assert len(said) == 100
    for answer in said:
        jsonschema.validate(json.loads(answer.text), schema)
        assert answer.finish == "stop"
    free = answers(smollm2, task, dev[:10], {"max_tokens": 24})
    assert sum(a.text.strip() in (task.labels or ()) or a.text.strip().startswith("{") for a in free) < 10
