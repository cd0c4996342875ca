"""The gate before tuning: each reason against, with the cheaper way named."""

import pytest

from rung.stats.estimate import wilson
from rung.tuning.gate import against
from rung.types import Cause, Diagnosis, Estimate
from tests.unit._results import task


def diagnosis(**counts: int) -> Diagnosis:
    failed = sum(counts.values())
    causes = []
    for name, count in counts.items():
        at = wilson(count, failed)
        share = Estimate(count / failed, at.low, at.high, failed, "wilson")
        causes.append(Cause(name.replace("_", " "), count, share, "seen", (), "do"))
    return Diagnosis("fewshot", 100, failed, tuple(causes), None, "")


@pytest.mark.parametrize(
    ("kind", "minimum"),
    [("classification", 200), ("extraction", 500), ("style", 500), ("knowledge", 1000), ("generation", 2000)],
)
def test_the_minimum_of_the_kind_decides_and_few_shot_is_named(kind, minimum):
    t = task(kind=kind)
    assert against(t, minimum, None) == ()
    [reason] = against(t, minimum - 1, None)
    assert reason.startswith(f"{minimum - 1} training examples are below the minimum of {minimum:,} for {kind}")
    assert "few-shot" in reason


def test_facts_that_change_and_a_general_task_close_the_gate():
    [facts] = against(task(facts_change="often"), 500, None)
    assert "change often" in facts
    assert "`rag`" in facts
    [wide] = against(task(scope="general"), 500, None)
    assert "general" in wide
    assert against(task(facts_change="rarely", scope="narrow"), 500, None) == ()


def test_knowledge_closes_the_gate_behaviour_does_not():
    t = task()
    assert against(t, 500, diagnosis(format=10, content=20, label_confusion=5)) == ()
    [facts] = against(t, 500, diagnosis(knowledge=20, content=10))
    assert facts == (
        "20 of 30 failed dev examples of fewshot lack knowledge, which tuning teaches badly; give the model the facts from "
        "documents (`rag`)"
    )
    [labels] = against(t, 500, diagnosis(suspect_label=12, transport=8, content=10))
    assert (
        "20 of 30 failed dev examples of fewshot fail for what tuning cannot fix (suspect label, transport)" in labels
    )
    assert against(t, 500, diagnosis(knowledge=10, content=11)) == ()


def test_every_reason_is_told_at_once():
    assert len(against(task(kind="style", facts_change="often", scope="general"), 20, diagnosis(knowledge=9))) == 4
