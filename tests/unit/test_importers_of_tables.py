"""CSV files of LangSmith, Langfuse and promptfoo: read as what they are, and what nothing becomes of is told by name."""

from __future__ import annotations

import csv
import io
import json

import pytest

from rung.data.files import raw_rows
from rung.data.importers.base import Found
from rung.errors import DataError

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "is it 4?"}]


def table(tmp_path, *rows, name="t.csv"):
    """Read rows that a tool wrote as CSV; return their cells, and what was found."""
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / name).write_text(held.getvalue(), encoding="utf-8", newline="")
    found = Found()
    return [row.cells for row in raw_rows(tmp_path / name, found=found)], found


def test_a_table_of_langfuse_traces(tmp_path):
    def trace(n, **more):
        return {
            "id": f"t{n}", "timestamp": "2026-01-01T00:00:00Z", "name": "support", "userId": "u", "sessionId": f"s{n // 2}", "tags": '["a"]',
            "bookmarked": "false", "public": "false", "input": json.dumps({"messages": CHAT}),
            "output": json.dumps({"role": "assistant", "content": "yes"}), "correct": f"[{n % 2}]", "tone": '["good"]', **more,
        }  # fmt: skip

    rows, found = table(tmp_path, *(trace(n) for n in range(4)), trace(4, output="", correct="", tone="[]"))
    assert rows[1] == {
        "id": "t1", "group": "s0", "system": "Be brief.", "input": "is it 4?", "answer:support": "yes", "verdict:support:correct": 1.0,
    }  # fmt: skip
    assert (found.target, found.group, rows[4]["answer:support"]) == (None, "group", None)
    assert found.unmapped == {"scores that are no number from 0 to 1": 4, "traces without an output": 1}
    assert "columns that are not read: bookmarked, public, tags, timestamp, userId" in found.said


def test_a_table_of_people_with_the_columns_of_a_trace_is_theirs(tmp_path):
    row = {"id": "1", "timestamp": "2026-01-01", "userId": "u", "input": "q", "output": "a"}
    assert table(tmp_path, row) == ([row], Found())
    asked = {"input_question": "is it 4?", "output_answer": "yes"}
    assert table(tmp_path, asked) == ([asked], Found())


def test_a_table_of_langfuse_observations_has_milliseconds(tmp_path):
    row = {"id": "o1", "traceId": "t1", "type": "GENERATION", "providedModelName": "small-1", "input": "is it 4?", "output": "yes"}  # fmt: skip
    rows, found = table(
        tmp_path, {**row, "latencyMs": "1500", "totalCost": "0.25"}, {**row, "id": "o2", "type": "SPAN"}
    )
    assert rows == [
        {"id": "o1", "group": "t1", "system": "", "input": "is it 4?", "answer:small-1": "yes", "latency_s:small-1": 1.5, "cost_usd:small-1": 0.25}
    ]  # fmt: skip
    assert found.unmapped == {"observations that ask no model": 1}


def test_tables_of_examples(tmp_path):
    rows, found = table(
        tmp_path,
        {"id": "d1", "datasetId": "x", "input": '{"question": "is it 4?"}', "expectedOutput": '{"answer": "yes"}', "status": "ACTIVE"},
        {"id": "d2", "datasetId": "x", "input": "{not json}", "expectedOutput": "null", "status": "ACTIVE"},
    )  # fmt: skip
    assert [(r["input"], r["expected"]) for r in rows] == [("is it 4?", "yes"), ("{not json}", None)]
    assert found.said == ["columns that are not read: datasetId"]
    rows, found = table(
        tmp_path,
        {"id": "e1", "inputs": json.dumps({"messages": CHAT}), "outputs": '{"answer": "yes"}', "created_at": "x"},
    )
    assert rows == [{"id": "e1", "system": "Be brief.", "input": "is it 4?", "expected": "yes"}]
    assert (found.tool, found.said) == ("examples of LangSmith", ["columns that are not read: created_at"])


def test_a_table_of_the_results_of_langsmith(tmp_path):
    row = {
        "input.question": "is it 4?", "outputs.output": "maybe", "reference.answer": "yes", "feedback.correct": "0.0", "feedback.tone": "0.83",
        "error": "", "execution_time": "1.5", "id": "r1", "example_id": "e1",
    }  # fmt: skip
    rows, found = table(tmp_path, row)
    assert rows == [
        {"id": "e1", "system": "", "input": "is it 4?", "expected": "yes", "answer:run": "maybe", "verdict:run:correct": 0.0,
         "verdict:run:tone": 0.83, "latency_s:run": 1.5}
    ]  # fmt: skip
    assert (found.target, found.said) == ("expected", [])  # two experiments on one example share its row


def test_every_column_of_promptfoo_is_read_or_named(tmp_path):
    row = {
        "q": "is it 4?", "__expected": "equals: yes", "__expected2": "levenshtein(2): yes", "__expected3": "llm-rubric: kind", "__prefix": "Hi",
        "__suffix": "", "__description": "d", "__metric": "m", "__threshold": "0.5", "__metadata:topic": "sums",
        "__config:__expected2:threshold": "7", "__config:provider": "x", "__new": "y",
    }  # fmt: skip
    rows, found = table(tmp_path, row)
    assert rows == [
        {"q": "is it 4?", "expected": "yes", "__description": "d", "__metadata:topic": "sums",
         "__assert": [{"type": "equals", "value": "yes"}, {"type": "levenshtein", "value": "yes", "threshold": 7.0}]}
    ]  # fmt: skip
    assert (found.target, found.metric) == ("__assert", "assertions")
    assert found.unmapped == dict.fromkeys(
        ("assertions of the type llm-rubric", "texts before the prompt (__prefix)", "names for scores (__metric)",
         "scores that are enough to pass (__threshold)", "values of __config:provider", "values of __new"), 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("paris", {"type": "equals", "value": "paris"}), ("time: 12:30", {"type": "equals", "value": "time: 12:30"}),
        ("not-contains: a:b", {"type": "not-contains", "value": "a:b"}), ("contains-any: a, b", {"type": "contains-any", "value": "a, b"}),
        ("is-json", {"type": "is-json", "value": None}),
    ],
)  # fmt: skip
def test_an_assertion_is_read_from_its_text(tmp_path, text, read):
    rows, _ = table(tmp_path, {"q": "x", "__expected1": "contains: a", "__expected2": text})
    assert rows[0]["__assert"][1] == read


def test_tests_that_nothing_can_check_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"1 of 1 tests have no assertion that rung can check.*line 2 \(llm-rubric\)"):
        table(tmp_path, {"q": "x", "__expected": "llm-rubric: is polite"})
