"""The second door: not worse, and cheaper or faster; what it says, and from which volume on it pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rung.decide.compare import cheaper, shown_cheaper_or_faster
from rung.decide.doors import Use
from rung.decide.economics import one_off, rent_of
from rung.decide.verdict import decide
from rung.stats.latency import faster
from rung.types import Result
from tests.unit._results import outcome, result, share, task
from tests.unit.test_verdict import climbed

SEEKING = {"seek": "cheapest", "worth_it": 0.05}
LADDER = ("prompt", "finetune")


def seconds(median: float, n: int = 60, seed: int = 3) -> tuple[float, ...]:
    return tuple(median * np.exp(0.3 * np.random.default_rng(seed).standard_normal(n)))


def tuned(found: Result) -> Result:
    return replace(found, candidate=replace(found.candidate, rung="finetune", name="lora", model="small"))


def through(large: Result, small: Result, *, volume: int | None = None, **uses: Use):
    t = task(0.8, **SEEKING)
    results = {"prompt": large, "finetune": tuned(small)}
    return decide(
        climbed(t, results, planned=LADDER, trained=frozenset({"finetune"}), uses=uses, requests_per_month=volume)
    )


def test_a_small_tuned_model_that_is_not_worse_cheaper_and_faster_takes_the_place_of_the_large_one():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t, usd=0.01), result(share(950, 1000, shift=3), t, usd=0.001)
    verdict = through(
        large,
        small,
        prompt=Use(unloaded_s=seconds(0.8)),
        finetune=Use(usd_per_hour=0.9, one_off_usd=20.0, unloaded_s=seconds(0.2, seed=4)),
    )
    assert (verdict.winner, verdict.decision) == ("finetune", "met")
    [said] = [r for r in verdict.reasons if "takes the place of" in r.claim]
    assert said.claim.startswith("finetune takes the place of prompt: shown to be not worse (0.0")
    assert "cheaper ($1.00 per 1,000 requests, against $10.00; p = " in said.claim
    assert "faster (p95 0.3" in said.claim
    assert "n = 60" in said.claim
    assert "at least 50 uncached requests, made one after the other" in said.rule
    assert said.evidence[-2:] == ("rungs/prompt/profile.json#p95_s", "rungs/finetune/profile.json#p95_s")


def test_the_break_even_volume_counts_the_machine_and_the_tuning():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t, usd=0.01), result(share(950, 1000, shift=3), t, usd=0.001)
    use = Use(usd_per_hour=0.9, one_off_usd=20.0)
    verdict = through(large, small, volume=100_000, finetune=use)
    [said] = [c for c in verdict.counterfactuals if "both good enough" in c]
    assert "($657.00 a month at 100,000 requests, the rent of its machine)" in verdict.headline
    # $657 a month for the machine against $0.01 a request: 65,700 requests; at 100,000 the $20 are back after 2 days
    assert said == (
        "Of 'prompt' and 'finetune', both good enough, finetune is cheaper above 66,000 requests a month; what it cost once is "
        "earned back in 2 days (a machine for finetune: $657.00 a month)."
    )
    [said] = [c for c in through(large, small, finetune=use).counterfactuals if "both good enough" in c]
    assert "finetune cost $20.00 once; give volume.requests_per_month to see when that is earned back" in said


@pytest.mark.parametrize(
    ("unloaded", "words"),
    [
        (seconds(0.78, seed=4), "not shown to be faster"),
        (seconds(0.2, 40), "latency not compared (fewer than 50 unloaded requests at both)"),
        ((), "latency not compared"),
    ],
)
def test_what_is_neither_cheaper_nor_shown_to_be_faster_does_not_win(unloaded, words):
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t), result(share(950, 1000, shift=3), t)
    verdict = through(large, small, prompt=Use(unloaded_s=seconds(0.8)), finetune=Use(unloaded_s=unloaded))
    assert verdict.winner == "prompt"
    [said] = [r.claim for r in verdict.reasons if "does not take the place of" in r.claim]
    assert words in said
    assert "not cheaper" in said


def test_a_faster_one_alone_opens_the_door_and_a_worse_one_does_not():
    t = task(0.8, **SEEKING)
    large, small = result(share(950, 1000), t), result(share(950, 1000, shift=3), t)
    use = {"prompt": Use(unloaded_s=seconds(0.8)), "finetune": Use(unloaded_s=seconds(0.2, seed=4))}
    assert through(large, small, **use).winner == "finetune"
    verdict = through(large, result(share(880, 1000), t), **use)
    assert verdict.winner == "prompt"
    assert any("not shown to be not worse (0.0" in r.claim for r in verdict.reasons)


def test_rows_without_an_answer_are_counted_against_the_cheaper_side():
    t = task(0.8)
    dear, cheap = result(share(390, 400), t, usd=0.01), result(share(390, 400), t, usd=0.001)
    assert shown_cheaper_or_faster(dear, cheap, t, 7) == "cheaper"
    silent = replace(cheap, outcomes=(outcome(0, None), *cheap.outcomes[1:]))
    assert (
        shown_cheaper_or_faster(dear, silent, t, 7) == "cheaper"
    )  # one row of its own without an answer decides nothing
    spiky = (outcome(0, 1.0, usd=5.0), *[outcome(i, None) for i in range(1, 200)], *cheap.outcomes[200:])
    assert cheaper(dear, replace(cheap, outcomes=spiky), 7) is None  # its dearest row stands in for the silent ones
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
    assert one_off(1800, 0.0, 2.0) == (1.0, None)
    assert one_off(1800, 0.25, 2.0) == (1.25, None)
    assert one_off(1800, None, 2.0) == (None, "what the teacher's answers cost is unknown")
    assert one_off(1800, 0.0, None)[1] == "tuning took 1,800 s on a machine without a price (usd_per_hour)"
    assert rent_of({"small": {"usd_per_hour": 0.9}}, "small+[tuned/x]") == 0.9
    assert rent_of({"small": {}}, "main") is None
