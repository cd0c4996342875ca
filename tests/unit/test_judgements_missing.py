"""What the deciding metric could not judge is missing: no number, and room for it on either side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import RungError
from rung.evaluate.measure import summarise
from rung.prompts.race import mean_score, racing_scores
from rung.types import Answer, Candidate, Failure, MetricSpec, Outcome, PromptLearned, Score, Task

PLAIN = Candidate("prompt", "p", PromptLearned(messages=(), columns=()), "main")
TASK = Task("t", "Answer.", ("text",), "target", "generation", (MetricSpec("judge"),), 0.8)


def outcome(number: int, said: float | Failure) -> Outcome:
    name = f"r{number}"
    if isinstance(said, Failure):
        return Outcome(name, name, Answer("x"), None, said)
    return Outcome(name, name, Answer("x"), {"judge": Score(said)})


def measured(*said: float | Failure, task: Task = TASK):
    return summarise(PLAIN, tuple(outcome(i, s) for i, s in enumerate(said)), task, 1)


UNREAD, REFUSED = Failure("metric", "cannot be read"), Failure("refusal", "no")


def test_the_score_is_that_of_the_judged_and_the_interval_holds_what_the_others_might_be():
    whole, part = measured(*[1.0] * 100), measured(*[1.0] * 70, *[UNREAD] * 30)
    found = part.estimates["judge"]
    assert (found.mean, found.n) == (1.0, 100)
    assert found.low < 0.7 < whole.estimates["judge"].low
    assert found.high == 1.0
    assert part.failures == {"metric": 30}


def test_missing_judgements_stand_in_the_way_of_every_claim_and_a_refusal_counts_as_the_task_says():
    assert measured(*[1.0] * 100).quality.status == "meets"
    short = measured(*[1.0] * 90, *[UNREAD] * 30).quality
    assert short.status == "inconclusive"
    assert short.advice == "30 of 120 test answers could not be judged: see why under failures, and fix the metric"
    assert measured(*[0.0] * 60, *[1.0] * 40).quality.status == "misses"
    assert measured(*[0.0] * 60, *[1.0] * 40, *[UNREAD] * 200).quality.status == "inconclusive"
    assert measured(*[1.0] * 60, *[REFUSED] * 40).quality.status == "misses"


def test_where_nothing_could_be_judged_there_is_no_score():
    with pytest.raises(RungError, match="no example has a score"):
        measured(*[UNREAD] * 10)


def test_in_a_race_a_missing_judgement_neither_helps_nor_harms():
    outcomes = [outcome(i, s) for i, s in enumerate((1.0, 0.0, UNREAD, REFUSED))]
    assert mean_score(outcomes, TASK) == pytest.approx(1 / 3)
    assert racing_scores(outcomes, TASK) == [1.0, 0.0, pytest.approx(1 / 3), 0.0]


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, UNREAD]), min_size=1, max_size=40).filter(
        lambda x: any(s is not UNREAD for s in x)
    )
)
def test_whatever_the_missing_judgements_were_the_bounds_hold_for_them(said):
    found = measured(*said)
    for unknown in (0.0, 1.0):
        filled = measured(*(unknown if s is UNREAD else s for s in said))
        assert found.quality.lower <= filled.quality.lower + 1e-9
        assert found.quality.upper >= filled.quality.upper - 1e-9
        assert found.estimates["judge"].low <= filled.estimates["judge"].low + 1e-9
        assert found.estimates["judge"].high >= filled.estimates["judge"].high - 1e-9
