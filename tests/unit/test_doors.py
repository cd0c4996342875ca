"""A cheaper alternative at equal quality: not worse, and cheaper or faster; what it says, and from which volume on it pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rung.decide.cheaper_equal import CheaperEqual, Use, cheaper_equal, offer, uses, volumes
from rung.decide.compare import cheaper, shown_cheaper_or_faster
from rung.decide.economics import one_off
from rung.decide.verdict import decide
from rung.stats.latency import Faster, faster
from rung.stats.paired import NonInferiority
from rung.types import Preflight, Profile, Result, Tuning
from tests.unit._results import at_volume, outcome, rented, result, share, task
from tests.unit.test_verdict import climbed

SEEKING = {"objective": "cheapest", "min_gain": 0.05}
LADDER = ("prompt", "finetune")


def seconds(median: float, n: int = 60, seed: int = 3) -> tuple[float, ...]:
    return tuple(median * np.exp(0.3 * np.random.default_rng(seed).standard_normal(n)))


def tuned(found: Result) -> Result:
    return replace(found, candidate=replace(found.candidate, rung="finetune", name="lora", model="small"))


def through(large: Result, small: Result, *, volume: int | None = None, **uses: Use):
    t = task(0.8, service=at_volume(volume), **SEEKING)
    results = {"prompt": large, "finetune": tuned(small)}
    return decide(climbed(t, results, planned=LADDER, trained=frozenset({"finetune"}), uses=uses))


def test_a_small_tuned_model_that_is_not_worse_cheaper_and_faster_takes_the_place_of_the_large_one():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t, usd=0.01), result(share(950, 1000, shift=3), t, usd=0.001)
    verdict = through(
        large,
        small,
        prompt=Use(served_s=seconds(0.8)),
        finetune=Use(one_off_usd=20.0, served_s=seconds(0.2, seed=4)),
    )
    assert (verdict.winner, verdict.decision) == ("finetune", "meets")
    [said] = [r for r in verdict.reasons if "takes the place of" in r.claim]
    assert said.claim.startswith("fine-tuning takes the place of prompt: at most 0.05 worse (0.0")
    assert "cheaper ($1.00 per 1,000 requests, against $10.00; p = " in said.claim
    assert "faster (p95 0.3" in said.claim
    assert "n = 60" in said.claim
    assert "at least 50 uncached requests, one at a time" in said.rule
    assert said.evidence[-2:] == ("prompt/profile#p95_s", "finetune/profile#p95_s")


def test_the_break_even_volume_counts_the_machine_and_the_tuning():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t, usd=0.01), result(share(950, 1000, shift=3), t, usd=0.001)
    use = Use(one_off_usd=20.0)
    verdict = through(large, rented(small, task(0.8, service=at_volume(100_000)), 0.9), volume=100_000, finetune=use)
    [said] = [c for c in verdict.counterfactuals if "both good enough" in c]
    assert verdict.headline == "Fine-tuning pays: equal quality at 66 % of the cost from 66,000 requests a month."
    # $657 a month for the machine against $0.01 a request: 65,700 requests; at 100,000 the $20 are back after 2 days
    assert said == (
        "Of prompt and fine-tuning, both good enough, fine-tuning is cheaper above 66,000 requests a month; what it cost once is "
        "earned back in 2 days (a machine for fine-tuning: $657.00 a month)."
    )
    [said] = [c for c in through(large, rented(small, t, 0.9), finetune=use).counterfactuals if "both good enough" in c]
    assert "fine-tuning cost $20.00 once; give volume.requests_per_month to see when that is earned back" in said


@pytest.mark.parametrize(
    ("unloaded", "words"),
    [
        (seconds(0.78, seed=4), "not significantly faster"),
        (seconds(0.2, 40), "latency not compared (fewer than 50 requests of its own at both)"),
        ((), "latency not compared"),
    ],
)
def test_what_is_neither_cheaper_nor_shown_to_be_faster_does_not_win(unloaded, words):
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t), result(share(950, 1000, shift=3), t)
    verdict = through(large, small, prompt=Use(served_s=seconds(0.8)), finetune=Use(served_s=unloaded))
    assert verdict.winner == "prompt"
    [said] = [r.claim for r in verdict.reasons if "does not take the place of" in r.claim]
    assert words in said
    assert "not cheaper" in said


def test_a_faster_one_alone_opens_the_door_and_a_worse_one_does_not():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t), result(share(950, 1000, shift=3), t)
    use = {"prompt": Use(served_s=seconds(0.8)), "finetune": Use(served_s=seconds(0.2, seed=4))}
    assert through(large, small, **use).winner == "finetune"
    verdict = through(large, result(share(880, 1000), t), **use)
    assert verdict.winner == "prompt"
    assert any(" worse (0.0" in r.claim and "perhaps more than" in r.claim for r in verdict.reasons)


def test_rows_without_an_answer_are_counted_against_the_cheaper_side():
    t = task(0.8)
    dear, cheap = result(share(390, 400), t, usd=0.01), result(share(390, 400), t, usd=0.001)
    assert shown_cheaper_or_faster(dear, cheap, t, 7) == "cheaper"
    silent = replace(cheap, outcomes=(outcome(0, None), *cheap.outcomes[1:]))
    assert (
        shown_cheaper_or_faster(dear, silent, t, 7) == "cheaper"
    )  # one row of its own without an answer decides nothing
    spiky = (outcome(0, 1.0, usd=0.03), *[outcome(i, None) for i in range(1, 200)], *cheap.outcomes[200:])
    assert cheaper(dear, replace(cheap, outcomes=spiky), 7) is None  # its dearest row stands in for the silent ones
    flat = (outcome(0, 1.0, usd=0.001), *spiky[1:])
    assert cheaper(dear, replace(cheap, outcomes=flat), 7) == pytest.approx(1 / 10_001)  # no row of its own is dear
    assert cheaper(cheap, dear, 7) is None
    assert cheaper(dear, dear, 7) is None
    half = replace(dear, outcomes=(outcome(0, None), *dear.outcomes[1:]))
    assert shown_cheaper_or_faster(half, cheap, t, 7) == "cheaper"  # silent at the dear side: left out
    assert cheaper(dear, result(share(390, 400), t, usd=None), 7) is None  # of unknown price
    assert cheaper(dear, replace(cheap, outcomes=tuple(outcome(i, None) for i in range(400))), 7) is None


def test_p95_is_compared_on_fifty_pairs_or_not_at_all():
    assert faster(seconds(0.8, 49), seconds(0.2, 49), seed=1) is None
    assert faster((None,) * 20 + seconds(0.8, 40), seconds(0.2), seed=1) is None
    found = faster(seconds(0.8), seconds(0.2, seed=4), seed=1)
    assert found is not None
    assert (found.n, found.p_value < 0.01) == (60, True)
    assert found.before_s == pytest.approx(float(np.quantile(seconds(0.8), 0.95)))
    same = faster(seconds(0.8), seconds(0.8, seed=4), seed=1)
    assert same is not None
    assert same.p_value > 0.05


def test_what_tuning_cost_is_machine_time_and_the_teachers_answers():
    took = Tuning("toy", Preflight((), ""), (), (), None, seconds=1800, lesson_usd=0.25)
    assert one_off(replace(took, lesson_usd=0.0), 2.0) == (1.0, None)
    assert one_off(took, 2.0) == (1.25, None)
    assert one_off(replace(took, lesson_usd=None), 2.0) == (None, "what the teacher's answers cost is unknown")
    assert one_off(took, None)[1] == "tuning took 1,800 s on a machine without a price (price.per_hour)"


# --- one alternative, and one after the other

NOT_WORSE, WORSE = NonInferiority(True, -0.01, 0.01), NonInferiority(False, -0.04, 0.3)


def quick(p: float) -> Faster:
    return Faster(0.8, 0.2, 60, p)


@pytest.mark.parametrize(
    ("not_worse", "cheaper_p", "faster_p", "opens"),
    [
        (NOT_WORSE, 0.01, None, True),
        (NOT_WORSE, None, 0.01, True),
        (NOT_WORSE, 0.5, 0.01, True),
        (NOT_WORSE, 0.01, 0.5, True),
        (NOT_WORSE, 0.05, 0.05, False),  # alpha itself is not below alpha
        (NOT_WORSE, None, None, False),
        (WORSE, 0.01, 0.01, False),
        (None, 0.01, 0.01, False),
    ],
)
def test_a_door_opens_to_what_is_not_worse_and_cheaper_or_faster(not_worse, cheaper_p, faster_p, opens):
    alternative = CheaperEqual(
        "prompt", "finetune", not_worse, cheaper_p, None if faster_p is None else quick(faster_p)
    )
    assert alternative.holds(0.05) is opens


@pytest.mark.slow
def test_each_rung_is_held_against_the_winner_so_far():
    t = task(0.8, **SEEKING)
    prices = {"prompt": 0.01, "small": 0.001, "dear": 0.005, "tiny": 0.0001}
    results = {k: result(share(950, 1000, shift=i), t, usd=u) for i, (k, u) in enumerate(prices.items())}
    winner, alternatives = cheaper_equal(t, "prompt", ["small", "dear", "tiny"], results, {}, 7)
    assert winner == "tiny"
    assert [(d.reference, d.label, d.holds(0.05)) for d in alternatives] == [
        ("prompt", "small", True), ("small", "dear", False), ("small", "tiny", True),
    ]  # fmt: skip
    assert alternatives[1].cheaper_p is None
    assert cheaper_equal(t, "prompt", [], results, {}, 7) == ("prompt", ())
    known = {"prompt": Use(served_s=seconds(0.8)), "small": Use(served_s=seconds(0.2, seed=4))}
    [alternative] = cheaper_equal(t, "prompt", ["small"], results, known, 7)[1]
    assert alternative.faster == faster(seconds(0.8), seconds(0.2, seed=4), seed=7)
    assert (alternative.not_worse.shown, alternative.cheaper_p) == (
        True,
        cheaper(results["prompt"], results["small"], 7),
    )
    assert cheaper_equal(t, "prompt", ["small"], results, {"small": known["small"]}, 7)[1][0].faster is None


def claims(t, large, small, **known):
    results = {"prompt": large, "finetune": tuned(small)}
    verdict = decide(climbed(t, results, planned=LADDER, trained=frozenset({"finetune"}), uses=known))
    return [r for r in verdict.reasons if "take the place" in r.claim or "takes the place" in r.claim]


@pytest.mark.slow
def test_what_is_unknown_of_a_door_is_said():
    t = task(0.8, **SEEKING)
    large = result(share(950, 1000), t)
    [said] = claims(t, large, result(share(950, 1000, shift=3), t, usd=None))
    assert "cost unknown at fine-tuning, latency not compared" in said.claim
    assert said.evidence == ("prompt/result#cost_per_1k_usd", "finetune/result#cost_per_1k_usd")
    [said] = claims(t, result(share(950, 1000), t, usd=None), result(share(950, 1000, shift=3), t, usd=None))
    assert "cost unknown at prompt and fine-tuning" in said.claim
    dear, cheap = result(share(4, 4), t, usd=0.01), result(share(4, 4), t, usd=0.001)
    met = replace(dear.quality, status="meets")
    [said] = claims(t, replace(dear, quality=met), replace(cheap, quality=met))
    assert "not significantly cheaper ($1.00 per 1,000 requests, against $10.00; p = 0.12)" in said.claim
    better = result(share(1000, 1000), t, usd=0.0001)
    [said] = claims(t, large, better)
    assert "at most 0.05 worse (better, if anything, p = " in said.claim
    apart = tuple(replace(o, example_id=f"x{o.example_id}") for o in large.outcomes)
    [said] = claims(t, large, replace(large, outcomes=apart))
    assert said.claim == (
        "fine-tuning does not take the place of prompt: no example was scored at both, not cheaper, latency not compared (fewer than "
        "50 requests of its own at both)"
    )


def test_what_use_takes_is_the_machine_the_tuning_and_the_requests_one_by_one():
    tuning = Tuning("toy", Preflight((), ""), (), (), None, seconds=1800, lesson_usd=0.25)
    taken = Profile("c", 2, 0.2, None, None, seconds=(0.1, None, 0.3))
    t = task(0.8)
    plain = result(share(9, 10), t)
    measured = {"prompt": plain, "finetune": rented(plain, t, 2.0), "free": plain}
    assert uses(measured, {"finetune": tuning}, {"finetune": taken}) == {
        "prompt": Use(),
        "finetune": Use(1.25, None, (0.1, None, 0.3)),
        "free": Use(0.0, None, ()),
    }


def test_an_offer_is_the_quality_and_the_price_with_what_use_takes():
    t = task(0.8)
    found = result(share(9, 10), t)
    made = offer(t, "finetune", found, {"finetune": Use(None, "no price")})
    assert (made.label, made.quality, made.cost_per_1k_usd) == (
        "finetune",
        found.estimates["normalized_match"],
        pytest.approx(1.0),
    )
    assert (made.cost, made.one_off_usd, made.one_off_note) == (found.cost, None, "no price")
    plain = offer(t, "prompt", found, {})
    assert (plain.machine_month_usd, plain.one_off_usd, plain.one_off_note) == (0.0, 0.0, None)


def test_volumes_are_told_of_good_rungs_against_the_winner_in_ladder_order():
    t = task(0.8)
    good, low = result(share(390, 400), t, usd=0.01), result(share(200, 400), t, usd=0.001)
    results = {
        "baseline": low,
        "prompt": good,
        "rag": result(share(390, 400), t, usd=0.002),
        "unpriced": result(share(390, 400), t, usd=None),
    }
    assert list(volumes(t, "rag", results, {}, None)) == [
        "Of prompt and RAG, both good enough, RAG is cheaper at any volume."
    ]
    assert list(volumes(t, "prompt", results, {}, None)) == [
        "Of prompt and RAG, both good enough, RAG is cheaper at any volume."
    ]
    assert list(volumes(t, "baseline", {k: results[k] for k in ("baseline", "prompt")}, {}, None)) == [
        "Of baseline and prompt, both good enough, baseline is cheaper at any volume."
    ]
    same = {"prompt": good, "rag": good}
    assert list(volumes(t, "prompt", same, {}, None)) == []  # equal prices: nothing to say
    once = {"rag": Use(40.0)}
    assert list(volumes(t, "prompt", {k: results[k] for k in ("prompt", "rag")}, once, 10_000)) == [
        "Of prompt and RAG, both good enough, RAG is cheaper at any volume; what it cost once is earned back in 15 days."
    ]
    machines = {"prompt": rented(good, t, 0.9), "rag": rented(results["rag"], t, 1.8)}
    [said] = volumes(t, "prompt", machines, {}, None)
    assert said.endswith(" (a machine for prompt: $657.00 a month and RAG: $1,314.00 a month).")
