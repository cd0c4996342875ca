"""What is learned of a rung on dev is kept: its profile while it is of this very candidate, and what was predicted of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung.diagnosis.experiments import ExperimentBudget
from rung.diagnosis.failed_examples import Subject
from rung.engine.examine import examine
from rung.evaluate.profile import MANY, ROWS
from rung.store.run import RunFolder
from rung.types import Candidate, Cause, Diagnosis, Fitted, Message, Prediction, Profile, PromptLearned
from tests.unit._kit import KitForTests, examples, task
from tests.unit._results import outcome, result, share
from tests.unit._results import task as plain_task

CHAT = PromptLearned(messages=(Message("user", "{{text}}"),), columns=("text",))
CANDIDATE = Candidate("prompt", "as-is", CHAT, "main")
ROUTING = task()


@pytest.fixture
def run(tmp_path):
    made = RunFolder.create(tmp_path / "run")
    made.note(planned=["a", "b", "c"])
    return made


def subject(label, candidate=CANDIDATE, outcomes=None):
    dev = examples(4, "r")
    made = outcomes or tuple(outcome(i, float(i < 2)) for i in range(4))
    return Subject(label, candidate, made, dev, ROUTING, examples(12, "train"))


def examined(run, label, candidate=CANDIDATE, for_task=ROUTING):
    """Examine a rung whose model is not asked for experiments; return what was asked of it."""
    kit = KitForTests(for_task)
    asyncio.run(examine(subject(label, candidate), for_task, kit, run, ExperimentBudget()))
    return len(kit.requests)


def test_what_a_request_takes_is_asked_once_and_known_of_this_very_candidate_alone(run):
    record = run.rung("a")
    assert record.profile.get() is None
    assert examined(run, "a") == ROWS
    taken = record.profile.need()
    assert (taken.candidate, taken.n) == (CANDIDATE.id, ROWS)
    marked = replace(taken, p50_s=9.5)
    record.profile.save(marked)
    assert examined(run, "a") == 0
    assert record.profile.need() == marked
    other = replace(CANDIDATE, model="other")
    assert examined(run, "a", other) == ROWS
    assert record.profile.need().candidate == other.id
    record.profile.save(replace(marked, n=0))  # nothing was answered: it is asked again
    assert examined(run, "a") == ROWS
    assert record.profile.need().n == ROWS


def test_a_climb_for_the_cheapest_asks_again_where_too_few_requests_were_made(run):
    assert examined(run, "a") == ROWS
    assert examined(run, "a", for_task=task(objective="cheapest")) == MANY
    assert len(run.rung("a").profile.need().seconds) == MANY


def test_what_was_learned_of_a_rung_is_checked_against_the_diagnoses_below_it_alone(run):
    at = result(share(2, 4), plain_task(0.9)).estimates["normalized_match"]

    def tells(label, of):
        predicted = Prediction(of, ("r0", "r2"), ("r1",), at)
        cause = Cause("convention", 3, at, "", (), "", "experiment", predicted)
        return Diagnosis(label, 4, 2, (), None, "", experiments=(cause,))

    run.rung("c").diagnosis.save(tells("c", "b"))  # an earlier session went further
    examined(run, "a")
    assert run.rung("a").predictions.need() == ()
    run.rung("a").diagnosis.save(tells("a", "b"))
    taken = Profile(CANDIDATE.id, 1, 0.1, None, None, seconds=(0.1,) * ROWS)
    run.rung("b").profile.save(taken)
    examined(run, "b")
    [checked] = run.rung("b").predictions.need()
    assert (checked.at, checked.rung, checked.fixed, checked.kept) == ("a", "b", 2, 1)
    assert run.rung("b").profile.need() == taken


def test_the_diagnosis_that_is_returned_is_the_one_that_is_kept(run):
    found = asyncio.run(examine(subject("b"), ROUTING, KitForTests(ROUTING), run, ExperimentBudget()))
    assert run.rung("b").diagnosis.need() == found
    assert (found.rung, found.n, found.failed) == ("b", 4, 2)


def test_a_fit_is_kept_without_its_dev_rows_which_lie_beside_it(run):
    dev = (outcome(0, 1.0), outcome(1, None))
    made = Fitted(CANDIDATE, dev)
    record = run.rung("prompt")
    record.save_fitted(made)
    assert record.fitted.need() == replace(made, dev=())
    assert record.dev.need() == dev
