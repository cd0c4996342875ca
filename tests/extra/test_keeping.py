"""A recipe that forgets badly is found out on the bundled model, and a remedy brings it back. Real tuning, real answers."""

from __future__ import annotations

import pytest

from rung.config import parse_config
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.types import Fitted
from rung_nano import EXAMPLES
from tests.tiers import NIGHTLY

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

MAIN = {"provider": "nano", "threads": 1, "max_tokens": 72, "usd_per_hour": 0.1}


def rows_of(example, root, count):
    root.mkdir(parents=True, exist_ok=True)
    lines = (EXAMPLES / example / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    (root / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"path": "rows.jsonl", "id": "id"}


def notes(root):
    """Climb the order notes, at which the model is good once it is told the form."""
    task = {
        "name": "notes", "kind": "extraction", "instruction": "Note the facts of the message.", "inputs": ["message"],
        "target": "record", "metrics": ["json_fields"], "goal": 0.8,
    }  # fmt: skip
    raw = {"task": task, "data": rows_of("order-notes", root, 240), "models": {"main": MAIN}, "ladder": ["prompt"]}
    return climb(parse_config(raw, root), root / "run")


def voice(root, kept, recipe):
    task = {
        "name": "voice", "kind": "style", "instruction": "Reply to the customer.", "inputs": ["message"],
        "target": "reply", "metrics": ["lines"], "goal": 0.9, "min_gain": 0.05, "tolerance": 0.05,
    }  # fmt: skip
    raw = {
        "task": task, "data": rows_of("brand-voice", root, 160), "split": {"test": 0.25, "dev": 0.25, "seed": 7},
        "models": {"main": MAIN}, "regression_tasks": [str(kept)], "general_abilities": False,
        "ladder": ["baseline", {"finetune": {"tuner": {"lora": recipe}, "force": True}}],
    }  # fmt: skip
    return climb(parse_config(raw, root), root / "run")


@pytest.mark.skipif(not NIGHTLY, reason="four CPU-minutes of tuning: `make nightly`")
def test_a_recipe_that_forgets_is_found_out_and_mended(tmp_path):
    other = notes(tmp_path / "notes")
    assert other.verdict.winner == "prompt"
    harsh = {"search": False, "epochs": 4, "batch_rows": 8, "threads": 1, "rank": 32, "learning_rate": 0.02}
    run = voice(tmp_path / "voice", other.folder, harsh)
    fitted = RunFolder.open(run.folder).load("rungs/finetune/fit.json", Fitted)
    assert fitted.tuning is not None
    as_tuned, *others = fitted.tuning.remedies
    before_after = {k.name: (k.before.mean, k.after.mean, k.status) for k in as_tuned.forgetting.kept}
    assert before_after["task notes"][0] > 0.8
    assert as_tuned.forgetting.vetoed, before_after
    assert others, "remedies were tried"
    assert fitted.tuning.forgetting is not None
    best = next(r for r in fitted.tuning.remedies if r.chosen)
    losses = [r.forgetting.worst_change for r in fitted.tuning.remedies]
    assert max(losses) > min(losses) + 0.1  # what was done against it keeps more
    assert fitted.tuning.forgetting.vetoed == bool(fitted.candidate.forgets)
    if best is not as_tuned:  # only what is shown to be kept takes the place of the weights as tuned
        assert best.forgetting.shows_kept(k.name for k in as_tuned.forgetting.forgotten if not k.general)
