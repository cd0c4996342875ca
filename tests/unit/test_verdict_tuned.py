"""When a model may be tuned, and what a tuned rung must show to win."""

from dataclasses import replace

import pytest

from rung.config import Step
from rung.decide.tuned import best_below, must_fall_short, paired_early, paired_with
from rung.decide.verdict import decide, stops
from rung.errors import NotOffered
from rung.types import Result
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed

TUNED = frozenset({"finetune"})
PLANNED = ("prompt", "fewshot", "rag", "finetune")


def on(model: str, found: Result) -> Result:
    return replace(found, candidate=replace(found.candidate, model=model))


def with_settings(found: Result, **settings: object) -> Result:
    return replace(found, candidate=replace(found.candidate, settings=settings))


def test_training_waits_until_every_lower_rung_is_shown_to_miss():
    t, step = task(0.9), Step(rung="finetune")
    miss, unclear, met = (result(share(k, 400), t) for k in (280, 362, 390))
    must_fall_short(t, step, {"baseline": miss, "prompt": miss})
    with pytest.raises(
        NotOffered, match="prompt is not shown to fall short: .* more test rows would tell, and cost less"
    ):
        must_fall_short(t, step, {"baseline": miss, "prompt": unclear})
    with pytest.raises(NotOffered, match="prompt is good enough: .* the cheaper way: ship that one"):
        must_fall_short(t, step, {"baseline": miss, "prompt": met})
    must_fall_short(t, Step(rung="finetune", settings={"force": True}), {"prompt": unclear})


def test_seeking_the_cheapest_a_small_model_is_tuned_although_a_large_one_is_good_enough():
    t, small = task(0.9, seek="cheapest"), Step(rung="finetune", settings={"model": "small"})
    met, unclear = result(share(390, 400), t), result(share(362, 400), t)
    must_fall_short(t, small, {"prompt": met})
    with pytest.raises(NotOffered, match="prompt is not shown"):
        must_fall_short(t, small, {"prompt": unclear})
    with pytest.raises(NotOffered, match="prompt is good enough"):
        must_fall_short(t, Step(rung="finetune"), {"prompt": met})  # the same model: nothing gets cheaper
    with pytest.raises(NotOffered, match="prompt@small is good enough"):
        must_fall_short(t, small, {"prompt@small": on("small", met)})


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
        "finetune is shown to be worth tuning: +0.055 over the best rung below, fewshot (p = "
    )
    assert stops(t, "finetune", results, TUNED, 7)
    near = replace(best, quality=replace(best.quality, status="not_met"))
    close = {**results, "fewshot": near, "finetune": result(share(885, 1000), task(0.86))}
    assert close["finetune"].quality.status == "met"
    assert not stops(t, "finetune", close, TUNED, 7)  # far above rag, but not 0.02 above few-shot


def test_force_is_told_and_never_changes_the_verdict():
    t = task(0.9)
    low, tuned = result(share(600, 1000), t), result(share(960, 1000), t)
    free = {"prompt": low, "finetune": tuned}
    assert decide(climbed(t, free, planned=PLANNED, trained=TUNED)).winner == "finetune"
    forced = {"prompt": low, "finetune": with_settings(tuned, forced=["40 training rows are below the minimum of 200"])}
    verdict = decide(climbed(t, forced, planned=PLANNED, trained=TUNED))
    assert (verdict.winner, verdict.decision) == (None, "exhausted")
    told = next(r for r in verdict.reasons if "by force" in r.claim)
    assert told.claim == "finetune ran by force and cannot win: 40 training rows are below the minimum of 200"
    unclear = result(share(890, 1000), t)
    assert unclear.quality.status == "unclear"
    verdict = decide(climbed(t, {"prompt": unclear, "finetune": tuned}, planned=PLANNED, trained=TUNED))
    assert (verdict.winner, verdict.decision) == (None, "undecided")
    assert any("by force" in r.claim and "prompt is not shown to fall short" in r.claim for r in verdict.reasons)


def test_a_small_tuned_model_takes_the_second_door_without_a_gain():
    t = task(0.8, seek="cheapest", worth_it=0.05)
    large = result(share(950, 1000), t, usd=0.01)
    small = on("small", result(share(950, 1000, shift=3), t, usd=0.001))
    results = {"prompt": large, "finetune": small}
    assert decide(climbed(t, results, planned=PLANNED, trained=TUNED)).winner == "finetune"
    same = {"prompt": large, "finetune": on("main", small)}
    assert decide(climbed(t, same, planned=PLANNED, trained=TUNED)).winner == "prompt"


def test_what_more_rows_would_bring_is_a_counterfactual_of_a_tuned_rung_that_falls_short():
    t = task(0.9)
    results = {"prompt": result(share(600, 1000), t), "finetune": result(share(700, 1000), t)}
    told = {"finetune": "about 800 more rows for 0.9 on dev"}
    verdict = decide(climbed(t, results, planned=PLANNED, trained=TUNED, forecasts=told))
    assert "'finetune': about 800 more rows for 0.9 on dev." in verdict.counterfactuals


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
    assert (verdict.decision, verdict.winner) == ("undecided", None)
    assert verdict.headline.startswith(
        "No proven gain: 'finetune' reaches the goal of 0.90 (measured 0.97 ± 0.02 (n=400)), but no rung below it was measured, "
        "so nothing shows that tuning is needed; climb `prompt` and `fewshot` too"
    )


def test_a_gain_that_is_not_shown_is_told_with_its_size():
    t = task(0.9)
    below_goal = result(share(345, 400), t)
    missed = replace(below_goal, quality=replace(below_goal.quality, status="not_met"))
    results = {"prompt": missed, "finetune": result(share(380, 400, shift=60), t)}
    close = decide(climbed(t, results, planned=("prompt", "finetune"), trained=TUNED))
    assert close.winner == "finetune"
    results["finetune"] = result(share(352, 400), t, planned=1)
    results["finetune"] = replace(results["finetune"], quality=replace(results["finetune"].quality, status="met"))
    told = decide(climbed(t, results, planned=("prompt", "finetune"), trained=TUNED))
    assert told.winner is None
    assert told.headline.startswith("No proven gain: 'finetune' reaches the goal of 0.90")
    assert "but its gain over 'prompt', the best rung below, is +0.018 (p = " in told.headline
    assert "not a significant one of at least 0.02" in told.headline


def test_force_changes_neither_lean_nor_decision_nor_headline():
    """What tuning by force measures stands in the report; the verdict is that of the rungs that may win."""
    t = task(0.9)
    miss = result(share(300, 400), t)
    reasons = ["60 training rows are below the minimum"]
    alone = decide(climbed(t, {"prompt": miss}))
    for right in (362, 395):  # unclear, and good enough
        forced = with_settings(result(share(right, 400), t), forced=reasons)
        verdict = decide(climbed(t, {"prompt": miss, "finetune": forced}, trained=TUNED))
        assert (verdict.decision, verdict.winner, verdict.lean) == (alone.decision, None, None)
        assert verdict.headline.startswith(
            "No: every other rung measured is shown to miss the goal of 0.90 ('finetune' cannot win: see the reasons); 'prompt' "
            "came nearest"
        )
        assert not any("'finetune' would" in c for c in verdict.counterfactuals)
    only = decide(climbed(t, {"finetune": forced}, planned=("finetune",), trained=TUNED))
    assert only.headline == "No: 'finetune' was measured and cannot win: see the reasons."
