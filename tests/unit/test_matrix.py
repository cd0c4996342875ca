"""The decision matrix: factors from data and user, cells from evidence, and where the rule of thumb is contradicted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.decide.factors import FACTORS, QUESTIONS, Situation, facts, open_questions, quoted_share
from rung.decide.matrix import COLUMNS, THUMB, TITLES, Measured, column_of, matrix
from rung.evaluate.diagnosis.case import share_of
from rung.types import Cause, Comparison, Example, KnowledgeSplit, Limits, Verdict
from tests.unit._results import result, share, task

ROUTING = replace(task(), labels=("a", "b", "c"))


def known(situation=None, **told):
    return {f.factor: f for f in facts(situation or Situation(ROUTING, 300), told)}


def test_every_factor_has_words_for_every_column():
    assert set(THUMB) == set(FACTORS)
    assert all(set(cells) == set(COLUMNS) == set(TITLES) for cells in THUMB.values())
    assert set(QUESTIONS) == set(FACTORS) - {"few_examples"}


def test_what_the_rows_and_the_file_tell():
    found = known()
    assert (found["few_examples"].holds, found["few_examples"].source) == (True, "data")
    assert found["few_examples"].words == "300 training rows; tuning classification wants 200, better 2,000"
    assert (found["knowledge_external"].holds, found["knowledge_external"].words) == (False, "the answers are labels")
    assert (found["task_is_narrow"].holds, found["task_is_narrow"].source) == (True, "data")
    assert (found["data_changes_often"].holds, found["data_changes_often"].source) == (None, "assumed")


def test_the_user_wins_over_a_guess_and_not_over_a_count():
    found = known(knowledge_external=True, few_examples=False)
    assert (found["knowledge_external"].holds, found["knowledge_external"].source) == (True, "told")
    assert (found["few_examples"].holds, found["few_examples"].source) == (True, "data")


def test_the_file_tells_of_limits_volume_and_documents():
    limited = replace(ROUTING, limits=Limits(cost_per_1k_usd=0.5, p95_latency_s=1.0))
    found = known(Situation(limited, 900, documents=True, facts_change="often", scope="general"))
    assert {f for f in found if found[f].holds} == {
        "knowledge_external", "low_latency", "cost_must_fall", "data_changes_often", "task_is_general",
    }  # fmt: skip
    assert found["low_latency"].words == "limit 1 s at the 95th percentile"
    assert known(Situation(ROUTING, 900, requests_per_month=1000))["cost_must_fall"].holds is False
    assert known(Situation(ROUTING, 900, requests_per_month=300_000))["cost_must_fall"].holds is True


def test_only_what_nothing_tells_is_asked():
    asked = [f.factor for f in open_questions(facts(Situation(ROUTING, 300), {"explainability": True}))]
    assert asked == ["data_changes_often", "low_latency", "cost_must_fall"]


def test_answers_that_stand_in_the_input_need_no_documents():
    rows = [Example(str(i), {"text": f"Call Ann {i} at noon in Bonn"}, f"Ann {i}", str(i)) for i in range(4)]
    assert quoted_share(rows) == 1.0
    assert quoted_share([*rows, Example("x", {"text": "Who?"}, "nobody at all", "x")]) == 0.8
    assert quoted_share([]) is None
    record = Example("r", {"text": "a table for two at noon"}, '{"people": "two", "time": "noon"}', "r")
    assert quoted_share([record]) == 1.0  # the keys of a record stand in no input
    question = replace(ROUTING, kind="knowledge", labels=None)
    assert known(Situation(question, 900, quoted=0.9))["knowledge_external"].holds is False
    assert known(Situation(question, 900, quoted=0.2))["knowledge_external"].holds is True


@pytest.mark.parametrize(
    ("told", "column"),
    [
        ({"knowledge_external": True, "data_changes_often": True, "explainability": True}, "rag"),
        ({"task_is_general": True, "task_is_narrow": False}, "prompting"),
        ({"style_matters": True, "low_latency": True, "cost_must_fall": True}, "finetune"),
    ],
)
def test_the_rule_of_thumb_before_a_climb(told, column):
    rows = 300 if column == "prompting" else 900
    found = matrix(facts(Situation(ROUTING, rows), told), ROUTING, rows)
    assert found.by_thumb == column
    assert found.sentence == f"The rule of thumb says {TITLES[column]}; nothing was measured yet."
    assert len(found.disagreements) == (rows == 300)  # 300 rows are few by the rule, and above the minimum of the kind


def test_the_minimum_of_the_kind_counts_where_it_is_above_the_rule_of_500():
    bare = replace(ROUTING, kind="generation", labels=None)
    found = matrix(facts(Situation(bare, 900)), bare, 900)
    assert (found.by_thumb, found.total("finetune", thumb=True)) == ("prompting", -2)


def test_nothing_known_names_no_column():
    bare = replace(ROUTING, kind="generation", labels=None)
    found = matrix(facts(Situation(bare, 2500)), bare, 2500)
    assert found.sentence == "The rule of thumb names none; nothing was measured yet."


# -- after a climb --------------------------------------------------------------------------------------------------------


def measured(label, right, n=400, *, seconds=0.5, usd=0.001, over=None, knowledge=None, for_task=ROUTING):
    found = result(share(right, n), for_task, usd=usd, seconds=seconds)
    return Measured(label, found, over, knowledge)


def pair(lower, upper, gain, p=0.001):
    return Comparison(lower, upper, "exact_match", gain, gain - 0.02, gain + 0.02, p, p, 40, 4, 356, 400, "mcnemar")


def verdict(winner=None, lean=None):
    return Verdict("met" if winner else "undecided", winner, lean, "", (), (), None, None)


def cells(found, factor):
    row = next(r for r in found.rows if r.fact.factor == factor)
    return {c.column: c for c in row.cells}


def test_evidence_takes_the_place_of_the_rule_of_thumb_and_says_so():
    told = {"style_matters": True, "low_latency": True, "cost_must_fall": True}
    tuned = measured("finetune", 380, seconds=2.0, usd=0.0001, over=pair("fewshot", "finetune", 0.02, 0.4))
    prompted = measured("prompt", 385, seconds=0.5)
    found = matrix(facts(Situation(ROUTING, 900), told), ROUTING, 900, [prompted, tuned], verdict("prompt"))
    latency = cells(found, "low_latency")
    assert latency["prompting"].value == "prompt: p95 0.5 s, the least of those measured"
    assert (latency["finetune"].thumb, latency["finetune"].evidence, latency["finetune"].source) == (2, -1, "measured")
    assert latency["finetune"].disagrees
    assert cells(found, "cost_must_fall")["finetune"].value == "finetune: $0.1 per 1,000, the least of those measured"
    assert cells(found, "style_matters")["prompting"].evidence == 2
    assert latency["rag"].source is None
    assert (found.by_thumb, found.by_evidence) == ("finetune", "prompting")
    assert found.sentence == "The rule of thumb says Fine-tuning; the evidence says Prompting, few-shot."
    assert found.disagreements == (
        "The rule of thumb says Fine-tuning; the climb met the goal at prompt (Prompting, few-shot).",
        "Low latency needed: a rule of thumb speaks for Fine-tuning, the evidence does not (finetune: p95 2 s, more than "
        "another of those measured).",
    )


def test_knowledge_is_measured_by_failures_and_by_what_documents_mended():
    unknown = Cause("knowledge", 30, share_of(30, 40), "E.", (), "documents")
    prompted = measured("fewshot", 300, knowledge=unknown)
    found = matrix(
        facts(Situation(ROUTING, 900), {"knowledge_external": True}),
        ROUTING,
        900,
        [prompted, measured("rag", 380, over=pair("fewshot", "rag", 0.2))],
        verdict("rag"),
    )
    row = cells(found, "knowledge_external")
    assert (row["prompting"].evidence, row["prompting"].value) == (
        -1, "30 of 40 failures at fewshot for want of knowledge",
    )  # fmt: skip
    assert (row["rag"].evidence, row["rag"].value) == (2, "rag +0.200 over fewshot (n=400)")
    assert found.sentence == "The rule of thumb says RAG, and the evidence agrees."


def test_rows_asked_closed_book_and_with_passages_are_better_evidence():
    def found(closed, retrieved):
        split = KnowledgeSplit(100, share_of(closed, 100), share_of(retrieved, 100), None, (), (), {}, {})
        rag = replace(measured("rag", 380), split=split)
        told = facts(Situation(ROUTING, 900), {"knowledge_external": True})
        return cells(matrix(told, ROUTING, 900, [measured("prompt", 300), rag], verdict("rag")), "knowledge_external")

    row = found(20, 80)
    assert (row["prompting"].evidence, row["rag"].evidence) == (-1, 2)
    assert row["rag"].value == "dev rows right with passages: 0.80 ± 0.09 (n=100)"
    row = found(78, 80)
    assert (row["prompting"].evidence, row["rag"].evidence) == (1, 0)


def test_limits_are_what_cost_and_latency_are_held_against():
    limited = replace(ROUTING, limits=Limits(cost_per_1k_usd=0.5, p95_latency_s=1.0))
    found = matrix(
        facts(Situation(limited, 900)),
        limited,
        900,
        [measured("prompt", 390, seconds=1.5, for_task=limited)],
        verdict(),
    )
    assert cells(found, "low_latency")["prompting"].value == "prompt: p95 1.5 s, limit 1 s"
    assert cells(found, "cost_must_fall")["prompting"].evidence == -2
    assert found.sentence.endswith("what was measured shows no column to be good enough.")


@pytest.mark.parametrize(
    ("rows", "evidence", "words"),
    [
        (150, -2, "150 training rows: below the minimum of 200 for classification"),
        (300, 1, "300 training rows: above the minimum of 200 for classification"),
        (2500, 2, "2,500 training rows: the ideal of 2,000 is reached"),
    ],
)
def test_the_minimum_of_the_kind_stands_beside_the_rule_of_500(rows, evidence, words):
    cell = cells(matrix(facts(Situation(ROUTING, rows)), ROUTING, rows), "few_examples")["finetune"]
    assert (cell.evidence, cell.value, cell.source) == (evidence, words, "data")
    assert cell.disagrees is (evidence > 0)


def test_labels_belong_to_columns():
    assert [column_of(x) for x in ("prompt@small", "fewshot", "rag", "finetune@tiny", "baseline", None)] == [
        "prompting", "prompting", "rag", "finetune", None, None,
    ]  # fmt: skip
