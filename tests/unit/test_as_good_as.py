"""As good as what runs now: a paired claim beside a step that is measured first, from rung.yaml to every form of the verdict."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rung.config import parse_config
from rung.decide.current import anchored, beside_line, must_answer, saves
from rung.decide.frontier import compared
from rung.decide.verdict import Climbed, decide
from rung.engine.check import check
from rung.engine.dev import dev_lines, look_on_dev
from rung.engine.plan import plan
from rung.engine.verify import verify
from rung.errors import ConfigError, RungError
from rung.evaluate.measure import held_beside
from rung.ladder import climb
from rung.progress import Silent
from rung.report.data import as_data
from rung.report.github import render_github
from rung.report.junit import render_junit
from rung.report.load import load_report
from rung.report.markdown import render_markdown
from rung.report.page import render_page
from rung.report.summary import summary
from rung.stats.paired import agreeing, compare_paired, non_inferior, paired_difference
from rung.stats.power import power_of_non_inferiority, rows_for_difference, rows_for_non_inferiority
from rung.stats.rerun import difference_chances
from rung.stats.threeway import judge_difference
from rung.store.run import RunFolder
from rung.types import TWINS, Comparison, Limits, Quality
from tests.unit._results import result, share, task
from tests.unit._worlds import rows
from tests.unit.test_verdict_tuned import tuned_as

GOAL = {"as_good_as": "now", "margin": 0.05}


def config_of(root, goal=None, *, n=400, good=0.97, now=0.97, price=1.0, ladder=None, **changes):
    """Return a climb over `n` examples: what runs now is stored in a column at $2 per 1,000 requests, the prompt of `main` is right on `good`."""
    draw = random.Random(5)
    made = [{**r, "old": r["team"] if draw.random() < now else "no idea"} for r in rows(n)]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    fake = {
        "provider": "fake",
        "answers": {r["text"]: r["team"] for r in made},
        "abilities": {"base": good},
        "price": {"input": price, "output": price},
    }
    raw = {
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "team", "goal": GOAL if goal is None else goal,
                 "metrics": ["normalized_match"], "kind": "classification", **changes.pop("task", {})},
        "data": {"path": "rows.jsonl", "id": "id"},
        "models": {"main": fake, "old": {"provider": "recorded", "column": "old", "cost_per_1k_usd": 2.0}, **changes.pop("models", {})},
        "ladder": ladder or ["baseline", {"prompt": {"rewrites": False}}, {"prompt": {"model": "old", "name": "now"}}],
        **changes,
    }  # fmt: skip
    return parse_config(raw, root)


# --- the claim itself


def test_the_claim_is_paired_non_inferiority_at_the_level_of_an_absolute_goal():
    now, other = share(180, 200), share(180, 200, shift=3)
    pairs = list(zip(now, other, strict=True))
    found = judge_difference(pairs, pairs, None, 0.05, 0.05, 4, 0.9)
    bound = non_inferior(now, other, None, 0.05, 0.05 / 4).lower
    assert found.lower == pytest.approx(0.9 + bound)
    assert found.upper == pytest.approx(0.9 - non_inferior(other, now, None, 0.05, 0.05).lower)
    assert found.status == ("meets" if bound > -0.05 else "inconclusive")
    assert found.probability_good == pytest.approx(stats.norm.sf(-_tango(now, other, 0.05)), abs=1e-6)
    worse = list(zip(now, share(140, 200), strict=True))
    assert judge_difference(worse, worse, None, 0.05, 0.05, 4, 0.9).status == "misses"


def _tango(a, b, margin):
    """Tango's statistic by its formula, with the losses at their constrained maximum likelihood found on a grid."""
    a, b = np.array(a), np.array(b)
    n, up, down = len(a), int(np.sum(b > a)), int(np.sum(a > b))
    losses = np.linspace(1e-9, 1 - 1e-9, 200_001)
    losses = losses[(losses - margin > 0) & (2 * losses - margin < 1)]
    gains = losses - margin
    loglik = up * np.log(gains) + down * np.log(losses) + (n - up - down) * np.log(1 - gains - losses)
    q = losses[loglik.argmax()]
    return (up - down + n * margin) / np.sqrt(n * (2 * q - margin - margin**2))


def test_what_got_no_answer_counts_against_the_approach_for_meets_and_for_it_for_misses():
    of = task(1.0, tolerance=0.05, as_good_as="now")
    now = result(share(180, 200), of)
    silent = held_beside(result([None] * 20 + share(180, 180), of), now, of, 1)
    assert silent.quality.status == "inconclusive"
    assert "20 of 200 test examples got no answer" in silent.quality.advice
    told = held_beside(result([0.0] * 20 + share(180, 180), of), now, of, 1)
    assert told.quality.lower == pytest.approx(silent.quality.lower)
    assert silent.quality.upper > told.quality.upper


def test_groups_carry_less_and_fewer_than_8_claim_nothing():
    pairs = [(1.0, 1.0)] * 195 + [(1.0, 0.0)] * 5
    alone = judge_difference(pairs, pairs, None, 0.06, 0.05, 1, 1.0)
    grouped = judge_difference(pairs, pairs, [str(i // 20) for i in range(200)], 0.06, 0.05, 1, 1.0)
    assert (alone.status, grouped.lower < alone.lower) == ("meets", True)
    few = judge_difference(pairs, pairs, [str(i // 40) for i in range(200)], 0.3, 0.05, 1, 1.0)
    assert (few.status, "5 groups" in few.advice) == ("inconclusive", True)


def test_in_groups_worse_is_what_flips_of_whole_groups_say_and_the_line_tells_which_bound_decides():
    """63 clusters of ten near-duplicates: the interval beside the verdict excludes 0 exactly where the verdict says so."""
    names = [f"{TWINS}{i // 10}" for i in range(630)]
    lost, won = {0, 1, 2, 3, 4, 5, 6, 7}, {8}
    pairs = [(1.0, 0.0) if i // 10 in lost else (0.0, 1.0) if i // 10 in won else (1.0, 1.0) for i in range(630)]
    found = judge_difference(pairs, pairs, names, 0.02, 0.05, 3, 0.9)
    before, after = zip(*pairs, strict=True)
    printed = compare_paired(before, after, names, seed=7)
    assert printed.p_value == pytest.approx(2 * (1 + 9) / 2**9)  # 9 groups differ, 8 of them to its disadvantage
    assert agreeing(printed, 0.05).high < 0
    assert -non_inferior(after, before, names, 0.02, 0.05).lower > -0.05
    assert (found.status, found.upper < 0.9) == ("misses", True)
    fewer = [(1.0, 1.0) if i // 10 in {5, 6, 7} else pair for i, pair in enumerate(pairs)]
    open_ = judge_difference(fewer, fewer, names, 0.02, 0.05, 3, 0.9)
    assert (open_.status, open_.upper >= 0.9) == ("inconclusive", True)  # 5 of 6: p = .11 one-sided


def test_where_the_interval_lies_above_the_margin_the_bound_that_decides_is_told():
    of = task(0.9, tolerance=0.02, as_good_as="now")
    pair = Comparison("now", "prompt", "normalized_match", 0.0, -0.015, 0.02, 1.0, 1.0, 1, 1, 98, 100, "m")
    quality = Quality("inconclusive", 0.874, 0.93, 0.9, None, None)
    assert "(95 % CI -1.5 to +2.0, and -2.6 by the bound that decides; up to 2 worse is as good)" in beside_line(
        of, pair, quality
    )
    assert "bound that decides" not in beside_line(of, replace(pair, low=-0.03), quality)


def test_power_and_rows_agree_with_each_other_and_with_simulation():
    needed = rows_for_non_inferiority(0.05, 0.1, 0.025)
    assert power_of_non_inferiority(needed, 0.05, 0.1, 0.025) == pytest.approx(0.8, abs=0.003)
    draw = np.random.default_rng(4)
    shown = 0
    for _ in range(400):
        u = draw.random(needed)
        a, b = (u > 0.05).astype(float), ((u < 0.05) | (u > 0.1)).astype(float)
        shown += non_inferior(a, b, None, 0.05, 0.025).shown
    assert shown / 400 == pytest.approx(0.8, abs=0.06)
    assert (
        rows_for_difference(paired_difference(share(90, 100), share(90, 100, shift=5), None), 100, 0.05, 0.05, 2) > 100
    )


def test_the_chance_of_the_same_answer_again_is_that_of_drawing_twice():
    draw = np.random.default_rng(8)
    a, b = share(360, 400), share(368, 400, shift=12)
    chance, _ = difference_chances(paired_difference(a, b, None), 0.05, 0.05, 2)
    again = 0
    for _ in range(2_000):  # rows drawn twice over: the truth, and the sample from it
        rows = draw.integers(0, 400, 400)[draw.integers(0, 400, 400)]
        again += non_inferior(np.array(a)[rows], np.array(b)[rows], None, 0.05, 0.025).shown
    assert chance == pytest.approx(again / 2_000, abs=0.05)


# --- what it saves


def test_an_approach_that_is_as_good_must_cost_less_or_be_better_or_keep_a_limit_that_the_other_breaks():
    of = task(1.0, tolerance=0.05, as_good_as="now")
    now = result(share(180, 200), of, usd=0.002)
    same, cheap, dear, better = (
        held_beside(result(share(k, 200, shift=0), of, usd=usd), now, of, 1)
        for k, usd in ((180, 0.002), (180, 0.001), (180, 0.004), (199, 0.004))
    )
    assert [r.saves for r in (same, cheap, dear, better)] == [False, True, False, True]
    assert [r.good_enough for r in (same, cheap, dear, better)] == [False, True, False, True]
    unpriced = held_beside(result(share(180, 200), of, usd=None), now, of, 1)
    assert (unpriced.saves, unpriced.good_enough) == (None, True)
    assert saves(of, replace(now, limits_held=False), dear) is True


# --- from rung.yaml to every form of the verdict


def test_the_cheapest_that_keeps_the_quality_is_named_everywhere(tmp_path):
    found = climb(config_of(tmp_path), tmp_path / "run")
    verdict = found.verdict
    assert list(found.results) == ["prompt@now", "baseline", "prompt"]  # what runs now first
    assert (verdict.decision, verdict.winner, found.exit_code) == ("meets", "prompt", 0)
    assert verdict.headline.startswith("Replace what runs now: a better prompt is as good, at ")
    assert "prompt@now, which runs now: " in verdict.basis
    assert "up to 5 worse is as good" in verdict.basis
    folder = RunFolder.open(tmp_path / "run")
    assert [c.what for c in verify(folder) if not c.passed] == []
    now = found.results["prompt@now"].estimates["normalized_match"].mean
    assert folder.task.goal == pytest.approx(now)
    report = load_report(folder)
    assert [line.result for line in summary(report).lines] == ["what runs now", "worse", "as good"]
    assert all(e.resolves for e in report.evidence.values())
    assert [(c.lower, c.upper) for c in report.comparisons] == [("prompt@now", "baseline"), ("prompt@now", "prompt")]
    assert "is as good as prompt@now, which runs now" in render_junit(folder)
    assert 'failures="0" errors="0"' in render_junit(folder)
    for form in (render_page(report), render_markdown(folder), render_github(folder)):
        assert "as good as" in form
    assert as_data(folder)["task"]["as_good_as"] == "prompt@now"
    assert as_data(folder)["rerun"]["probability"] > 0.9


def test_nothing_keeps_the_quality(tmp_path):
    found = climb(config_of(tmp_path, good=0.6, now=0.95), tmp_path / "run")
    assert (found.verdict.decision, found.exit_code) == ("misses", 1)
    assert found.verdict.headline == "Keep what runs now: nothing else measured is as good."
    assert "fails" not in render_junit(RunFolder.open(tmp_path / "run")).split("<properties>")[0]
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


def test_the_same_quality_for_more_money_is_no_reason_to_change(tmp_path):
    found = climb(config_of(tmp_path, price=500.0), tmp_path / "run")
    assert (found.verdict.decision, found.verdict.tentative_pick) == ("misses", None)
    assert found.verdict.headline == "Keep what runs now: what is as good costs no less."
    assert summary(load_report(RunFolder.open(tmp_path / "run"))).lines[-1].result == "as good, costs no less"


def test_one_that_beats_it_is_named_although_it_costs_more(tmp_path):
    found = climb(config_of(tmp_path, now=0.7, good=0.97, price=500.0), tmp_path / "run")
    assert found.verdict.headline == "Replace what runs now: a better prompt is better."


def test_floors_hold_as_ever(tmp_path):
    about = {"floors": [{"label": "billing", "recall": 0.99}]}
    found = climb(config_of(tmp_path, task=about, good=0.9, now=0.7), tmp_path / "run")
    assert (found.verdict.decision, found.verdict.winner) == ("misses", None)
    assert "recall of 'billing'" in found.verdict.headline


def test_check_and_plan_say_what_the_examples_can_show(tmp_path):
    config = config_of(tmp_path, n=200)
    [power] = [f for f in check(config, Silent()).findings if f.check == "power"]
    assert (
        "an approach truly as good as prompt@now, which runs now, is shown to be at most 0.05 worse with probability"
        in power.message
    )
    assert "accept a margin of" in power.next_step
    assert any("truly as good as prompt@now" in line for line in plan(config).power)
    assert plan(config).rungs[0].rung == "prompt@now"
    assert not [f for f in check(config, Silent()).findings if f.check == "ceiling"]


def test_dev_alone_is_held_against_what_it_scores_there(tmp_path):
    look = look_on_dev(config_of(tmp_path), Silent())
    assert 0.7 < look.task.goal < 1.0
    assert f"goal {look.task.goal:g}" in dev_lines(look)[0]


# --- what is not to be


@pytest.mark.parametrize(
    ("goal", "ladder", "says"),
    [
        ({"as_good_as": "live"}, None, "task.goal.as_good_as: is no step of the ladder (found live); allowed: baseline, prompt, prompt@now"),
        (GOAL, [{"prompt": {"model": "old", "name": "now"}}], "is the only step of the ladder"),
        ({"as_good_as": "now", "margin": -0.02}, None, "task.goal.margin: must be greater than 0 (found -0.02)"),
        ({"as_good_as": "now", "margn": 0.02}, None, "no such key"),
        ({"as_good_as": "old"}, [{"prompt": {"model": "old", "name": "a"}}, {"prompt": {"model": "old", "name": "b"}}], "may mean several steps"),
    ],
)  # fmt: skip
def test_a_goal_that_cannot_be_is_one_clear_sentence(goal, ladder, says, tmp_path):
    with pytest.raises(ConfigError) as error:
        config_of(tmp_path, goal, ladder=ladder)
    assert len(error.value.problems) == 1
    assert says in str(error.value)


def test_a_tolerance_and_a_trained_step_do_not_go_with_it(tmp_path):
    with pytest.raises(ConfigError, match="has a `margin` of its own: leave `tolerance` out"):
        config_of(tmp_path, task={"tolerance": 0.01})
    with pytest.raises(ConfigError, match="changes weights in the run"):
        climb(config_of(tmp_path, {"as_good_as": "finetune"}, ladder=["baseline", "finetune"]), tmp_path / "other")


def test_one_that_fails_on_many_examples_is_no_measure(tmp_path):
    made = config_of(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({**r, "old": "" if i % 3 else r["old"]}) + "\n" for i, r in enumerate(lines))
    )
    with pytest.raises(
        RungError,
        match=r"^prompt@now failed on \d+ of \d+ dev examples \(\d+ unrecorded\), so that being as good as it would say little: fix it",
    ):
        climb(made, tmp_path / "run")
    assert RunFolder.open(tmp_path / "run").times_opened == 0
    never = result(share(0, 100), task()).outcomes
    with pytest.raises(RungError, match=r"^now is right on none of 100 dev examples: name what runs now"):
        must_answer(task(as_good_as="now"), never, "dev")
    few = [*result(share(95, 100), task()).outcomes, *result([None] * 10, task()).outcomes]
    must_answer(task(as_good_as="now"), few, "test")


def test_a_climb_that_was_killed_goes_on_and_ends_in_the_same_verdict(tmp_path, monkeypatch):
    from rung import ladder

    whole = climb(config_of(tmp_path), tmp_path / "whole")
    measure, asked = ladder.Evaluator.measure, []

    async def killed(self, label, *given, **named):
        asked.append(label)
        if label == "prompt":
            raise KeyboardInterrupt
        return await measure(self, label, *given, **named)

    monkeypatch.setattr(ladder.Evaluator, "measure", killed)
    with pytest.raises(RungError):
        climb(config_of(tmp_path), tmp_path / "run")
    monkeypatch.setattr(ladder.Evaluator, "measure", measure)
    assert asked == ["prompt@now", "baseline", "prompt"]
    assert load_report(RunFolder.open(tmp_path / "run")).task.goal < 1.0
    again = climb(config_of(tmp_path), tmp_path / "run")
    assert again.verdict.headline == whole.verdict.headline
    assert again.results["prompt"].quality == whole.results["prompt"].quality
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []


def test_another_margin_in_the_same_folder_is_a_goal_chosen_after_the_result(tmp_path):
    first = climb(config_of(tmp_path), tmp_path / "run")
    second = climb(config_of(tmp_path, {"as_good_as": "now", "margin": 0.001}), tmp_path / "run")
    assert (first.verdict.decision, second.verdict.decision) == ("meets", "inconclusive")
    assert all(c.cached for o in second.results["prompt"].outcomes for c in o.answer.calls)
    assert second.verdict.earlier.other_goal
    assert not second.verdict.earlier.other_candidates
    assert any("Goal chosen after the result" in c for c in load_report(RunFolder.open(tmp_path / "run")).caveats)
    with pytest.raises(ConfigError, match="from a number to an approach or back"):
        climb(config_of(tmp_path, 0.9), tmp_path / "run")


def test_a_number_stays_a_number(tmp_path):
    config = config_of(tmp_path, 0.8)
    assert config.model_dump(mode="json")["task"]["goal"] == 0.8
    assert (config.current, config.as_task(kind="classification", labels=None).as_good_as) == (None, None)
    assert config.planned == ("baseline", "prompt", "prompt@now")


# --- together with what else a task may ask


def decided(of, now, others, trained=()):
    """Decide a climb beside `now`; returns the verdict."""
    told = anchored(of, now.outcomes)
    beside = {label: held_beside(r, now, of, len(others)) for label, r in others.items()}
    pairs = compared(told, {"now": now, **beside}, len(others) + 1, 7)
    return decide(
        Climbed(
            told,
            ("now", *others),
            beside,
            pairs,
            (),
            frozenset(trained),
            7,
            400,
            current=now,
            trains=frozenset(trained),
        )
    )


def test_fine_tuning_is_named_where_all_that_is_cheaper_is_worse_or_saves_nothing():
    of = task(1.0, tolerance=0.05, as_good_as="now")
    now = result(share(370, 400), of, usd=0.01)
    worse, dear = result(share(250, 400), of, usd=0.001), result(share(370, 400), of, usd=0.05)
    made = result(share(370, 400), of, usd=0.001)
    tuned = tuned_as(made)
    verdict = decided(of, now, {"prompt": worse, "fewshot": dear, "finetune": tuned}, {"finetune"})
    assert (verdict.winner, verdict.headline) == (
        "finetune",
        "Replace what runs now: fine-tuning is as good, at a tenth of the cost.",
    )
    cheap = result(share(370, 400), of, usd=0.002)
    verdict = decided(of, now, {"prompt": cheap, "finetune": tuned}, {"finetune"})
    assert verdict.winner == "prompt"  # what is as good for less keeps the gate shut


def test_seeking_the_cheapest_the_cheapest_that_is_as_good_wins():
    of = task(1.0, tolerance=0.05, as_good_as="now", objective="cheapest")
    now = result(share(370, 400), of, usd=0.01)
    others = {"prompt": result(share(370, 400), of, usd=0.005), "fewshot": result(share(370, 400), of, usd=0.001)}
    assert decided(of, now, others).winner == "fewshot"
    assert decided(replace(of, objective="good_enough"), now, others).winner == "prompt"


def test_a_limit_that_what_runs_now_breaks_is_a_reason_to_change_for_more():
    of = task(1.0, tolerance=0.05, as_good_as="now", limits=Limits(p95_latency_s=1.0))
    now = replace(result(share(370, 400), of, usd=0.001, served=[2.0] * 120), limits_held=False)
    quick = result(share(370, 400), of, usd=0.005, served=[0.1] * 120)
    assert decided(of, now, {"prompt": quick}).headline == "Replace what runs now: a better prompt is as good."


def test_the_frontier_holds_what_runs_now_too(tmp_path):
    climb(config_of(tmp_path, task={"objective": "frontier"}), tmp_path / "run")
    report = load_report(RunFolder.open(tmp_path / "run"))
    lines = summary(report).frontier
    assert lines[-1].startswith("prompt@now: ")
    assert {line.split(":")[0] for line in lines} == {"prompt@now", "baseline", "prompt"}
    assert [c.what for c in verify(RunFolder.open(tmp_path / "run")) if not c.passed] == []
