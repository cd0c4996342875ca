"""`rung compare`: two runs on the same frozen test rows, row by row; other rows and other metrics are refused."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from rung import cli
from rung.decide.across import across
from rung.errors import IntegrityError, RungError
from rung.store.sealed import reveal
from tests.unit._run_folder import LADDER, Made, build


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    build(root / "a")
    better = (*LADDER[:2], Made("fewshot", 0.97, 0.0001, 0.4))
    build(root / "b", better)
    build(root / "other", sizes=(300, 60, 150))
    return root


def test_winners_are_compared_where_no_rung_is_named(runs):
    found = across(str(runs / "a"), str(runs / "b"))
    pair = found.comparison
    assert (pair.lower, pair.upper) == (f"{runs / 'a'}:fewshot", f"{runs / 'b'}:fewshot")
    assert (pair.n, pair.wins + pair.losses + pair.ties) == (200, 200)
    assert found.not_worse.shown
    assert found.spares == "cheaper"
    assert found.notes == ()


def test_any_two_rungs_of_one_run(runs):
    found = across(f"{runs / 'a'}:baseline", f"{runs / 'a'}:fewshot")
    assert (found.better, found.worse) == (True, False)
    back = across(f"{runs / 'a'}:fewshot", f"{runs / 'a'}:baseline")
    assert (back.better, back.worse, back.not_worse.shown) == (False, True, False)
    assert back.comparison.gain == pytest.approx(-found.comparison.gain)


def test_other_test_rows_are_refused(runs):
    with pytest.raises(IntegrityError, match="were measured on different test rows"):
        across(str(runs / "a"), str(runs / "other"))


def test_other_metrics_are_refused(runs, tmp_path):
    folder = build(tmp_path / "m")
    head = folder.read("run.json")
    head["task"]["metrics"] = [{"name": "token_f1", "settings": {}}]
    folder.write("run.json", head)
    with pytest.raises(IntegrityError, match="is judged by exact_match and .* by token_f1"):
        across(str(runs / "a"), str(tmp_path / "m"))


def test_an_unknown_rung_is_named(runs):
    with pytest.raises(RungError, match="has no measured rung 'rag'; measured: baseline, prompt, fewshot"):
        across(f"{runs / 'a'}:rag", str(runs / "b"))


def test_what_weakens_a_comparison_is_told(runs, tmp_path):
    folder = build(tmp_path / "c", (LADDER[0], replace(LADDER[1], ability=0.5, stopped_at=60), LADDER[2]))
    reveal(folder.path)
    found = across(str(runs / "a"), f"{tmp_path / 'c'}:prompt")
    assert found.comparison.n == 60
    name = f"{tmp_path / 'c'}:prompt"
    assert found.notes == (
        f"{name} stopped early: only the 60 rows that both visited are compared",
        f"the test rows of {name} were shown to people: what was made after that is not judged fairly",
    )


def test_the_verb_prints_a_line_for_each_question(runs, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["rung", "compare", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().out

    code, out = run(f"{runs / 'a'}:prompt", f"{runs / 'b'}:fewshot")
    assert code == 0
    assert "shown to be better" in out
    code, out = run(f"{runs / 'b'}:fewshot", f"{runs / 'a'}:prompt")
    assert (code, "not shown to be at most 0.02 worse" in out) == (1, True)
    code, out = run(f"{runs / 'a'}:fewshot", f"{runs / 'b'}:fewshot")
    assert "cost per 1,000 requests $0.58 -> $0.1" in out
    assert "; shown to be cheaper" in out
    code, out = run(f"{runs / 'a'}:prompt", f"{runs / 'b'}:fewshot", "--json")
    data = json.loads(out)
    assert (data["better"], data["test_opened"]) == (True, [3, 3])
    assert data["cheaper_or_faster"] == "cheaper"  # rows on which only the prompt timed out are left out
    assert data["cost_per_1k_usd"] == [pytest.approx(0.21), pytest.approx(0.1)]
