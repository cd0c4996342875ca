"""Failures of form over many requests: how an answer counts, exact intervals, and the verb."""

import json
import re

import pytest
from scipy.stats import binomtest

from rung.engine.asking_again import plan_requests
from rung.evaluate.consistency import consistency_of, share
from rung.metrics.normalized_match import NormalizedMatch
from rung.metrics.token_f1 import TokenF1
from rung.store.records import Share
from rung.types import Answer, Example, Failure, MetricSpec, Outcome, Task
from tests.unit.test_cli import run, write_config  # noqa: F401 - a fixture

TASK = Task(
    "t",
    "Route.",
    ("text",),
    "team",
    "classification",
    (MetricSpec("normalized_match"),),
    0.9,
    labels=("billing", "returns"),
)
ROWS = tuple(Example(f"r{i}", {"text": f"text {i}"}, "billing", f"r{i}") for i in range(5))


def answered(texts, task=TASK, metric=None):
    metric = metric or NormalizedMatch()
    outcomes = []
    for row, text in zip(ROWS, texts, strict=True):
        if text is None:
            outcomes.append(Outcome(row.id, row.group, None, None, Failure("refusal", "no")))
        else:
            scores = {task.metrics[0].name: metric.score(text, row, task)}
            outcomes.append(Outcome(row.id, row.group, Answer(text), scores))
    return outcomes


def test_a_share_is_told_with_two_digits_below_ten_percent_and_whole_above():
    assert str(Share(2, 400, 0.0006, 0.0179)) == "0.5 % (2 of 400; 0.06 to 1.8 %)"
    assert str(Share(1234, 5000, 0.0994, 0.2544)) == "25 % (1,234 of 5,000; 9.9 to 25 %)"
    assert str(Share(199, 2000, 0.0, 1.0)) == "10 % (199 of 2,000; 0 to 100 %)"


def test_forms_add_up_and_name_the_deviating_rows():
    texts = ["billing", "returns", "The team is billing.", "I would have to think.", None]
    found = consistency_of("prompt", [answered(texts)], ROWS, TASK, NormalizedMatch())
    assert {form: s.count for form, s in found.forms.items()} == {"exact": 2, "extra": 1, "wrong": 1, "failed": 1}
    assert found.requests == found.inputs == 5
    assert found.deviating == ("r2", "r3", "r4")
    assert found.deviation.count == 3
    low, high = binomtest(3, 5).proportion_ci(0.95, method="exact")
    assert found.per_10k == pytest.approx((10_000 * low, 10_000 * high))
    assert found.agreement is None


@pytest.mark.parametrize(("count", "n"), [(0, 50), (3, 400), (50, 10_000), (20, 20)])
def test_intervals_are_clopper_pearson(count, n):
    want = binomtest(count, n).proportion_ci(0.95, method="exact")
    got = share(count, n)
    assert (got.low, got.high) == pytest.approx((want.low, want.high), abs=1e-9)


def test_repeats_of_an_input_are_not_counted_as_independent():
    once, thrice = share(10, 100), share(30, 300, independent=100)
    assert (once.low, once.high) == pytest.approx((thrice.low, thrice.high))


def test_agreement_counts_inputs_whose_repeats_are_equal():
    rounds = [answered(["billing"] * 5), answered(["billing", "billing", "returns", "billing", None])]
    found = consistency_of("prompt", rounds, ROWS, TASK, NormalizedMatch())
    assert found.agreement is not None
    assert (found.agreement.count, found.agreement.n) == (3, 5)
    assert found.requests == 10


def test_a_metric_without_form_and_silence_tell_nothing():
    task = Task("t", "Say.", ("text",), "team", "generation", (MetricSpec("token_f1"),), 0.9)
    assert consistency_of("prompt", [answered(["a"] * 5, task, TokenF1())], ROWS, task, TokenF1()) is None
    assert consistency_of("prompt", [answered([None] * 5)], ROWS, TASK, NormalizedMatch()) is None


def test_requests_are_spread_over_inputs_first():
    assert plan_requests(available=500, requests=1000, repeats=2) == (500, 2)
    assert plan_requests(available=100, requests=1000, repeats=2) == (100, 10)
    assert plan_requests(available=5000, requests=1000, repeats=1) == (1000, 1)


@pytest.mark.slow
def test_the_verb_counts_slips_and_asks_nothing_twice(run, tmp_path):  # noqa: F811
    every = ["{}: billing, delivery or returns"]  # no step takes a label out of that
    slips = {"abilities": {"base": 0.97}, "format_slip": 0.5, "format_slip_when_told": 0.1, "slip_forms": every}
    write_config(tmp_path, model=slips, n=400)
    run("climb")
    code, out, err = run(
        "consistency", "runs/routing", "--rung", "prompt", "--requests", "200", "--repeats", "1", "--json"
    )
    assert code == 0, err
    [found] = json.loads(out)
    assert found["requests"] == found["inputs"] == 200
    assert sum(s["count"] for s in found["forms"].values()) == 200
    deviates = 200 - found["forms"]["exact"]["count"]
    assert 5 <= deviates <= 45  # one in ten slips where the form is told
    assert (tmp_path / "runs/routing/rungs/prompt/consistency.json").is_file()
    again = run("consistency", "runs/routing", "--rung", "prompt", "--requests", "200", "--repeats", "1")[1]
    told = re.search(r"([\d,]+) to ([\d,]+) failures of form in 10,000 requests \(95 % CI\)", again)
    low, high = (int(number.replace(",", "")) for number in told.groups())
    assert low < 10_000 * deviates / 200 < high
    code, _, err = run("consistency", "runs/routing", "--metric", "token_f1")
    assert code == 2
    assert "consistency by token_f1 means nothing: it knows no exact form" in err
    code, _, err = run("consistency", "runs/routing", "--rung", "rag")
    assert code == 2
    assert "has no measured approach 'rag'; measured: baseline, prompt" in err
