"""The answer comes first: what each outcome says, in whole sentences of at most 25 words."""

from dataclasses import replace

import pytest

from rung.decide import headline
from rung.decide.verdict import Climbed, decide
from rung.evaluate.measure import summarise
from rung.prompts.postprocessing import SAID
from rung.types import (
    BaselineLearned,
    Candidate,
    EarlierUse,
    Estimate,
    FewShotLearned,
    Limits,
    PromptLearned,
    Result,
    Stopped,
    TunedLearned,
    Weights,
)
from tests.unit._results import result, share, task
from tests.unit.test_verdict import climbed

T = task(0.9)
LOW, CLOSE, GOOD = (result(share(k, 400), T) for k in (280, 362, 392))
CHAT = {"messages": (), "columns": ()}


def by(made: Result, learned: object, model: str | None = "main") -> Result:
    return replace(made, candidate=Candidate("r", "c", learned, model))  # type: ignore[arg-type]


def tuned(made: Result, **told: object) -> Result:
    weights = Weights("w", "0", "full")
    return by(made, TunedLearned(**CHAT, weights=weights, base="main", tuner="lora", under="short", rows=9, **told))


def needs_labels(made: Result) -> Result:
    return replace(made, quality=replace(made.quality, provisional="rests on the judge", labels_needed=60))


DEAR = task(0.9, limits=Limits(cost_per_1k_usd=0.5))
FINETUNE = {"trained": frozenset({"finetune"}), "trains": frozenset({"finetune"}), "planned": ("prompt", "finetune")}
BUDGET = Stopped("the budget cannot hold the next call", 5.0, 1.2)
OUTCOMES = {
    "baseline": (climbed(T, {"baseline": by(GOOD, BaselineLearned(method="linear"), None)}), "No fine-tuning needed, and no LLM: a linear classifier meets the goal."),
    "prompt": (climbed(T, {"prompt": GOOD}), "No fine-tuning needed: a better prompt meets the goal."),
    "few-shot": (climbed(T, {"fewshot": by(GOOD, FewShotLearned(**CHAT, k=4))}), "No fine-tuning needed: a prompt with examples meets the goal."),
    "another model": (climbed(T, {"prompt@small": by(GOOD, PromptLearned(**CHAT), "small")}), "No fine-tuning needed: a better prompt on `small` meets the goal."),
    "after the fence": (climbed(T, {"prompt": by(GOOD, PromptLearned(**CHAT, postprocessing="strip_fence"))}), "No fine-tuning needed: a better prompt meets the goal once its answer is taken out of the code fence."),
    "after two steps": (climbed(T, {"prompt": by(GOOD, PromptLearned(**CHAT, postprocessing="strip_fence, only_value"))}), "No fine-tuning needed: a better prompt meets the goal once its answer is cleaned by 2 post-processing steps."),
    "tuned alone": (climbed(T, {"prompt": LOW, "finetune": tuned(GOOD)}, **FINETUNE), "Fine-tuning is justified: it meets the goal, and nothing cheaper does."),
    "over the limit": (climbed(DEAR, {"prompt": result(share(392, 400), DEAR)}), "Not yet: a better prompt meets the goal but costs $1.00 per 1,000 requests (limit $0.50)."),
    "no price": (climbed(DEAR, {"prompt": result(share(392, 400), DEAR, usd=None)}), "No fine-tuning needed for quality; give a price for `main` to judge the cost limit."),
    "tuned and missed": (climbed(T, {"prompt": LOW, "finetune": tuned(result(share(264, 400), T))}, **FINETUNE), "Not yet, and fine-tuning does not help: it reaches 0.66 (goal 0.90)."),
    "tuned, better and missed": (climbed(T, {"prompt": LOW, "finetune": tuned(result(share(320, 400), T))}, **FINETUNE), "Not yet: even fine-tuning misses the goal: it reaches 0.80 (goal 0.90)."),
    "tuned and forgetful": (climbed(T, {"prompt": LOW, "finetune": tuned(GOOD, forgets="arithmetic")}, **FINETUNE), "Not yet: the fine-tuned model loses abilities that it must keep, so it cannot win."),
    "stopped": (climbed(T, {"prompt": LOW}, stopped=BUDGET, planned=("prompt", "rag")), "Stopped at the budget of $5.00 after prompt; RAG needs at most $1.20 more."),
    "stopped at once": (climbed(T, {}, stopped=BUDGET, planned=("prompt",)), "Stopped at the budget of $5.00 before any approach was measured; prompt needs at most $1.20 more."),
    "judge": (climbed(T, {"prompt": needs_labels(GOOD)}), "Provisional: a better prompt meets the goal; 60 more human labels would confirm the judge."),
    "used before": (climbed(T, {"prompt": GOOD}, earlier=EarlierUse(2, 1.0, 400, True, False)), "Exploratory: a better prompt meets the goal; these test examples decided two earlier runs."),
    "seen before": (climbed(T, {"prompt": GOOD}, exploratory=True), "Exploratory: a better prompt meets the goal; people had seen these test examples, or another candidate had been measured on them."),
    "both": (climbed(T, {"prompt": needs_labels(GOOD)}, exploratory=True), "Provisional and exploratory: a better prompt meets the goal; human labels and fresh test examples would confirm it."),
    "facts": (climbed(T, {"prompt": LOW}, facts=(31, 60)), "Not yet, and do not fine-tune now: 31 of 60 failures lack a fact that your documents hold."),
    "format": (climbed(T, {"prompt": LOW}, form=12), "Not yet, and do not fine-tune now: 12 right answers fail by format alone."),
    "missed": (climbed(T, {"prompt": LOW}, trains=frozenset({"finetune"})), "Not yet: a better prompt comes closest with 0.70 (goal 0.90)."),
    "nothing": (climbed(T, {}), "Not yet: no approach could be measured."),
}  # fmt: skip


@pytest.mark.parametrize(("climb", "said"), OUTCOMES.values(), ids=OUTCOMES)
def test_the_first_words_answer_whether_to_fine_tune(climb: Climbed, said: str):
    assert decide(climb).headline == said
    assert len(said.split()) <= 25


def test_of_an_approach_that_stopped_early_a_bound_is_said_and_no_mean():
    task_ = task(0.9)
    stopped = summarise(LOW.candidate, result(share(60, 120), task_).outcomes, task_, 3, stopped_at=120)
    high = stopped.estimates["normalized_match"].high
    said = decide(climbed(task_, {"prompt": stopped})).headline
    assert (
        said
        == f"Not yet: a better prompt comes closest with at most {high:.2f} (goal 0.90); fine-tuning was not tried."
    )
    both = climbed(task_, {"prompt": LOW, "finetune": tuned(stopped)}, **FINETUNE)
    assert f"reaches at most {high:.2f} (goal 0.90)" in decide(both).headline


def test_equal_quality_for_less_says_how_much_and_from_when():
    before, after = result(share(392, 400), T, usd=0.009), result(share(392, 400), T, usd=0.001)
    assert headline.pays(before, after, "440,000", False) == (
        "Fine-tuning pays: equal quality at a ninth of the cost from 440,000 requests a month."
    )
    assert headline.pays(before, after, None, True) == (
        "Fine-tuning pays: equal quality at a ninth of the cost at any volume."
    )
    assert headline.pays(after, before, None, False) == "Fine-tuning pays: equal quality with faster answers."
    odd = result(share(392, 400), T, usd=0.008)
    assert "at 89 % of the cost" in headline.pays(before, odd, None, True)


def test_every_step_that_may_stand_behind_a_model_has_its_sentence():
    assert set(headline.ONCE) == set(SAID)


def test_a_graded_score_is_no_share_of_correct_answers():
    graded = Estimate(0.831, 0.79, 0.86, 200, "wilson n_eff")
    assert headline.evidence_line(T, graded) == (
        "A mean score of 0.83 on 200 held-out examples (95 % CI 0.79 to 0.86; goal 0.90)."
    )
    nearly = Estimate(0.9993, 0.997, 1.0, 4000, "wilson")
    assert headline.evidence_line(T, nearly).startswith(
        "99.9 % correct on 4,000 held-out examples (95 % CI 99.7 to 100 %"
    )
