"""From measured rungs to a verdict."""

from dataclasses import replace
from itertools import pairwise

import pytest

from rung.decide.compare import adjust, compare, shown_cheaper_or_faster, shown_not_worse
from rung.decide.verdict import Climbed, decide, stops
from rung.decide.wording import mark, tally
from rung.types import Finding, Limits, Result, Skipped, Stopped, Task
from tests.unit._results import result, share, task

LADDER = ("baseline", "prompt", "fewshot")


def test_failures_that_are_left_out_are_told_with_what_they_would_change():
    """Difficult examples fail more often, so that a score without them flatters; the verdict says what it would be with them."""
    t = task(0.9, failure_score=None)
    flattered = result([1.0] * 180 + [0.0] * 2 + [None] * 40, t, cause="refusal")
    verdict = decide(climbed(t, {"prompt": flattered}))
    assert (verdict.decision, verdict.winner) == ("meets", "prompt")
    assert verdict.counterfactuals[0] == (
        "40 of 222 test examples failed with prompt and are left out of its score. With failure_score 0 instead of null it would score 0.81 and miss the goal."
    )
    few = decide(climbed(t, {"prompt": result([1.0] * 297 + [0.0] + [None] * 2, t, cause="refusal")}))
    assert few.counterfactuals[0].endswith("it would score 0.99 and still meet the goal.")
    silent = decide(climbed(t, {"prompt": result([1.0] * 298 + [None] * 2, t, cause="timeout")}))
    assert not any(
        "failure_score" in line for line in silent.counterfactuals
    )  # what got no answer is unknown, and never left out
    counted = decide(
        climbed(task(0.9), {"prompt": result([1.0] * 297 + [0.0] + [None] * 2, task(0.9), cause="refusal")})
    )
    assert not any("failure_score" in line for line in counted.counterfactuals)


def climbed(for_task: Task, results: dict[str, Result], **changes: object) -> Climbed:
    names = list(results)
    pairs = [compare((a, results[a]), (b, results[b]), for_task, seed=7) for a, b in pairwise(names)]
    found = adjust([p for p in pairs if p is not None], len(LADDER))
    settings = {
        "task": for_task,
        "planned": LADDER,
        "results": results,
        "comparisons": found,
        "skipped": (),
        "trained": frozenset(),
        "seed": 7,
        "test_rows": 400,
        **changes,
    }
    return Climbed(**settings)  # type: ignore[arg-type]


def test_first_rung_that_meets_the_goal_wins_and_says_what_is_not_needed():
    t = task(0.9)
    low, high = result(share(280, 400), t), result(share(384, 400), t)
    verdict = decide(climbed(t, {"baseline": low, "prompt": high}))
    assert (verdict.decision, verdict.winner) == ("meets", "prompt")
    assert verdict.headline == "No fine-tuning needed: a better prompt meets the goal."
    assert verdict.basis == "96 % correct on 400 held-out examples (95 % CI 94 to 98 %; goal 90 %)."
    assert any("With a goal above" in c for c in verdict.counterfactuals)
    assert stops(t, "prompt", {"baseline": low, "prompt": high}, frozenset(), 7)


def test_labels_that_hold_every_rung_down_are_named_beside_the_verdict():
    t = task(0.95)
    measured = {"ceiling": 0.912, "low": 0.88, "high": 0.93, "goal": 0.95, "wrong_share": 0.088, "way": "labels"}
    ceiling = Finding("ceiling", "warn", "", "", (), measured)
    missed = {"baseline": result(share(200, 400), t), "prompt": result(share(330, 400), t)}
    [said] = [c for c in decide(climbed(t, missed, findings=(ceiling,))).counterfactuals if "seem wrong" in c]
    assert said == (
        "9% of the expected outputs seem wrong. A system that is always right would score about 0.91 here (0.88 to "
        "0.93), below the goal of 0.95: with fixed test examples, or a goal of 0.91 or less, the answer may be another."
    )
    met = {"baseline": result(share(400, 400), t)}
    assert not [c for c in decide(climbed(t, met, findings=(ceiling,))).counterfactuals if "seem wrong" in c]
    low = task(0.9)
    assert not [c for c in decide(climbed(low, missed, findings=(ceiling,))).counterfactuals if "seem wrong" in c]


def test_undecided_names_rows_and_leans():
    t = task(0.9)
    verdict = decide(climbed(t, {"baseline": result(share(280, 400), t), "prompt": result(share(362, 400), t)}))
    assert (verdict.decision, verdict.winner, verdict.tentative_pick) == ("inconclusive", None, "prompt")
    assert verdict.examples_needed is not None
    assert verdict.examples_needed > 400
    more = verdict.examples_needed - 400
    assert verdict.headline == f"Inconclusive: about {more:,} more test examples would decide. Tentative pick: prompt."
    assert verdict.basis.startswith("Tentative pick, prompt: 91 % correct on 400 held-out examples (95 % CI ")


def test_exhausted_names_the_nearest_and_the_goal_it_would_carry():
    t = task(0.9)
    verdict = decide(climbed(t, {"baseline": result(share(200, 400), t), "prompt": result(share(320, 400), t)}))
    assert (verdict.decision, verdict.tentative_pick) == ("misses", None)
    assert (
        verdict.headline == "Not yet: a better prompt comes closest with 0.80 (goal 0.90); fine-tuning was not tried."
    )
    assert verdict.basis == "Closest, prompt: 80 % correct on 400 held-out examples (95 % CI 76 to 84 %; goal 90 %)."
    assert any("With a goal of 0.77 or less, prompt would meet" in c for c in verdict.counterfactuals)


def test_a_limit_that_is_broken_or_unknown_is_not_good_enough():
    t = task(0.9, limits=Limits(cost_per_1k_usd=0.5))
    dear = result(share(390, 400), t)
    assert dear.quality.status == "meets"
    assert dear.limits_held is False
    verdict = decide(climbed(t, {"prompt": dear}))
    assert verdict.decision == "misses"
    assert verdict.headline == (
        "Not yet: a better prompt meets the goal but costs $1.00 per 1,000 requests (limit $0.50)."
    )
    assert verdict.counterfactuals == (
        "With limits of $1.00 per 1,000 requests instead of $0.50, prompt would be good enough.",
    )
    unknown = result(share(390, 400), t, usd=None)
    assert (unknown.cost_per_1k_usd, unknown.cost_note, unknown.limits_held) == (None, "no price for toy", None)
    assert not unknown.good_enough


def test_tuning_also_needs_a_real_gain_over_the_rung_below():
    t = task(0.9)
    below, tuned = result(share(374, 400), t), result(share(378, 400), t)
    results = {"prompt": replace(below, quality=replace(below.quality, status="misses")), "finetune": tuned}
    verdict = decide(climbed(t, results, trained=frozenset({"finetune"})))
    assert tuned.quality.status == "meets"
    assert verdict.winner is None
    assert verdict.decision == "inconclusive"


def test_the_second_door_takes_a_cheaper_rung_that_is_not_worse():
    t = task(0.8, objective="cheapest", min_gain=0.05)
    dear = result(share(950, 1000), t, usd=0.01)
    cheap = result(share(950, 1000, shift=3), t, usd=0.001)
    verdict = decide(climbed(t, {"prompt": dear, "prompt@small": cheap}, planned=("prompt", "prompt@small")))
    assert verdict.winner == "prompt@small"
    assert shown_cheaper_or_faster(dear, cheap, t, 7) == "cheaper"
    worse = result(share(850, 1000), t, usd=0.001)
    not_worse = shown_not_worse(dear, worse, t)
    assert not_worse is not None
    assert not not_worse.shown


def test_failed_rows_count_as_the_task_says():
    values = [1.0] * 90 + [None] * 10
    counted = result(values, task(0.9), cause="refusal")
    left_out = result(values, task(0.9, failure_score=None), cause="refusal")
    assert counted.estimates["normalized_match"].mean == pytest.approx(0.9)
    assert (left_out.estimates["normalized_match"].mean, left_out.estimates["normalized_match"].n) == (1.0, 90)
    assert counted.failures == {"refusal": 10}


def test_comparison_reports_the_share_of_failures_fixed():
    t = task(0.9)
    before, after = result(share(60, 100), t), result(share(80, 100), t)
    found = compare(("prompt", before), ("fewshot", after), t, 7)
    assert found is not None
    assert (found.wins, found.losses, found.ties, found.fixed_share) == (20, 0, 80, 0.5)
    assert found.gain == pytest.approx(0.2)


def test_holm_counts_pairs_that_were_planned_and_not_performed():
    t = task(0.9)
    pair = compare(("a", result(share(60, 100), t)), ("b", result(share(68, 100), t)), t, 7)
    assert pair is not None
    [alone] = adjust([pair], 2)
    [planned] = adjust([pair], 5)
    assert alone.p_adjusted == pytest.approx(pair.p_value)
    assert planned.p_adjusted == pytest.approx(min(1.0, 4 * pair.p_value))


def test_skipped_rungs_are_reasons_with_evidence():
    t = task(0.9)
    verdict = decide(climbed(t, {"baseline": result(share(200, 400), t)}, skipped=(Skipped("prompt", "no model"),)))
    assert any(r.claim == "prompt was not run" and r.evidence == ("skipped#0.reason",) for r in verdict.reasons)


def test_spent_budget_is_a_verdict_of_its_own():
    t = task(0.9)
    verdict = decide(
        climbed(t, {"baseline": result(share(200, 400), t)}, stopped=Stopped("the budget is spent; raise it", 1.0, 1.2))
    )
    assert (verdict.decision, verdict.headline) == (
        "stopped",
        "Stopped at the budget of $1.00 after baseline; prompt and few-shot need at most $1.20 more.",
    )
    assert verdict.counterfactuals[0] == "The budget is spent; raise it."


def test_no_goal_is_offered_that_nobody_would_set():
    t = task(0.9)
    verdict = decide(climbed(t, {"prompt": result([0.0] * 100, t)}))
    assert verdict.decision == "misses"
    assert verdict.counterfactuals == ()


def test_one_loss_is_no_losses():
    assert (tally(1, 1), tally(2, 0), tally(1200, 3)) == ("1 win, 1 loss", "2 wins, 0 losses", "1,200 wins, 3 losses")


def test_a_goal_keeps_the_places_it_has_and_is_never_rounded_up_into_a_promise():
    assert [mark(0.9), mark(0.885), mark(0.8999, down=True), mark(0.57, down=True)] == ["0.90", "0.885", "0.89", "0.57"]


def test_an_unknown_price_leaves_the_limit_open_and_names_the_model():
    t = task(0.9, limits=Limits(cost_per_1k_usd=1.0))
    found = decide(climbed(t, {"prompt": result(share(390, 400), t, usd=None)}))
    assert (found.decision, found.winner) == ("inconclusive", None)
    assert found.headline == "No fine-tuning needed for quality; give a price for `main` to judge the cost limit."
