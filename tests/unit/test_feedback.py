"""Feedback: taken in from log, table and traces; queued, labelled, and made into examples that no test set holds."""

import csv
import json
import os
import stat
import sys
from dataclasses import replace

import pytest
import yaml

from rung import cli
from rung.errors import DataError
from rung.feedback.growing import OTHERWISE, REGISTERED, TEST, THERE, UNKNOWN, answered, grow
from rung.feedback.reading import Source, key_of, merged
from rung.feedback.worth import queue
from rung.ladder import climb
from rung.store.folder import locked
from rung.store.records import Feedback
from rung.store.register import Register, TestSet, Use
from rung.store.run import RunFolder
from rung.types import Example, MetricSpec, Task
from tests.unit._worlds import LABELS, rows, world

TASK = Task(
    "routing", "Route.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.9, labels=LABELS
)


def example(identity, text, target):
    return Example(identity, {"text": text}, target, identity)


def logged(number, text, answer="billing", **more):
    return {"at": "2026-11-29T10:00:00+00:00", "id": f"chatcmpl-{number}", "way": "/v1/predict", "approach": "prompt",
            "inputs": {"text": text}, "seconds": 0.1, "status": 200, "answer": answer, **more}  # fmt: skip


def written(path, lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def taken(path, held=(), task=TASK, **more):
    """Return the feedback by its text, what is unknown, and the notes."""
    source = Source(path, task, **more)
    items, unknown = merged(held, source.read(), task)
    return {"/".join(i.inputs.values()): i for i in items}, unknown, source.notes


def test_a_log_is_read_once_however_often_it_is_given_and_damaged_lines_are_counted(tmp_path):
    lines = [
        logged(1, "a", confidence=0.9),
        logged(2, "a"),
        {"id": "chatcmpl-1", "shadow": "fewshot", "same": False, "seconds": 0.1, "answer": "returns"},
        '{"at": "2026-11-29T10:0\n',
        "[" * 5000 + "\n",
        {**logged(3, "b"), "inputs": {"subject": "b"}},
        {**logged(4, "c"), "status": 502, "error": "model_error"},
    ]
    log = written(tmp_path / "log", lines)
    once, _, notes = taken(log)
    again, unknown, _ = taken(log, once.values())
    assert once == again
    assert unknown == 0
    assert list(once) == ["a"]  # a failed request has no answer that anybody could judge
    assert (once["a"].requests, once["a"].confidence) == (("chatcmpl-1", "chatcmpl-2"), 0.9)
    assert (once["a"].answer, once["a"].shadow) == ("billing", "returns")
    assert notes == ["2 damaged lines of the log are left out", "1 requests with other input columns are left out"]


def test_a_table_names_requests_or_inputs_and_private_texts_are_masked(tmp_path):
    held, _, _ = taken(written(tmp_path / "log", [logged(1, "a"), logged(2, "b")]))
    (tmp_path / "said.csv").write_text(
        "id,thumb,correction\nchatcmpl-1,down, Returns \nchatcmpl-2,👍,\nchatcmpl-9,up,\n"
    )
    found, unknown, _ = taken(tmp_path / "said.csv", held.values())
    assert (found["a"].thumb, found["a"].expected) == (False, "returns")  # in the spelling of the labels
    assert (found["b"].thumb, found["b"].expected, unknown) == (True, None, 1)
    (tmp_path / "own.jsonl").write_text(json.dumps({"text": "write to ann@example.org", "team": "sk-" + "a1" * 20}))
    (text,) = taken(tmp_path / "own.jsonl")[0]
    assert text == "write to [e-mail]"
    assert taken(tmp_path / "own.jsonl")[0][text].expected == "[key]"


def trace(identity, text, answer, score=None):
    scores = [] if score is None else [{"name": "user", "value": score}]
    return {"id": identity, "name": "chat", "timestamp": "2026-11-01T00:00:00Z", "input": text, "output": answer,
            "observations": [], "scores": scores}  # fmt: skip


def test_traces_bring_inputs_and_a_score_counts_as_a_thumb_only_where_it_is_named(tmp_path):
    path = tmp_path / "traces.json"
    path.write_text(json.dumps([trace("t1", "a", "billing", 1), trace("t2", "b", "returns", 0), trace("t3", "c", "x")]))
    plain, _, notes = taken(path)
    assert {text: (i.answer, i.thumb) for text, i in plain.items()} == {
        "a": ("billing", None), "b": ("returns", None), "c": ("x", None),
    }  # fmt: skip
    assert any(
        "scores are no thumbs unless you name the one that is (`rung feedback --thumb NAME`): 'user'" in note
        for note in notes
    )
    assert {text: i.thumb for text, i in taken(path, thumb="user")[0].items()} == {"a": True, "b": False, "c": None}
    with pytest.raises(DataError, match="no scores named 'stars'"):
        taken(path, thumb="stars")
    two = replace(TASK, inputs=("subject", "body"))
    with pytest.raises(DataError, match="tells no inputs of this task"):
        taken(path, task=two)
    path.write_text(json.dumps([trace("t1", json.dumps({"subject": "s", "body": "b"}), "billing")]))
    assert list(taken(path, task=two)[0]) == ["s/b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,other\n1,2\n", "holds no feedback: it needs a column 'thumb' or 'correction'"),
        ("thumb\nup\n", "holds no feedback"),
        ("text,thumb\na,maybe\n", "'maybe' is no thumb; write up or down"),
    ],
)
def test_a_table_without_feedback_is_told(tmp_path, text, said):
    (tmp_path / "said.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        taken(tmp_path / "said.csv")
    with pytest.raises(DataError, match="has no column 'stars'"):
        taken(tmp_path / "said.csv", thumb="stars")


def item(text, **more):
    inputs = {"text": text}
    return Feedback(key_of(inputs), inputs, **{"answer": "billing", **more})


def test_what_is_worth_most_comes_first_and_what_is_answered_not_at_all():
    items = [
        item("sure", confidence=0.99),
        item("unsure", confidence=0.4),
        item("disputed", confidence=0.9, shadow="returns"),
        item("bad", confidence=0.9, thumb=False),
        item("known", expected="returns", confidence=0.1),
        item("skipped", cannot_tell=True, confidence=0.1),
    ]
    found = queue(items, (), TASK)
    assert [w.item.inputs["text"] for w in found] == ["bad", "disputed", "unsure", "sure"]
    assert [w.why[0] for w in found] == ["not liked", "the shadow answers otherwise", "40% sure", "99% sure"]


def test_without_a_confidence_a_classifier_of_the_examples_says_what_is_unsure_and_free_text_comes_in_random_order():
    known = [example(f"k{i}", f"parcel box {i}", "delivery") for i in range(15)]
    known += [example(f"b{i}", f"invoice money {i}", "billing") for i in range(15)]
    items = [item("parcel box"), item("parcel money"), item("invoice money")]
    assert queue(items, known, TASK)[0].item.inputs["text"] == "parcel money"
    free = replace(TASK, kind="generation", labels=None)
    found = queue([*items, item("strange planet")], known, free)
    assert [w.item.id for w in found] == sorted(w.item.id for w in found)
    assert {w.item.inputs["text"]: w.why for w in found}["strange planet"] == ("unlike every example",)


def test_no_example_of_a_test_set_and_nothing_twice_becomes_an_example(tmp_path):
    long = "the parcel to the old town did not arrive although the courier said it was at the door on monday"
    sealed = [example("t1", "Secret  text", "billing"), example("t2", long, "delivery")]
    known = [example("k1", "known", "billing")]
    other = example("o1", "of another run", "billing")
    register = Register(tmp_path)
    register.note(TestSet.from_examples([other]), Use("x", "run", "plan", 0.9))
    said = {
        "secret text": "returns", long + " again": "returns", "Of another run": "billing", "KNOWN": "billing", "known ": "returns",
        "new": "returns", "new label": "refunds", "also new": "billing",
    }  # fmt: skip
    items = [item(text, expected=answer) for text, answer in said.items()]
    items += [item("liked", thumb=True, answer="returns"), item("silent")]
    found = grow(list(answered(items, False)), known, sealed, TASK, registered=register.holds)
    texts = {i.id: i.inputs["text"] for i in items}
    assert [e.inputs["text"] for e in found.examples] == ["new", "also new"]
    assert {why: [texts[i] for i in ids] for why, ids in found.left_out.items()} == {
        TEST: ["secret text", long + " again"], REGISTERED: ["Of another run"], THERE: ["KNOWN"], OTHERWISE: ["known "],
        UNKNOWN: ["new label"],
    }  # fmt: skip
    more = grow(list(answered(items, True)), known, sealed, TASK, registered=register.holds, new_labels=True)
    assert [e.target for e in more.examples] == ["returns", "refunds", "billing", "returns"]


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """A project with a finished run; call it with the words of a command for its exit code and output."""
    config = world(tmp_path, 120, ladder=["prompt"], diagnosis={"calls": 0})
    raw = config.model_dump(mode="json", exclude={"root", "task", "ladder"})
    raw |= {"task": {**config.task.model_dump(mode="json"), "metrics": ["normalized_match"]}, "ladder": ["prompt"]}
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    climb(config, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def call(*words, typed=""):
        monkeypatch.setattr(sys, "argv", ["rung", *words])
        monkeypatch.setattr(
            sys, "stdin", type("Lines", (), {"readline": iter([*typed.splitlines(True), *[""] * 9]).__next__})()
        )
        code = cli.run()
        out, err = capsys.readouterr()
        return code, out + err

    return call


def test_from_the_log_to_a_new_version_of_the_data_with_the_frozen_test_set(project, tmp_path):
    sealed = set(RunFolder(tmp_path / "run").parts.manifest.need()["test"]["ids"])
    own = rows(120)
    test_text = next(r["text"] for r in own if r["id"] in sealed)
    texts = ["a new ticket", "another new one", "third \x1b]0;x\x07 text", test_text]
    written(tmp_path / "log.jsonl", [logged(n, text) for n, text in enumerate(texts)])
    code, said = project("feedback", "run", "log.jsonl")
    assert code == 0
    assert "4 inputs of 4 requests" in said
    assert "\x1b" not in said
    kept = tmp_path / "run" / "feedback.jsonl"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    code, said = project("label", "run", "--feedback", "--csv", "sheet.csv")
    assert (code, "Wrote 4 inputs" in said) == (1, True)
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    for row in sheet:
        row["expected"] = {"a new ticket": "Returns", "another new one": "="}.get(row["input: text"], "3")
    with (tmp_path / "sheet.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sheet[0])
        writer.writeheader()
        writer.writerows(sheet)
    code, said = project("label", "run", "--feedback", "--csv", "sheet.csv")
    assert (code, "Read 4 answers" in said) == (0, True)
    before = (tmp_path / "rows.jsonl").read_bytes()
    code, said = project("data", "grow", "--folder", "run", "--out", "grown", "--json")
    found = json.loads(said)
    assert (code, found["added"], found["left_out"]) == (0, 3, {TEST: 1})
    train = [json.loads(line) for line in (tmp_path / "grown" / "train.jsonl").read_text().splitlines()]
    assert [(r["text"][:8], r["team"]) for r in train[-3:]] == [
        ("a new ti", "returns"),
        ("another ", "billing"),
        ("third \x1b]", "returns"),
    ]
    test = [json.loads(line) for line in (tmp_path / "grown" / "test.jsonl").read_text().splitlines()]
    assert {r["id"] for r in test} == sealed
    assert len(train) + len(test) == 123
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    code, said = project("data", "grow", "--folder", "run", "--out", "grown", "--json")
    assert (code, json.loads(said)["folder"]) == (0, "grown")  # cut off in the middle it is simply written again
    raw = yaml.safe_load((tmp_path / "rung.yaml").read_text())
    for text in found["rung_yaml"]:
        raw |= yaml.safe_load(text)
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    assert project("climb", "--folder", "second")[0] in (0, 1, 6)
    assert set(RunFolder(tmp_path / "second").parts.manifest.need()["test"]["ids"]) == sealed


def test_keys_answer_skip_undo_and_leave_and_nothing_is_added_without_answers(project, tmp_path):
    written(tmp_path / "log.jsonl", [logged(n, text) for n, text in enumerate("abcd")])
    assert project("label", "run", "--feedback") == (
        2,
        "rung: run has no feedback yet; `rung feedback run LOG` takes it in\n",
    )
    project("feedback", "run", "log.jsonl")
    code, said = project("label", "run", "--feedback", typed="nonsense\n2\n<\n=\n?\n.\n")
    assert (code, "'nonsense' is none of the labels" in said, "taken back" in said) == (1, True, True)
    items = RunFolder(tmp_path / "run").feedback.need()
    assert sorted(i.expected or "" for i in items) == ["", "", "", "billing"]
    assert sum(i.cannot_tell for i in items) == 1
    waiting = json.loads(project("label", "run", "--feedback", "--json")[1])["waiting"]
    assert len(waiting) == 2
    (tmp_path / "sheet.csv").write_text("feedback_id,expected\nf000,returns\n")
    code, said = project("label", "run", "--feedback", "--csv", "sheet.csv")
    assert (code, "'f000' is no input of this run's feedback" in said, "line 2" in said) == (2, True, True)
    RunFolder(tmp_path / "run").feedback.forget()
    assert project("data", "grow", "--folder", "run") == (1, "0 examples to add: nothing is written\n")


def test_bad_sources_and_a_busy_folder_are_one_sentence_and_change_nothing(project, tmp_path):
    written(tmp_path / "log.jsonl", [logged(1, "a")])
    project("feedback", "run", "log.jsonl")
    kept = (tmp_path / "run" / "feedback.jsonl").read_bytes()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "own.csv").write_text("text,thumb\na,maybe\n")
    for words, why in (
        (("feedback", "run", "absent.csv"), "absent.csv"),
        (("feedback", "run", "pipe.csv"), "pipe.csv"),
        (("feedback", "run", "own.csv"), "is no thumb"),
        (("feedback", "nowhere"), "is not a run folder"),
        (("data", "grow", "--folder", "nowhere"), "is not a run folder"),
    ):
        code, said = project(*words)
        assert (code, why in said, "Traceback" in said) == (2, True, False), said
    with locked(RunFolder(tmp_path / "run")):
        assert "another run is at work" in project("feedback", "run", "log.jsonl")[1]
    assert (tmp_path / "run" / "feedback.jsonl").read_bytes() == kept
