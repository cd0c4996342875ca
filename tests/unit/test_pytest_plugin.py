"""The pytest plugin: a test can hold a feature to the lower bound that was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rung
from rung.config import parse_config
from rung.engine.verify import verify
from rung.errors import RungError
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.testing import pytest_plugin
from tests.unit._run_folder import build
from tests.unit._worlds import rows

ROOT = Path(rung.__file__).parents[1]
SUITE = """
def test_holds(rung_run):
    run = rung_run("runs/routing")
    assert run.decision == "meets"
    assert run.winner.lower >= 0.88
    assert run.rung("fewshot").good_enough
    assert run.rung("fewshot").cost_per_1k_usd < 1.0

def test_fails(rung_run):
    assert rung_run("runs/routing").rung("prompt").lower >= 0.9
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("suite")
    build(root / "runs" / "routing")
    return root


@pytest.mark.slow
def test_a_failing_bound_says_what_was_measured(folder):
    (folder / "test_feature.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:rung",
        "-p",
        "rung.testing.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout
    assert "<rung prompt: normalized_match 0." in done.stdout
    assert ".lower" in done.stdout


def test_a_run_can_be_opened_without_pytest(folder):
    run = rung.open_run(folder / "runs" / "routing")
    assert [r.label for r in run.rungs] == ["baseline", "prompt", "fewshot"]
    first = run.rung("prompt")
    assert first.lower < first.estimate.mean < first.upper
    assert (first.status, first.good_enough, run.winner.label) == ("misses", False, "fewshot")
    assert 0 < first.right_form < 1
    assert first.p95_latency_s > 0
    assert repr(run).startswith("<run ")
    assert "No fine-tuning needed: " in repr(run)


def test_what_is_not_there_is_named(folder):
    with pytest.raises(RungError, match=r"no measured approach 'rag'; measured: baseline, prompt, fewshot"):
        rung.open_run(folder / "runs" / "routing").rung("rag")
    with pytest.raises(RungError, match="is not a run folder"):
        rung.open_run(folder)


@pytest.mark.slow
def test_the_plugin_is_cheap_to_load():
    code = (
        "import sys, rung.testing.pytest_plugin; "
        "print(sorted({'numpy', 'pydantic', 'sklearn', 'aiohttp', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


FEATURE = """
from pathlib import Path

KNOWN = %r
HERE = Path(__file__).parent


def answer(text):
    with (HERE / "calls.txt").open("a") as log:
        log.write("x")
    return KNOWN[text] if (HERE / "mode.txt").read_text() == "well" else "no idea"
"""


@pytest.mark.slow
def test_a_run_is_asked_again_and_what_was_measured_stays(tmp_path):
    """The feature changes behind its address: read again it is as good as ever, asked again it is not."""
    made = rows(240)
    (tmp_path / "feature.py").write_text(FEATURE % {r["text"]: r["team"] for r in made})
    (tmp_path / "mode.txt").write_text("well")
    model = {"provider": "python", "function": "feature.py:answer", "concurrency": 4}
    raw = {
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "team", "goal": 0.9,
                 "metrics": ["normalized_match"], "kind": "classification"},
        "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15}, "models": {"main": model}, "ladder": ["prompt"],
    }  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    verdict, tests = run.verdict, len(run.results["prompt"].outcomes)

    def calls():
        return len((tmp_path / "calls.txt").read_text())

    asked = calls()
    same = rung.open_run(tmp_path / "run", fresh=True)
    assert same.winner.result.quality == rung.open_run(tmp_path / "run").winner.result.quality
    assert calls() == asked + tests
    (tmp_path / "mode.txt").write_text("badly")
    assert rung.open_run(tmp_path / "run").winner.lower > 0.9
    assert rung.open_run(tmp_path / "run", fresh="prompt").winner.upper < 0.1
    assert calls() == asked + 2 * tests
    folder = RunFolder.open(tmp_path / "run")
    assert [e["why"] for e in folder.events() if e["event"] == "test_opened"][-2:] == ["ask prompt again"] * 2
    assert folder.verdict.need() == verdict
    assert all(c.passed for c in verify(folder))
    with pytest.raises(RungError, match="'fewshot' was not asked again; asked: prompt"):
        same.rung("fewshot")
    with pytest.raises(RungError, match="no measured approach 'rag'"):
        rung.open_run(tmp_path / "run", fresh="rag")


def test_the_fixture_asks_once_a_session(monkeypatch, pytestconfig):
    opened = []
    monkeypatch.setattr(rung, "open_run", lambda place, fresh=False: opened.append((place.name, fresh)) or len(opened))
    run = pytest_plugin.rung_run.__wrapped__(pytestconfig)
    assert [run("a", fresh=True), run("a", fresh=True), run("a"), run("a", fresh=["x"]), run("b", fresh="x")] == [
        1,
        1,
        2,
        3,
        4,
    ]
    assert opened == [("a", True), ("a", False), ("a", ("x",)), ("b", ("x",))]
