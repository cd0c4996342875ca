"""The rung finetune in a whole climb: tuned, measured, resumed, verified, refused when tampered with."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rung import cli
from rung.cli import export as verb
from rung.config import parse_config
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import IntegrityError, RungError
from rung.ladder import climb
from rung.report.forms import Format, rendered
from rung.store.project import FOLDER as PROJECT
from rung.store.run import RunFolder
from rung.store.tuned import folder_hash
from rung_nano import EXAMPLES, WEIGHTS

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")
merging = pytest.importorskip("rung.tuners.merge", reason="needs rung[tune]")

EXAMPLE = EXAMPLES / "brand-voice"
AS_IS = {"prompt": {"rewrites": False}}
QUICK = {"search": False, "epochs": 3, "batch_rows": 8, "threads": 1}


def experiment(root: Path, rows: int = 120, **changes):
    root.mkdir(parents=True, exist_ok=True)
    lines = (EXAMPLE / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:rows]
    (root / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {
        "task": {
            "name": "voice", "kind": "style", "instruction": "Reply to the customer.", "inputs": ["message"],
            "target": "reply", "metrics": ["lines"], "goal": 0.9, **changes.pop("task", {}),
        },
        "data": {"path": "rows.jsonl", "id": "id"},
        "split": {"test": 0.3, "dev": 0.2, "seed": 7},
        "models": {"main": {"provider": "nano", "threads": 1, "max_tokens": 60, "usd_per_hour": 0.1}},
        "ladder": ["baseline", {"finetune": {"tuner": {"lora": QUICK}, "force": True}}],
        "general_abilities": False,  # asked before and after every tuning: most of a small climb's time
        **changes,
    }  # fmt: skip
    return parse_config(settings, root)


def tuned_again(*_):
    raise AssertionError("weights that lie in the project were tuned again")


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """What `rung climb --dev --json` says, and again when it may not tune; and what lay in the project then."""
    root = tmp_path_factory.mktemp("tuned")
    config = experiment(root)
    raw = config.model_dump(mode="json", exclude={"root"}, exclude_unset=True)
    (root / "rung.yaml").write_text(json.dumps(raw), encoding="utf-8")
    looks, printed = [], io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["rung", "climb", str(root / "rung.yaml"), "--dev", "--json"])
        for _ in range(2):
            with contextlib.redirect_stdout(printed):
                assert cli.run() == 0
            looks.append(json.loads(printed.getvalue()))
            printed.seek(0), printed.truncate()
            patch.setattr("rung.tuning.workspace.RunTuningSpace.start", tuned_again)
    return config, looks, {p.name for p in root.iterdir()}


@pytest.fixture(scope="module")
def climbed(looked):
    """A climb after the looks, which takes their weights over."""
    config, _, _ = looked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rung.tuning.workspace.RunTuningSpace.start", tuned_again)
        return config, climb(config, config.root / "run")


def test_a_look_on_dev_tunes_once_keeps_what_it_paid_for_and_opens_no_test_set(looked):
    _, (first, again), there = looked
    assert (first["set"], first["examples"], first["stopped"]) == ("dev", 24, None)
    assert "finetune" in [a["approach"] for a in first["approaches"]]
    assert first["note"].endswith("a run on the same examples takes them over.")
    assert there == {"rows.jsonl", "rung.yaml", PROJECT}  # no run folder, no register of test sets
    assert (again["usd"], again["taken"] > 0) == (0.0, True)
    assert first["usd"] > 0
    assert [a["estimate"] for a in again["approaches"]] == [a["estimate"] for a in first["approaches"]]


def test_a_tuned_model_is_measured_like_any_other_and_says_how_it_came_about(climbed):
    _, run = climbed
    result = run.results["finetune"]
    assert result.estimates["lines"].mean > 0.6  # the base alone, given the bare row, is right on hardly a line
    assert result.cost_per_1k_usd is not None
    fit = RunFolder.open(run.folder).read("rungs/finetune/fit.json")
    assert fit["candidate"]["learned"]["weights"]["form"] == "adapter"
    assert fit["candidate"]["learned"]["forced"] == [
        "60 training examples are below the minimum of 500 for style, where tuning is likely to overfit; few-shot needs a "
        "handful of examples and costs nothing to change"
    ]
    tuning = fit["tuning"]
    assert [p["rows"] for p in tuning["curve"]] == [15, 30, 60]
    assert tuning["forecast"]
    assert tuning["prompt_tokens"] < 50
    assert all(c["passed"] for c in tuning["preflight"]["checks"])
    assert {t["prompt"] for t in tuning["trials"]} == {"short", "whole"}


def test_force_never_wins_and_the_reasons_say_so(climbed):
    _, run = climbed
    assert run.verdict.winner is None
    told = [r.claim for r in run.verdict.reasons if "by force" in r.claim]
    assert told[0].startswith(
        "fine-tuning ran by force and cannot win: 60 training examples are below the minimum of 500"
    )


def test_every_number_of_a_tuned_climb_can_be_recomputed(climbed):
    _, run = climbed
    assert [c for c in verify(RunFolder.open(run.folder)) if not c.passed] == []


def test_the_run_folder_holds_no_pickle_and_no_path_of_this_machine(climbed):
    _, run = climbed
    files = [p for p in (run.folder / "tuned").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert not any(str(WEIGHTS) in p.read_text() for p in files if p.suffix == ".json")
    assert not list((run.folder / "tuned").glob("*/state"))


def test_the_same_command_tunes_nothing_again(climbed, monkeypatch):
    config, run = climbed
    monkeypatch.setattr("rung.tuning.workspace.RunTuningSpace.start", lambda *_: pytest.fail("tuned again"))
    before = RunFolder.open(run.folder).read("spend.json")["calls"]
    again = climb(config, run.folder)
    assert again.verdict == run.verdict
    assert RunFolder.open(run.folder).read("spend.json")["calls"] == before


def small(root: Path):
    """An experiment that is tuned in a moment."""
    return experiment(root, 60, ladder=[{"finetune": {"tuner": {"lora": {**QUICK, "epochs": 1}}, "force": True}}])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    climb(small(root), root / "run")
    return root


def test_weights_that_were_changed_are_refused(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    config, run = small(tmp_path), RunFolder.open(tmp_path / "run")
    weights = run.read("rungs/finetune/fit.json")["candidate"]["learned"]["weights"]
    place = run.path / weights["path"]
    assert folder_hash(place) == weights["sha256"]
    settings = json.loads((place / "adapter_config.json").read_text())
    (place / "adapter_config.json").write_text(json.dumps({**settings, "lora_alpha": 1}))
    with pytest.raises(IntegrityError, match=r"the tuned weights in .* have the hash \w+, not \w+: restore them"):
        climb(config, run.path)


CLIMB = """
import sys
from pathlib import Path
from tests.extra.test_rung_finetune import small
from rung.ladder import climb
from rung.report.forms import Format, rendered
climb(small(Path(sys.argv[1])), Path(sys.argv[1]) / "run")
"""


def test_a_killed_climb_goes_on_and_ends_with_the_same_weights(undisturbed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", CLIMB, str(tmp_path)], env=environment, cwd=os.getcwd())
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("run/tuned/*/notes.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run/rungs/finetune/fit.json").exists()
    climb(small(tmp_path), tmp_path / "run")
    rungs = [RunFolder.open(root / "run").rung("finetune") for root in (undisturbed, tmp_path)]
    first, second = ((r.fitted.need().candidate.tuned.sha256, r.result.need().estimates["lines"]) for r in rungs)
    assert first == second


def test_tuning_trouble_is_a_skipped_rung_and_the_climb_goes_on(tmp_path):
    odd = {"finetune": {"tuner": {"lora": {**QUICK, "targets": ["nowhere"]}}, "force": True}}
    run = climb(experiment(tmp_path, 60, ladder=[AS_IS, odd]), tmp_path / "run")
    assert list(run.results) == ["prompt"]
    assert any("fine-tuning was not run" in r.claim and "takes no LoRA adapter" in r.rule for r in run.verdict.reasons)


def test_a_model_whose_weights_are_elsewhere_is_skipped_with_the_way_out(tmp_path):
    models = {"main": {"provider": "fake", "answers": {}}}
    run = climb(experiment(tmp_path, 60, models=models), tmp_path / "run")
    [skipped] = [r for r in run.verdict.reasons if "fine-tuning was not run" in r.claim]
    assert "whose weights are not on this machine" in skipped.rule


def test_below_the_minimum_the_rung_is_skipped_and_few_shot_named(tmp_path):
    run = climb(experiment(tmp_path, 60, ladder=["baseline", "finetune"]), tmp_path / "run")
    [skipped] = [r for r in run.verdict.reasons if "fine-tuning was not run" in r.claim]
    assert "30 training examples are below the minimum of 500 for style" in skipped.rule
    assert "few-shot" in skipped.rule


def test_a_plan_tells_time_memory_tokens_and_dollars(tmp_path):
    config = experiment(tmp_path)
    tuned = next(r for r in plan(config).rungs if r.rung == "finetune")
    assert tuned.tuning is not None
    assert 5_000 < tuned.tuning.tokens < 50_000
    assert tuned.usd is not None
    assert tuned.usd > 0
    assert tuned.minutes is not None
    assert "tunes on " in tuned.note
    assert "GB of memory" in tuned.note
    planned = plan(experiment(tmp_path, ladder=["baseline", "finetune"])).rungs
    shut = next(r for r in planned if r.rung == "finetune")
    assert shut.note.startswith("will be skipped: 60 training examples are below the minimum")


def test_without_a_curve_all_examples_are_tuned_on_at_once(tmp_path):
    quick = {"finetune": {"tuner": {"lora": {**QUICK, "epochs": 1}}, "under": "short", "curve": False, "force": True}}
    config = experiment(tmp_path, ladder=["baseline", quick])
    planned = next(r for r in plan(config).rungs if r.rung == "finetune")
    assert "1 run on 60 examples" in planned.note
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    tuning = folder.rung("finetune").fitted.need().tuning
    assert ([t.share for t in tuning.trials], tuning.curve, tuning.forecast) == ([1.0], (), None)
    page = rendered(folder, Format.html)
    assert "Learning curve" not in page
    assert [c.what for c in verify(folder) if not c.passed] == []


def test_full_tuning_serves_a_model_of_its_own_through_transformers_too(tmp_path):
    """The same weights by the provider local: full tuning, served by transformers' own code."""
    models = {
        "main": {"provider": "local", "name": "own", "folder": str(WEIGHTS / "nano-s"), "threads": 1, "max_tokens": 60}
    }
    steps = [{"finetune": {"tuner": {"full": {**QUICK, "learning_rate": 1e-3}}, "force": True}}]
    run = climb(experiment(tmp_path, 60, models=models, ladder=steps), tmp_path / "run")
    assert run.results["finetune"].estimates["lines"].mean > 0.3
    weights = run.results["finetune"].candidate.tuned
    assert (run.folder / weights.path / "model.safetensors").is_file()


def test_exports_answer_the_test_rows_again_and_are_refused_when_answers_change(climbed, monkeypatch, tmp_path, capsys):
    _, run = climbed
    opened = RunFolder(run.folder).times_opened
    assert verb.export(run.folder, "finetune", None, tmp_path / "adapter", None, False) == 0
    assert verb.export(run.folder, "finetune", "merged", tmp_path / "merged", "float32", False) == 0
    said = capsys.readouterr().out
    assert "on the 36 frozen test examples no answers changed" in said
    assert said.count("generate.py, alone under `python -I`, answered 24 dev examples again (none otherwise)") == 2
    command = [sys.executable, "-I", str(tmp_path / "adapter/generate.py"), "hello"]
    without = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert without.returncode == 1
    assert without.stderr.startswith("set the environment variable BASE to the folder of the base weights")
    held = json.loads((tmp_path / "merged/prompt.json").read_text())
    assert (held["model"]["form"], held["columns"]) == ("merged", ["message"])
    assert RunFolder(run.folder).times_opened == opened + 2
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert str(WEIGHTS) not in "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    noted = RunFolder.open(run.folder).read("rungs/finetune/exports.json")
    assert [(e["form"], e["answers_changed"]) for e in noted] == [("adapter", 0), ("merged float32", 0)]
    assert verb.export(run.folder, "finetune", "gguf", tmp_path / "gguf", None, False) == 0
    assert sorted(p.name for p in (tmp_path / "gguf").iterdir()) == [
        "Modelfile",
        "README.md",
        "model.gguf",
        "prompt.json",
    ]
    assert (tmp_path / "gguf" / "model.gguf").read_bytes()[:4] == b"GGUF"
    assert "<|user|>{{ .Prompt }}<|end|>" in (tmp_path / "gguf" / "Modelfile").read_text()
    merge = merging.merge
    monkeypatch.setattr(merging, "merge", lambda source, adapter, out, dtype: merge(source, None, out, dtype))
    with pytest.raises(
        RungError, match=r"export refused: what was written is not confirmed to be the same model: .* 36 answers"
    ):
        verb.export(run.folder, "finetune", "merged", tmp_path / "bad", None, False)
    assert not (tmp_path / "bad").exists()
