"""A goal on macro F1, balanced accuracy or the F of one label: from rung.yaml to check, choice, verdict, comparison and report."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import fbeta_score

from rung.decide.compare import compare, shown_not_worse
from rung.decide.current import anchored
from rung.decide.verdict import decide
from rung.engine.check import check
from rung.engine.verify import verify
from rung.errors import DataError
from rung.evaluate.alpha import differing, weight_of
from rung.evaluate.measure import held_beside
from rung.ladder import climb
from rung.progress import Silent
from rung.prompts.race import mean_score, racing_scores
from rung.report.github import render_github
from rung.report.load import load_report
from rung.report.page import render_page
from rung.stats.aggregate import compare_contributions, contributions, non_inferior_contributions
from rung.stats.wealth import LEAST_WEIGHT
from rung.store.run import RunFolder
from rung.types import Failure, MetricSpec, Outcome
from tests.unit._results import task
from tests.unit.test_floors import FRAUD, climbed, config_of, labelled, measured, payments, rows

MACRO = (MetricSpec("macro_f1"),)


def named(outcomes, name="macro_f1"):
    """Give outcomes the score of another metric."""
    return tuple(
        o if o.scores is None else Outcome(o.example_id, o.group, o.answer, {name: next(iter(o.scores.values()))},
                                           label=o.label, said=o.said) for o in outcomes
    )  # fmt: skip


def test_seven_of_22_frauds_found_misses_a_goal_on_macro_f1_that_right_answers_would_meet():
    of = task(0.9, metrics=MACRO)
    rung = measured(named(payments()), of)
    f1 = 2 * 7 / (22 + 7)
    assert rung.estimates["macro_f1"].mean == pytest.approx((f1 + 600 / 615) / 2)
    assert rung.quality.status == "misses"
    assert measured(payments(), task(0.9)).quality.status == "meets"
    verdict = decide(climbed(of, {"prompt": rung}))
    assert verdict.basis.startswith("Closest, prompt: macro F1 0.73 on 322 held-out examples (95 % CI ")
    f2 = measured(
        named(payments(), "label_f"), task(0.9, metrics=(MetricSpec("label_f", {"label": "fraud", "beta": 2}),))
    )
    expected, said = zip(*((o.label, o.said) for o in payments()), strict=True)
    wanted = fbeta_score(expected, said, beta=2, pos_label="fraud")
    assert f2.estimates["label_f"].mean == pytest.approx(wanted)


def test_what_got_no_answer_is_unknown_for_an_average_too():
    of = task(0.9, metrics=MACRO)
    silent = [Outcome(f"s{i}", f"s{i}", None, None, Failure("timeout", "none"), label="fraud") for i in range(40)]
    rung = measured([*named(payments(found=20)), *silent], of)
    assert rung.quality.lower < measured(named(payments(found=20)), of).quality.lower
    assert rung.quality.upper > 0.9
    assert rung.quality.status == "inconclusive"
    assert rung.quality.advice.startswith("40 of 362 test examples got no answer")


def test_contributions_have_the_measure_as_their_mean_and_its_slope():
    draw = random.Random(4)
    expected, said = ([draw.choice("aaabbc") for _ in range(90)] for _ in range(2))
    for kind, label in (("macro_f1", None), ("balanced_accuracy", None), ("f1", "c")):
        found = contributions(kind, expected, said, label)
        of = [named_(expected, said, kind, label)]
        assert found.values.mean() == pytest.approx(of[0])
        more = [named_([*expected, expected[i]], [*said, said[i]], kind, label) for i in range(90)]
        slopes = (np.array(more) - of[0]) * 91  # one example more moves the measure by its influence / n
        assert np.corrcoef(slopes, found.values - of[0])[0, 1] > 0.99


def named_(expected, said, kind, label):
    return float(contributions(kind, expected, said, label).values.mean())


def test_two_approaches_are_compared_by_the_average_and_not_by_right_answers():
    of = task(0.5, metrics=MACRO, min_gain=0.02)
    many = [labelled(i, "fine", "fraud" if i < 20 else "fine") for i in range(300)]
    none = [labelled(300 + i, "fraud", "fine") for i in range(30)]
    all_found = [labelled(300 + i, "fraud", "fraud") for i in range(30)]
    bland = measured(named([*[labelled(i, "fine", "fine") for i in range(300)], *none]), of)
    keen = measured(named([*many, *all_found]), of)
    pair = compare(("prompt", bland), ("fewshot", keen), of, 7)
    assert (pair.wins, pair.losses) == (30, 20)  # the sign test on these has p = .20
    assert stats.binomtest(30, 50).pvalue > 0.1
    assert pair.gain == pytest.approx(keen.estimates["macro_f1"].mean - bland.estimates["macro_f1"].mean)
    assert pair.p_value < 0.001
    assert pair.low > 0.1
    back = compare(("fewshot", keen), ("prompt", bland), of, 7)
    assert (back.gain, back.low, back.high) == (
        pytest.approx(-pair.gain),
        pytest.approx(-pair.high),
        pytest.approx(-pair.low),
    )
    assert not shown_not_worse(keen, bland, of).shown
    assert shown_not_worse(bland, keen, of).shown


def test_equal_answers_show_no_more_than_the_rarest_label_allows():
    expected = ["a"] * 190 + ["b"] * 10
    same = contributions("balanced_accuracy", expected, expected)
    found = compare_contributions(same, same)
    assert (found.gain, found.p_value) == (0.0, 1.0)
    df = 4 / (1 / 190 + 1 / 10) - 1
    assert found.high == pytest.approx(stats.t.ppf(0.975, df) / 20)  # one of ten answers about b is worth 1 / 20


def test_candidates_race_by_the_average():
    of = task(0.5, metrics=MACRO)
    right_often = named(
        [*[labelled(i, "fine", "fine") for i in range(90)], *[labelled(90 + i, "fraud", "fine") for i in range(10)]]
    )
    finds = named(
        [
            *[labelled(i, "fine", "fine" if i < 75 else "fraud") for i in range(90)],
            *[labelled(90 + i, "fraud", "fraud") for i in range(10)],
        ]
    )
    assert sum(racing_scores(finds, of)) > sum(racing_scores(right_often, of))
    assert mean_score(finds, of) == pytest.approx(sum(racing_scores(finds, of)) / 100)
    assert mean_score(finds, task(0.5, metrics=(MetricSpec("macro_f1", plugin="exact_match"),))) == 0.85


# --- from rung.yaml to the verdict


def test_a_climb_by_macro_f1_says_so_everywhere_and_is_verified(tmp_path):
    config = config_of(tmp_path, rows(300), ("baseline", "prompt"), 0.8, metrics=["macro_f1"])
    run = climb(config, tmp_path / "run")
    baseline, prompt = run.results["baseline"], run.results["prompt"]
    assert baseline.estimates["macro_f1"].mean < 0.6  # right in 7 of 8, and its macro F1 is that of one label
    assert baseline.stopped_early_at is None
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "prompt")
    assert run.verdict.basis.startswith("Macro F1 1.00 on ")
    folder = RunFolder.open(tmp_path / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    assert "macro F1" in render_page(load_report(folder))
    assert "Macro F1 1.00" in render_github(folder)
    assert prompt.level > baseline.level  # dev says by the same average which approach is likely to meet the goal


def test_check_counts_what_a_rare_label_leaves_and_stops_at_nonsense(tmp_path):
    made = rows(300)
    [power] = [
        f for f in check(config_of(tmp_path, made, metrics=["macro_f1"]), Silent()).findings if f.check == "power"
    ]
    assert power.measured["effective"] < 0.5 * power.measured["test"]
    assert "for macro F1, since labels are rare)" in power.message
    with pytest.raises(DataError, match="no test example has the label 'frau', so the goal on F1 of 'frau' can be"):
        climb(config_of(tmp_path, made, metrics=[{"label_f": {"label": "frau"}}]), tmp_path / "b")
    with pytest.raises(DataError, match="always answering 'fine' would be right in 8"):
        climb(config_of(tmp_path, made, metrics=[{"label_f": {"label": "fine"}}]), tmp_path / "c")
    with pytest.raises(
        DataError, match="the metric macro_f1 is about labels, and the task has none: its kind is generation"
    ):
        climb(config_of(tmp_path, made, metrics=["macro_f1"], kind="generation"), tmp_path / "d")


def test_as_good_as_what_runs_now_is_a_difference_of_averages_where_one_decides():
    of = task(1.0, metrics=MACRO, tolerance=0.1, as_good_as="now")
    now, worse = (named(payments(found=found)) for found in (20, 7))
    current = measured(now, of)
    told = anchored(of, now)
    assert told.goal == pytest.approx(current.estimates["macro_f1"].mean)
    same, bad = (held_beside(measured(o, told), current, told, 2).quality for o in (now, worse))
    assert (same.status, bad.status) == ("meets", "misses")
    before, after = (
        contributions("macro_f1", [o.label for o in rows_], [o.said for o in rows_]) for rows_ in (now, worse)
    )
    by_hand = non_inferior_contributions(before, after, None, 0.1, 0.025)
    assert bad.lower == pytest.approx(told.goal + by_hand.lower)
    assert bad.upper < told.goal
    silent = tuple(
        replace(o, answer=None, scores=None, said=None, failure=Failure("timeout", "")) if o.label == "fraud" else o
        for o in now
    )
    unknown = held_beside(measured(silent, told), current, told, 2).quality
    assert (unknown.status, unknown.upper >= told.goal) == (
        "inconclusive",
        True,
    )  # it may have been right on all of them
    pair = compare(("now", current), ("prompt", measured(worse, told)), told, 7)
    assert pair.gain == pytest.approx(float((after.values - before.values).mean()))


@pytest.mark.slow
def test_an_average_beside_what_runs_now_from_rung_yaml_to_verify(tmp_path):
    goal = {"as_good_as": "baseline", "margin": 0.2}
    run = climb(config_of(tmp_path, rows(300), ("baseline", "prompt"), goal, metrics=["macro_f1"]), tmp_path / "run")
    beside = run.results["prompt"]
    assert (beside.quality.status, run.verdict.winner) == ("meets", "prompt")
    assert any("bound of the difference of averages (delta method)" in r.rule for r in run.verdict.reasons)
    assert run.verdict.repeats is None  # not known of averages
    assert [c.differs for c in verify(RunFolder.open(tmp_path / "run")) if c.differs] == []


# --- alpha by dev


def test_an_approach_that_dev_shows_to_miss_a_floor_gets_little_of_alpha():
    of, rows_ = task(0.9, floors=(FRAUD,)), payments(found=7, frauds=22)
    unaware = weight_of(rows_, task(0.9), 0.88)
    assert unaware > 0.99  # by the goal alone
    assert weight_of(rows_, of, 0.88) == LEAST_WEIGHT
    halfway = weight_of(payments(found=20, frauds=22), of, 0.88)
    assert halfway == pytest.approx(stats.beta.sf(0.88, 20.5, 2.5))
    as_before = tuple(Outcome(o.example_id, o.group, o.answer, o.scores) for o in rows_)
    assert weight_of(as_before, of, 0.88) == unaware  # dev outcomes that were kept before they were told apart
    average = task(0.9, floors=(replace(FRAUD, measure="f1"),))
    assert LEAST_WEIGHT < weight_of(payments(found=20, frauds=22), average, 0.88) < unaware


def test_a_climb_with_floors_keeps_shares_that_verify_finds_again(tmp_path):
    config = config_of(tmp_path, rows(300), ("baseline", "prompt"), 0.8, floors=[{"label": "fraud", "recall": 0.8}])
    run = climb(config, tmp_path / "run")
    assert run.results["baseline"].level < 0.001  # it meets the goal on dev and finds no fraud there
    assert run.results["prompt"].level > 0.04
    folder = RunFolder.open(tmp_path / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    assert differing(folder, folder.task) == ()
