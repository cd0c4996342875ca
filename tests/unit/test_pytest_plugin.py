"""The pytest plugin: a test can hold a feature to the lower bound that was measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rung
from rung.errors import RungError
from tests.unit._run_folder import build

ROOT = Path(rung.__file__).parents[1]
SUITE = """
def test_holds(rung_run):
    run = rung_run("runs/routing")
    assert run.decision == "met"
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
    assert "<rung prompt: exact_match 0." in done.stdout
    assert ".lower" in done.stdout


def test_a_run_can_be_opened_without_pytest(folder):
    run = rung.open_run(folder / "runs" / "routing")
    assert [r.label for r in run.rungs] == ["baseline", "prompt", "fewshot"]
    first = run.rung("prompt")
    assert first.lower < first.estimate.mean < first.upper
    assert (first.status, first.good_enough, run.winner.label) == ("not_met", False, "fewshot")
    assert 0 < first.right_form < 1
    assert first.p95_latency_s > 0
    assert repr(run).startswith("<run ")
    assert "Yes, at the rung 'fewshot'" in repr(run)


def test_what_is_not_there_is_named(folder):
    with pytest.raises(RungError, match=r"no measured rung 'rag'; measured: baseline, prompt, fewshot"):
        rung.open_run(folder / "runs" / "routing").rung("rag")
    with pytest.raises(RungError, match="is not a run folder"):
        rung.open_run(folder)


def test_the_plugin_is_cheap_to_load():
    code = (
        "import sys, rung.testing.pytest_plugin; "
        "print(sorted({'numpy', 'pydantic', 'sklearn', 'aiohttp', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
