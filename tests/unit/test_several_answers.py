"""Several right answers a row: read from columns and lists, part of the hash, any one of them counts for every metric."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rung import plugins
from rung.cli._draft import render
from rung.cli.init import Wishes, propose
from rung.config import parse_config
from rung.data.configured import as_task, part_rows, read_rows
from rung.data.load import load
from rung.errors import ConfigError, DataError
from rung.ladder import climb
from rung.metrics.accepted import AnyRight
from rung.store.folder import from_json, to_json
from rung.store.run import RunFolder
from rung.testing.kit import small_task
from rung.types import Example, Failure, Score, canonical_json


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_lists_and_further_columns_hold_right_answers_each_once_without_empty_ones(tmp_path):
    file = written(
        tmp_path / "rows.jsonl",
        {"q": "a", "answer": ["Paris", "Paris", ""], "second": "the capital"},
        {"q": "b", "answer": "7", "second": None},
        {"q": "c", "answer": [7, "seven"], "second": ""},
        {"q": "d", "answer": "", "second": "only here"},
        {"q": "e", "answer": "alone"},
    )
    rows = load(file, inputs=["q"], target="answer", also=["second"]).examples
    assert [r.targets for r in rows] == [("Paris", "the capital"), ("7",), ("7", "seven"), ("only here",), ("alone",)]


def test_a_list_is_the_answer_itself_where_the_file_says_so_or_it_holds_objects(tmp_path):
    file = written(tmp_path / "rows.jsonl", {"q": "a", "answer": ["x", "y"]}, {"q": "b", "answer": [{"sku": 1}]})
    assert [r.targets for r in load(file, inputs=["q"], target="answer").examples] == [("x", "y"), ('[{"sku":1}]',)]
    whole = load(file, inputs=["q"], target="answer", any_of_list=False).examples
    assert [r.targets for r in whole] == [('["x","y"]',), ('[{"sku":1}]',)]


def test_a_row_without_any_right_answer_is_named(tmp_path):
    file = written(tmp_path / "rows.jsonl", {"q": "a", "answer": [], "second": ""})
    with pytest.raises(DataError, match=r"1 example has no expected output in 'answer' \(line 1\)"):
        load(file, inputs=["q"], target="answer", also=["second"])
    with pytest.raises(DataError, match="there is no column 'third'"):
        load(file, inputs=["q"], target="answer", also=["third"])


def test_further_answers_change_the_hash_and_survive_the_run_folder():
    one = Example("r", {"q": "a"}, "x", "r")
    two = replace(one, others=("y",))
    assert one.sha256 != two.sha256
    assert Example.from_dict(json.loads(canonical_json(two.as_dict()))) == two
    assert from_json(to_json(two, Example), Example) == two
    assert "others" not in one.as_dict()


@pytest.mark.parametrize(
    ("name", "settings", "targets", "answer"),
    [
        ("normalized_match", {}, ("Paris", "the French capital"), "The French capital."),
        ("token_f1", {}, ("one way", "quite another"), "quite another"),
        ("rouge_l", {}, ("one way", "quite another"), "quite another"),
        ("contains", {}, ("red", "crimson"), "a crimson coat"),
        ("numeric", {}, ("7", "8"), "8"),
        ("json_fields", {}, ('{"a": 1}', '{"a": 2}'), '{"a": 2}'),
        ("json_fields", {}, ("not JSON", '{"a": 2}'), '{"a": 2}'),
        ("regex", {"pattern": r"total: (\d+)"}, ("1", "2"), "total: 2"),
    ],
)
def test_any_one_right_answer_is_enough_for_every_metric(name, settings, targets, answer):
    metric = AnyRight(plugins.make("metrics", name, **settings))
    row = Example("r", {"q": "a"}, targets[0], "r", targets[1:])
    task = replace(small_task(), labels=None, kind="knowledge")
    found = metric.score(answer, row, task)
    assert isinstance(found, Score)
    assert found.value == 1.0
    wrong = metric.score("zzz 99", row, task)
    assert isinstance(wrong, Failure) or wrong.value < 1.0
    alone = metric.score(answer, replace(row, others=()), task)
    assert isinstance(alone, Failure) or alone.value < 1.0


@pytest.mark.slow
def test_a_climb_counts_any_right_answer_and_the_audit_says_so(tmp_path):
    made = [{"id": f"r{i}", "text": f"word{i} other{i * 7}", "team": ["red", "crimson"]} for i in range(160)]
    made += [{"id": f"s{i}", "text": f"term{i} thing{i * 3}", "team": ["blue"]} for i in range(160)]
    written(tmp_path / "rows.jsonl", *made)
    answers = {row["text"]: row["team"][-1] for row in made}
    raw = {
        "task": {"name": "t", "kind": "classification", "instruction": "Which colour?", "inputs": ["text"],
                 "target": "team", "metrics": ["normalized_match"], "goal": 0.9},
        "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "fake", "answers": answers}},
        "ladder": [{"prompt": {"rewrites": False}}],
    }  # fmt: skip
    config = parse_config(raw, tmp_path)
    kind, parts = part_rows(config, read_rows(config))
    assert as_task(config, kind, (*parts.train, *parts.dev)).labels == ("blue", "crimson", "red")
    run = climb(config, tmp_path / "run")
    assert run.results["prompt"].estimates["normalized_match"].mean == 1.0
    findings = RunFolder.open(tmp_path / "run").read("findings.json")
    [note] = [f for f in findings if f["check"] == "several answers"]
    assert "160 examples of 320 hold several right answers (up to 2)" in note["message"]
    assert "target_lists: whole" in note["next_step"]


def test_the_file_names_further_columns_and_refuses_inputs_among_them(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"q": "a", "x": "1", "y": "2"}\n')
    task = {"name": "t", "instruction": "i", "inputs": ["q"], "target": "x", "accepted_answers": "y", "goal": 0.9}
    raw = {"task": task, "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15}, "ladder": ["baseline"]}
    assert read_rows(parse_config(raw, tmp_path)).whole.examples[0].targets == ("1", "2")
    with pytest.raises(ConfigError, match="the target column 'q' is also an input"):
        parse_config({**raw, "task": {**task, "accepted_answers": ["q"]}}, tmp_path)
    with pytest.raises(ConfigError, match="accepted_answers names the target column 'x' itself"):
        parse_config({**raw, "task": {**task, "accepted_answers": ["x"]}}, tmp_path)


def test_init_says_that_a_list_of_answers_means_any_of_them(tmp_path):
    file = written(
        tmp_path / "rows.jsonl", *[{"question": f"q {i}", "answer": [f"a {i}", f"b {i}"]} for i in range(30)]
    )
    proposal = propose(Wishes(file=file, out=tmp_path / "rung.yaml"))
    assert any("answer holds lists: an answer is right by any one entry" in note for note in proposal.notes)
    assert "the expected output: lists, any entry is right" in render(proposal.draft)
    plain = written(tmp_path / "plain.jsonl", *[{"question": f"q {i}", "answer": f"a {i}"} for i in range(30)])
    assert not any("lists" in note for note in propose(Wishes(file=plain, out=tmp_path / "rung.yaml")).notes)


def test_a_list_in_a_parquet_file_holds_several_answers_too(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"q": ["a", "b"], "answer": [["x", "y"], ["z"]]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    rows = load(tmp_path / "rows.parquet", inputs=["q"], target="answer").examples
    assert [r.targets for r in rows] == [("x", "y"), ("z",)]
