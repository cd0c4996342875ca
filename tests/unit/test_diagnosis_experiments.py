"""Diagnosis by experiment: failed dev rows asked again with one thing changed, within a stated number of calls."""

from __future__ import annotations

import asyncio

import pytest

from rung.diagnosis.experiments import ExperimentBudget
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.run import EXPERIMENTS, diagnose
from rung.errors import BudgetSpent, ModelError
from rung.prompts.templates import as_it_stands
from rung.types import Candidate, Completion, FewShotLearned, PromptLearned
from tests.unit._kit import KitForTests, examples, task, topic_of

TRAIN, DEV = examples(60, "t"), examples(30, "d")
TASK = task()
TEMPLATE = as_it_stands(TASK)
LEARNED = PromptLearned(messages=TEMPLATE.messages, columns=("text",))
AS_IS = Candidate("prompt", "as-is", LEARNED, "main")


def wrong(messages) -> str:
    return "refund" if topic_of(messages[-1].content) != "refund" else "login"


def right(messages) -> str:
    return topic_of(messages[-1].content)


def told(messages) -> bool:
    return "Use one of these labels" in messages[0].content


def shown(messages) -> bool:
    return any(m.role == "assistant" for m in messages)


class ByRole(KitForTests):
    """A kit whose answers depend on the role asked and on the repeat."""

    def __init__(self, answer, trouble=None):
        super().__init__(TASK)
        self.answer, self.trouble = answer, trouble

    async def ask(self, role, request):
        self.requests.append(request)
        if self.trouble is not None and (error := self.trouble(role, request)) is not None:
            raise error
        text = self.answer(role, request)
        return Completion(text, role, 1, 1, 0.0, 0.0)


def diagnosed(answer, *, calls=400, larger=None, trouble=None, rung="prompt", candidate=AS_IS, train=TRAIN, dev=DEV):
    kit = ByRole(answer)
    outcomes = asyncio.run(kit.run(candidate, dev))
    kit.requests.clear()
    kit.trouble = trouble
    subject = Subject(rung, candidate, outcomes, dev, TASK, train)
    found = asyncio.run(diagnose(subject, kit, ExperimentBudget(calls, larger or {})))
    return found, kit


def experiments(found):
    return {c.name: c for c in found.experiments}


def test_a_missing_instruction_shows_when_the_rule_is_stated():
    found, _ = diagnosed(lambda role, r: right(r.messages) if told(r.messages) else wrong(r.messages))
    cause = experiments(found)["missing instruction"]
    assert (cause.count, cause.share.n, cause.found_by) == (30, 30, "experiment")
    assert cause.evidence == (
        "30 of 30 failed examples pass once the rules that they broke are stated (label confusion 30 of 30)."
    )
    assert cause.predicts.rung is None
    assert set(cause.predicts.fixed) == {e.id for e in DEV}
    assert experiments(found)["missing convention"].count == 0


def test_the_rule_that_is_stated_is_one_prompt_for_all_rows():
    _, kit = diagnosed(lambda role, r: wrong(r.messages))
    systems = {r.messages[0].content for r in kit.requests if told(r.messages)}
    assert len(systems) == 1
    assert "point to" in systems.pop()  # the words that tell confused labels apart, from training rows


def test_a_missing_convention_shows_when_near_examples_stand_in_the_prompt():
    found, kit = diagnosed(lambda role, r: right(r.messages) if shown(r.messages) else wrong(r.messages))
    cause = experiments(found)["missing convention"]
    assert (cause.count, cause.predicts.rung, found.next_rung) == (30, "fewshot", "fewshot")
    chats = [r.messages for r in kit.requests if shown(r.messages)]
    train = {e.text for e in TRAIN}
    assert all(m.content in train for chat in chats for m in chat[1:-1] if m.role == "user")
    assert "re-run with one change, 30 of 30 pass (cause: missing convention)" in found.sentence


def test_capacity_shows_when_a_larger_model_is_asked():
    answer = lambda role, r: right(r.messages) if role == "large" else wrong(r.messages)  # noqa: E731
    found, _ = diagnosed(answer, larger={"main": "large"})
    cause = experiments(found)["capacity"]
    assert (cause.count, cause.predicts.rung) == (30, "@large")
    assert "scripted-1 (models.large)" in cause.evidence
    found, _ = diagnosed(answer)
    untried = {s.what: s.reason for s in found.untried}
    assert untried["capacity"] == "no configured model is known to be larger than models.main"


def test_unstable_rows_pass_when_they_are_merely_asked_again():
    some = {e.text for e in DEV[:20]}
    found, _ = diagnosed(
        lambda role, r: right(r.messages) if r.repeat == 2 and r.messages[-1].content in some else wrong(r.messages)
    )
    cause = experiments(found)["unstable"]
    assert (cause.count, cause.share.n, cause.predicts.rung) == (20, 30, None)
    assert cause.evidence == (
        "20 of 30 failed examples pass at least once when they are asked again 2 times word for word; 20 get another text."
    )
    assert set(cause.predicts.fixed) == {e.id for e in DEV[:20]}
    assert cause.predicts.not_fixed == ()  # steady rows may still be fixed by what the next rung does


@pytest.mark.parametrize("calls", [0, 8, 40, 120])
def test_no_more_is_asked_than_was_stated(calls):
    found, kit = diagnosed(lambda role, r: wrong(r.messages), calls=calls, larger={"main": "large"})
    assert len(kit.requests) == found.calls <= calls
    assert bool(found.experiments) == bool(calls)
    for cause in found.experiments:
        assert cause.share.n <= calls // len(EXPERIMENTS)


def test_a_baseline_asks_nobody():
    nobody = Candidate("prompt", "as-is", LEARNED, None)
    kit = ByRole(lambda role, r: wrong(r.messages))
    outcomes = asyncio.run(kit.run(AS_IS, DEV))
    kit.requests.clear()
    found = asyncio.run(diagnose(Subject("baseline", nobody, outcomes, DEV, TASK, TRAIN), kit, ExperimentBudget(100)))
    assert (found.experiments, found.calls, kit.requests) == ((), 0, [])


@pytest.mark.parametrize(
    "error",
    [
        BudgetSpent("the next call might exceed the budget", spent=1.0, limit=1.0),
        ModelError("status 401: wrong key", provider="openai", status=401),
    ],
)
def test_trouble_in_an_experiment_leaves_it_out_and_says_so(error):
    found, _ = diagnosed(
        lambda role, r: right(r.messages) if shown(r.messages) else wrong(r.messages),
        larger={"main": "large"},
        trouble=lambda role, r: error if role == "large" else None,
    )
    assert "capacity" not in experiments(found)
    assert {s.what: s.reason for s in found.untried} == {"capacity": str(error)}
    assert experiments(found)["missing convention"].count == 30


def test_what_does_not_apply_says_why():
    learned = FewShotLearned(messages=TEMPLATE.messages, columns=("text",), k=3, nearest=3, selection="nearest")
    near = Candidate("fewshot", "nearest k=3", learned, "main")
    found, _ = diagnosed(lambda role, r: wrong(r.messages), rung="fewshot", candidate=near)
    assert {s.what: s.reason for s in found.untried}["missing convention"] == "the prompt shows near examples already"
    found, _ = diagnosed(lambda role, r: wrong(r.messages), train=())
    assert {s.what: s.reason for s in found.untried}["missing convention"] == "there are no training examples to show"


def test_causes_by_reading_foretell_what_the_experiment_did_to_their_rows():
    good = {e.id for e in DEV[:10]}
    by_text = {e.text: e.id for e in DEV}

    def answer(role, r):
        fixed = shown(r.messages) and by_text.get(r.messages[-1].content) in good
        return right(r.messages) if fixed else wrong(r.messages)

    found, _ = diagnosed(answer)
    cause = found.causes[0]
    assert (cause.name, cause.predicts.rung) == ("label confusion", "fewshot")
    assert set(cause.predicts.fixed) == good
    assert (cause.predicts.share.mean, cause.predicts.share.n) == (10 / 30, 30)


def test_what_no_rung_mends_foretells_that():
    found, _ = diagnosed(lambda role, r: "I cannot help with that.", rung="prompt")
    assert found.causes[0].name == "refusal"
    found, _ = diagnosed(lambda role, r: "shipping and so on", rung="finetune")
    assert found.causes[0].predicts is None  # nothing above was tried


def test_the_same_rows_are_tried_whenever_it_is_run():
    answer = lambda role, r: wrong(r.messages)  # noqa: E731
    one, two = diagnosed(answer, calls=40)[0], diagnosed(answer, calls=40)[0]
    assert one == two
