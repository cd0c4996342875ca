"""Several runs: what lies in a folder, and one page over some of them; damaged, old and busy ones are said and passed over."""

import json
import sys

import pytest
from rich.console import Console

from rung import cli
from rung.errors import RungError
from rung.report.page import render_several, write_page
from rung.report.runs import RunLine, list_runs
from rung.report.several import KINDS, several
from rung.report.text import render_runs
from rung.store.folder import locked
from rung.store.run import RunFolder
from rung.types import Example
from tests.unit._run_folder import LADDER, Made, build
from tests.unit.test_report_page import Page

SMALL = (40, 20, 60)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    dev = tuple(Example(f"d{i}", {"subject": "s", "body": f"row {i}"}, "billing", f"d{i}") for i in range(40))
    better, worse = Made("fewshot", 0.99, 0.0001, 0.4), Made("fewshot", 0.6, 0.0001)
    build(root / "a", LADDER[1:], dev=dev, sizes=(40, 20, 200))
    build(root / "deep" / "b", (LADDER[1], better), dev=dev, sizes=(40, 20, 200))
    build(root / "c", (LADDER[1], worse), dev=dev, sizes=SMALL)
    write_page(RunFolder.open(root / "a"))
    for name, head in (("old", '{"schema": 1}'), ("new", '{"schema": 99}'), ("torn", '{"schema": ')):
        (root / name).mkdir()
        (root / name / "run.json").write_text(head)
    (root / "no run").mkdir()
    return root


def rung(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["rung", *map(str, words)])
    code = cli.run()
    return code, capsys.readouterr()


def test_a_folder_is_listed_and_what_cannot_be_read_is_said_in_its_line(runs):
    found = {line.place.removeprefix(f"{runs}/"): line for line in list_runs(runs)}
    assert list(found) == ["a", "c", "deep/b", "new", "old", "torn"]
    assert (found["a"].task, found["a"].goal, found["a"].date) == ("ticket-routing", "0.90", "2026-03-02")
    assert (found["deep/b"].verdict, found["deep/b"].best) == ("meets the goal", "few-shot")
    assert (found["deep/b"].score, found["deep/b"].cost) == ("1.00", "$0.100")
    assert found["c"].verdict == "inconclusive"
    assert [found[name].verdict for name in ("new", "old", "torn")] == ["newer version"] + ["cannot be read"] * 2
    assert "is damaged" in found["torn"].note
    assert "older rung" in found["old"].note


def test_a_run_that_is_being_written_says_so(tmp_path):
    folder = build(tmp_path / "r", LADDER[:1], sizes=SMALL)
    folder.write("run.json", {**folder.read("run.json"), "status": "running"})
    with locked(folder):
        assert list_runs(tmp_path)[0].verdict == "being written"
    (tmp_path / "r" / "verdict.json").unlink()
    assert list_runs(tmp_path)[0].verdict == "interrupted"


def test_what_holds_a_verdict_back_stands_beside_it(tmp_path):
    folder = build(tmp_path / "r", LADDER[:1], sizes=SMALL)
    folder.write("verdict.json", {**folder.read("verdict.json"), "exploratory": True})
    assert list_runs(tmp_path)[0].verdict.endswith(" (exploratory)")


def test_the_command_lists_prints_json_and_says_where_nothing_lies(runs, tmp_path, monkeypatch, capsys):
    code, seen = rung(monkeypatch, capsys, "runs", runs, "--json")
    assert code == 0
    assert [run["verdict"] for run in json.loads(seen.out)][:2] == ["meets the goal", "inconclusive"]
    code, seen = rung(monkeypatch, capsys, "runs", tmp_path)
    assert (code, seen.out) == (0, f"No runs in {tmp_path}. One is made by: rung climb\n")
    code, seen = rung(monkeypatch, capsys, "runs", tmp_path / "none")
    assert code == 2
    assert "is no folder; name one that holds runs" in seen.err


def test_a_verdict_stands_whole_in_a_narrow_terminal_and_spare_columns_go(capsys):
    found = [
        RunLine(f"runs/tickets-generations/{n}", "t", "0.90", "meets the goal", "baseline", "0.94") for n in (2, 3)
    ]
    for width, spare in ((70, ["best"]), (58, []), (120, ["best", "$/1k req", "date"])):
        render_runs(found, Console(width=width))
        head, *lines = capsys.readouterr().out.splitlines()
        assert [name for name in ("best", "$/1k req", "date") if name in head] == spare
        assert [line.split("  ")[:3] for line in lines] == [[run.place, "0.90", "meets the goal"] for run in found]


def test_one_page_pairs_what_shares_a_test_set_and_goes_on_past_the_rest(runs):
    names = [runs / "a", runs / "deep" / "b", runs / "c", runs / "torn"]
    found = several(names, runs / "comparison.html")
    assert [run.line.verdict for run in found.runs][-1] == "cannot be read"
    assert [run.page for run in found.runs] == ["a/report.html", None, None, None]
    better, other, torn = found.pairs
    assert (better.second, better.word) == ("b", "significantly better")
    assert better.found.comparison.p_adjusted == better.found.comparison.p_value < 0.05
    assert other.why_not.startswith("the test sets differ (200 examples there, 60 here)")
    assert torn.why_not == "torn cannot be read"
    said = Page(render_several(found)).said
    assert "200 examples, read 2 times" in said
    assert "significantly better" in said
    assert "is damaged" in said


def test_several_pairs_are_corrected_together(runs, tmp_path):
    for name in ("x", "y"):
        build(tmp_path / name, (LADDER[1], Made("fewshot", 0.93, 0.0001, 0.4)), sizes=(40, 20, 200))
    one = several([runs / "a", tmp_path / "x"], tmp_path / "p").pairs[0]
    two = several([runs / "a", tmp_path / "x", tmp_path / "y"], tmp_path / "p").pairs
    assert [pair.found.comparison.p_adjusted for pair in two] == [min(1.0, 2 * one.found.comparison.p_value)] * 2


def test_the_grid_tells_regressed_failing_and_differing_dev_examples_apart(runs):
    found = several([runs / "a", runs / "c"], runs / "comparison.html")
    marks = [(row.kind, *(cell.mark == "right" for cell in row.cells)) for row in found.grid.rows]
    told = {"regressed": (True, False), "differs": (False, True), "wrong": (False, False), "right": (True, True)}
    assert all(told[kind] == tuple(right) for kind, *right in marks)
    assert [kind for kind, *_ in marks] == sorted((k for k, *_ in marks), key=list(KINDS).index)
    assert found.grid.total == 40 == sum(found.grid.counts.values())
    back = several([runs / "c", runs / "a"], runs / "comparison.html").grid
    assert back.counts["differs"] == found.grid.counts["regressed"] > 3
    assert back.counts["regressed"] == found.grid.counts["differs"]
    page = Page(render_several(found))
    assert len(page.ids) == len(set(page.ids))
    assert "a/report.html#row-dev-d" in "".join(link for link in page.links)
    assert page.tags.count("script") == 1


def test_equal_ids_of_other_rows_are_no_shared_example(runs, tmp_path):
    dev = tuple(Example(f"d{i}", {"subject": "s", "body": f"other {i}"}, "billing", f"d{i}") for i in range(20))
    build(tmp_path / "x", LADDER[:2], dev=dev, sizes=SMALL)
    assert several([runs / "a", tmp_path / "x"], tmp_path / "p").grid is None


def test_the_command_writes_beside_the_first_and_refuses_what_makes_no_sense(runs, monkeypatch, capsys):
    code, seen = rung(monkeypatch, capsys, "report", runs / "a", runs / "c")
    assert (code, seen.out) == (0, f"Report: {runs / 'comparison.html'}\n")
    assert "2 runs compared" in (runs / "comparison.html").read_text("utf-8")
    code, seen = rung(monkeypatch, capsys, "report", runs / "a", runs / "c", "--json")
    data = json.loads(seen.out)
    assert [run["name"] for run in data["runs"]] == ["a", "c"]
    assert data["pairs"][0]["difference"] == "not compared"
    code, seen = rung(monkeypatch, capsys, "report", runs / "a", runs / "c", "--format", "csv")
    assert (code, "several runs are written as html or json" in seen.err) == (2, True)
    code, seen = rung(monkeypatch, capsys, "report", runs / "a", runs / "c", "--reveal-test")
    assert (code, "are for one run folder" in seen.err) == (2, True)
    assert not RunFolder.open(runs / "a").revealed


def test_a_run_beside_itself_is_refused(runs):
    with pytest.raises(RungError, match="name two or more different run folders"):
        several([runs / "a", runs / "a"], runs / "p")


def test_no_test_example_is_read(runs):
    before = RunFolder.open(runs / "a").events()
    several([runs / "a", runs / "c"], runs / "p")
    list_runs(runs)
    assert RunFolder.open(runs / "a").events() == before
