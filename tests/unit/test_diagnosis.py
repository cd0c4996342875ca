"""Why dev rows failed: one cause a row, in order of precedence, in sentences that are true."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung import plugins
from rung.diagnosis.failed_examples import Subject
from rung.diagnosis.reading import CAUSES
from rung.diagnosis.run import diagnose
from rung.evaluate.first_answers import repeats_itself
from rung.metrics.json_fields import JsonFields
from rung.metrics.lines import Lines
from rung.metrics.normalized_match import NormalizedMatch
from rung.metrics.regex import Regex
from rung.metrics.token_f1 import TokenF1
from rung.types import (
    Answer,
    BaselineLearned,
    Candidate,
    Completion,
    Example,
    Failure,
    FormLoss,
    MetricSpec,
    Outcome,
    PromptLearned,
)
from tests.unit._kit import KitForTests, examples, task

DEV = examples(12, "d")  # labels delivery, login, refund in turn
ASKS = Candidate("prompt", "as-is", PromptLearned(messages=(), columns=()), "main")
ASKS_NOBODY = Candidate("baseline", "linear", BaselineLearned(method="linear"), None)


def row(i: int, target: str, text: str = "") -> Example:
    return Example(f"r{i}", {"text": text or f"row number {i}"}, target, f"r{i}")


def answered(example: Example, text: str, metric, the_task, finish: str = "stop", calls: bool = True) -> Outcome:
    call = Completion(text, "m", 1, 1, 0.1, 0.0, finish)
    answer = Answer(text, (call,) if calls else ())
    score = metric.score(text, example, the_task)
    if isinstance(score, Failure):
        return Outcome(example.id, example.group, answer, None, score)
    return Outcome(example.id, example.group, answer, {the_task.metrics[0].name: score})


def failing(example: Example, cause: str, message: str, text: str | None = None) -> Outcome:
    answer = None if text is None else Answer(text, (Completion(text, "m", 1, 1, 0.1, 0.0, "length"),))
    return Outcome(example.id, example.group, answer, None, Failure(cause, message))


def said(texts, dev=DEV, metric=None, the_task=None, **kwargs) -> list[Outcome]:
    return [
        answered(e, t, metric or NormalizedMatch(), the_task or task(), **kwargs)
        for e, t in zip(dev, texts, strict=True)
    ]


def diagnosed(outcomes, dev=DEV, *, rung="prompt", metric=None, the_task=None, earlier=(), candidate=ASKS, met=False):
    the_task = the_task or task()
    kit = KitForTests(the_task, metric_plugin=metric or NormalizedMatch())
    subject = Subject(rung, candidate, tuple(outcomes), dev, the_task, (), earlier, met=met)
    found = asyncio.run(diagnose(subject, kit))
    assert sum(c.count for c in found.causes) == found.failed
    assert kit.requests == []
    return found


def only(found):
    assert len(found.causes) == 1, [c.name for c in found.causes]
    return found.causes[0]


def test_every_row_right():
    found = diagnosed(said([e.target for e in DEV]))
    assert (found.failed, found.causes, found.next_rung) == (0, (), None)
    assert found.sentence == "At prompt no dev example failed (n=12)."


def test_without_dev_rows():
    assert diagnosed([], ()).sentence == "At prompt no dev example failed (n=0)."


@pytest.mark.parametrize(
    ("outcome", "name", "evidence"),
    [
        (failing(DEV[0], "model", "status 500 after 5 attempts."), "transport", "On 1 example no answer came: status 500 after 5 attempts (1)."),
        (failing(DEV[0], "timeout", "no answer in 60 s"), "transport", "On 1 example no answer came: no answer in 60 s (1)."),
        (failing(DEV[0], "metric", "no such column", "x"), "metric", "On 1 example the metric cannot judge the answer: no such column (1)."),
        (failing(DEV[0], "refusal", "content filter"), "refusal", "On 1 example the model declined to answer."),
        (failing(DEV[0], "truncated", "the answer was cut off at max_tokens", "deliv"), "truncation", "On 1 example the model's limits were exceeded: the answer was cut off at max_tokens (1)."),
        (failing(DEV[0], "truncated", "9 tokens, the context holds 8"), "truncation", "On 1 example the model's limits were exceeded: 9 tokens, the context holds 8 (1)."),
    ],
)  # fmt: skip
def test_rows_without_a_score(outcome, name, evidence):
    cause = only(diagnosed([outcome], DEV[:1]))
    assert (cause.name, cause.evidence, cause.example_ids) == (name, evidence, ("d0",))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The team is **delivery**.", "format"),
        ('{"team": "delivery"}', "format"),
        ("refund", "label confusion"),
        ("It is about a refund, I think.", "label confusion"),
        ("I am not sure. Maybe refund?", "label confusion"),
        ("delivery or refund", "outside labels"),
        ("shipping department", "outside labels"),
        ("", "outside labels"),
        ("I don't know which team.", "knowledge"),
        ("I do not have that information.", "knowledge"),
        ("I'm sorry, but I can't help with this delivery.", "refusal"),
        ("I’m not able to assist with that.", "refusal"),
        ("As an AI language model, I cannot answer this.", "refusal"),
    ],
)
def test_the_cause_of_one_answer_of_a_classification(text, name):
    assert only(diagnosed(said([text], DEV[:1]), DEV[:1])).name == name


def test_a_stop_by_the_providers_filter_is_a_refusal():
    assert only(diagnosed(said(["refund"], DEV[:1], finish="refused"), DEV[:1])).name == "refusal"


@pytest.mark.parametrize("text", ["I'm sorry, but I cannot help you with that.", "I do not know."])
def test_declining_is_no_fault_where_the_file_declines(text):
    the_task = task(kind="generation", labels=None, metrics=(MetricSpec("token_f1"),))
    dev = [row(0, f"{text} Please call our service desk tomorrow between eight and nine.")]
    assert (
        only(diagnosed(said([text], dev, TokenF1(), the_task), dev, metric=TokenF1(), the_task=the_task)).name
        == "content"
    )


def test_an_answer_that_says_it_does_not_know_at_its_end_is_judged_by_its_content():
    the_task = task(kind="generation", labels=None, metrics=(MetricSpec("token_f1"),))
    dev = [row(0, "one two three")]
    text = "word " * 60 + "I do not know."
    assert (
        only(diagnosed(said([text], dev, TokenF1(), the_task), dev, metric=TokenF1(), the_task=the_task)).name
        == "content"
    )


def test_earlier_causes_win():
    """A row to which several causes apply gets the first in the order of CAUSES."""
    both = "I cannot help with that: delivery"  # a refusal that names the right label
    assert only(diagnosed(said([both], DEV[:1]), DEV[:1])).name == "refusal"
    cut = failing(DEV[0], "truncated", "cut off", "I'm sorry, I can't assist with")
    assert only(diagnosed([cut], DEV[:1])).name == "refusal"
    cut = failing(DEV[0], "truncated", "cut off", "The team is delivery")
    assert only(diagnosed([cut], DEV[:1])).name == "truncation"


@pytest.mark.parametrize("text", [
    "I don't think it is delivery.",
    "This has nothing to do with your order. It is not about a delivery",
    "I understand that you are still waiting for a delivery and that you want to know more about it",
])  # fmt: skip
def test_a_label_that_is_denied_or_repeated_from_the_input_is_no_answer(text):
    dev = [row(0, "delivery", "where is my delivery?")]
    assert only(diagnosed(said([text], dev), dev)).name == "outside labels"
    assert only(diagnosed(said(["This is a delivery"], dev), dev)).name == "format"


def test_chatter_that_was_cut_off_is_not_a_matter_of_its_length():
    text = "Thank you for your message! I am happy to look into this for you. Could you tell me more about"
    assert only(diagnosed([failing(DEV[0], "truncated", "cut off", text)], DEV[:1])).name == "outside labels"
    thought = "<think>" + text
    assert only(diagnosed([failing(DEV[0], "truncated", "cut off", thought)], DEV[:1])).name == "truncation"


@pytest.mark.parametrize("text", [
    '[{"product": "tea", "quantity": 12}' + ', {"product": "tea", "quantity": 12}' * 9,
    "I am sorry to hear that. " * 8 + "I am so",
    "The answer is " + "na " * 40,
])  # fmt: skip
def test_an_answer_that_repeats_itself_until_it_is_cut_off_is_not_a_matter_of_its_length(text):
    found = only(diagnosed([failing(DEV[0], "truncated", "cut off", text)], DEV[:1]))
    assert (found.name, found.count) == ("format", 1)
    assert (
        found.evidence
        == "On 1 example the answer repeats itself until it is cut off, and a longer limit would not end it."
    )
    assert found.suggests.startswith("hold the model to a form with an end")


def test_a_long_answer_that_says_new_things_does_not_repeat_itself():
    assert not repeats_itself(
        " ".join(f"{word} costs {k} euros," for k, word in enumerate("tea rice oil salt corn".split()))
    )
    assert not repeats_itself("yes yes yes")
    assert not repeats_itself(", ".join(str(n) for n in range(10, 90)))
    assert not repeats_itself("")


def test_a_right_label_that_the_metric_does_not_read_is_a_matter_of_form():
    """No lenient reading of this metric finds the label, but it is the only one named."""
    metric, the_task = Regex(pattern="label=(.*)"), task(metrics=(MetricSpec("regex"),))
    cause = only(diagnosed(said(["delivery"], DEV[:1], metric, the_task), DEV[:1], metric=metric, the_task=the_task))
    assert (cause.name, cause.evidence) == ("format", "On 1 example the answer is right and only its form is wrong.")


def test_the_mix_in_counts_shares_and_words():
    #        delivery   login    refund    delivery  login     refund    delivery  login  refund
    texts = ["refund", "login", "refund", "refund", "Team: login!!", "delivery", "refund", "blue", "refund"]
    found = diagnosed(said(texts, DEV[:9]), DEV[:9])
    assert [(c.name, c.count) for c in found.causes] == [("label confusion", 4), ("format", 1), ("outside labels", 1)]
    first, form, outside = found.causes
    assert first.evidence == (
        "On 4 examples the answer is another label: refund instead of delivery (3); delivery instead of refund (1)."
    )
    assert form.evidence == "On 1 example the answer is right and only its form is wrong."
    assert outside.evidence == "On 1 example the answer names none of the labels, or several: 'blue' (1)."
    assert (first.share.mean, first.share.n, first.share.method) == (4 / 6, 6, "wilson")
    assert first.share.low < 4 / 6 < first.share.high
    assert first.example_ids == ("d0", "d3", "d5", "d6")
    assert found.sentence == (
        "At prompt 6 of 9 dev examples failed, 4 of them by label confusion (30% to 90% of the failures); first: "
        "post-processing (lead-in removed) lifts the dev score from 0.333 to 0.444 at no cost; then few-shot."
    )


def test_all_rows_failed_by_one_cause():
    found = diagnosed([failing(e, "model", "status 503") for e in DEV])
    assert found.sentence == (
        "At prompt 12 of 12 dev examples failed, all by transport; run the same command again: unanswered examples are asked again."
    )
    assert found.next_rung is None
    one = diagnosed(said(["refund"], DEV[:1]), DEV[:1])
    assert one.sentence == "At prompt 1 of 1 dev example failed, by label confusion; next to try: few-shot."


def test_few_rows_are_listed_of_many():
    many = examples(90, "m")
    cause = only(diagnosed(said(["?"] * 90, many), many))
    assert (cause.count, len(cause.example_ids)) == (90, 20)


RECORD = {"city": "Bonn", "due": "2031-04-02", "paid": True}
EXTRACTION = task(kind="extraction", labels=None, target="record", metrics=(MetricSpec("json_fields"),), goal=0.9)


def test_causes_of_json_answers():
    dev = [row(i, json.dumps(RECORD)) for i in range(6)]
    wrong = json.dumps({**RECORD, "due": "2031-04-03"})
    texts = [
        f"```json\n{json.dumps(RECORD)}\n```",
        "It is due in Bonn.",
        wrong,
        wrong,
        f"Here: {wrong}",
        "I do not know.",
    ]
    found = diagnosed(said(texts, dev, JsonFields(), EXTRACTION), dev, metric=JsonFields(), the_task=EXTRACTION)
    causes = {c.name: c for c in found.causes}
    assert {n: c.count for n, c in causes.items()} == {"format": 3, "content": 2, "knowledge": 1}
    assert causes["format"].evidence == (
        "On 1 example the answer is right and only its form is wrong; on 2 examples it cannot be read in the form asked for."
    )
    assert causes["content"].evidence == "On 2 examples the content of the answer is wrong, most often in: due (2)."


def test_weak_lines_are_named():
    the_task = task(kind="style", labels=None, metrics=(MetricSpec("lines"),), goal=1.0)
    dev = [row(i, "Dear friend,\nyes.\nBye") for i in range(3)]
    texts = ["Dear friend,\nyes.\nBye now", "Dear friend,\nyes.", "- Dear friend,\n- yes.\n- Bye"]
    found = diagnosed(said(texts, dev, Lines(), the_task), dev, metric=Lines(), the_task=the_task)
    causes = {c.name: c.evidence for c in found.causes}
    assert causes == {
        "format": "On 1 example the answer is right and only its form is wrong.",
        "content": "On 2 examples the content of the answer is wrong, most often in: line 3 equals target (2), count (1).",
    }


FACTS = task(kind="knowledge", labels=None, target="answer", metrics=(MetricSpec("normalized_match"),))


def test_missing_and_wrong_facts_call_for_documents():
    dev = [row(i, f"{i + 20} years") for i in range(4)]
    texts = ["I do not have that information.", "2 years", "3 years", "23 years"]
    found = diagnosed(said(texts, dev, None, FACTS), dev, the_task=FACTS)
    assert only(found).evidence == (
        "On 1 example the model says that it does not know; on 2 examples the fact that it gives is wrong."
    )
    assert found.next_rung == "rag"
    assert found.sentence == "At prompt 3 of 4 dev examples failed, all by knowledge; next to try: RAG."


def test_what_no_model_was_asked_says_nothing_of_what_models_know():
    dev = [row(i, f"{i + 20} years") for i in range(4)]
    outcomes = said(["2 years"] * 4, dev, None, FACTS, calls=False)
    found = diagnosed(outcomes, dev, rung="baseline", the_task=FACTS, candidate=ASKS_NOBODY)
    assert (only(found).name, found.next_rung) == ("content", "prompt")


# -- suspect labels -------------------------------------------------------------------------------------------------------

CROWD = [row(i, "refund" if i else "login", f"please pay my money back number {i}") for i in range(6)]
APART = [row(i, "delivery", f"where is parcel {i} of the courier") for i in range(6, 12)]
RIGHT = ["refund"] * 6 + ["delivery"] * 6  # the first row's file label is wrong


def suspects(below, texts=RIGHT, dev=None, **kwargs):
    dev = dev or [*CROWD, *APART]
    earlier = [said(b, dev, calls=i > 0) for i, b in enumerate(below)]
    return {c.name: c for c in diagnosed(said(texts, dev), dev, earlier=earlier, **kwargs).causes}


def test_all_rungs_and_like_rows_against_the_file():
    found = suspects([RIGHT])
    assert found["suspect label"].example_ids == ("r0",)
    assert found["suspect label"].evidence == (
        "On 1 example all approaches agree against the file, and the nearest dev examples do not favour the file's label: "
        "refund, not login (1)."
    )
    assert "correct them" in found["suspect label"].suggests


@pytest.mark.parametrize(
    "below",
    [
        [],  # one rung is not enough
        [["login", *RIGHT[1:]]],  # the rung below agrees with the file
        [["delivery", *RIGHT[1:]]],  # ... or says something else again
        [["no label", *RIGHT[1:]]],
        [["refund"] * 12],  # a rung that answers all rows alike speaks of none
        [RIGHT, ["login", *RIGHT[1:]]],  # one of two disagrees
    ],
)
def test_no_suspicion(below):
    assert set(suspects(below)) == {"label confusion"}


def test_a_rung_that_answers_all_rows_alike_suspects_nothing():
    assert set(suspects([RIGHT], ["refund"] * 12)) == {"label confusion"}


def test_one_more_neighbour_is_enough_among_rungs_that_ask_models():
    dev = [
        row(i, t, "please pay my money back") for i, t in enumerate(["login", "refund", "refund", "login", "delivery"])
    ]
    texts = ["refund", "refund", "refund", "login", "delivery"]
    found = diagnosed(said(texts, dev), dev, earlier=[said(texts, dev)])
    assert only(found).name == "suspect label"


def test_neighbours_that_carry_the_files_label_clear_it():
    dev = [row(i, "login" if i < 5 else "refund", e.text) for i, e in enumerate([*CROWD, *APART])]
    texts = ["refund", *["login"] * 4, *["refund"] * 7]
    assert "suspect label" not in suspects([texts], texts, dev)


def test_a_draw_among_neighbours_is_enough_only_where_a_rung_learned_from_rows():
    dev = [row(0, "login", "quite alone here"), *CROWD[1:], *APART]
    dev = [row(i, e.target, "quite alone here" if not i else f"zz{i} yy{i}") for i, e in enumerate(dev)]
    dev = [e if i not in (1, 2, 3, 4, 5) else row(i, "delivery", e.text) for i, e in enumerate(dev)]
    texts = ["refund", *["delivery"] * 11]
    assert "suspect label" in suspects([texts], texts, dev)
    asked = said(texts, dev)
    assert {c.name for c in diagnosed(said(texts, dev), dev, earlier=[asked]).causes} == {"label confusion"}


# -- what to try next -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "text", "next_rung"),
    [
        ("baseline", "refund", "prompt"),
        ("your prompt", "The team is delivery", "prompt"),
        ("prompt", "The team is delivery", None),
        ("fewshot", "Team: delivery", None),
        ("prompt@small", "refund", "fewshot"),
        ("fewshot", "refund", "finetune"),
        ("rag", "blue", "finetune"),
        ("finetune", "refund", None),
        ("prompt", "I don't know", "rag"),
        ("fewshot", "I don't know", "rag"),
        ("rag", "I don't know", None),
        ("baseline", "I cannot help with it", "prompt"),
        ("prompt", "I cannot help with it", None),
    ],
)
def test_the_next_rung_attacks_what_failed(rung, text, next_rung):
    assert diagnosed(said([text], DEV[:1]), DEV[:1], rung=rung).next_rung == next_rung


def test_post_processing_comes_before_any_higher_approach():
    found = diagnosed(said(["Team: delivery"], DEV[:1]), DEV[:1])
    assert found.form == FormLoss(1, 0.0, 1.0, "after_lead", 1.0)
    assert found.sentence == (
        "At prompt 1 of 1 dev example failed, by format; first: post-processing (lead-in removed) lifts the dev score from 0.000 to "
        "1.000 at no cost."
    )
    assert diagnosed(said(["refund"], DEV[:1]), DEV[:1]).form is None


def test_where_the_goal_is_met_nothing_more_is_advised():
    found = diagnosed(said(["refund"], DEV[:1]), DEV[:1], met=True)
    assert found.next_rung is None
    assert found.sentence == "At prompt 1 of 1 dev example failed, by label confusion; the goal is met."


def test_the_larger_half_names_the_next_rung():
    def next_of(unknown: int, confused: int, cut: int):
        rows = examples(unknown + confused + cut, "n")
        outcomes = said(["I don't know"] * unknown, rows[:unknown])
        wrong = rows[unknown : unknown + confused]
        outcomes += said(["refund" if e.target != "refund" else "login" for e in wrong], wrong)
        outcomes += [failing(e, "truncated", "cut off", "x") for e in rows[unknown + confused :]]
        return diagnosed(outcomes, rows).next_rung

    assert next_of(3, 2, 0) == "rag"
    assert next_of(2, 3, 0) == "fewshot"
    assert next_of(2, 3, 3) == "fewshot"
    assert next_of(2, 3, 4) is None


# -- properties -----------------------------------------------------------------------------------------------------------

METRICS = {"classification": NormalizedMatch(), "extraction": JsonFields(), "style": Lines(), "generation": TokenF1()}
TEXTS = st.one_of(
    st.sampled_from(["refund", "login", "I don't know", "I can't help with that", '{"a": 1}', "{", "", "```", "a\nb"]),
    st.text(max_size=30),
)
FAILED = st.sampled_from(["model", "timeout", "refusal", "truncated", "metric"])


@settings(max_examples=settings.default.max_examples * 3 // 5)
@given(
    kind=st.sampled_from(sorted(METRICS)),
    goal=st.sampled_from([0.1, 0.5, 1.0]),
    rung=st.sampled_from([*plugins.BUILT_IN["rungs"], "own"]),
    rows=st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), FAILED)), max_size=12),
)
def test_every_failed_row_has_one_cause(kind, goal, rung, rows):
    metric = METRICS[kind]
    labels = tuple(sorted({t for t, _, _ in rows})) or None
    the_task = task(kind=kind, goal=goal, labels=labels if kind == "classification" else None)
    dev = [row(i, target) for i, (target, _, _) in enumerate(rows)]
    outcomes = [
        answered(e, text, metric, the_task)
        if cause is None
        else failing(e, cause, "why", text if cause == "metric" else None)
        for e, (_, text, cause) in zip(dev, rows, strict=True)
    ]
    found = diagnosed(outcomes, dev, rung=rung, metric=metric, the_task=the_task, earlier=[outcomes])
    bad = [o for o in outcomes if o.scores is None or next(iter(o.scores.values())).value < goal]
    assert found.failed == len(bad)
    named = Counter(i for c in found.causes for i in c.example_ids)
    assert named == Counter(o.example_id for o in bad)
    for cause in found.causes:
        assert cause.name in CAUSES
        assert cause.evidence.endswith(".")
        assert cause.evidence.startswith("On ")
        assert "None" not in cause.evidence or any("None" in part for row in rows for part in row[:2])
    assert (found.next_rung is None) or found.next_rung in plugins.BUILT_IN["rungs"]
