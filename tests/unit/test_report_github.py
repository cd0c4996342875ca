"""The comment on a pull request: verdict, table, what must hold, and the paired difference to another run, or why there is none."""

from __future__ import annotations

import re
import sys

import pytest

from rung import cli
from rung.decide.across import across
from rung.engine.sides import side
from rung.report.claims import claims
from rung.report.forms import Format, rendered
from rung.report.github import marker, render_github
from rung.report.junit import render_junit
from rung.report.load import load_report
from rung.store.run import RunFolder
from rung.usual_names import shown_name
from tests.unit._run_folder import LADDER, Made, build


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("github")
    build(root / "main")
    build(root / "better", (*LADDER[:2], Made("fewshot", 0.99, 0.0001, 0.4)))
    build(root / "other", sizes=(300, 60, 150))
    return root


def comment(runs, name, baseline=None):
    return render_github(RunFolder.open(runs / name), RunFolder.open(runs / baseline) if baseline else None)


def test_it_says_the_verdict_each_approach_and_what_must_hold(runs):
    text = comment(runs, "main")
    report = load_report(RunFolder.open(runs / "main"), rows=False)
    assert text.splitlines()[0] == marker(report.task.name)
    assert "Against the baseline" not in text
    for rung in report.rungs:
        assert re.search(rf"^\| \*{{0,2}}{shown_name(rung.label)}\*{{0,2}} \|", text, re.MULTILINE), rung.label
    assert len(re.findall(r"^\| meets the goal \| .*goal 0\.\d+ \| yes \|$", text, re.MULTILINE)) == 1
    assert "<details>" in text
    assert re.search(r"; openings of the test set: \d+; ", text)


def test_the_difference_to_the_baseline_is_paired_and_says_what_is_shown(runs):
    text = comment(runs, "better", "main")
    said = re.search(r"Against the baseline:\*\* (.*)", text)[1]
    assert "fewshot against fewshot of the baseline: +0." in said.replace("\\", "")
    assert "200 test examples" in said
    for now, before in (("better", "main"), ("main", "better")):
        word = across(side(str(runs / before)), side(str(runs / now))).word
        assert re.search(rf"Against the baseline:.*; p [<=\\]*.*\\?\), {word}[;.]", comment(runs, now, before)), word
    assert str(runs) not in text


def test_where_it_cannot_be_paired_it_says_why_and_names_no_folder(runs, tmp_path):
    text = comment(runs, "main", "other")
    assert "not compared, the test sets differ (150 examples there, 200 here)" in text
    folder = build(tmp_path / "metric")
    head = folder.read("run.json")
    head["task"]["metrics"] = [{"name": "token_f1", "settings": {}}]
    folder.write("run.json", head)
    text = render_github(RunFolder.open(runs / "main"), RunFolder.open(tmp_path / "metric"))
    assert r"not compared, it is judged by token\_f1, this run by normalized\_match" in text
    empty = build(tmp_path / "empty")
    for label in empty.measured:
        empty.rung(label).result.forget()
    text = render_github(RunFolder.open(runs / "main"), RunFolder.open(tmp_path / "empty"))
    assert "not compared, the baseline has no measured approach yet" in text
    assert str(tmp_path) not in text


def test_junit_has_the_same_claims(runs):
    folder = RunFolder.open(runs / "main")
    names = re.findall(r'<testcase [^>]*name="([^"]+)"', render_junit(folder))
    assert names == [c.name for c in claims(load_report(folder, rows=False))]


def test_the_command_writes_it_and_md_is_markdown(runs, tmp_path, capsys, monkeypatch):
    out = tmp_path / "comment.md"
    words = [
        "rung",
        "report",
        str(runs / "better"),
        "--format",
        "github",
        "--baseline",
        str(runs / "main"),
        "--output",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", words)
    assert cli.run() == 0
    assert out.read_text() == comment(runs, "better", "main")
    monkeypatch.setattr(sys, "argv", ["rung", "report", str(runs / "main"), "--format", "md"])
    capsys.readouterr()
    assert cli.run() == 0
    assert capsys.readouterr().out == rendered(RunFolder.open(runs / "main"), Format.markdown)
    monkeypatch.setattr(
        sys, "argv", ["rung", "report", str(runs / "main"), "--format", "md", "--baseline", str(runs / "main")]
    )
    assert cli.run() == 2
    assert "--baseline is for `--format github`" in capsys.readouterr().err
