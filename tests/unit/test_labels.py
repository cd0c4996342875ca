"""Labels by people: drawn at random, asked blind, kept at once, and what a verdict makes of them."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rung.cli import app
from rung.cli._label_sheet import spellings
from rung.cli.label import keys_of
from rung.engine.verify import verify
from rung.errors import DataError, RungError
from rung.judging.human_labels import drawn_rows, human_labels_of
from rung.judging.labelling import Item, LabelSession, draw, session, teaching
from rung.ladder import climb
from rung.store.records import Label
from rung.store.run import RunFolder
from rung.types import Answer, Outcome, Score
from tests.unit._judged import judged_world, rows

TWO = [{"prompt": {"rewrites": False}}, {"fewshot": {"k": [3]}}]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    root = tmp_path_factory.mktemp("climbed")
    return root, climb(judged_world(root), root / "run")


@pytest.fixture
def climbed(once, tmp_path):
    """Lay a finished climb of the usual world, without labels, into the test's folder; return its configuration."""
    shutil.copytree(once[0], tmp_path, dirs_exist_ok=True)
    return judged_world(tmp_path)


@pytest.fixture(scope="module")
def truth():
    return {r["question"]: sorted(r["answer"].split()) for r in rows(300)}


def people(truth: dict[str, list[str]], item: Item) -> float:
    """What a person says: the words expected, in any order."""
    return float(sorted(item.answer.split()) == truth[item.inputs["question"]])


def label_all(folder: RunFolder, config, truth, rows: int | None = None) -> LabelSession:
    found = session(folder, config, rows)
    return found.all_said({item.answer_id: people(truth, item) for item in found.waiting})


# --- the verdict ------------------------------------------------------------------------------------------------------


def test_without_labels_a_good_judgement_is_provisional_and_says_how_many_are_missing(once):
    _, run = once
    assert (run.verdict.decision, run.exit_code) == ("meets", 1)
    assert run.verdict.provisional is not None
    assert "rests on the judge alone, with 0 of 100 human labels; 100 more are needed" in run.verdict.provisional
    assert run.verdict.headline.startswith("Provisional: ")
    assert run.verdict.headline.endswith(" meets the goal; 100 more human labels would confirm the judge.")
    assert run.verdict.counterfactuals == (
        "Human labels may move every figure here: the judge's scores are not corrected yet.",
    )
    assert run.verdict.reasons[0].claim.startswith("prompt rests on the judge alone, with 0 of 100 human labels")


@pytest.mark.slow
def test_a_judge_alone_never_shows_that_a_rung_falls_short(tmp_path):
    config = judged_world(tmp_path, model={"abilities": {"base": 0.2}})
    run = climb(config, tmp_path / "run")
    quality = run.results["prompt"].quality
    assert (quality.status, run.verdict.decision) == ("inconclusive", "inconclusive")
    assert quality.upper < 0.8
    assert run.verdict.headline.startswith("Provisional: the test examples do not settle it; ")


@pytest.mark.slow
def test_labels_turn_a_kind_judge_round_and_verify_recomputes_it(tmp_path, truth):
    """The judge passes half of what is wrong: it sees about 0.85, people about 0.7, the goal is 0.8."""
    config = judged_world(tmp_path, judge="kind", model={"abilities": {"base": 0.65}}, split={"test": 0.7, "dev": 0.15})
    first = climb(config, tmp_path / "run")
    assert first.results["prompt"].estimates["judge"].point > 0.78
    folder = RunFolder.open(tmp_path / "run")
    label_all(folder, config, truth)
    again = climb(config, tmp_path / "run")
    result = again.results["prompt"]
    assert again.verdict.provisional is None
    assert (result.quality.status, again.verdict.decision) == ("misses", "misses")
    assert result.estimates["judge"].point < 0.74 < result.estimates["judge:alone"].point
    assert result.estimates["judge"].method == "ppi, 100 labels"
    assert len(result.labels) == 100
    assert [c.differs for c in verify(folder) if c.differs] == []
    assert folder.read("spend.json")["by_role"]["judge"]["calls"] > 0


def test_labels_confirm_a_good_rung_and_the_exit_code_says_so(climbed, tmp_path, truth):
    label_all(RunFolder.open(tmp_path / "run"), climbed, truth)
    run = climb(climbed, tmp_path / "run")
    assert (run.verdict.decision, run.exit_code, run.verdict.provisional) == ("meets", 0, None)
    assert run.verdict.headline.startswith("No fine-tuning needed: ")


@pytest.mark.slow
def test_a_rung_measured_after_the_labels_waits_for_its_own_and_two_labelled_rungs_are_compared_by_them(
    tmp_path, truth
):
    config = judged_world(tmp_path, model={"abilities": {"base": 0.5, "examples": {3: 0.45}}}, ladder=TWO)
    folder_path = tmp_path / "run"
    climb(config, folder_path)
    folder = RunFolder.open(folder_path)
    label_all(folder, config, truth)
    run = climb(config, folder_path)
    assert set(run.results) == {"prompt", "fewshot"}
    assert run.results["prompt"].quality.status == "misses"
    assert run.verdict.provisional is None
    [pair] = folder.read("comparisons.json")
    assert pair["method"] == "prediction-powered t, 100 labelled examples"
    assert pair["p_value"] < 0.001
    assert [c.differs for c in verify(folder) if c.differs] == []


@pytest.mark.slow
def test_rows_that_nobody_could_tell_count_against_every_claim(climbed, tmp_path, truth):
    config = climbed
    folder = RunFolder.open(tmp_path / "run")
    found = session(folder, config, 120)
    said = {item.answer_id: people(truth, item) for item in found.items}
    found.all_said(said)
    sure = climb(config, tmp_path / "run").results["prompt"].quality
    session(folder, config, None).all_said({**said, **dict.fromkeys(list(said)[:20])})
    unsure = climb(config, tmp_path / "run").results["prompt"].quality
    assert unsure.lower < sure.lower - 0.1
    assert unsure.upper >= sure.upper
    session(folder, config, None).all_said({**said, **dict.fromkeys(list(said)[:21])})
    assert climb(config, tmp_path / "run").verdict.provisional is not None  # only 99 of 120 could be told


# --- the draw ---------------------------------------------------------------------------------------------------------


def outcome(row: str, group: str) -> Outcome:
    return Outcome(row, group, Answer("x"), {"judge": Score(1.0)})


def test_a_draw_is_random_whole_groups_and_a_larger_one_begins_with_the_smaller():
    made = [outcome(f"r{i}", f"g{i // 4}") for i in range(200)]
    small, large = drawn_rows(made, 50, 7), drawn_rows(made, 100, 7)
    assert len(small) == 52
    assert large[:52] == small
    assert drawn_rows(made[::-1], 50, 7) == small
    assert drawn_rows(made, 50, 8) != small
    groups = {row: o.group for row, o in zip([o.example_id for o in made], made, strict=True)}
    assert all(sum(groups[r] == g for r in small) == 4 for g in {groups[r] for r in small})


@pytest.mark.slow
def test_a_larger_draw_is_another_look_only_after_the_first_was_labelled(climbed, tmp_path, truth):
    config = climbed
    folder = RunFolder.open(tmp_path / "run")
    assert draw(folder, 7, 100).looks == (100,)
    assert draw(folder, 7, 110).looks == (110,)
    assert draw(folder, 7, None).looks == (110,)
    label_all(folder, config, truth)
    lower = climb(config, tmp_path / "run").results["prompt"].quality.lower
    made = draw(folder, 7, 111)
    assert made.looks == (110, 111)
    label_all(folder, config, truth)
    again = climb(config, tmp_path / "run").results["prompt"]
    assert again.quality.lower < lower  # half of alpha at each look
    assert again.estimates["judge"].method.endswith("111 labels, look 2")
    with pytest.raises(RungError, match="111 examples are drawn already, and a smaller draw could be chosen"):
        draw(folder, 7, 50)


@pytest.mark.slow
def test_a_test_part_of_fewer_rows_is_labelled_whole_and_decides(tmp_path, truth):
    config = judged_world(tmp_path, 120, task={"goal": 0.7, "tolerance": 0.1})
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    found = label_all(folder, config, {r["question"]: sorted(r["answer"].split()) for r in rows(120)})
    assert len(found.items) == 60
    run = climb(config, tmp_path / "run")
    assert run.verdict.provisional is None
    assert run.results["prompt"].estimates["judge"].method == "wilson, 60 labels"


# --- what people see --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    root = tmp_path_factory.mktemp("labels")
    config = judged_world(root, model={"abilities": {"base": 0.6, "examples": {3: 0.1}}}, ladder=TWO)
    climb(config, root / "run")
    return config, root / "run"


def test_equal_answers_of_two_rungs_are_asked_once_and_nothing_names_a_rung(measured):
    config, path = measured
    folder = RunFolder.open(path)
    found = session(folder, config, None)
    answers = {
        (o.example_id, o.answer.text) for rung in ("prompt", "fewshot") for o in folder.rung(rung).measured().outcomes
    }
    drawn = set(folder.labels.draw.need().rows)
    assert len(found.items) == len({a for a in answers if a[0] in drawn})
    assert 100 < len(found.items) < 200
    assert all(item.other is None for item in found.items)
    fields = {"answer_id", "example_id", "inputs", "answer", "other"}
    assert set(Item.__dataclass_fields__) == fields  # no rung, no judge, no score


def test_each_sitting_opens_the_test_part_once_and_says_what_was_shown(measured):
    config, path = measured
    folder = RunFolder.open(path)
    before = len(folder.events())
    session(folder, config, None)
    new = folder.events()[before:]
    assert [e["event"] for e in new] == ["test_opened", "test_labelled"]
    assert new[0]["why"] == "label answers: people see inputs and answers of 100 examples"
    assert new[1]["expected_shown"] is False


def test_teaching_shows_dev_answers_and_decides_nothing(measured):
    config, path = measured
    folder = RunFolder.open(path)
    found = teaching(folder, config, 10)
    dev = set(folder.read("parts/manifest.json")["dev"]["ids"])
    assert 0 < len(found.items) <= 10
    assert {item.example_id for item in found.items} <= dev
    found.said(found.items[0], 1.0)
    kept = human_labels_of(folder, folder.task)
    assert kept is not None
    assert kept.labels == ()
    assert folder.has("labels/dev.jsonl")


def run_keys(path: Path, keys: str, *options: str):
    return CliRunner().invoke(app, ["label", str(path), *options], input="".join(f"{k}\n" for k in keys))


def test_the_terminal_asks_one_key_an_answer_with_undo_skip_and_leaving(measured):
    _, path = measured
    shown = run_keys(path, "ynuxsq")
    assert shown.exit_code == 0  # typer's runner does not pass a verb's return value on
    assert "answers wait. The rubric:" in shown.output
    assert "Says what is expected." in shown.output
    assert "n fail, y pass, s cannot tell, u undo, q leave" in shown.output
    assert "taken back" in shown.output
    assert "'x' is no key here" in shown.output
    for word in ("prompt", "fewshot", "judge's", "verdict"):
        assert word not in shown.output.split("answers are labelled")[0]
    stored = RunFolder.open(path).load_rows("labels/labels.jsonl", Label)
    assert [label.value for label in stored] == [1.0, None]
    again = run_keys(path, "y")
    assert "3 of" in again.output
    assert "4 of" in again.output
    assert len(RunFolder.open(path).load_rows("labels/labels.jsonl", Label)) == 3


def test_json_tells_what_waits_and_asks_nothing(measured):
    _, path = measured
    told = json.loads(CliRunner().invoke(app, ["label", str(path), "--json"]).stdout)
    assert told["part"] == "test"
    assert told["answers"] - told["labelled"] == len(told["waiting"])


@pytest.mark.slow
def test_a_metric_that_compares_needs_no_labels(tmp_path):
    config = judged_world(tmp_path, task={"metrics": ["token_f1"]})
    climb(config, tmp_path / "run")
    with pytest.raises(RungError, match="the deciding metric 'token_f1' compares with the expected outputs"):
        session(RunFolder.open(tmp_path / "run"), config, None)


def test_a_comparison_shows_the_expected_answer_and_writes_that_down(tmp_path):
    config = judged_world(tmp_path, 200, judge="first", metric={"mode": "compare"})
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    found = session(folder, config, None)
    assert all(item.other for item in found.items)
    assert list(found.question.choices) == ["worse", "tie", "better"]
    assert folder.events()[-1]["expected_shown"] is True
    assert list(keys_of(found.question)) == ["1", "2", "3"]


# --- sheets -----------------------------------------------------------------------------------------------------------


def filled(path: Path, labels: list[str]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, said in zip(lines, labels, strict=False):
        line["label"] = said
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(reversed(lines[0])), delimiter=";")
        writer.writeheader()
        writer.writerows(reversed(lines))


def test_a_sheet_is_written_filled_sorted_otherwise_and_read_back(measured, tmp_path):
    config, path = measured
    sheet = tmp_path / "labels.csv"
    wrote = run_keys(path, "", "--csv", str(sheet))
    assert "fill the column label (fail, pass or skip)" in wrote.output
    found = session(RunFolder.open(path), config, None)
    keys = [item.answer_id for item in found.items]
    filled(sheet, ["Pass", " yes ", "FAIL", "0", "1", "skip", "'no", "", "?"])
    read = run_keys(path, "", "--csv", str(sheet))
    assert "Read " in read.output
    values = session(RunFolder.open(path), config, None).values
    assert [values.get(k, "none") for k in keys[:7]] == [1.0, 1.0, 0.0, 0.0, 1.0, None, 0.0]
    assert values[keys[8]] is None


def test_a_label_in_another_spelling_is_named_with_its_line_and_nothing_is_lost(measured, tmp_path):
    config, path = measured
    folder = RunFolder.open(path)
    before = session(folder, config, None).values
    for labels, message in (
        (
            ["pas"],
            r"line \d+, column 'label': 'pas' is no label; did you mean 'pass'\? Allowed: 'fail', 'pass', 'skip', or",
        ),
        (["maybe not sure"], r"'maybe not sure' is no label\. Allowed: 'fail', 'pass', 'skip', or nothing"),
    ):
        sheet = tmp_path / "other.csv"
        sheet.unlink(missing_ok=True)
        run_keys(path, "", "--csv", str(sheet))
        filled(sheet, labels)
        result = run_keys(path, "", "--csv", str(sheet))
        assert isinstance(result.exception, DataError)
        with pytest.raises(DataError, match=message):
            raise result.exception
    assert session(folder, config, None).values == before


def test_sheets_of_another_run_or_without_the_columns_are_refused(measured, tmp_path):
    _, path = measured
    for text, message in (
        ("answer_id,label\nabc,pass\n", "the answer_id 'abc' is none of this run's answers"),
        (
            "id,label\nabc,pass\n",
            r"has no column 'answer_id'; keep the columns that rung wrote \(found: 'id', 'label'\)",
        ),
        ("", r"has no column 'answer_id'"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        result = run_keys(path, "", "--csv", str(tmp_path / "bad.csv"))
        with pytest.raises(DataError, match=message):
            raise result.exception or AssertionError
    (tmp_path / "bad.csv").write_bytes(b"answer_id,label\nabc,p\xe4ss\n")
    result = run_keys(path, "", "--csv", str(tmp_path / "bad.csv"))
    with pytest.raises(DataError, match="is not UTF-8; save the sheet as CSV UTF-8"):
        raise result.exception or AssertionError


def test_spellings_of_two_choices_and_of_levels():
    two = spellings({"fail": 0.0, "pass": 1.0})
    assert (two["y"], two["no"], two["1"], two["0"], two["skip"]) == (1.0, 0.0, 1.0, 0.0, None)
    assert "2" not in two
    three = spellings({"Poor": 0.0, "fair": 0.5, "good": 1.0})
    assert (three["poor"], three["2"], three["good"]) == (0.0, 0.5, 1.0)
    assert "yes" not in three


def test_a_formula_in_an_answer_is_no_formula_in_the_sheet(measured, tmp_path):
    from rung.cli._label_sheet import write_sheet

    config, path = measured
    found = session(RunFolder.open(path), config, None)
    evil = replace(found, items=(replace(found.items[0], answer="=HYPERLINK(1)"),))
    write_sheet(tmp_path / "evil.csv", evil)
    assert "'=HYPERLINK(1)" in (tmp_path / "evil.csv").read_text(encoding="utf-8-sig")
