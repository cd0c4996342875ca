"""What a diagnosis predicted, checked on the same dev rows, and what one request takes by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung.diagnosis.calibration import check, right_about
from rung.diagnosis.failed_examples import share_of
from rung.engine.verify import verify
from rung.errors import BudgetSpent
from rung.evaluate.profile import PARTS, _counted, profile
from rung.ladder import climb
from rung.prompts.templates import as_it_stands
from rung.rungs.baseline import Baseline
from rung.store.run import RunFolder
from rung.types import (
    Answer,
    Candidate,
    Cause,
    Demonstration,
    Diagnosis,
    Example,
    FewShotLearned,
    FitInput,
    Outcome,
    Prediction,
    Score,
    Source,
)
from tests.unit._kit import KitForTests, examples, task
from tests.unit._worlds import NEEDS_EXAMPLES, world

TASK = task()


def outcomes(right: str, wrong: str) -> list[Outcome]:
    scored = [(i, 1.0) for i in right.split()] + [(i, 0.0) for i in wrong.split()]
    return [Outcome(i, i, Answer("x"), {"normalized_match": Score(v)}) for i, v in scored]


def diagnosis(at: str, rung: str | None, fixed: str, not_fixed: str, found_by="experiment") -> Diagnosis:
    told = Prediction(rung, tuple(fixed.split()), tuple(not_fixed.split()), share_of(1, 2))
    cause = Cause("convention", 3, share_of(1, 2), "Evidence.", (), "do it", found_by, told)
    by_experiment = found_by == "experiment"
    return Diagnosis(
        at, 9, 5, () if by_experiment else (cause,), None, "S.", experiments=(cause,) if by_experiment else ()
    )


def test_predictions_are_counted_against_what_came_true():
    told = diagnosis("prompt", "fewshot", "a b c", "d e")
    (found,) = check([told], "fewshot", outcomes("a b d", "c e"), TASK)
    assert (found.at, found.rung, found.cause, found.found_by) == ("prompt", "fewshot", "convention", "experiment")
    assert (found.fixed, found.kept, found.not_fixed, found.surprises) == (3, 2, 2, 1)
    assert (found.predicted.mean, found.actual.mean, right_about(found).mean) == (0.6, 0.6, 0.6)
    assert found.tells_apart == pytest.approx(2 / 3 - 1 / 2)
    assert right_about(found).n == 5


def test_rows_that_the_later_rung_did_not_see_do_not_count():
    (found,) = check([diagnosis("prompt", "fewshot", "a b c", "")], "fewshot", outcomes("a", ""), TASK)
    assert (found.fixed, found.kept, right_about(found).n, found.tells_apart) == (1, 1, 1, None)
    assert check([diagnosis("prompt", "fewshot", "z", "")], "fewshot", outcomes("a", ""), TASK) == ()


@pytest.mark.parametrize(
    ("foretold_of", "measured", "speaks"),
    [
        ("fewshot", "fewshot", True),
        ("fewshot", "fewshot@small", True),
        ("fewshot", "rag", False),
        ("@large", "prompt@large", True),
        ("@large", "prompt", False),
        (None, "rag", True),
    ],
)
def test_which_rung_a_prediction_speaks_of(foretold_of, measured, speaks):
    told = diagnosis("prompt", foretold_of, "a", "b")
    assert bool(check([told], measured, outcomes("a b", ""), TASK)) is speaks


def test_a_prediction_of_any_rung_is_of_the_next_one():
    first, second = diagnosis("prompt", None, "a", "b"), diagnosis("fewshot", None, "a", "b", "reading")
    (found,) = check([first, second], "rag", outcomes("a", "b"), TASK)
    assert (found.at, found.found_by, right_about(found).mean) == ("fewshot", "reading", 1.0)


@pytest.mark.slow
def test_what_was_foretold_is_recomputed_by_verify(tmp_path):
    climb(world(tmp_path, 200, model=NEEDS_EXAMPLES), tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    checks = [c for c in verify(folder) if c.what == "fewshot: what was predicted of it"]
    assert [(c.passed, c.compared > 10) for c in checks] == [(True, True)]
    stored = folder.read("rungs/fewshot/predicted.json")
    stored[0]["kept"] += 1
    folder.write("rungs/fewshot/predicted.json", stored)
    assert "kept: stored" in " ".join(c.differs for c in verify(folder) if not c.passed)


# -- what one request takes ---------------------------------------------------------------------------------------------

TEMPLATE = as_it_stands(TASK)
SHOWN = tuple(Demonstration.of(e) for e in examples(2, "t"))
FEWSHOT = Candidate(
    "fewshot",
    "fixed k=2",
    FewShotLearned(messages=TEMPLATE.messages, columns=("text",), demonstrations=SHOWN, k=2, selection="fixed"),
    "main",
)


def profiled(candidate=FEWSHOT, kit=None):
    kit = kit or KitForTests(TASK, script=lambda messages: "refund")
    return asyncio.run(profile(candidate, examples(20, "d"), TASK, kit)), kit


def test_tokens_by_part_and_latency_of_requests_one_after_the_other():
    found, kit = profiled()
    assert (found.n, found.p50_s, found.output_tokens, found.note) == (5, 0.01, 1.0, None)
    assert [r.repeat for r in kit.requests] == [1000] * 5
    assert found.tokens == {"instruction": 6.0, "examples": 19.0, "passages": 0.0, "input": 8.2}
    assert tuple(found.tokens) == PARTS


def test_passages_are_told_from_the_rest():
    chat = TEMPLATE.with_block("Passages:\nthe courier comes at noon today").render({"text": "where is it"})
    answer = Answer("x", (), (Source("faq", "1", "the courier comes at noon today"),))
    row = Example("r", {"text": "where is it"}, "delivery", "r")
    counted = _counted("main", chat, row, answer, 0, KitForTests(TASK))
    assert counted == {"instruction": 7.0, "examples": 0.0, "passages": 6.0, "input": 3.0}


def test_what_cannot_be_asked_is_unknown_with_the_reason():
    class Spent(KitForTests):
        async def ask(self, role, request):
            raise BudgetSpent("the budget of $1 is spent", spent=1.0, limit=1.0)

    found, _ = profiled(kit=Spent(TASK))
    assert (found.n, found.p50_s, found.tokens, found.note) == (0, None, None, "the budget of $1 is spent")


@pytest.mark.slow
def test_a_rung_without_a_model_has_a_latency_and_no_tokens():
    kit = KitForTests(TASK)
    candidate = asyncio.run(
        Baseline().fit(FitInput(TASK, tuple(examples(60, "t")), tuple(examples(20, "d"))), kit)
    ).candidate
    found, kit = profiled(candidate)
    assert (found.n, found.tokens, kit.requests) == (5, None, [])
    assert found.p50_s is not None


def test_seeking_the_cheapest_many_requests_are_made_anew_one_after_the_other():
    kit = KitForTests(TASK, script=lambda messages: "refund")
    seeking = replace(TASK, objective="cheapest")
    found = asyncio.run(profile(FEWSHOT, examples(20, "d"), seeking, kit))
    assert (found.n, len(found.seconds), found.p95_s) == (60, 60, 0.01)
    assert sorted(r.repeat for r in kit.requests) == [1000] * 20 + [1001] * 20 + [1002] * 20
    few, _ = profiled()
    assert (len(few.seconds), few.p95_s) == (5, None)
