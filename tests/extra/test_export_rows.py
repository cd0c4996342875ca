"""Rows for elsewhere: what is written, that no test row is among it, and that the TRL script tunes without rung."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rung import cli
from rung.tuning.elsewhere import SERVICES, problems
from rung_nano import WEIGHTS
from tests.extra.test_keeping import MAIN, rows_of

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("trl", reason="needs rung[tune]")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    from rung.config import parse_config
    from rung.ladder import climb

    root = tmp_path_factory.mktemp("rows")
    task = {
        "name": "voice", "kind": "style", "instruction": "Reply to the customer.", "inputs": ["message"],
        "target": "reply", "metrics": ["lines"], "goal": 0.9,
    }  # fmt: skip
    recipe = {"search": False, "epochs": 1, "batch_rows": 8, "threads": 1}
    raw = {
        "task": task, "data": rows_of("brand-voice", root, 80), "split": {"test": 0.25, "dev": 0.25, "seed": 7},
        "models": {"main": MAIN}, "ladder": [{"finetune": {"tuner": {"lora": recipe}, "force": True}}],
    }  # fmt: skip
    run = climb(parse_config(raw, root), root / "run")
    sys.argv = ["rung", "export", str(run.folder), "--rung", "finetune", "--form", "rows", "--out", str(root / "out")]
    assert cli.run() == 0
    return run, root / "out"


def test_the_rows_are_taken_by_every_service_and_hold_no_test_row(written):
    run, out = written
    chats = (out / "chat-train.jsonl").read_text(encoding="utf-8")
    assert all(not list(problems(chats, service)) for service in SERVICES.values())
    tests = [json.loads(line) for line in (run.folder / "parts/test.jsonl").read_text(encoding="utf-8").splitlines()]
    text = "".join(p.read_text(encoding="utf-8") for p in out.iterdir())
    assert not [row["id"] for row in tests if json.dumps(row["inputs"]["message"], ensure_ascii=False) in text]
    assert len(chats.splitlines()) == 40
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["form"] == "adapter"
    assert recipe["stop_at"] <= recipe["steps"]
    assert "takes chat-train.jsonl" in (out / "README.md").read_text()


def test_the_script_tunes_without_rung(written):
    _, out = written
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = [
        sys.executable,
        "-I",
        str(out / "train_trl.py"),
        str(WEIGHTS / "nano-s"),
        "--out",
        str(out / "tuned"),
        "--stop-at",
        "2",
    ]
    done = subprocess.run(words, check=False, env=env, capture_output=True, text=True, timeout=300, cwd=out)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 steps; saved to" in done.stdout
    assert (out / "tuned/adapter_model.safetensors").is_file()
