"""Whole climbs under a judge: money, cache, plan, verify, and judges that are no good."""

from __future__ import annotations

import json
import shutil

import pytest

from rung.config import parse_config
from rung.engine.plan import plan
from rung.engine.stored import stored_kit
from rung.engine.verify import verify
from rung.errors import RungError
from rung.judging.labelling import session
from rung.ladder import climb
from rung.protocols import Judge
from rung.store.cache import AnswerCache
from rung.store.run import RunFolder
from tests.unit._judged import judged_world, rows


@pytest.mark.slow
def test_a_judged_climb_is_stored_paid_and_recomputed_without_asking(tmp_path, monkeypatch):
    config = judged_world(tmp_path, judge="kind")
    run = climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    spend = folder.read("spend.json")["by_role"]
    assert spend["judge"]["calls"] >= 150
    assert spend["judge"]["usd"] > 0
    stored = folder.rung("prompt").measured()
    assert stored.cost_per_1k_usd is not None
    calls = [c for o in stored.outcomes if o.answer for c in o.answer.calls]
    assert {c.model for c in calls} == {"fake"}  # the judge's money is the climb's, not the feature's
    monkeypatch.setattr("rung.models.python.FeatureConnection.complete", None)
    assert [c.differs for c in verify(folder) if c.differs] == []
    assert run.results["prompt"].estimates["judge"].n == 150
    before = spend["judge"]["calls"]
    monkeypatch.undo()
    climb(config, tmp_path / "run")
    assert folder.read("spend.json")["by_role"]["judge"]["calls"] == before


@pytest.mark.slow
def test_verify_says_so_when_the_judgements_are_gone(tmp_path):
    climb(judged_world(tmp_path), tmp_path / "run")
    (tmp_path / "run" / "ledger.sqlite").unlink()
    folder = RunFolder.open(tmp_path / "run")
    [differs] = [c.differs for c in verify(folder) if "scores" in c.what]
    assert "an answer of models.judge that the stored scores rest on is not in the run's cache" in differs


def test_a_judge_that_costs_more_than_the_budget_ends_the_climb_with_everything_kept(tmp_path):
    config = judged_world(
        tmp_path, limits={"budget_usd": 0.1}, judge_model={"input_usd_per_mtok": 5.0, "max_tokens": 64}
    )
    run = climb(config, tmp_path / "run")
    assert (run.verdict.decision, run.exit_code) == ("stopped", 3)
    assert run.verdict.headline.startswith("Stopped at the budget of $0.10 ")
    assert "budget of $0.1 cannot hold the next call" in run.verdict.counterfactuals[0]
    with AnswerCache.open(tmp_path / "run" / "ledger.sqlite") as answer_cache:
        spent = {s.role: s.usd for s in answer_cache.spend()}
    assert 0 < sum(spent.values()) <= 0.1
    assert spent["judge"] > 0


def test_a_judge_without_a_price_under_a_budget_is_a_problem_before_any_call(tmp_path):
    config = judged_world(
        tmp_path, limits={"budget_usd": 5}, judge_model={"input_usd_per_mtok": None, "output_usd_per_mtok": None}
    )
    with pytest.raises(RungError, match=r"models\.judge"):
        climb(config, tmp_path / "run")


def test_a_judge_that_rambles_is_a_paragraph_and_the_answers_are_kept(tmp_path):
    config = judged_world(tmp_path, judge="rambling")
    with pytest.raises(
        RungError, match=r"the metric 'judge' could judge none of 12 answers: the judge's reply cannot be read"
    ):
        climb(config, tmp_path / "run")
    with AnswerCache.open(tmp_path / "run" / "ledger.sqlite") as answer_cache:
        assert {s.role: s.answers for s in answer_cache.spend()} == {"judge": 24, "main": 12}  # each asked once more
    shutil.rmtree(tmp_path / "run")


def test_a_plan_names_the_judge_and_is_not_exceeded(tmp_path):
    config = judged_world(tmp_path, metric={"mode": "compare", "repeats": 2}, judge="first")
    estimated = plan(config)
    [line] = [r for r in estimated.rungs if r.rung == "metric judge"]
    assert line.note is not None
    assert "judges every answer" in line.note
    run = climb(config, tmp_path / "run")
    calls = RunFolder.open(tmp_path / "run").read("spend.json")["by_role"]["judge"]["calls"]
    assert 0 < calls <= line.dev_calls + line.test_calls
    assert line.usd is not None
    spent = RunFolder.open(tmp_path / "run").read("spend.json")["by_role"]["judge"]["usd"]
    assert 0 < spent < 3 * line.usd
    assert run.results["prompt"].estimates["judge"].n == 150


@pytest.mark.slow
def test_experiments_on_dev_are_judged_too(tmp_path):
    """A missing example is what the rows lack; the diagnosis finds that only if its answers are judged."""
    config = judged_world(tmp_path, 400, model={"abilities": {"base": 0.3, "near_example": 0.0, "examples": {1: 0.6}}},
                          ladder=[{"prompt": {"rewrites": False}}, {"fewshot": {"k": [3]}}])  # fmt: skip
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    causes = {c["name"]: c["count"] for c in folder.read("rungs/prompt/diagnosis.json")["causes"]}
    assert "metric" not in causes
    kit = stored_kit_metric(folder)
    assert isinstance(kit, Judge)


def stored_kit_metric(folder):
    with stored_kit(folder, folder.task) as kit:
        return kit.metric()


@pytest.mark.slow
def test_rows_in_groups_are_labelled_by_groups_and_decide(tmp_path):
    config = judged_world(tmp_path, 320, data={"path": "rows.jsonl", "id": "id", "group_by": "customer"},
                          task={"tolerance": 0.1}, split={"test": 0.7, "dev": 0.15})  # fmt: skip
    run = climb(config, tmp_path / "run")
    assert run.verdict.provisional is not None
    folder = RunFolder.open(tmp_path / "run")
    found = session(folder, config, None)
    groups = {o.example_id: o.group for o in run.results["prompt"].outcomes}
    drawn = {groups[item.example_id] for item in found.items}
    assert len({i.example_id for i in found.items}) == sum(g in drawn for g in groups.values())
    found.all_said({item.answer_id: 1.0 for item in found.items})
    again = climb(config, tmp_path / "run").results["prompt"]
    assert again.quality.provisional is None
    assert again.estimates["judge"].method.startswith(("ppi, grouped", "wilson n_eff, grouped"))


def test_the_fake_model_is_no_judge_and_that_is_said(tmp_path):
    """It answers rows that it knows, not questions about them: unreadable, a paragraph, the answers kept."""
    config = judged_world(tmp_path)
    raw = config.model_dump(mode="json", exclude={"root"})
    raw["models"]["judge"] = raw["models"]["main"]
    with pytest.raises(
        RungError, match="could judge none of 12 answers: the judge's reply cannot be read: no JSON object in it bears"
    ):
        climb(parse_config(raw, tmp_path), tmp_path / "run")


@pytest.mark.slow
def test_a_run_is_verified_without_the_models_that_answered(tmp_path):
    """Their packages or files may be gone: only what metrics ask is looked at."""
    config = judged_world(tmp_path, model={"answers": str(known(tmp_path))})
    climb(config, tmp_path / "run")
    (tmp_path / "known.jsonl").unlink()
    folder = RunFolder.open(tmp_path / "run")
    head = folder.read("run.json")
    head["config"]["models"]["main"] = {"provider": "of_another_machine", "name": "x"}
    folder.write("run.json", head)
    assert [c.what for c in verify(folder) if c.differs] == ["configuration as the run began with it"]


def known(root):
    file = root / "known.jsonl"
    file.write_text("".join(json.dumps({"question": r["question"], "answer": r["answer"]}) + "\n" for r in rows(300)))
    return file
