"""What was chosen on dev learns from dev, too, before the test set is opened; dev says what it said of the choice."""

import asyncio
import json
from dataclasses import replace

from rung.config import load_config
from rung.engine.verify import verify
from rung.ladder import climb
from rung.rungs.baseline import Baseline
from rung.rungs.fewshot import FewShot
from rung.store.run import RunFolder
from rung.testing.kit import kit_with_fake, small_rows, small_task
from rung.types import BaselineLearned, Candidate, Demonstration, FewShotLearned, FitInput, learned_as
from tests.unit.test_check_tells_all import project

TRAIN, DEV = small_rows(30, "train"), small_rows(12, "dev")
GIVEN = FitInput(small_task(), TRAIN, DEV)


def kit():
    return kit_with_fake(GIVEN.task, (*TRAIN, *DEV), ("baseline", Baseline()))


def fewshot(nearest, rows=TRAIN):
    shown = tuple(map(Demonstration.of, rows))
    learned = FewShotLearned(messages=(), columns=("text",), demonstrations=shown, nearest=nearest, k=3)
    return Candidate("fewshot", "one", learned, "main", tuple(e.id for e in rows))


def test_a_baseline_keeps_its_method_and_learns_from_all_rows():
    chosen = asyncio.run(Baseline().fit(GIVEN, kit())).candidate
    again = Baseline().refit(chosen, GIVEN, kit())
    assert set(chosen.trained_on) == {e.id for e in TRAIN}
    assert set(again.trained_on) == {e.id for e in (*TRAIN, *DEV)}
    assert (again.name, again.model) == (chosen.name, None)
    assert learned_as(again, BaselineLearned).method == learned_as(chosen, BaselineLearned).method
    assert again.id == Baseline().refit(chosen, GIVEN, kit()).id != chosen.id


def test_few_shot_chooses_for_each_input_from_dev_rows_too_and_keeps_what_is_fixed():
    again = FewShot().refit(fewshot(nearest=3), GIVEN, kit())
    assert set(again.trained_on) == {e.id for e in (*TRAIN, *DEV)}
    assert {d.id for d in again.demonstrations} == set(again.trained_on)
    fixed = fewshot(nearest=None, rows=TRAIN[:3])
    assert FewShot().refit(fixed, GIVEN, kit()) is fixed
    few = FewShot(pool=10).refit(fewshot(nearest=3), GIVEN, kit())
    assert len(few.demonstrations) == 10
    unanswered = replace(GIVEN, dev=(replace(DEV[0], target=" "), *DEV[1:]))
    assert DEV[0].id not in FewShot().refit(fewshot(nearest=3), unanswered, kit()).trained_on


def test_a_climb_measures_what_learnt_from_both_and_verify_finds_it_again(tmp_path):
    raw = project(tmp_path)
    raw["ladder"] = ["baseline"]
    (tmp_path / "rung.yaml").write_text(json.dumps(raw))
    config = load_config(tmp_path / "rung.yaml")
    first = climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    record, split = run.rung("baseline"), run.parts
    chosen, measured = record.fitted.need().candidate, record.measured().candidate
    assert set(chosen.trained_on) == {e.id for e in split.train.need()}
    assert set(measured.trained_on) == {e.id for e in (*split.train.need(), *split.dev.need())}
    assert [s.candidate for s in run.alpha.need()] == [measured.id]
    checks = {c.what: c for c in verify(run)}
    assert all(c.passed for c in checks.values())
    assert "baseline: learnt from train and dev" in checks
    assert climb(config, tmp_path / "run").verdict == first.verdict
    assert run.rung("baseline").measured().candidate.id == measured.id


def test_verify_names_an_approach_whose_measured_candidate_is_neither(tmp_path):
    raw = project(tmp_path)
    raw["ladder"] = ["baseline"]
    (tmp_path / "rung.yaml").write_text(json.dumps(raw))
    climb(load_config(tmp_path / "rung.yaml"), tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    record = run.rung("baseline")
    learned = replace(
        learned_as(record.measured().candidate, BaselineLearned), answer="north", method="majority", rows=()
    )
    record.save_measured(replace(record.measured(), candidate=replace(record.measured().candidate, learned=learned)))
    [off] = [c for c in verify(run) if c.what == "baseline: learnt from train and dev"]
    assert off.differs == "what was measured is another candidate"


def test_an_approach_that_was_measured_as_chosen_stays_so(tmp_path, monkeypatch):
    raw = project(tmp_path)
    raw["ladder"] = ["baseline", "prompt"]
    (tmp_path / "rung.yaml").write_text(json.dumps(raw))
    config = load_config(tmp_path / "rung.yaml")
    with monkeypatch.context() as before:
        before.setattr(Baseline, "refit", lambda self, candidate, given, kit: candidate)
        climb(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    chosen = run.rung("baseline").fitted.need().candidate.id
    assert run.rung("baseline").measured().candidate.id == chosen
    run.verdict.forget()
    again = climb(config, tmp_path / "run")
    assert again.results["baseline"].candidate.id == chosen
    assert not run.verdict.need().exploratory
