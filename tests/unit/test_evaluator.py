"""Which results a climb that is resumed takes from its run folder, and which it measures anew."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rung.evaluate.evaluator import Evaluator, Rules, _certain, _parts, visiting_order
from rung.evaluate.kit import RunKit
from rung.evaluate.measure import summarise, unanswered
from rung.judging.human_labels import HumanLabels, answer_id
from rung.ladder import climb
from rung.progress import Silent
from rung.stats.sequential import Curtailment
from rung.store.folder import to_json
from rung.store.records import Draw, Label
from rung.store.run import RunFolder
from rung.store.sealed import sealed_test
from rung.types import Answer, Example, Failure, MetricSpec, Outcome, PromptLearned, Score
from tests.unit._results import outcome, result, share, task
from tests.unit._worlds import FORMAT_ONLY, world


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run")


@pytest.fixture
def stored(run):
    """The stored result of a candidate that a climb would take for its own."""
    t, said = task(0.9), Silent()
    evaluator = Evaluator(
        t, RunKit(t, {}, 7, said), run, sealed_test(run), "t" * 64, Rules(("a", "b", "c"), True, 7), said
    )
    return evaluator._stored


def failing(cause):
    return Outcome("r0", "r0", None, None, Failure(cause, "said so"))


@pytest.mark.parametrize(
    ("cause", "kept"), [("timeout", False), ("model", False), ("refusal", True), ("truncated", True), ("parse", True)]
)
def test_a_stored_result_is_kept_only_where_every_row_was_answered(run, stored, cause, kept):
    whole = result(share(30, 40), task(0.9))
    assert stored("prompt", whole.candidate) is None
    run.rung("prompt").save_measured(whole)
    assert stored("prompt", whole.candidate) == whole
    short = replace(whole, outcomes=(failing(cause), *whole.outcomes[1:]))
    assert unanswered(short.outcomes) == (not kept)
    run.rung("prompt").save_measured(short)
    assert stored("prompt", whole.candidate) == (short if kept else None)


def test_a_stored_result_of_another_candidate_or_without_its_answers_is_measured_anew(run, stored):
    found = result(share(30, 40), task(0.9))
    run.rung("prompt").save_measured(found)
    other = replace(found.candidate, learned=PromptLearned(messages=(), columns=("other",)))
    assert stored("prompt", other) is None
    assert stored("fewshot", found.candidate) is None
    run.rung("prompt").outcomes.forget()
    assert stored("prompt", found.candidate) is None


class Counting:
    """Progress that keeps the rows announced and the rows done, by title."""

    def __init__(self):
        self.rows, self.done, self.usd = {}, Counter(), Counter()

    def say(self, text):
        pass

    @contextmanager
    def stage(self, title, rows):
        self.rows[title], self._title = rows, title
        yield self

    def advance(self, rows=1, *, usd=None, note=None):
        self.done[self._title] += rows
        self.usd[self._title] += usd


@pytest.mark.slow
def test_the_same_command_asks_rows_without_an_answer_again(tmp_path):
    config = world(tmp_path, 200, model=FORMAT_ONLY, ladder=["prompt"])
    told = Counting()
    first = climb(config, tmp_path / "run", told)
    record = RunFolder.open(tmp_path / "run").rung("prompt")
    kept = record.outcomes.need()
    (title,) = (t for t in told.rows if t.startswith("prompt: ") and t.endswith(" on test"))
    assert told.rows[title] == told.done[title] == len(kept)
    assert told.usd[title] == pytest.approx(sum(o.answer.cost_usd for o in kept))
    form = record.consistency.need()
    assert (form.rung, form.requests, form.inputs, form.agreement) == ("prompt", len(kept), len(kept), None)
    lost = (replace(o, answer=None, scores=None, failure=Failure("timeout", "none")) for o in kept[:3])
    record.outcomes.save((*lost, *kept[3:]))
    again = climb(config, tmp_path / "run")
    assert again.unanswered_rows == 0
    assert [o.value("normalized_match", None) for o in again.results["prompt"].outcomes] == [
        o.value("normalized_match", None) for o in first.results["prompt"].outcomes
    ]
    assert record.measured().failures == {}


def test_results_are_stored_without_their_rows_and_read_back_whole(run):
    found = replace(result([1.0, None, 0.0], task(0.5)), outcomes=(outcome(0, 1.0), outcome(1, None), outcome(2, 0.0)))
    record = run.rung("prompt")
    record.save_measured(found)
    assert json.loads(record.result.where.read_text())["outcomes"] == []
    assert to_json(record.measured().outcomes, tuple[Outcome, ...]) == to_json(found.outcomes, tuple[Outcome, ...])


def test_a_stored_result_is_seen_with_the_labels_of_today(run):
    t, said = task(0.5, metrics=(MetricSpec("judge", {"rubric": "good"}),)), Silent()
    rows = tuple(Outcome(f"r{i}", f"r{i}", Answer(f"text {i}"), {"judge": Score(float(i % 3 > 0))}) for i in range(200))
    candidate = result(share(1, 2), task(0.5)).candidate
    before = summarise(candidate, rows, t, 3, test_sha256="s" * 64, people=HumanLabels(t, None))
    assert before.quality.provisional is not None
    run.rung("prompt").save_measured(before)
    labels = tuple(Label(answer_id(o, t), o.example_id, float(i % 2), "now") for i, o in enumerate(rows[:120]))
    draw = Draw(tuple(o.example_id for o in rows[:120]), (120,))
    run.labels.draw.save(draw)
    run.labels.labels.save(labels)
    evaluator = Evaluator(
        t, RunKit(t, {}, 7, said), run, sealed_test(run), "t" * 64, Rules(("a", "b", "c"), True, 7), said
    )
    measured = asyncio.run(evaluator.measure("prompt", candidate))
    assert measured == summarise(candidate, rows, t, 3, test_sha256="s" * 64, people=HumanLabels(t, draw, labels))
    assert measured.quality.provisional is None
    assert measured.labels == {f"r{i}": float(i % 2) for i in range(120)}
    assert run.rung("prompt").measured() == measured


def test_failed_rows_count_towards_the_certainty_of_missing_the_goal():
    rule = Curtailment(400, 0.9, 0.02, 0.05, 3)
    rows = [outcome(i, 1.0) if i % 2 else failing("parse") for i in range(40)]
    assert rule.decide(20, 40) == "misses"
    assert _certain(rule, rows, task(0.9))
    assert not _certain(rule, rows, task(0.9, failure_score=None))  # twenty of twenty, at no look
    assert not _certain(rule, [outcome(i, 1.0) for i in range(40)], task(0.9))
    assert not _certain(rule, [outcome(i, 0.5) for i in range(40)], task(0.9))  # graded: no count of hits


def test_rows_are_visited_in_an_order_of_their_own_groups_whole():
    rows = [Example(f"r{i}", {"text": f"{i}"}, "a", f"g{i // 3}") for i in range(30)]
    order = visiting_order(rows, 7)
    assert sorted(e.id for e in order) == sorted(e.id for e in rows)
    assert [e.group for e in order][::3] == list(dict.fromkeys(e.group for e in order))
    assert order != rows
    assert visiting_order(rows[::-1], 7)[0].group == order[0].group
    assert visiting_order(rows, 8) != order


@pytest.mark.parametrize("n", [10, 123, 200, 546, 588, 1003])
def test_rows_are_visited_up_to_each_look_of_the_early_stop(n):
    looks = Curtailment(n, 0.9, 0.02, 0.05, 3).looks
    assert [sum(map(len, _parts(range(n), looks)[: i + 1])) for i in range(len(looks))] == list(looks)
    assert [row for part in _parts(range(n), looks) for row in part] == list(range(n))
    assert _parts(range(n), (n,)) == [range(n)]
