"""Spellings of a label that the metric forgives are one label: in the task, in prompts, in every example, and after cleaning."""

from __future__ import annotations

import asyncio
import json

import pytest

from rung import plugins
from rung.config import parse_config
from rung.data.columns import kind_of
from rung.data.configured import as_task, as_written, part_rows, read_rows
from rung.data.spellings import usual_spellings
from rung.engine.check import check
from rung.engine.prepare import prepare
from rung.progress import Silent
from rung.prompts.structured import form_of
from rung.prompts.templates import Template
from rung.store.run import RunFolder
from rung.tuning.elsewhere import chat_line
from rung.types import Example, FitInput, MetricSpec, Task
from tests.unit._kit import KitForTests

SPELT = [
    *["card_arrival"] * 60,
    *["Card arrival"] * 9,
    *["card-arrival"] * 3,
    *["refund"] * 50,
    *["Refund."] * 2,
    *["top up"] * 40,
]


def config(root, metric="normalized_match", labels=SPELT, **task):
    rows = [
        {"id": f"r{i}", "text": f"message number {i} of {i * 7919 % 1009}", "team": label}
        for i, label in enumerate(labels)
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return parse_config(
        {
            "task": {"name": "routing", "instruction": "Which team?", "inputs": ["text"], "target": "team", "goal": 0.9,
                     "kind": "classification", "metrics": [metric], **task},
            "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15},
            "models": {"main": {"provider": "fake", "answers": {}}},
        },
        root,
    )  # fmt: skip


def prepared(config):
    kind, parts = part_rows(config, read_rows(config))
    return as_task(config, kind, (*parts.train, *parts.dev)), parts


def test_every_row_and_the_task_show_the_spelling_that_is_most_frequent(tmp_path):
    task, parts = prepared(config(tmp_path))
    assert task.labels == ("card_arrival", "refund", "top up")
    assert {e.target for e in (*parts.train, *parts.dev, *parts.test)} == set(task.labels)


def test_a_metric_that_forgives_nothing_keeps_them_apart(tmp_path):
    task, _ = prepared(config(tmp_path, "exact_match"))
    assert set(task.labels) == set(SPELT)


def test_an_alias_is_the_label_that_it_stands_for(tmp_path):
    metric = {"normalized_match": {"aliases": {"money back": "refund"}}}
    made = config(tmp_path, metric, [*["refund"] * 30, *["Money back"] * 8, *["top up"] * 30])
    task, _ = prepared(made)
    assert task.labels == ("refund", "top up")
    rare = config(tmp_path, metric, [*["refund"] * 8, *["Money back"] * 30, *["top up"] * 30])
    task, parts = prepared(rare)
    assert task.labels == ("Money back", "top up")
    judge = plugins.make("metrics", "normalized_match", **metric["normalized_match"])
    row = next(e for e in parts.train if e.target == "Money back")
    assert [judge.score(said, row, task).value for said in ("refund", "money back", "Money back", "top up")] == [
        1,
        1,
        1,
        0,
    ]
    assert judge.lenient("It is a refund", row, task) == 1.0


def test_signs_and_symbols_tell_labels_apart(tmp_path):
    labels = [*["C++"] * 20, *["C#"] * 20, *["C"] * 20, *["A+"] * 20, *["A-"] * 20, *["c"] * 3]
    task, _ = prepared(config(tmp_path, labels=labels))
    assert task.labels == ("A+", "A-", "C", "C#", "C++")


def test_what_was_read_as_one_is_told_and_a_common_second_spelling_is_a_warning(tmp_path):
    [told] = [f for f in check(config(tmp_path), Silent()).findings if f.check == "label-spelling"]
    assert told.severity == "note"
    assert "2 labels are spelt in more than one way; normalized_match forgives that" in told.message
    assert (
        "'Card arrival' (9) as 'card_arrival', 'Refund.' (2) as 'refund', 'card-arrival' (3) as 'card_arrival'"
        in told.message
    )
    assert told.measured == {
        "labels": 2, "rows": 14,
        "corrections": {"Card arrival": "card_arrival", "Refund.": "refund", "card-arrival": "card_arrival"},
    }  # fmt: skip
    doubtful = config(tmp_path, labels=[*["US"] * 40, *["us"] * 30, *["them"] * 40])
    [told] = [f for f in check(doubtful, Silent()).findings if f.check == "label-spelling"]
    assert told.severity == "warn"
    assert "If they are different labels, use the metric exact_match" in told.next_step


def test_a_resumed_run_reads_the_rows_as_it_froze_them(tmp_path):
    made = config(tmp_path)
    first = prepare(made, RunFolder.create(tmp_path / "run"), Silent())
    again = prepare(made, RunFolder.create(tmp_path / "run"), Silent())
    assert again.split == first.split
    assert again.task.labels == ("card_arrival", "refund", "top up")


def test_prompts_examples_schemas_and_exports_hold_one_spelling(tmp_path):
    task, parts = prepared(config(tmp_path))
    odd = {label for label in SPELT if label not in task.labels}
    schema = form_of(task, parts.train).schema
    assert schema["properties"]["label"]["enum"] == ["card_arrival", "refund", "top up"]
    kit = KitForTests(task, lambda chat: "refund")
    given = FitInput(task, parts.train, parts.dev)
    for rung in ("prompt", "fewshot"):
        fitted = asyncio.run(plugins.make("rungs", rung).fit(given, kit))
        template = Template.of(fitted.candidate)
        shown = json.dumps([m.as_dict() for m in template.messages])
        shown += json.dumps([d.target for d in fitted.candidate.chat.demonstrations])
        assert not [label for label in odd if json.dumps(label) in shown or f" {label}" in shown]
        lines = json.dumps([chat_line(template, e) for e in parts.train if e.target.strip()])
        assert not [label for label in odd if f'"{label}"' in lines]
    asked = json.dumps([[m.content for m in r.messages] for r in kit.requests])
    assert "card_arrival" in asked
    assert not [label for label in odd if label in asked]


def test_cleaning_sees_the_file_as_it_is_written(tmp_path):
    made = config(tmp_path)
    loaded = read_rows(made)
    _, parts = part_rows(made, loaded)
    raw = as_written(parts, loaded)
    assert {e.target for e in (*raw.train, *raw.dev, *raw.test)} == set(SPELT)
    assert [e.id for e in raw.test] == [e.id for e in parts.test]


def test_of_equally_frequent_spellings_the_one_without_outer_space_is_shown():
    rows = [Example(str(i), {"q": "x"}, text, str(i)) for i, text in enumerate(["Bill ", "bill", "Bill ", "bill"])]
    assert usual_spellings(rows, lambda text: text.strip().lower()) == {"bill": ("bill", 2)}


def test_labels_of_a_task_without_spellings_of_their_own_stay(tmp_path):
    made = config(tmp_path, labels=[*["a b"] * 30, *["b c"] * 30])
    loaded = read_rows(made)
    assert (loaded.written, loaded.spellings) == ({}, ())


@pytest.mark.parametrize(("answer", "right"), [("Card arrival", 1.0), ("card_arrival", 1.0), ("refund", 0.0)])
def test_answers_in_any_forgiven_spelling_are_right(answer, right):
    metric = plugins.make("metrics", "normalized_match")
    task = Task(
        "t",
        "Sort.",
        ("q",),
        "a",
        "classification",
        (MetricSpec("normalized_match"),),
        0.9,
        labels=("card_arrival", "refund"),
    )
    assert metric.score(answer, Example("1", {"q": "x"}, "card_arrival", "1"), task).value == right


def test_a_first_look_counts_labels_and_not_the_ways_they_are_spelt():
    assert kind_of(["refund", "Refund", "top  up", "Top up "] * 20).reason.startswith(
        "the expected outputs are 2 short labels"
    )


def test_findings_stand_worst_first_wherever_they_come_from(tmp_path):
    found = [
        f.severity
        for f in check(config(tmp_path, labels=["refund"] * 30 + ["Refund"] * 25 + ["bill"] * 60), Silent()).findings
    ]
    assert found == sorted(found, key=["stop", "warn", "note"].index)
    assert {"warn", "note"} <= set(found)
