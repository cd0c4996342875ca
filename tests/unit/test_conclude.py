"""What a verdict rests on is read from the run folder, and kept there with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from rung.config import parse_config
from rung.decide.cheaper_equal import Use
from rung.engine.conclude import gathered, save_conclusion, stored_stop
from rung.engine.prepare import _keep
from rung.store.run import RunFolder
from rung.types import (
    Diagnosis,
    Finding,
    Fitted,
    KnowledgeSplit,
    Preflight,
    Profile,
    Result,
    Skipped,
    Stopped,
    Task,
    Tuning,
    Verdict,
)
from tests.unit._results import rented, result, share, task
from tests.unit.test_verdict import climbed

SPENT = (Skipped("rag", "no documents"),)


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run")


@pytest.mark.parametrize(
    ("decision", "status"), [("meets", "done"), ("inconclusive", "done"), ("stopped", "interrupted")]
)
def test_a_verdict_is_kept_with_what_it_stands_on(run, decision, status):
    run.note(status="running", planned=[])
    _keep(run, task(0.9), (Finding("power", "warn", "few rows", "add some"),))
    verdict = Verdict(decision, None, None, "Said.", (), (), None, None)
    stopped = Stopped("the budget is spent", 1.0) if decision == "stopped" else None
    ended = replace(climbed(task(0.9), {}), skipped=SPENT, stopped=stopped)
    save_conclusion(run, ended, verdict)
    assert run.verdict.need() == verdict
    assert run.skipped.need() == SPENT
    assert run.comparisons.need() == ()
    assert run.task == task(0.9)
    assert [f.message for f in run.findings.need()] == ["few rows"]
    assert (run.facts["status"], stored_stop(run)) == (status, stopped)
    assert not run.trust.exists


def test_what_was_learned_of_each_measured_rung_reaches_the_decision(run):
    """Forecasts, splits and what use takes come from the records of the measured rungs; what is not there is left out."""
    t = task(0.8)
    plain = result(share(9, 10), t)
    tuned = replace(
        rented(plain, t, 2.0), candidate=replace(plain.candidate, rung="finetune", name="lora", model="small")
    )
    results: dict[str, Result] = {"prompt": plain, "finetune@small": tuned, "rag": plain}
    run.note(planned=list(results), task=TypeAdapter(Task).dump_python(t, mode="json"))
    part = {"rows": 10, "groups": 10, "sha256": "", "ids": {}}
    rest = {"quarantined": {}, "seed": 0, "given": False, "settings": {}}
    run.parts.manifest.save({"train": part, "dev": part, "test": part, **rest})
    tuning = Tuning("toy", Preflight((), ""), (), (), "about 800 more examples", seconds=1800, lesson_usd=0.25)
    run.rung("prompt").save_fitted(Fitted(plain.candidate, ()))
    run.rung("finetune@small").save_fitted(replace(Fitted(tuned.candidate, ()), tuning=tuning))
    run.rung("finetune@small").profile.save(Profile("c", 2, 0.2, None, None, seconds=(0.1, None, 0.3)))
    at = plain.estimates["normalized_match"]
    known = KnowledgeSplit(40, at, at, None, (), (), {}, {})
    run.rung("prompt").diagnosis.save(Diagnosis("prompt", 40, 20, (), None, ""))
    run.rung("rag").diagnosis.save(Diagnosis("rag", 40, 20, (), None, "", knowledge=known))
    found = gathered(run, configured(run), results, SPENT, None)
    assert found.forecasts == {"finetune@small": "about 800 more examples"}
    assert found.knowledge == {"rag": known}
    assert found.uses == {
        "prompt": Use(),
        "finetune@small": Use(1.25, None, (0.1, None, 0.3)),
        "rag": Use(0.0, None, ()),
    }
    assert (found.planned, found.trained) == (tuple(results), frozenset({"finetune@small"}))
    assert (found.test_rows, found.skipped, found.exploratory, found.findings) == (10, SPENT, False, ())
    run.note(exploratory=True)
    assert gathered(run, configured(run), results, (), None).exploratory


def configured(run):
    (run.path / "rows.csv").write_text("text,team\na,b\n")
    raw = {
        "task": {"name": "routing", "instruction": "Route it.", "inputs": ["text"], "target": "team", "goal": 0.8},
        "data": {"path": "rows.csv"},
        "models": {"small": {"provider": "fake", "name": "s"}, "main": {"provider": "fake"}},
        "ladder": ["prompt", {"finetune": {"model": "small"}}],
    }
    config = parse_config(raw, run.path)
    return config.model_copy(update={"models": {**config.models, "small": {"provider": "fake", "usd_per_hour": 2.0}}})
