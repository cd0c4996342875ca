"""When a model may be tuned, and what a tuned rung must show to win."""

from dataclasses import replace

import pytest

from rung.decide.knowledge import asks_for_facts
from rung.decide.tuned import (
    below,
    best_below,
    fails_beside_goal,
    forecasts,
    gain_over_best,
    gate_was_open,
    must_fall_short,
    not_short,
    overridden,
    paired_early,
    paired_with,
    tuned_counterfactuals,
    tuned_reasons,
    vetoed,
    worth_tuning,
)
from rung.decide.verdict import decide, stops
from rung.errors import NotOffered
from rung.types import Cause, Diagnosis, Limits, Preflight, Result, TunedLearned, Tuning, Weights
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed

TUNED = frozenset({"finetune"})
PLANNED = ("prompt", "fewshot", "rag", "finetune")


def on(model: str, found: Result) -> Result:
    return replace(found, candidate=replace(found.candidate, model=model))


def tuned_as(found: Result, **told: object) -> Result:
    learned = TunedLearned(
        messages=(),
        columns=(),
        weights=Weights("w", "0", "full"),
        base="main",
        tuner="lora",
        under="short",
        rows=9,
        **told,
    )
    return replace(found, candidate=replace(found.candidate, learned=learned))


def test_training_waits_until_every_lower_rung_is_shown_to_miss():
    t = task(0.9)
    miss, inconclusive, met = (result(share(k, 400), t) for k in (280, 362, 390))
    must_fall_short(t, "main", {}, {"baseline": miss, "prompt": miss})
    with pytest.raises(NotOffered, match="prompt is inconclusive: .* more test examples would tell, and cost less"):
        must_fall_short(t, "main", {}, {"baseline": miss, "prompt": inconclusive})
    with pytest.raises(NotOffered, match="prompt is good enough: .* the cheaper way: ship that one"):
        must_fall_short(t, "main", {}, {"baseline": miss, "prompt": met})
    must_fall_short(t, "main", {"force": True}, {"prompt": inconclusive})


def test_seeking_the_cheapest_a_small_model_is_tuned_although_a_large_one_is_good_enough():
    t = task(0.9, objective="cheapest")
    met, inconclusive = result(share(390, 400), t), result(share(362, 400), t)
    must_fall_short(t, "small", {}, {"prompt": met})
    with pytest.raises(NotOffered, match="prompt is inconclusive"):
        must_fall_short(t, "small", {}, {"prompt": inconclusive})
    with pytest.raises(NotOffered, match="prompt is good enough"):
        must_fall_short(t, "main", {}, {"prompt": met})  # the same model: nothing gets cheaper
    with pytest.raises(NotOffered, match="prompt@small is good enough"):
        must_fall_short(t, "small", {}, {"prompt@small": on("small", met)})


def test_the_gain_is_measured_against_the_best_rung_below_not_the_one_just_below():
    t = task(0.9)
    low, best, worse = (result(share(k, 1000), t) for k in (500, 875, 600))
    tuned = result(share(930, 1000), t)
    results = {"prompt": low, "fewshot": best, "rag": worse, "finetune": tuned}
    assert best_below(t, "finetune", results) == "fewshot"
    assert paired_with(t, "finetune", results) == ("rag", "fewshot")
    verdict = decide(climbed(t, results, planned=PLANNED, trained=TUNED))
    assert verdict.winner == "finetune"
    claim = next(r for r in verdict.reasons if "worth tuning" in r.claim)
    assert claim.claim.startswith(
        "fine-tuning has a significant gain worth tuning: +0.055 over the best approach below, few-shot (p = "
    )
    assert stops(t, "finetune", results, TUNED, 7)
    near = replace(best, quality=replace(best.quality, status="misses"))
    close = {**results, "fewshot": near, "finetune": result(share(885, 1000), task(0.86))}
    assert close["finetune"].quality.status == "meets"
    assert not stops(t, "finetune", close, TUNED, 7)  # far above rag, but not 0.02 above few-shot


@pytest.mark.parametrize(
    ("n", "before", "after", "min_gain", "p_value", "worth"),
    [
        (40, 30, 35, 0.02, 0.0625, False),  # a gain of 0.125 that luck gives one time in sixteen
        (40, 30, 36, 0.02, 0.03125, True),
        (40, 30, 36, 0.15, 0.03125, True),  # the gain is 0.15, no more
        (40, 30, 36, 0.151, 0.03125, False),  # significant, and not worth the trouble
        (40, 36, 30, 0.02, 0.03125, False),  # significantly worse
    ],
)
def test_tuning_is_worth_it_where_its_gain_is_significant_and_large_enough(n, before, after, min_gain, p_value, worth):
    """The rule against false fine-tuning needs both: a p-value below alpha, and a gain of at least `min_gain`."""
    t = task(0.6, min_gain=min_gain)
    results = {"prompt": result(share(before, n), t), "finetune": result(share(after, n), t)}
    gain = gain_over_best(t, "finetune", results, 7)
    assert gain is not None
    assert (gain.p_value, gain.gain) == (pytest.approx(p_value), pytest.approx((after - before) / n))
    assert worth_tuning(t, "finetune", results, 7) is worth
    [said] = [
        r for r in decide(climbed(t, results, planned=PLANNED, trained=TUNED)).reasons if "worth tuning" in r.claim
    ]
    word = "a" if worth else "no"
    assert said.claim.startswith(
        f"fine-tuning has {word} significant gain worth tuning: {gain.gain:+.3f} over the best approach below, prompt"
    )
    assert said.rule.startswith(
        f"a significant paired gain of at least {min_gain:g} over the best approach below; McNemar"
    )
    assert said.evidence == ("prompt/result#estimates", "finetune/result#estimates")


def test_a_gain_at_just_the_level_is_not_shown():
    t = task(0.6, alpha=0.03125)
    results = {"prompt": result(share(30, 40), t), "finetune": result(share(36, 40), t)}
    assert gain_over_best(t, "finetune", results, 7).p_value == 0.03125
    assert not worth_tuning(t, "finetune", results, 7)
    said = next(tuned_reasons(t, TUNED, results, 7))
    assert said.claim.startswith("fine-tuning has no significant gain worth tuning: +0.150")


def test_a_gain_that_luck_may_have_brought_does_not_make_a_tuned_model_win():
    t = task(0.9, tolerance=0.1)
    miss, good = result(share(33, 40), t), result(share(38, 40), t)
    miss = replace(miss, quality=replace(miss.quality, status="misses"))
    good = replace(good, quality=replace(good.quality, status="meets"))
    results = {"prompt": miss, "finetune": good}
    verdict = decide(climbed(t, results, planned=PLANNED, trained=TUNED))
    assert (verdict.decision, verdict.winner, verdict.tentative_pick) == ("inconclusive", None, "finetune")
    assert verdict.headline == "Inconclusive: fine-tuning meets the goal, but its gain over prompt is not significant."
    assert not stops(t, "finetune", results, TUNED, 7)
    assert stops(t, "finetune", results, frozenset(), 7)  # the same figures without tuned weights are enough
    assert not worth_tuning(t, "finetune", {"finetune": good}, 7)  # nothing below it was measured


def test_force_is_told_and_never_changes_the_verdict():
    t = task(0.9)
    low, tuned = result(share(600, 1000), t), result(share(960, 1000), t)
    free = {"prompt": low, "finetune": tuned}
    assert decide(climbed(t, free, planned=PLANNED, trained=TUNED)).winner == "finetune"
    forced = {"prompt": low, "finetune": tuned_as(tuned, forced=("40 training examples are below the minimum of 200",))}
    verdict = decide(climbed(t, forced, planned=PLANNED, trained=TUNED))
    assert (verdict.winner, verdict.decision) == (None, "misses")
    told = next(r for r in verdict.reasons if "by force" in r.claim)
    assert told.claim == "fine-tuning ran by force and cannot win: 40 training examples are below the minimum of 200"
    inconclusive = result(share(890, 1000), t)
    assert inconclusive.quality.status == "inconclusive"
    verdict = decide(climbed(t, {"prompt": inconclusive, "finetune": tuned}, planned=PLANNED, trained=TUNED))
    assert (verdict.winner, verdict.decision) == (None, "inconclusive")
    assert any("by force" in r.claim and "prompt is inconclusive" in r.claim for r in verdict.reasons)


def test_a_small_tuned_model_takes_the_second_door_without_a_gain():
    t = task(0.8, objective="cheapest", min_gain=0.05)
    large = result(share(950, 1000), t, usd=0.01)
    small = on("small", result(share(950, 1000, shift=3), t, usd=0.001))
    results = {"prompt": large, "finetune": small}
    assert decide(climbed(t, results, planned=PLANNED, trained=TUNED)).winner == "finetune"
    same = {"prompt": large, "finetune": on("main", small)}
    assert decide(climbed(t, same, planned=PLANNED, trained=TUNED)).winner == "prompt"


def test_what_more_rows_would_bring_is_a_counterfactual_of_a_tuned_rung_that_falls_short():
    t = task(0.9)
    results = {"prompt": result(share(600, 1000), t), "finetune": result(share(700, 1000), t)}
    told = {"finetune": "about 800 more examples for 0.9 on dev"}
    verdict = decide(climbed(t, results, planned=PLANNED, trained=TUNED, forecasts=told))
    assert "fine-tuning: about 800 more examples for 0.9 on dev." in verdict.counterfactuals


def test_a_rung_below_whose_verdict_was_certain_early_is_asked_for_all_rows_before_tuning_is_judged():
    t = task(0.9)
    good, low = result(share(384, 400), t), result(share(200, 400), t)
    early = replace(result(share(28, 40), t), stopped_early_at=40)
    assert paired_early(t, "finetune", {"prompt": early, "rag": low, "finetune": good}) == "prompt"  # the best
    assert paired_early(t, "finetune", {"prompt": low, "rag": early, "finetune": good}) == "rag"  # the one just below
    assert paired_early(t, "finetune", {"prompt": low, "rag": low, "finetune": good}) is None
    assert paired_early(t, "rag", {"prompt": early, "rag": low}) is None
    assert paired_early(t, "prompt", {"prompt": good}) is None


def test_tuning_alone_has_no_proven_gain():
    t = task(0.9)
    verdict = decide(climbed(t, {"finetune": result(share(390, 400), t)}, planned=("finetune",), trained=TUNED))
    assert (verdict.decision, verdict.winner) == ("inconclusive", None)
    assert verdict.headline == "Inconclusive: fine-tuning meets the goal, but no cheaper approach was measured."


def test_a_gain_that_is_not_shown_is_told_with_its_size():
    t = task(0.9)
    below_goal = result(share(345, 400), t)
    missed = replace(below_goal, quality=replace(below_goal.quality, status="misses"))
    results = {"prompt": missed, "finetune": result(share(380, 400, shift=60), t)}
    close = decide(climbed(t, results, planned=("prompt", "finetune"), trained=TUNED))
    assert close.winner == "finetune"
    results["finetune"] = result(share(352, 400), t, planned=1)
    results["finetune"] = replace(results["finetune"], quality=replace(results["finetune"].quality, status="meets"))
    told = decide(climbed(t, results, planned=("prompt", "finetune"), trained=TUNED))
    assert told.winner is None
    assert told.headline == "Inconclusive: fine-tuning meets the goal, but its gain over prompt is not significant."
    [said] = [r for r in told.reasons if "worth tuning" in r.claim]
    assert "+0.018 over the best approach below, prompt (p = " in said.claim
    assert "gain of at least 0.02" in said.rule


def test_force_changes_neither_lean_nor_decision_nor_headline():
    """What tuning by force measures stands in the report; the verdict is that of the rungs that may win."""
    t = task(0.9)
    miss = result(share(300, 400), t)
    reasons = ("60 training examples are below the minimum",)
    alone = decide(climbed(t, {"prompt": miss}))
    for right in (362, 395):  # inconclusive, and good enough
        forced = tuned_as(result(share(right, 400), t), forced=reasons)
        verdict = decide(climbed(t, {"prompt": miss, "finetune": forced}, trained=TUNED))
        assert (verdict.decision, verdict.winner, verdict.tentative_pick) == (alone.decision, None, None)
        assert verdict.headline == (
            "Not yet: the fine-tuning was forced, so it cannot win, and nothing cheaper meets the goal."
        )
        assert verdict.basis == alone.basis
        assert not any("fine-tuning would" in c for c in verdict.counterfactuals)
    only = decide(climbed(t, {"finetune": forced}, planned=("finetune",), trained=TUNED))
    assert only.headline.startswith("Not yet: the fine-tuning was forced, so it cannot win")


# --- what may be tuned, rung by rung


def test_every_rung_below_is_looked_at_and_the_first_that_is_not_short_is_named():
    t = task(0.9, objective="cheapest")
    miss, unclear, met = (result(share(k, 400), t) for k in (280, 362, 390))
    assert not_short(t, "small", {"a": miss, "b": on("main", met), "c": miss}) is None
    said = not_short(t, "small", {"a": miss, "b": on("main", met), "c": on("main", unclear)})
    assert said.startswith("c is inconclusive: tuning is allowed only when every approach below misses")
    assert not_short(t, "small", {"a": on(None, met)}).startswith(
        "a is good enough"
    )  # asks no model: nothing is larger
    broken = replace(met, limits_held=False)
    assert not_short(t, "small", {"a": on("main", broken)}) is None  # over a limit is short of the goal
    unknown = replace(met, limits_held=None)
    assert "give a price for the model 'main'" in not_short(t, "small", {"a": on("main", unknown)})
    assert not_short(task(0.9), "small", {"a": on("main", met)}).startswith("a is good enough")
    assert not_short(t, None, {}) is None


def test_reasons_against_tuning_are_told_whether_of_the_rungs_below_or_of_missing_facts():
    t = task(0.9)
    miss = result(share(280, 400), t)
    share_of_rows = miss.estimates["normalized_match"]
    lacking = Diagnosis(
        "rag", 40, 20, (), None, "", (Cause("not retrieved", 12, share_of_rows, "", (), "", "experiment"),)
    )
    with pytest.raises(NotOffered, match="12 of 12 failures at RAG lack a fact"):
        must_fall_short(t, "main", {}, {"prompt": miss}, lacking)
    with pytest.raises(NotOffered, match="prompt is inconclusive"):
        must_fall_short(t, "main", {}, {"prompt": result(share(362, 400), t)}, lacking)
    must_fall_short(t, "main", {}, {"prompt": miss}, None)
    with pytest.raises(NotOffered):
        must_fall_short(t, "main", {"force": "yes"}, {"prompt": miss}, lacking)


@pytest.mark.parametrize(("facts", "others", "offered"), [(10, 10, False), (9, 11, True), (1, 0, False), (0, 3, True)])
def test_tuning_is_not_offered_from_half_of_the_failures_on(facts, others, offered):
    at = result(share(280, 400), task(0.9)).estimates["normalized_match"]
    made = [
        Cause(n, c, at, "", (), "", "experiment")
        for n, c in (("does not know", facts), ("not a knowledge problem", others))
        if c
    ]
    said = asks_for_facts(Diagnosis("rag", 40, 20, (), None, "", tuple(made)))
    assert (said is None) is offered
    if said is not None:
        assert said == (
            f"{facts} of {facts + others} failures at RAG lack a fact: they become right with the passage that tells it; "
            "tuning is no way to teach facts: they cannot be updated, audited or attributed; the cheaper way: answer from "
            "documents and search them better"
        )


def test_what_is_below_a_rung_is_in_ladder_order_and_the_first_of_equal_ones_is_the_best():
    t = task(0.9)
    same, low = result(share(300, 400), t), result(share(200, 400), t)
    results = {"a": low, "b": same, "c": same, "d": low}
    assert list(below("c", results)) == ["a", "b"]
    assert below("a", results) == {}
    assert [best_below(t, k, results) for k in results] == [None, "a", "b", "b"]
    assert paired_with(t, "a", results) == ()
    assert paired_with(t, "b", results) == ("a",)
    assert paired_with(t, "d", results) == ("c", "b")


def test_force_and_forgetting_shut_the_gate_and_are_told_one_by_one():
    t = task(0.9)
    low, good = result(share(600, 1000), t), result(share(960, 1000), t)
    forced = tuned_as(good, forced=("few examples", "7"))
    assert overridden(forced) == ("few examples", "7")
    assert overridden(good) == ()
    forgets = tuned_as(good, forgets="task notes falls")
    assert (vetoed(forgets), vetoed(good), vetoed(tuned_as(good, forgets=""))) == ("task notes falls", None, None)
    results = {"prompt": low, "finetune": good, "second": forgets, "third": forced}
    opened = [gate_was_open(t, k, results) for k in ("finetune", "second", "third")]
    assert opened == [True, False, False]
    trained = frozenset({"finetune", "second", "third"})
    said = [r.claim for r in tuned_reasons(t, trained, results, 7)]
    assert [c.split(" (p")[0] for c in said] == [
        "fine-tuning has a significant gain worth tuning: +0.360 over the best approach below, prompt",
        "second has no significant gain worth tuning: +0.000 over the best approach below, fine-tuning",
        "second cannot win: task notes falls",
        "third has no significant gain worth tuning: +0.000 over the best approach below, fine-tuning",
        "third ran by force and cannot win: few examples; 7; fine-tuning is good enough: tuning is allowed only when every approach below "
        "misses the goal; the cheaper way: ship that one",
    ]
    [*_, last] = tuned_reasons(t, trained, results, 7)
    assert last.rule == "`force: true` shows what tuning would bring; it never changes the verdict"
    assert last.evidence == ("third/result#candidate.learned.forced",)
    assert list(tuned_reasons(t, frozenset(), results, 7)) == []
    cheapest, both = (
        task(0.9, objective="cheapest"),
        {"prompt": good, "finetune": tuned_as(good, forced=("few examples",))},
    )
    [*_, same_model] = tuned_reasons(cheapest, TUNED, both, 7)
    assert same_model.claim.startswith("fine-tuning ran by force and cannot win: few examples; prompt is good enough: ")
    large = {**both, "prompt": replace(good, candidate=replace(good.candidate, model="large"))}
    [*_, other_model] = tuned_reasons(cheapest, TUNED, large, 7)
    assert other_model.claim == "fine-tuning ran by force and cannot win: few examples"
    verdict = decide(climbed(t, {"prompt": low, "finetune": forgets}, planned=PLANNED, trained=TUNED))
    assert verdict.winner is None


def test_forecasts_come_from_the_tuning_of_each_rung():
    tunings = {
        "a": Tuning("toy", Preflight((), ""), (), (), "about 800 more examples"),
        "b": Tuning("toy", Preflight((), ""), (), (), None),
    }
    assert forecasts(tunings) == {"a": "about 800 more examples"}
    t = task(0.9)
    good, low = result(share(390, 400), t), result(share(280, 400), t)
    told = {"a": "x", "b": "y", "gone": "z"}
    assert tuned_counterfactuals(t, told, {"a": good, "b": low}) == ["b: y."]


def test_an_approach_over_a_limit_is_short_of_the_goal_and_no_measure_of_the_gain():
    t = task(0.9, limits=Limits(cost_per_1k_usd=1.0))
    dear = replace(result(share(390, 400), t), limits_held=False)
    low = result(share(200, 400), t)
    tuned = result(share(391, 400), t)
    ladder = {"baseline": low, "prompt": dear, "finetune": tuned}
    assert fails_beside_goal(dear)
    assert not fails_beside_goal(replace(low, limits_held=False))  # it misses the goal as it is
    assert not_short(t, "main", {"baseline": low, "prompt": dear}) is None
    assert best_below(t, "finetune", ladder) == "baseline"
    assert worth_tuning(t, "finetune", ladder, 7)
    assert worth_tuning(t, "finetune", {"prompt": dear, "finetune": tuned}, 7)  # all below are over the limit
    assert not worth_tuning(t, "finetune", {"finetune": tuned}, 7)
    held = {**ladder, "prompt": replace(dear, limits_held=True)}
    assert not worth_tuning(t, "finetune", held, 7)


def test_a_tuned_approach_is_named_where_it_alone_keeps_the_limit():
    t = task(0.9, limits=Limits(cost_per_1k_usd=1.0))
    dear = result(share(390, 400), t, usd=0.004)
    tuned = result(share(391, 400, shift=3), t, usd=0.0001)
    assert (dear.limits_held, tuned.limits_held) == (False, True)
    found = decide(
        climbed(
            t,
            {"baseline": result(share(200, 400), t, usd=0.0), "prompt": dear, "finetune": tuned},
            trained=TUNED,
            planned=("baseline", "prompt", "finetune"),
        )
    )
    assert (found.decision, found.winner) == ("meets", "finetune")


def test_a_tuned_winner_says_what_no_test_on_these_labels_can_see():
    t = task(0.9)
    short, good = result(share(280, 400), t), tuned_as(result(share(390, 400), t))
    won = decide(climbed(t, {"prompt": short, "fewshot": short, "finetune": good}, trained=TUNED, planned=PLANNED))
    assert won.winner == "finetune"
    [warning] = [line for line in won.counterfactuals if "can be learnt look like a gain" in line]
    assert "compare 30 test answers of 'fine-tuning' with those of 'prompt'" in warning
    assert any(
        "say what training examples say in other words flatter 'fine-tuning'" in line for line in won.counterfactuals
    )
    cheap = decide(climbed(t, {"prompt": result(share(390, 400), t)}, trained=TUNED, planned=PLANNED))
    assert not any("can be learnt" in line or "in other words" in line for line in cheap.counterfactuals)
