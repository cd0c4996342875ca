"""Seeking the cheapest: of two approaches that meet the goal the cheaper one is named, unless it is shown to be worse or changed weights."""

from dataclasses import replace

import pytest

from rung.decide.verdict import decide
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed

T = task(0.9, objective="cheapest")
LADDER = ("prompt@large", "prompt")


def named(large, small, t=T, **more):
    results = {"prompt@large": result(large, t, usd=0.01), "prompt": result(small, t, usd=0.001)}
    return decide(climbed(t, results, planned=LADDER, **more))


@pytest.mark.parametrize("shift", [0, 7])
def test_of_two_equals_the_cheaper_is_named_without_proof_that_it_is_not_worse(shift):
    verdict = named(
        share(190, 200), share(190, 200, shift=shift)
    )  # 5 % and more differ: equality would take some 770 examples
    assert verdict.winner == "prompt"
    [said] = [r for r in verdict.reasons if "the place of" in r.claim]
    assert said.claim.startswith("prompt takes the place of prompt@large: ")
    assert "is cheaper example by example, and not shown to be more than `min_gain` worse" in said.rule


def test_one_that_is_shown_to_be_worse_or_misses_or_costs_as_much_does_not_take_the_place():
    assert named(share(1000, 1000), share(930, 1000)).winner == "prompt@large"  # 7 points worse, and meets the goal
    assert named(share(1000, 1000), share(990, 1000)).winner == "prompt"
    assert named(share(190, 200), share(170, 200)).winner == "prompt@large"  # inconclusive itself
    dear = {"prompt@large": result(share(190, 200), T, usd=0.01), "prompt": result(share(190, 200), T, usd=0.01)}
    assert decide(climbed(T, dear, planned=LADDER)).winner == "prompt@large"
    assert named(share(190, 200), share(190, 200), replace(T, objective="good_enough")).winner == "prompt@large"


def test_a_tuned_model_must_be_shown_not_to_be_worse():
    results = {
        "prompt": result(share(190, 200), T, usd=0.01),
        "finetune": result(share(186, 200, shift=9), T, usd=0.001),
    }
    small = replace(results["finetune"], candidate=replace(results["finetune"].candidate, model="small"))
    verdict = decide(
        climbed(T, results | {"finetune": small}, planned=("prompt", "finetune"), trained=frozenset({"finetune"}))
    )
    assert verdict.winner == "prompt"
    assert any(r.claim.startswith("fine-tuning does not take the place of prompt") for r in verdict.reasons)
