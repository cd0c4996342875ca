"""Exports of services, after their published schemas (addresses in the importers' first lines); all content is invented."""

from __future__ import annotations

import json

import pytest

from rung.cli.init import Wishes, propose
from rung.data.configured import read_rows
from rung.engine import fidelity
from rung.errors import DataError
from tests.unit.test_importers import configured, read, refused, written

SYSTEM = {"role": "system", "content": "Name the team."}


def chat(text):
    return [SYSTEM, {"role": "user", "content": text}]


def told(found, target=None):
    return (found.inputs, found.target, found.id, list(found.stored))


# --- OpenAI Evals


def item(n, said, passed, asked=None):
    return {
        "object": "eval.run.output_item", "id": f"o{n}", "datasource_item_id": n, "status": "pass",
        "datasource_item": {"ticket": f"my card number {n} is lost", "team": "cards"} if asked is None else {},
        "results": [{"name": "match-5f1c", "type": "string_check", "passed": passed, "score": float(passed)}],
        "sample": {"model": "small-1", "input": chat(f"my card number {n} is lost"), "output": said and [{"role": "assistant", "content": said}]},
    }  # fmt: skip


def test_output_items_of_openai_evals(tmp_path):
    items = [item(1, "cards", True), item(2, "Cards", False), item(3, "loans", False), item(4, [], False)]
    path = written(tmp_path, items)
    rows, found, _ = read(path)
    assert [(r["ticket"], r["team"], r["answer:small-1"], r["verdict:small-1:match"]) for r in rows[:3]] == [
        (f"my card number {n} is lost", "cards", said, good) for n, said, good in ((1, "cards", 1), (2, "Cards", 0), (3, "loans", 0))
    ]  # fmt: skip
    assert found.unmapped == {"items without an answer: their request failed": 1}
    config, _ = configured(tmp_path, path)
    assert (config.task.inputs, config.task.target) == (("ticket",), "team")
    [one] = fidelity.compare(config, read_rows(config))
    assert (one.metric, one.compared, one.differing) == ("exact_match", 3, ())  # `normalized_match` forgives "Cards"
    page = written(tmp_path, {"object": "list", "data": [item(1, "cards", True, "x")]}, "p.json")
    assert read(page)[0][0]["input"] == "my card number 1 is lost"


def test_the_log_of_an_openai_evals_run(tmp_path):
    events = [{"spec": {"eval_name": "teams.dev.v0", "completion_fns": ["small-1"]}}]
    for n, said in enumerate(["cards", "loans"]):
        at = {"run_id": "r", "sample_id": f"teams.dev.{n}", "created_by": "", "created_at": ""}
        events.append(
            {**at, "event_id": 2 * n, "type": "sampling", "data": {"prompt": chat(f"card {n}"), "sampled": [said]}}
        )
        data = {"correct": said == "cards", "expected": "cards", "picked": said, "sampled": said, "options": ["cards"]}
        events.append({**at, "event_id": 2 * n + 1, "type": "match", "data": data})
    events += [
        {"run_id": "r", "event_id": 9, "sample_id": "x", "type": "metrics", "data": {}},
        {"final_report": {"accuracy": 0.5}},
    ]
    path = written(tmp_path, events)
    rows, found, _ = read(path)
    assert [(r["id"], r["system"], r["input"], r["target"], r["answer:small-1"], r["verdict:small-1:match"]) for r in rows] == [
        ("teams.dev.0", "Name the team.", "card 0", "cards", "cards", 1), ("teams.dev.1", "Name the team.", "card 1", "cards", "loans", 0),
    ]  # fmt: skip
    assert told(found) == (["input"], "target", "id", ["small-1"])
    assert found.unmapped == {"events of the type metrics": 1}
    config, _ = configured(tmp_path, path)
    assert config.task.instruction == "Name the team."
    assert [one.differing for one in fidelity.compare(config, read_rows(config))] == [()]
    refused(
        written(tmp_path, [*events[:1], events[2]]), "is the log of a run without a sample that says what was asked"
    )


# --- OpenAI Batch


def request(n, **body):
    return {
        "custom_id": f"t{n}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-x", "messages": chat(f"card {n}"), **body},
    }


def answer(n, said):
    body = {"model": "gpt-x-2026", "choices": [{"message": {"role": "assistant", "content": said}}]}
    return {"id": f"b{n}", "custom_id": f"t{n}", "response": {"status_code": 200, "body": body}, "error": None}


def test_a_batch_of_openai_with_its_answers(tmp_path):
    asked = written(tmp_path, [request(n, temperature=0) for n in range(3)], "in.jsonl")
    said = written(
        tmp_path, [answer(0, "cards"), answer(2, "loans"), {**answer(1, None), "response": None}], "out.jsonl"
    )
    rows, found, _ = read(asked)
    assert rows[2] == {"custom_id": "t2", "system": "Name the team.", "input": "card 2"}
    assert (told(found), found.model, found.unmapped) == (
        (["input"], None, "custom_id", []),
        "openai:gpt-x",
        {"request parameters temperature": 3},
    )
    config, _ = configured(tmp_path, asked, answers=said)
    assert config.task.instruction == "Name the team."
    assert config.models["a1"] == {
        "provider": "recorded",
        "name": "out",
        "path": "out.jsonl",
        "id": "custom_id",
        "column": "answer",
    }
    assert config.models["main"]["name"] == "gpt-x"
    assert config.planned[0] == "prompt@a1"
    with pytest.raises(DataError, match="holds the answers of a batch and not what was asked"):
        propose(Wishes(said, tmp_path / "rung.yaml"))


def test_batches_of_responses_and_completions(tmp_path):
    response = {
        "custom_id": "a",
        "url": "/v1/responses",
        "body": {"model": "m", "instructions": "Be brief.", "input": "hi"},
    }
    old = {"custom_id": "b", "url": "/v1/completions", "body": {"model": "m", "prompt": "hi there"}}
    bad = {"custom_id": "c", "url": "/v1/embeddings", "body": {"model": "m"}}
    rows, found, _ = read(written(tmp_path, [response, old, bad]))
    assert [(r["system"], r["input"]) for r in rows] == [("Be brief.", "hi"), ("", "hi there")]
    assert found.unmapped == {"requests without a prompt": 1}
    body = {"output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "yo"}]}]}
    rows, _, _ = read(written(tmp_path, [{"custom_id": "a", "response": {"body": body}}]))
    assert rows[0]["answer"] == "yo"


def test_answers_of_their_own_in_a_table(tmp_path):
    rows = [{"id": f"e{n}", "question": f"which team has card {n}?", "label": "ab"[n % 2]} for n in range(20)]
    (tmp_path / "old.csv").write_text("id,response\n" + "".join(f"e{n},a\n" for n in range(20)))
    config, _ = configured(tmp_path, written(tmp_path, rows), answers=tmp_path / "old.csv")
    assert config.models["a1"] == {
        "provider": "recorded",
        "name": "old",
        "path": "old.csv",
        "id": "id",
        "column": "response",
    }
    (tmp_path / "old.csv").write_text("number,words\n1,a\n1,b\n")
    with pytest.raises(DataError, match="holds no column with the ids of the examples, or none with answers"):
        propose(Wishes(tmp_path / "d.jsonl", tmp_path / "r.yaml", answers=tmp_path / "old.csv"))


# --- LangSmith


def test_examples_of_langsmith(tmp_path):
    made = {"dataset_id": "d", "created_at": "2026-01-01T00:00:00Z", "metadata": {"split": "base"}}
    examples = [
        {"id": "1", "inputs": {"question": "card lost"}, "outputs": {"team": "cards"}, **made},
        {"id": "2", "inputs": {"question": "card stolen"}, "outputs": {"team": "cards"}, **made},
        {"id": "3", "inputs": {"question": "no output"}, "outputs": None, **made},
    ]
    rows, found, _ = read(written(tmp_path, examples))
    assert [(r["id"], r["input"], r["expected"], r["metadata.split"]) for r in rows] == [
        ("1", "card lost", "cards", "base"), ("2", "card stolen", "cards", "base"), ("3", "no output", None, "base"),
    ]  # fmt: skip
    assert told(found) == (["input"], "expected", "id", [])
    chats = [
        {
            "id": "1",
            "inputs": {"messages": chat("card lost")},
            "outputs": {"message": {"role": "assistant", "content": "cards"}},
        }
    ]
    rows, _, _ = read(written(tmp_path, chats, "c.json"))
    assert (rows[0]["system"], rows[0]["input"], rows[0]["expected"]) == ("Name the team.", "card lost", "cards")
    several = [{"id": "1", "inputs": {"a": "x", "b": "y"}, "outputs": {"c": "1", "d": "2"}}]
    rows, found, _ = read(written(tmp_path, several))
    assert (rows[0]["outputs.c"], rows[0]["outputs.d"], found.inputs, found.target) == (
        "1",
        "2",
        ["a", "b"],
        "outputs.c",
    )


def test_runs_of_langsmith(tmp_path):
    lc = [
        [
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "schema", "messages", "HumanMessage"],
                "kwargs": {"content": "card lost"},
            }
        ]
    ]
    said = {"generations": [[{"text": "cards", "message": {"kwargs": {"content": "cards"}}}]]}
    about = {
        "run_type": "llm",
        "extra": {"metadata": {"ls_model_name": "small-1"}},
        "start_time": "2026-01-01T00:00:00",
        "end_time": "2026-01-01T00:00:02",
    }
    runs = [
        {"id": "1", "inputs": {"messages": lc}, "outputs": said, "reference_outputs": {"team": "cards"}, "feedback_stats": {"right": {"n": 1, "avg": 1.0}}, "total_cost": 0.01, **about},
        {"id": "2", "inputs": {"messages": lc}, "outputs": said, "parent_run_id": "1", **about},
        {"id": "3", "inputs": {"messages": lc}, "outputs": None, "error": "timeout", **about},
        {"id": "4", "inputs": {}, "outputs": {}, **about},
    ]  # fmt: skip
    rows, found, _ = read(written(tmp_path, runs))
    assert rows[0] == {
        "id": "1", "system": "", "input": "card lost", "expected": "cards", "answer:small-1": "cards", "verdict:small-1:right": 1.0,
        "latency_s:small-1": 2.0, "cost_usd:small-1": 0.01,
    }  # fmt: skip
    assert found.unmapped == {
        "runs that another run started": 1,
        "runs without an answer: they failed, or it is no text": 1,
        "runs without inputs": 1,
    }
    refused(written(tmp_path, runs[3:]), "holds no run that says what was asked")


@pytest.mark.parametrize(
    "about", [{"outputs": {"team": "cards"}}, {"expectedOutput": "cards", "datasetId": "d", "status": "ACTIVE"}]
)
def test_a_variable_called_like_a_column_of_the_importer_is_set_apart(tmp_path, about):
    """An input `expected` would hold the answer, and an input `id` that repeats would name no row."""
    whole = "inputs" if "outputs" in about else "input"
    rows, found, _ = read(
        written(
            tmp_path, [{"id": str(n), whole: {"id": "7", "expected": "soon", "q": "card"}, **about} for n in range(2)]
        )
    )
    assert [r["id"] for r in rows] == ["0", "1"]
    assert (rows[0]["inputs.id"], rows[0]["inputs.expected"], rows[0]["expected"]) == ("7", "soon", "cards")
    assert told(found) == (["inputs.id", "inputs.expected", "q"], "expected", "id", [])


# --- Langfuse


def test_items_of_a_langfuse_data_set(tmp_path):
    items = [
        {"id": "1", "datasetId": "d", "status": "ACTIVE", "input": {"question": "card lost"}, "expectedOutput": {"team": "cards"}, "metadata": {"k": "v"}},
        {"id": "2", "datasetId": "d", "status": "ARCHIVED", "input": "x", "expectedOutput": "y", "metadata": None},
        {"id": "3", "datasetId": "d", "status": "ACTIVE", "input": chat("card stolen"), "expectedOutput": "cards", "metadata": None},
    ]  # fmt: skip
    rows, found, _ = read(written(tmp_path, items, "items.json"))
    assert [(r["id"], r["system"], r["input"], r["expected"]) for r in rows] == [
        ("1", "", "card lost", "cards"), ("3", "Name the team.", "card stolen", "cards"),
    ]  # fmt: skip
    assert (told(found), found.unmapped) == ((["input"], "expected", "id", []), {"archived items": 1})


def test_traces_and_observations_of_langfuse(tmp_path):
    trace = {
        "timestamp": "2026-01-01T00:00:00Z",
        "name": "route",
        "sessionId": "s1",
        "userId": None,
        "latency": 1.5,
        "totalCost": 0.002,
    }
    scores = [{"name": "good", "value": 1, "dataType": "BOOLEAN"}, {"name": "stars", "value": 4, "dataType": "NUMERIC"}]
    traces = [
        {
            "id": "a",
            **trace,
            "input": chat("card lost"),
            "output": {"role": "assistant", "content": "cards"},
            "scores": scores,
        },
        {"id": "b", **trace, "input": "card stolen", "output": "cards", "scores": []},
        {"id": "c", **trace, "sessionId": "s2", "input": None, "output": "cards", "scores": []},
        {"id": "d", **trace, "sessionId": "s2", "input": "pin", "output": None, "scores": []},
    ]
    rows, found, _ = read(written(tmp_path, traces))
    assert rows[0] == {
        "id": "a", "group": "s1", "system": "Name the team.", "input": "card lost", "answer:route": "cards", "verdict:route:good": 1.0,
        "latency_s:route": 1.5, "cost_usd:route": 0.002,
    }  # fmt: skip
    assert (told(found), found.group) == ((["input"], None, "id", ["route"]), "group")
    assert found.unmapped == {
        "scores that are no number from 0 to 1": 1,
        "traces without an input": 1,
        "traces without an output": 1,
    }
    observations = [
        {"id": "1", "traceId": "t", "type": kind, "model": "m", "input": "hi", "output": "yo"}
        for kind in ("SPAN", "GENERATION")
    ]
    rows, found, _ = read(written(tmp_path, observations))
    assert ([r["answer:m"] for r in rows], found.unmapped) == (["yo"], {"observations that ask no model": 1})
    refused(written(tmp_path, traces[2:3]), "holds no trace with an input")


def test_without_expected_answers_init_proposes_a_judge_and_the_stored_answers(tmp_path):
    trace = {"timestamp": "2026-01-01T00:00:00Z", "name": "route", "sessionId": None}
    traces = [
        {"id": f"t{n}", **trace, "input": f"where is parcel {n}?", "output": f"on its way {n}"} for n in range(20)
    ]
    config, _ = configured(tmp_path, written(tmp_path, traces))
    assert (config.task.target, config.planned) == ("", ("prompt@v1", "prompt"))
    assert [m.plugin for m in config.task.metrics] == ["judge"]
    assert fidelity.compare(config, read_rows(config)) == ()


# --- OpenTelemetry


def attribute(key, value):
    if isinstance(value, list):
        return {
            "key": key,
            "value": {
                "arrayValue": {
                    "values": [{"kvlistValue": {"values": [attribute(k, v) for k, v in m.items()]}} for m in value]
                }
            },
        }
    kind = {str: "stringValue", float: "doubleValue", int: "intValue"}[type(value)]
    return {"key": key, "value": {kind: str(value) if kind == "intValue" else value}}


def otlp(*spans):
    made = []
    for n, attributes in enumerate(spans):
        events = [
            {"name": name, "attributes": [attribute(k, v) for k, v in held.items()]}
            for name, held in attributes.pop("events", ())
        ]
        times = {"startTimeUnixNano": "1000000000", "endTimeUnixNano": "3500000000"}
        made.append(
            {
                "traceId": "t",
                "spanId": f"s{n}",
                **times,
                "attributes": [attribute(k, v) for k, v in attributes.items()],
                "events": events,
            }
        )
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": made}]}]}


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "card lost"}]}]
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "cards"}], "finish_reason": "stop"}]
GEN_AI = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "small-1"}


@pytest.mark.parametrize(
    "attributes",
    [
        {**GEN_AI, "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Name the team."}]), "gen_ai.input.messages": json.dumps(MESSAGES), "gen_ai.output.messages": json.dumps(SAID)},
        {**GEN_AI, "gen_ai.input.messages": chat("card lost"), "gen_ai.output.messages": [{"role": "assistant", "content": "cards"}]},
        {**GEN_AI, "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Name the team.", "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "card lost", "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "cards"},
        {**GEN_AI, "events": [("gen_ai.system.message", {"content": "Name the team."}), ("gen_ai.user.message", {"content": "card lost"}), ("gen_ai.choice", {"index": 0, "message": json.dumps({"content": "cards"})})]},
        {**GEN_AI, "events": [("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(chat("card lost"))}), ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([{"role": "assistant", "content": "cards"}])})]},
        {
            "openinference.span.kind": "LLM", "llm.model_name": "small-1", "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Name the team.",
            "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "card lost", "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "cards",
        },
        {"openinference.span.kind": "LLM", "llm.model_name": "small-1", "input.value": json.dumps(chat("card lost")), "output.value": "cards"},
    ],
    ids=["gen_ai", "structured", "numbered", "events", "content events", "OpenInference", "values"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["d.json", "d.jsonl"])
def test_spans_that_ask_a_model(tmp_path, attributes, name):
    trace = otlp(dict(attributes), {"openinference.span.kind": "CHAIN", "input.value": "x"})
    rows, found, _ = read(written(tmp_path, [trace] if name.endswith("l") else trace, name))
    assert rows == [
        {"span_id": "s0", "group": "t", "system": "Name the team.", "input": "card lost", "answer:small-1": "cards", "latency_s:small-1": 2.5}
    ]  # fmt: skip
    assert (told(found), found.unmapped) == ((["input"], None, "span_id", ["small-1"]), {"spans that ask no model": 1})


def test_spans_of_one_conversation_stay_together_and_costs_are_read(tmp_path):
    spans = [
        {
            **GEN_AI,
            "gen_ai.conversation.id": f"c{n // 2}",
            "gen_ai.input.messages": json.dumps(MESSAGES),
            "gen_ai.usage.cost": 0.5,
        }
        for n in range(4)
    ]
    rows, found, _ = read(written(tmp_path, otlp(*spans), "d.json"))
    assert ([r["group"] for r in rows], found.group) == (["c0", "c0", "c1", "c1"], "group")
    assert found.unmapped == {"spans without an answer": 4}


def test_traces_without_inputs_are_one_sentence(tmp_path):
    refused(
        written(tmp_path, otlp(dict(GEN_AI), dict(GEN_AI)), "d.json"),
        "holds 2 spans, 2 of which ask a model, and none that tells what was asked",
    )
    image = [{"role": "user", "parts": [{"type": "blob", "content": "AAAA"}]}]
    refused(
        written(tmp_path, otlp({**GEN_AI, "gen_ai.input.messages": json.dumps(image)}), "d.json"),
        "none that tells what was asked",
    )
    refused(written(tmp_path, {"resourceSpans": [7, {"scopeSpans": "x"}]}, "d.json"), "holds 0 spans")


# --- TRL


def test_labelled_completions_of_trl_are_no_expected_answers(tmp_path):
    rows, found, _ = read(written(tmp_path, [
        {"prompt": "The sky is", "completion": " blue.", "label": True},
        {"prompt": chat("card lost"), "completion": [{"role": "assistant", "content": "loans"}], "label": False},
    ]))  # fmt: skip
    assert [(r["input"], r["answer:completion"], r["verdict:completion:label"]) for r in rows] == [
        ("The sky is", " blue.", 1),
        ("card lost", "loans", 0),
    ]
    assert told(found) == (["input"], None, None, ["completion"])
    steps = {"prompt": "Which is larger?", "completions": ["9.8 is 9.80", "so 9.11"], "labels": [True, False]}
    rows, _, _ = read(written(tmp_path, [steps]))
    assert (rows[0]["answer:completion"], rows[0]["verdict:completion:label"]) == ("9.8 is 9.80\nso 9.11", 0)
    plain = [{"prompt": f"text {n}", "completion": "ab"[n % 2], "label": "ab"[n % 2]} for n in range(4)]
    assert read(written(tmp_path, plain))[1].tool == ""  # labels that are names are not verdicts
