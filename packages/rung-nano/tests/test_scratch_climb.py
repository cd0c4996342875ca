"""Rung 5: the estimate that says why not, and a tiny model really made from nothing on the rows."""

from __future__ import annotations

import json

import pytest

from rung.config import parse_config
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._worlds import rows

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

TINY = {"width": 64, "layers": 2, "heads": 2, "vocabulary": 400, "context": 128, "epochs": 12, "threads": 1}


def experiment(root, scratch, n=240):
    root.mkdir(parents=True, exist_ok=True)
    made = rows(n, informative=True)
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    task = {
        "name": "routing", "kind": "classification", "instruction": "Route.", "inputs": ["text"], "target": "team",
        "metrics": ["normalized_match"], "goal": 0.99,
    }  # fmt: skip
    main = {"provider": "nano", "threads": 1, "max_tokens": 8, "usd_per_hour": 0.1}
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {"main": main},
        "ladder": [{"scratch": scratch}],
        "stop_early": False,
    }
    return parse_config(raw, root)


def test_it_explains_why_not(tmp_path):
    run = climb(experiment(tmp_path, {}), tmp_path / "run")
    skipped = RunFolder.open(run.folder).read("skipped.json")
    assert run.verdict.decision == "misses"
    assert "600 million parameters on 12 billion tokens" in skipped[0]["reason"]
    assert "Tune such a model instead" in skipped[0]["reason"]


def test_a_tiny_model_learns_the_rows_and_nothing_else(tmp_path):
    config = experiment(tmp_path, {"train": True, "recipe": TINY})
    planned = next(r for r in plan(config).rungs if r.rung == "scratch")
    assert planned.dev_calls > 0
    run = climb(config, tmp_path / "run")
    found = run.results["scratch"].estimates["normalized_match"]
    assert found.mean is not None
    assert found.mean > 0.6  # one in three by chance
    assert [c for c in verify(RunFolder.open(run.folder)) if not c.passed] == []
    fit = RunFolder.open(run.folder).read("rungs/scratch/fit.json")
    assert fit["tuning"]["base"] == "nothing"
    assert fit["candidate"]["learned"]["weights"]["form"] == "full"
    again = climb(config, run.folder)
    assert again.verdict == run.verdict
