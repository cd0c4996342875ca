"""Approaches on dev alone: nothing of the test set is touched, and what is paid is paid once."""

import json

import pytest

import rung
from rung.engine.dev import CHOSEN, TUNED, dev_lines, dev_summary, look_on_dev
from rung.engine.quick import ROWS, look
from rung.ladder import climb
from rung.progress import Silent
from rung.store.project import FOLDER
from rung.store.register import FILE
from rung.store.run import RunFolder
from tests.unit._worlds import NEEDS_EXAMPLES, rows, world
from tests.unit.test_cli import run, write_config  # noqa: F401 - fixture


def ladder(root, *steps, **changes):
    return world(root, 300, model=NEEDS_EXAMPLES, ladder=list(steps), diagnosis={"calls": 0}, **changes)


def spent(folder):
    return RunFolder.open(folder).spend.need()["by_role"]["main"]


@pytest.mark.slow
def test_the_whole_ladder_is_run_on_dev_and_nothing_else_is_left_behind(tmp_path):
    config = ladder(tmp_path, "baseline", "prompt", "fewshot")
    before = {p.name for p in tmp_path.iterdir()}
    seen = look_on_dev(config, Silent())
    assert [a.label for a in seen.approaches] == ["baseline", "prompt", "fewshot"]
    assert {p.name for p in tmp_path.iterdir()} - before == {FOLDER}
    scores = {a.label: a.result.estimates["normalized_match"].mean for a in seen.approaches}
    assert scores["fewshot"] > scores["prompt"] > scores["baseline"]
    assert seen.usd > 0
    assert seen.taken == 0
    assert len(seen.examples) == 45
    lines = dev_lines(seen)
    assert CHOSEN in lines
    assert not any("test example" in line for line in lines)


@pytest.mark.slow
def test_looking_again_pays_nothing_and_a_climb_pays_for_the_test_alone(tmp_path):
    config = ladder(tmp_path, "prompt")
    first = look_on_dev(config, Silent())
    again = look_on_dev(config, Silent())
    assert (again.usd, again.taken) == (0.0, first.spent["main"]["calls"])
    [one], [other] = first.approaches, again.approaches
    assert (one.result.estimates, one.result.cost_per_1k_usd) == (other.result.estimates, other.result.cost_per_1k_usd)
    assert one.diagnosis == other.diagnosis
    climb(config, tmp_path / "a")
    paid, run_folder = spent(tmp_path / "a"), RunFolder.open(tmp_path / "a")
    assert paid["taken"] == first.spent["main"]["calls"]
    assert (
        paid["calls"] == run_folder.rung("prompt").result.need().estimates["normalized_match"].n + 5
    )  # five for the latency
    assert run_folder.verdict.need().earlier is None
    texts = [
        [o.answer.text for o in outcomes] for outcomes in (run_folder.rung("prompt").dev.need(), one.result.outcomes)
    ]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_dev_is_no_use_of_the_test_set_and_one_after_a_climb_neither(tmp_path):
    look_on_dev(ladder(tmp_path, "prompt"), Silent())
    assert not (tmp_path / FILE).exists()
    climb(ladder(tmp_path, "prompt"), tmp_path / "a")
    kept = (tmp_path / FILE).read_bytes()
    opened = RunFolder.open(tmp_path / "a").times_opened
    look_on_dev(ladder(tmp_path, "prompt", "fewshot"), Silent())
    assert (tmp_path / FILE).read_bytes() == kept
    assert RunFolder.open(tmp_path / "a").times_opened == opened


@pytest.mark.slow
def test_a_step_that_was_not_reached_is_all_that_is_paid_for_later(tmp_path):
    easy = ladder(tmp_path, "prompt", "fewshot", task={"goal": 0.4})
    climb(easy, tmp_path / "a")
    assert RunFolder.open(tmp_path / "a").measured == ("prompt",)
    first = spent(tmp_path / "a")["calls"]
    climb(ladder(tmp_path, "prompt", "fewshot", task={"goal": 0.85}), tmp_path / "a")
    later = RunFolder.open(tmp_path / "a")
    assert later.measured == ("prompt", "fewshot")
    more = spent(tmp_path / "a")["calls"] - first
    alone = tmp_path / "alone"
    climb(ladder(alone, "prompt", "fewshot", task={"goal": 0.85}), alone / "a")
    assert more <= spent(alone / "a")["calls"] - 45 * 2  # nothing of the prompt's dev examples again
    assert later.verdict.need().earlier.other_goal


def test_quick_is_the_first_forty_dev_examples_and_a_climb_goes_on_from_them(tmp_path):
    config = ladder(tmp_path, {"prompt": {"rewrites": False}})
    seen = look(config, Silent())
    assert len(seen.rows) == ROWS == 40
    on_dev = look_on_dev(config, Silent())
    assert on_dev.examples[:ROWS] == seen.rows
    assert (on_dev.taken, on_dev.spent["main"]["calls"]) == (ROWS, 45 - ROWS)
    climb(config, tmp_path / "a")
    assert spent(tmp_path / "a")["taken"] == 45


@pytest.mark.slow
def test_weights_that_are_not_here_are_left_out_with_their_reason_and_a_spent_budget_ends_with_what_there_is(tmp_path):
    seen = look_on_dev(ladder(tmp_path, "prompt", "finetune"), Silent())
    [skipped] = seen.skipped
    assert skipped.what == "finetune"
    assert "whose weights are not on this machine" in skipped.reason
    assert TUNED not in dev_lines(seen)
    other = tmp_path / "other"
    cut = look_on_dev(ladder(other, "baseline", "prompt", limits={"budget_usd": 0.0002}), Silent())
    assert [a.label for a in cut.approaches] == ["baseline"]
    assert "the budget of $0.0002 cannot hold the next call" in cut.stopped
    assert dev_lines(cut)[-1].startswith("Stopped: the budget")


@pytest.mark.slow
def test_the_command_prints_dev_results_labelled_as_such(run, tmp_path):  # noqa: F811
    write_config(tmp_path, ladder=["baseline", "prompt"])
    code, out, _ = run("climb", "--dev", "--only", "prompt")
    assert code == 0, out
    assert "45 dev examples" in out
    assert "The test set was not opened." in " ".join(out.split())
    assert not (tmp_path / "runs").exists()
    code, out, _ = run("climb", "--dev", "--json")
    said = json.loads(out)
    assert (code, said["set"], said["examples"]) == (0, "dev", 45)
    assert [a["approach"] for a in said["approaches"]] == ["baseline", "prompt"]
    assert said["taken"] > 0
    assert said["usd"] == 0.0


@pytest.mark.slow
def test_from_python_with_rows_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = rows(300)
    model = rung.Fake({r["text"]: r["team"] for r in made}, input_usd_per_mtok=1.0, output_usd_per_mtok=2.0)
    task = {"inputs": ["text"], "target": "team", "metric": "normalized_match", "goal": 0.85, "models": model}
    seen = rung.climb(made, dev=True, ladder=["prompt"], **task)
    assert isinstance(seen, rung.DevRun)
    assert [line["approach"] for line in seen.frame()] == ["prompt"]
    assert {line["set"] for line in seen.examples()} == {"dev"}
    assert len(seen.examples()) == 60
    assert "on 60 dev examples: prompt" in repr(seen)
    assert {p.name for p in tmp_path.iterdir()} == {FOLDER}
    climbed = rung.climb(made, "runs/a", ladder=["prompt"], **task)
    assert spent(climbed.folder)["taken"] == seen.look.spent["main"]["calls"]
    assert seen.results["prompt"].outcomes


def test_the_summary_is_json(tmp_path):
    assert json.loads(json.dumps(dev_summary(look_on_dev(ladder(tmp_path, "prompt"), Silent()))))["note"] == CHOSEN


def test_answers_that_are_all_equal_are_told_as_a_climb_tells_them(tmp_path):
    (tmp_path / "deaf.py").write_text("def answer(text):\n    return 'nothing'\n")
    deaf = {"main": {"provider": "python", "function": "deaf.py:answer", "name": "deaf"}}
    deaf = world(tmp_path, 300, models=deaf, ladder=["prompt"], diagnosis={"calls": 0})
    [left_out] = look_on_dev(deaf, Silent()).skipped
    assert "although the expected ones differ" in left_out.reason
