"""`objective: frontier`: all that trains nothing is measured, the first that meets the goal stays the verdict, and the Pareto set is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rung.decide.compare import pairs_planned
from rung.decide.frontier import compared, frontier_lines, pareto
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.ladder import climb
from rung.report.data import as_data
from rung.report.junit import render_junit
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.summary import summary
from rung.stats.paired import holm
from rung.store.run import RunFolder
from tests.unit._results import result, share, task
from tests.unit._worlds import world

LADDER = ["baseline", {"prompt": {"rewrites": False}}, {"fewshot": {"k": [2]}}, {"finetune": {"model": "small"}}]


def config_of(root, **changes):
    about = {"objective": "frontier", "goal": 0.8, **changes.pop("task", {})}
    small = {"provider": "local", "name": "none", "usd_per_hour": 1.0}
    return world(
        root, model={"abilities": {"base": 0.9, "examples": {2: 0.06}}}, task=about, ladder=LADDER[: changes.pop("steps", 3)],
        models={"small": small} if changes.pop("small", False) else {}, **changes,
    )  # fmt: skip


def test_all_that_trains_nothing_is_measured_and_the_first_stays_the_verdict(tmp_path):
    first = climb(config_of(tmp_path / "other", task={"objective": "good_enough"}), tmp_path / "first")
    found = climb(config_of(tmp_path), tmp_path / "run")
    assert list(first.results) == ["baseline", "prompt"]
    assert list(found.results) == ["baseline", "prompt", "fewshot"]
    assert (found.verdict.winner, found.verdict.headline) == (first.verdict.winner, first.verdict.headline)
    assert all(r.stopped_early_at is None for r in found.results.values())
    assert sum(r.level for r in found.results.values()) <= 0.05 + 1e-12
    folder = RunFolder.open(tmp_path / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    report = load_report(folder)
    lines = summary(report).frontier
    assert [line.split(":")[0] for line in lines] == ["baseline", "prompt", "few-shot"]
    assert lines[0].endswith("at $0 per 1,000 requests, Pareto-optimal.")
    assert "against baseline (95 % CI +" in lines[1]
    assert all(e.resolves for e in report.evidence.values())
    assert lines[1].replace("&", "&amp;") in render_page(report).replace("&#43;", "+")
    assert "Pareto-optimal" in render_markdown(folder)
    assert 'name="Pareto-optimal" value="baseline, prompt' in render_junit(folder)
    assert set(as_data(folder)["economics"]["efficient"]) >= {"baseline", "prompt"}


def test_what_trains_is_not_measured_for_the_frontier(tmp_path):
    found = climb(config_of(tmp_path, steps=4, small=True), tmp_path / "run")
    assert "finetune@small" not in found.results
    assert "prompt is good enough" in str(RunFolder.open(tmp_path / "run").skipped.need()[-1].reason)


def test_plan_tells_what_the_frontier_costs_beyond_the_first(tmp_path):
    told = plan(config_of(tmp_path))
    assert told.beyond == ("prompt", "fewshot")
    assert told.beyond_usd == pytest.approx(sum(r.usd for r in told.rungs if r.rung in told.beyond))
    assert 0 < told.beyond_usd < told.usd
    assert plan(config_of(tmp_path, task={"objective": "good_enough"})).beyond == ()


# --- the frontier itself


def of(right, usd, shift=0):
    return result(share(right, 200, shift=shift), task(), usd=usd)


def test_pairs_run_along_the_frontier_and_the_beaten_meet_what_beats_them():
    t = task(objective="frontier")
    results = {
        "dear": of(190, 0.009),
        "cheap": of(120, 0.001),
        "beaten": of(150, 0.006, 3),
        "middle": of(160, 0.004),
        "unknown": of(100, None),
    }
    assert pareto(t, results) == ("cheap", "middle", "dear")
    pairs = compared(t, results, 6, 7)
    assert {(c.lower, c.upper) for c in pairs} == {
        ("cheap", "middle"),
        ("middle", "dear"),
        ("middle", "beaten"),
        ("dear", "unknown"),
    }
    assert pairs_planned(t, 6) == 15
    raw = [c.p_value for c in pairs]
    assert [c.p_adjusted for c in pairs] == pytest.approx(holm(raw, 15))
    said = dict(frontier_lines(t, results, pairs))
    assert list(said) == ["cheap", "middle", "dear", "beaten", "unknown"]
    assert (
        said["beaten"].startswith("beaten: 0.75 at $0.006 per 1,000 requests, beaten; ")
        or "beaten; -0.050 against middle" in said["beaten"]
    )
    assert "at unknown per 1,000 requests, so its place is unknown; " in said["unknown"]
    assert list(frontier_lines(task(), results, pairs)) == []


def test_without_a_known_cost_neighbours_are_compared():
    t = task(objective="frontier")
    pairs = compared(t, {"a": of(120, None), "b": of(150, None)}, 2, 7)
    assert [(c.lower, c.upper) for c in pairs] == [("a", "b")]


def test_beside_what_runs_now_all_are_compared_with_that():
    t = replace(task(objective="frontier"), as_good_as="b")
    pairs = compared(t, {"b": of(150, 0.002), "a": of(120, 0.001), "c": of(160, 0.004)}, 3, 7)
    assert [(c.lower, c.upper) for c in pairs] == [("b", "a"), ("b", "c")]


def test_the_command_says_what_the_others_add(tmp_path, monkeypatch, capsys):
    import sys

    from rung import cli

    config = config_of(tmp_path)
    plain = config.model_dump(mode="json", exclude={"root"})
    (tmp_path / "rung.yaml").write_text(json.dumps({k: v for k, v in plain.items() if v is not None}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rung", "plan"])
    assert cli.run() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "for the frontier all that trains nothing is measured: where the first meets the goal, the others add at most about $"
        in said
    )
