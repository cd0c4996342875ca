"""The decision matrix: factors from data and user, cells from evidence, and where the rule of thumb is contradicted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.decide.factors import FACTORS, QUESTIONS, Situation, facts, open_questions, quoted_share
from rung.decide.matrix import COLUMNS, THUMB, TITLES, MatrixInput, matrix
from rung.diagnosis.failed_examples import share_of
from rung.evaluate.measure import summarise
from rung.report.advice import column_of
from rung.types import BaselineLearned, Cause, Comparison, Example, KnowledgeSplit, Limits, Verdict
from tests.unit._results import result, share, task

ROUTING = replace(task(), labels=("a", "b", "c"))


def known(situation=None, **told):
    return {f.factor: f for f in facts(situation or Situation(ROUTING, 300), told)}


def test_every_factor_has_words_for_every_column():
    assert set(THUMB) == set(FACTORS)
    assert all(set(cells) == set(COLUMNS) == set(TITLES) for cells in THUMB.values())
    assert set(QUESTIONS) == set(FACTORS) - {"few_examples"}


def test_the_leanings_of_the_rule_of_thumb():
    assert {f: tuple(cells[c][0] for c in ("prompting", "rag", "finetune")) for f, cells in THUMB.items()} == {
        "knowledge_external": (-1, 2, -1), "style_matters": (1, 0, 2), "data_changes_often": (1, 2, -2),
        "low_latency": (0, -1, 2), "few_examples": (2, 1, -2), "cost_must_fall": (0, -1, 2),
        "task_is_narrow": (1, 0, 2), "task_is_general": (2, 1, -2), "explainability": (0, 2, -1),
    }  # fmt: skip


def test_what_the_rows_and_the_file_tell():
    found = known()
    assert (found["few_examples"].holds, found["few_examples"].source) == (True, "data")
    assert found["few_examples"].words == "300 training examples; tuning classification wants 200, better 2,000"
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


UNKNOWN = {
    "knowledge_external": (None, "not told", "assumed"),
    "style_matters": (None, "not told", "assumed"),
    "data_changes_often": (None, "not told", "assumed"),
    "low_latency": (None, "no limit is set", "assumed"),
    "cost_must_fall": (None, "neither limit nor volume is told", "assumed"),
    "task_is_narrow": (None, "not told", "assumed"),
    "task_is_general": (None, "not told", "assumed"),
    "explainability": (None, "not told", "assumed"),
}
BARE = replace(ROUTING, kind="generation", labels=None)
METRIC = "judged by normalized_match"


@pytest.mark.parametrize(
    ("changes", "situation", "expected"),
    [
        ({}, {}, {}),
        ({}, {"documents": True}, {"knowledge_external": (True, "documents are configured", "told")}),
        (
            {},
            {"quoted": 0.9},
            {"knowledge_external": (False, "90% of the expected outputs stand in the input", "data")},
        ),
        ({}, {"facts_change": "rarely"}, {"data_changes_often": (False, "facts change rarely", "told")}),
        ({}, {"requests_per_month": 1000}, {"cost_must_fall": (False, "1,000 requests a month", "told")}),
        ({"objective": "cheapest"}, {}, {"cost_must_fall": (True, "the run seeks the cheapest", "told")}),
        (
            {"limits": Limits(cost_per_1k_usd=0.5, p95_latency_s=9.0)},
            {},
            {
                "cost_must_fall": (True, "limit $0.5 per 1,000 requests", "told"),
                "low_latency": (False, "limit 9 s at the 95th percentile", "told"),
            },
        ),
        (
            {},
            {"scope": "narrow"},
            {"task_is_narrow": (True, "scope narrow", "told"), "task_is_general": (False, "scope narrow", "told")},
        ),
        (
            {},
            {"scope": "general"},
            {"task_is_narrow": (False, "scope general", "told"), "task_is_general": (True, "scope general", "told")},
        ),
        (
            {"kind": "style"},
            {},
            {
                "style_matters": (True, f"a task of kind style, {METRIC}", "data"),
                "task_is_narrow": (True, "a task of kind style", "data"),
                "task_is_general": (False, "a task of kind style", "data"),
            },
        ),
        (
            {"kind": "classification", "labels": ("a", "b")},
            {},
            {
                "knowledge_external": (False, "the answers are labels", "data"),
                "style_matters": (False, f"a task of kind classification, {METRIC}", "data"),
                "task_is_narrow": (True, "2 labels", "data"),
                "task_is_general": (False, "a task of kind classification", "data"),
            },
        ),
        (
            {"kind": "knowledge"},
            {},
            {
                "knowledge_external": (
                    True,
                    "a question-answering task whose answers do not stand in the input",
                    "data",
                )
            },
        ),
    ],
)
def test_each_fact_says_whether_it_holds_why_and_from_where(changes, situation, expected):
    found = known(Situation(replace(BARE, **changes), 900, **situation))
    assert list(found) == list(FACTORS)
    said = {f: (found[f].holds, found[f].words, found[f].source) for f in found if f != "few_examples"}
    assert said == {**UNKNOWN, **expected}
    answered = known(Situation(BARE, 900), explainability=True, style_matters=False)
    assert [(answered[f].holds, answered[f].words) for f in ("explainability", "style_matters")] == [
        (True, "yes"),
        (False, "no"),
    ]


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
    served = [seconds] * 90 if for_task.limits.p95_latency_s is not None else None
    found = result(share(right, n), for_task, usd=usd, seconds=seconds, served=served)
    return MatrixInput(label, found, over, knowledge, column=column_of(label))


def pair(lower, upper, gain, p=0.001):
    return Comparison(
        lower, upper, "normalized_match", gain, gain - 0.02, gain + 0.02, p, p, 40, 4, 356, 400, "mcnemar"
    )


def verdict(winner=None, tentative_pick=None):
    return Verdict("meets" if winner else "inconclusive", winner, tentative_pick, "", (), (), None, None)


def cells(found, factor):
    row = next(r for r in found.rows if r.fact.factor == factor)
    return {c.column: c for c in row.cells}


def test_evidence_takes_the_place_of_the_rule_of_thumb_and_says_so():
    told = {"style_matters": True, "low_latency": True, "cost_must_fall": True}
    tuned = measured("finetune", 380, seconds=2.0, usd=0.0001, over=pair("fewshot", "finetune", 0.02, 0.4))
    prompted = measured("prompt", 385, seconds=0.5)
    found = matrix(facts(Situation(ROUTING, 900), told), ROUTING, 900, [prompted, tuned], verdict("prompt"))
    latency = cells(found, "low_latency")
    assert latency["prompting"].value == "prompt: p95 0.5 s under our own load, the least of those measured"
    assert (latency["finetune"].thumb, latency["finetune"].evidence, latency["finetune"].source) == (2, -1, "measured")
    assert latency["finetune"].disagrees
    assert (
        cells(found, "cost_must_fall")["finetune"].value == "fine-tuning: $0.1 per 1,000, the least of those measured"
    )
    assert cells(found, "style_matters")["prompting"].evidence == 2
    assert latency["rag"].source is None
    assert (found.by_thumb, found.by_evidence) == ("finetune", "prompting")
    assert found.sentence == "The rule of thumb says Fine-tuning; the evidence says Prompting, few-shot."
    assert found.disagreements == (
        "The rule of thumb says Fine-tuning; the run met the goal at prompt (Prompting, few-shot).",
        "Low latency needed: a rule of thumb speaks for Fine-tuning, the evidence does not (fine-tuning: p95 2 s under our own load, "
        "more than another of those measured).",
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
        -1, "30 of 40 failures at few-shot for want of knowledge",
    )  # fmt: skip
    assert (row["rag"].evidence, row["rag"].value) == (2, "RAG +0.200 over few-shot (n=400)")
    assert found.sentence == "The rule of thumb says RAG, and the evidence agrees."


def test_rows_asked_closed_book_and_with_passages_are_better_evidence():
    def found(closed, retrieved):
        split = KnowledgeSplit(100, share_of(closed, 100), share_of(retrieved, 100), None, (), (), {}, {})
        rag = replace(measured("rag", 380), split=split)
        told = facts(Situation(ROUTING, 900), {"knowledge_external": True})
        return cells(matrix(told, ROUTING, 900, [measured("prompt", 300), rag], verdict("rag")), "knowledge_external")

    row = found(20, 80)
    assert (row["prompting"].evidence, row["rag"].evidence) == (-1, 2)
    assert row["rag"].value == "dev examples right with passages: 0.80 (95 % CI 0.71 to 0.87, n=100)"
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
    assert (
        cells(found, "low_latency")["prompting"].value
        == "prompt: p95 between 1.5 and 1.5 s on 90 requests, one at a time, limit 1 s"
    )
    assert cells(found, "cost_must_fall")["prompting"].evidence == -2
    assert found.sentence.endswith("what was measured shows no column to be good enough.")


@pytest.mark.parametrize(
    ("rows", "evidence", "words"),
    [
        (150, -2, "150 training examples: below the minimum of 200 for classification"),
        (300, 1, "300 training examples: above the minimum of 200 for classification"),
        (2500, 2, "2,500 training examples: the ideal of 2,000 is reached"),
    ],
)
def test_the_minimum_of_the_kind_stands_beside_the_rule_of_500(rows, evidence, words):
    cell = cells(matrix(facts(Situation(ROUTING, rows)), ROUTING, rows), "few_examples")["finetune"]
    assert (cell.evidence, cell.value, cell.source) == (evidence, words, "data")
    assert cell.disagrees is (evidence > 0)


def test_a_winner_that_asks_no_model_is_named():
    told = facts(Situation(ROUTING, 900), {"style_matters": True})
    low = measured("baseline", 395)
    by = replace(low.result.candidate, learned=BaselineLearned(method="majority"), model=None)
    low = replace(low, result=replace(low.result, candidate=by))
    found = matrix(told, ROUTING, 900, [low, measured("prompt", 390)], verdict("baseline"))
    assert found.by_evidence is None
    assert found.sentence.endswith("the goal was met by the most frequent answer, which is none of these.")


def test_a_leaning_is_no_verdict():
    told = facts(Situation(ROUTING, 900), {"style_matters": True})
    rungs = [measured("prompt", 372)]
    found = matrix(told, ROUTING, 900, rungs, verdict(tentative_pick="prompt"))
    assert found.by_evidence == "prompting"
    assert found.sentence.endswith("the evidence favours Prompting, few-shot, and the verdict is open.")
    none = matrix(told, ROUTING, 900, rungs, replace(verdict(tentative_pick="prompt"), decision="misses"))
    assert none.by_evidence is None
    assert none.sentence.endswith("what was measured shows no column to be good enough.")
    waiting = matrix(told, ROUTING, 900, rungs, replace(verdict("prompt"), provisional="no labels"))
    assert waiting.sentence.endswith("and the verdict is open.")


def test_an_approach_that_reaches_the_goal_and_does_not_win_is_no_evidence_for_it():
    found = matrix(
        facts(Situation(ROUTING, 900)), ROUTING, 900, [measured("finetune", 395)], replace(verdict(), decision="misses")
    )
    cell = cells(found, "task_is_narrow")["finetune"]
    assert cell.evidence == 0
    assert cell.value.startswith("fine-tuning: goal met, and yet it does not win")


def test_labels_belong_to_columns():
    assert [column_of(x) for x in ("prompt@small", "fewshot", "rag", "finetune@tiny", "baseline", "gone")] == [
        "prompting", "prompting", "rag", "finetune", None, None,
    ]  # fmt: skip


# -- at the edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("situation", "factor", "holds"),
    [
        ({"quoted": 0.8}, "knowledge_external", False), ({"quoted": 0.79}, "knowledge_external", True),
        ({"seconds": 2.0}, "low_latency", True), ({"seconds": 2.01}, "low_latency", False),
        ({"requests_per_month": 100_000}, "cost_must_fall", True), ({"requests_per_month": 99_999}, "cost_must_fall", False),
        ({"labels": 50}, "task_is_narrow", True), ({"labels": 51}, "task_is_narrow", False),
        ({"scope": "narrow"}, "task_is_narrow", True), ({"scope": "general"}, "task_is_narrow", False),
        ({"scope": "narrow"}, "task_is_general", False), ({"scope": "general"}, "task_is_general", True),
        ({"facts_change": "often"}, "data_changes_often", True), ({"facts_change": "rarely"}, "data_changes_often", False),
        ({"rows": 999}, "few_examples", True), ({"rows": 1000}, "few_examples", False),
        ({"seek": "cheapest"}, "cost_must_fall", True), ({}, "cost_must_fall", None), ({}, "explainability", None),
        ({"kind": "style"}, "style_matters", True), ({"kind": "classification"}, "style_matters", False),
        ({"kind": "generation"}, "style_matters", None), ({"kind": "generation"}, "knowledge_external", None),
        ({"kind": "generation"}, "task_is_general", None), ({"kind": "extraction"}, "task_is_general", False),
        ({"kind": "extraction"}, "task_is_narrow", True), ({"kind": "generation"}, "task_is_narrow", None),
        ({"documents": True, "quoted": 1.0}, "knowledge_external", True),
    ],
)  # fmt: skip
def test_a_factor_holds_up_to_its_line(situation, factor, holds):
    said = dict(situation)
    labels, seconds = said.pop("labels", None), said.pop("seconds", None)
    bare = replace(
        ROUTING,
        kind=said.pop("kind", "knowledge"),
        labels=None if labels is None else tuple(str(i) for i in range(labels)),
        limits=Limits(p95_latency_s=seconds),
        objective=said.pop("seek", "good_enough"),
    )
    rows = said.pop("rows", 900)
    assert known(Situation(bare, rows, **said))[factor].holds is holds


def test_a_target_is_quoted_when_four_of_five_of_its_words_stand_in_the_input():
    def row(target):
        return Example("r", {"text": "one two three four"}, target, "r")

    assert quoted_share([row("one two three four five")]) == 1.0
    assert quoted_share([row("one two three five six")]) == 0.0
    assert quoted_share([row("ONE, two!")]) == 1.0
    assert quoted_share([row("--")]) == 0.0  # no word at all
    assert quoted_share([row('["one", {"a": "two", "b": null}]'), row("{one")]) == 1.0
    assert quoted_share([row("one"), row("six")]) == 0.5


def measured_matrix(rungs, told, for_task=ROUTING, rows=900, said=None):
    return matrix(facts(Situation(for_task, rows), told), for_task, rows, rungs, said or verdict())


@pytest.mark.parametrize(("seconds", "evidence"), [(0.5, 1), (0.55, 1), (0.56, -1)])
def test_as_fast_as_the_fastest_means_within_a_tenth(seconds, evidence):
    found = measured_matrix(
        [measured("prompt", 380, seconds=0.5), measured("rag", 380, seconds=seconds)], {"low_latency": True}
    )
    assert cells(found, "low_latency")["rag"].evidence == evidence
    assert cells(found, "low_latency")["prompting"].evidence == 1


def test_one_measured_rung_alone_speaks_neither_for_nor_against_its_column():
    found = measured_matrix([measured("prompt", 380)], {"low_latency": True})
    assert (
        cells(found, "low_latency")["prompting"].evidence,
        cells(found, "cost_must_fall")["prompting"].evidence,
    ) == (0, 0)
    assert cells(found, "low_latency")["prompting"].value == "prompt: p95 0.5 s under our own load"
    unknown = measured_matrix([measured("prompt", 380, usd=None), measured("rag", 380)], {"cost_must_fall": True})
    assert cells(unknown, "cost_must_fall")["prompting"].source is None
    assert cells(unknown, "cost_must_fall")["rag"].evidence == 0


@pytest.mark.parametrize(("limit", "evidence"), [(0.5, 1), (0.49, -2)])
def test_a_limit_is_held_up_to_the_limit(limit, evidence):
    limited = replace(ROUTING, limits=Limits(p95_latency_s=limit))
    found = measured_matrix([measured("prompt", 380, for_task=limited)], {}, limited)
    assert cells(found, "low_latency")["prompting"].evidence == evidence


@pytest.mark.parametrize(
    ("gain", "p", "evidence", "words"),
    [
        (0.2, 0.049, 2, "RAG +0.200 over prompt (n=400)"),
        (0.2, 0.05, 0, "RAG +0.200 over prompt (n=400, not shown)"),
        (-0.2, 0.01, -2, "RAG -0.200 over prompt (n=400)"),
        (0.0, 0.01, -2, "RAG +0.000 over prompt (n=400)"),
    ],
)
def test_a_gain_counts_where_it_is_shown(gain, p, evidence, words):
    found = measured_matrix([measured("rag", 380, over=pair("prompt", "rag", gain, p))], {"knowledge_external": True})
    cell = cells(found, "knowledge_external")["rag"]
    assert (cell.evidence, cell.value) == (evidence, words)


@pytest.mark.parametrize(("count", "evidence"), [(8, 1), (9, -1)])
def test_a_fifth_of_the_failures_for_want_of_knowledge_is_not_many(count, evidence):
    unknown = Cause("knowledge", count, share_of(count, 40), "E.", (), "documents")
    found = measured_matrix([measured("prompt", 300, knowledge=unknown)], {"knowledge_external": True})
    assert cells(found, "knowledge_external")["prompting"].evidence == evidence


@pytest.mark.parametrize(("right", "goal", "evidence"), [(400, 0.9, 2), (368, 0.9, 1), (352, 0.9, 0), (300, 0.9, -1)])
def test_the_form_is_right_as_often_as_the_goal_asks_or_not(right, goal, evidence):
    made = result(share(380, 400), ROUTING)
    n = len(made.outcomes)
    forms = tuple(
        replace(o, scores={"normalized_match": replace(o.scores["normalized_match"], adheres=i < right)})
        for i, o in enumerate(made.outcomes)
    )
    found = measured_matrix(
        [MatrixInput("prompt", summarise(made.candidate, forms, replace(ROUTING, goal=goal), 3), column="prompting")],
        {"style_matters": True},
    )
    assert n == 400
    assert cells(found, "style_matters")["prompting"].evidence == evidence


@pytest.mark.parametrize(
    ("right", "evidence", "words"), [(390, 2, "goal met"), (362, 0, "inconclusive"), (300, -1, "goal missed")]
)
def test_quality_speaks_for_a_narrow_task(right, evidence, words):
    cell = cells(measured_matrix([measured("prompt", right)], {}), "task_is_narrow")["prompting"]
    assert cell.evidence == evidence
    assert cell.value.startswith(f"prompt: {words}, ")


def test_a_column_is_shown_by_its_lowest_good_rung_else_by_its_best():
    good, better = measured("prompt", 392), measured("fewshot", 399)
    assert cells(measured_matrix([good, better], {}), "task_is_narrow")["prompting"].value.startswith("prompt:")
    low, best = measured("prompt", 300), measured("fewshot", 320)
    assert cells(measured_matrix([low, best], {}), "task_is_narrow")["prompting"].value.startswith("few-shot:")


@pytest.mark.parametrize(("rows", "evidence"), [(199, -2), (200, 1), (1999, 1), (2000, 2)])
def test_training_rows_are_held_against_minimum_and_ideal(rows, evidence):
    assert cells(measured_matrix([], {}, rows=rows), "few_examples")["finetune"].evidence == evidence


def test_only_factors_that_hold_count_and_disagree():
    tuned = measured("finetune", 380, seconds=2.0)
    rungs = [measured("prompt", 380, seconds=0.5), tuned]
    held, idle = (measured_matrix(rungs, {"low_latency": holds}) for holds in (True, False))
    assert held.total("finetune") - idle.total("finetune") == -1
    assert held.total("finetune", thumb=True) - idle.total("finetune", thumb=True) == 2
    assert [d for d in held.disagreements if d.startswith("Low latency")]
    assert not [d for d in idle.disagreements if d.startswith("Low latency")]
    lean = measured_matrix(
        rungs,
        {"low_latency": True, "cost_must_fall": True, "style_matters": True},
        said=verdict(tentative_pick="prompt"),
    )
    assert lean.disagreements[0] == (
        "The rule of thumb says Fine-tuning; the run favours prompt (Prompting, few-shot)."
    )


def test_a_form_shown_to_be_exactly_at_the_goal_speaks_for_its_column():
    low = result(share(380, 400), ROUTING).estimates["format"].low
    exact = replace(ROUTING, goal=low)
    cell = cells(
        measured_matrix([measured("prompt", 380, for_task=exact)], {"style_matters": True}, exact), "style_matters"
    )
    assert cell["prompting"].evidence == 2


def test_a_rule_of_thumb_against_a_column_is_told_as_one():
    [said] = measured_matrix([], {}, rows=300).disagreements
    assert said == (
        f"{FACTORS['few_examples']}: a rule of thumb speaks against Fine-tuning, the evidence does not (300 training examples: above "
        "the minimum of 200 for classification)."
    )
