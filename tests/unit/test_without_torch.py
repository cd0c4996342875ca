"""Tuning where its packages are not installed: one paragraph with the pip line, everything below kept, the climb ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rung.store.run import RunFolder
from tests.unit._worlds import IMPOSSIBLE, world

pytestmark = pytest.mark.slow  # a process of its own each time, with packages hidden from its imports

WITHOUT = """
import sys
from importlib.machinery import PathFinder
HIDDEN, real = sys.argv[1].split(","), PathFinder.find_spec
def find_spec(cls, name, path=None, target=None):
    return None if name.split(".")[0] in HIDDEN else real(name, path, target)
PathFinder.find_spec = classmethod(find_spec)
sys.argv[0:2] = ["rung"]
from rung.cli import main
main()
"""
HEAVY = "torch,peft,transformers,trl,accelerate,safetensors,tokenizers"
SMALL = {"small": {"provider": "nano", "name": "nano-s"}}


def rung(root: Path, hidden: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WITHOUT, hidden, *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def written(root: Path, ladder: list[object]) -> None:
    config = world(root, 500, model=IMPOSSIBLE, models=SMALL, ladder=ladder, task={"goal": 0.9})
    (root / "rung.yaml").write_text(json.dumps(config.model_dump(mode="json", exclude={"root"})))


@pytest.mark.parametrize(("force", "after"), [(False, []), (True, ["fewshot"])])
def test_without_torch_the_rung_is_skipped_and_the_climb_goes_on(tmp_path, force, after):
    written(tmp_path, ["baseline", "prompt", {"finetune": {"model": "small", "force": force}}, *after])
    done = rung(tmp_path, HEAVY, "climb", "--folder", "run")
    assert done.returncode == 1, done.stderr  # nothing is good enough: an answer like any other
    assert "Traceback" not in done.stderr
    folder = RunFolder.open(tmp_path / "run")
    verdict = folder.read("verdict.json")
    [skipped] = [r for r in verdict["reasons"] if r["claim"] == "fine-tuning@small was not run"]
    assert skipped["rule"].startswith("models.small cannot be tuned here: rung.models.local_engine needs the package '")
    assert skipped["rule"].endswith("which is not installed: pip install 'rung[local]'")
    assert "\n" not in skipped["rule"]
    for label in ("baseline", "prompt", *after):
        assert folder.has(f"rungs/{label}/result.json")
    assert folder.read("spend.json")["by_role"]["small"]["calls"] == 0


def test_a_model_that_a_prompt_asks_too_is_missed_before_the_first_answer(tmp_path):
    written(tmp_path, ["prompt", {"prompt": {"model": "small"}}, {"finetune": {"model": "small"}}])
    done = rung(tmp_path, HEAVY, "climb", "--folder", "run")
    assert done.returncode == 2
    assert "which is not installed: pip install 'rung[local]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "rungs").exists()


def test_without_peft_alone_the_tuning_packages_are_named(tmp_path):
    pytest.importorskip("torch", reason="needs rung[local]")
    written(tmp_path, ["prompt", {"finetune": {"model": "small"}}])
    done = rung(tmp_path, "peft", "climb", "--folder", "run")
    assert done.returncode == 1, done.stderr
    [skipped] = [r for r in RunFolder.open(tmp_path / "run").read("verdict.json")["reasons"] if "not run" in r["claim"]]
    assert "needs the package 'peft', which is not installed: pip install 'rung[tune]'" in skipped["rule"]
