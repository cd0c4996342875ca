"""Rung 1: each rewrite matters to some model, the race saves calls, ties keep the user's prompt."""

from __future__ import annotations

import asyncio
import json

import pytest

from rung.errors import NotOffered, RefusedByModel
from rung.metrics.json_fields import JsonFields
from rung.prompts.race import plan_rounds
from rung.rungs.prompt import Prompt
from rung.stats.racing import Round, calls
from rung.store.folder import from_json, to_json
from rung.types import Candidate, Example, FitInput, Message, MetricSpec
from tests.unit._kit import TOPICS, KitForTests, examples, task, topic_of

TRAIN, DEV = examples(90, "t"), examples(60, "d")


def system_of(messages) -> str:
    return "\n".join(m.content for m in messages if m.role == "system")


def fit(script, *, the_task=None, train=TRAIN, dev=DEV, kit=None, **settings):
    the_task = the_task or task()
    kit = kit or KitForTests(the_task, script)
    fitted = asyncio.run(Prompt(**settings).fit(FitInput(the_task, tuple(train), tuple(dev)), kit))
    return fitted, kit


def names(fitted) -> list[str]:
    return [t.candidate.name for t in fitted.trials]


def needs(*marks: str):
    """Return a model that knows every topic but answers right only when the system message holds all marks."""

    def script(messages):
        label = topic_of(messages[-1].content)
        return label if all(m in system_of(messages) for m in marks) else f"The team is maybe {label} or another team."

    return script


def test_the_users_prompt_is_candidate_one_exactly():
    prompt = (Message("system", "House rules."), Message("user", "{{text}} ->"))
    fitted, kit = fit(lambda m: "refund", the_task=task(prompt=prompt))
    assert names(fitted)[0] == "as-is"
    assert fitted.trials[0].candidate.prompt == tuple(prompt)
    assert any(r.messages[0].content == "House rules." and r.messages[1].content.endswith(" ->") for r in kit.requests)


def test_a_tie_keeps_candidate_one():
    fitted, _ = fit(lambda m: topic_of(m[-1].content))
    assert fitted.candidate.name == "as-is"
    assert [t.kept for t in fitted.trials] == [True] + [False] * (len(fitted.trials) - 1)
    assert len(fitted.dev) == len(DEV)


def test_among_equal_rewrites_the_one_with_fewest_tokens_wins():
    fitted, _ = fit(lambda m: topic_of(m[-1].content) if "refund" in system_of(m) else "?")
    assert fitted.candidate.name == "label-list"


@pytest.mark.parametrize(
    ("marks", "winner"),
    [
        (("Use one of these labels",), "label-list"),
        (("and nothing else",), "exact"),
        (('for example "',), "structured-definitions"),
        (("# Output format",), "structured"),
        (("Labels:\n- delivery: ",), "definitions"),
    ],
)
def test_a_model_that_needs_one_thing_gets_it(marks, winner):
    fitted, _ = fit(needs(*marks))
    expected = {winner, "definitions"} if winner == "structured-definitions" else {winner}
    assert fitted.candidate.name in expected
    assert marks[0] in system_of(fitted.candidate.prompt)
    assert {t.candidate.name: t.mean for t in fitted.trials}["as-is"] == 0.0


def test_definitions_are_worded_from_train():
    fitted, _ = fit(needs("Labels:\n- delivery: "))
    text = system_of(fitted.candidate.prompt)
    for label, cues in TOPICS.items():
        line = next(x for x in text.splitlines() if x.startswith(f"- {label}: "))
        assert any(word in line for cue in cues for word in cue.split())
    train_texts = {e.id: e.text for e in TRAIN}
    assert len(fitted.candidate.trained_on) == 3
    assert all(train_texts[i] in text for i in fitted.candidate.trained_on)


def test_labels_that_the_prompt_names_already_are_not_listed_again():
    prompt = (Message("system", "Teams: delivery, login, refund."), Message("user", "{{text}}"))
    fitted, _ = fit(lambda m: "refund", the_task=task(prompt=prompt))
    assert "label-list" not in names(fitted)


def test_the_race_saves_calls_and_the_winner_has_all_rows():
    fitted, kit = fit(needs("and nothing else"))
    first_round = [t for t in fitted.trials if not t.candidate.name.endswith("+rules")]
    assert sum(t.calls for t in fitted.trials) == len(kit.requests)
    assert sum(t.calls for t in first_round) <= 0.6 * len(first_round) * len(DEV)
    assert {t.candidate.name: t.rows for t in fitted.trials}[fitted.candidate.name] == len(DEV)


@pytest.mark.parametrize(("candidates", "rows", "share"), [(6, 150, 0.55), (13, 150, 0.36), (13, 400, 0.36)])
def test_a_race_costs_a_part_of_everything(candidates, rows, share):
    rounds = plan_rounds(candidates, rows)
    assert calls(rounds, candidates) <= share * candidates * rows
    assert rounds[-1] == Round(rows, 1)


def test_rules_are_written_against_the_confusions_of_the_best():
    """The model takes deliveries for refunds until a rule with the right words tells them apart."""

    def script(messages):
        label = topic_of(messages[-1].content)
        told = any("point to delivery, not to refund" in line for line in system_of(messages).splitlines())
        return "refund" if label == "delivery" and not told else label

    fitted, _ = fit(script)
    assert fitted.candidate.name == "as-is+rules"
    rule = next(x for x in fitted.candidate.prompt[0].content.splitlines() if "point to" in x)
    assert any(word in rule for cue in TOPICS["delivery"] for word in cue.split())
    assert fitted.trials[-1].mean == 1.0
    assert fitted.trials[0].mean == pytest.approx(2 / 3)


def test_rules_that_do_not_help_are_dropped_early():
    def script(messages):
        if "Rules:" in system_of(messages):
            return "?"
        label = topic_of(messages[-1].content)
        return "refund" if label == "delivery" else label

    fitted, _ = fit(script)
    assert fitted.candidate.name == "as-is"
    assert {t.candidate.name: t.rows for t in fitted.trials}["as-is+rules"] == 30


def test_where_no_answer_scores_the_prompt_that_says_most_is_handed_on():
    fitted, kit = fit(lambda m: "?")
    assert all(t.mean == 0.0 for t in fitted.trials)
    assert fitted.candidate.name == "structured-definitions"
    assert all(label in system_of(fitted.candidate.learned.messages) for label in TOPICS)
    assert any(
        "no answer of 6 prompts scores on dev; structured-definitions, which says most, is kept" in s for s in kit.said
    )


def test_a_model_that_heeds_the_user_turn_alone_gets_the_instruction_there():
    def script(messages):
        told = "Use one of these labels" in messages[-1].content or "# Labels" in messages[-1].content
        return topic_of(messages[-1].content.rsplit("\n", 1)[-1]) if told else "?"

    fitted, _ = fit(script)
    assert fitted.candidate.name == "structured-definitions, user turn"
    assert [m.role for m in fitted.candidate.learned.messages] == ["user"]
    assert len(fitted.dev) == len(DEV)


def test_the_instruction_stays_where_it_is_once_the_goal_is_reached():
    fitted, _ = fit(lambda m: topic_of(m[-1].content))
    assert not [name for name in names(fitted) if "user turn" in name]


def test_rules_that_change_nothing_are_not_taken():
    def script(messages):
        label = topic_of(messages[-1].content)
        return "refund" if label == "delivery" else label

    fitted, _ = fit(script)
    assert fitted.candidate.name == "as-is"
    assert {t.candidate.name: t.rows for t in fitted.trials}["as-is+rules"] == len(DEV)


def test_a_form_is_tried_where_the_goal_is_missed_though_every_answer_is_well_formed():
    def script(messages):
        label = topic_of(messages[-1].content)
        if "JSON object" in system_of(messages):
            return json.dumps({"label": label})
        return "billing" if label == "delivery" else label

    fitted, _ = fit(script)
    assert fitted.candidate.name == "as-is, structured output"
    assert {t.candidate.name: t.mean for t in fitted.trials if t.kept} == {"as-is, structured output": 1.0}
    assert fitted.candidate.learned.response_format is not None


def test_a_form_that_is_wrong_gets_a_rule():
    def script(messages):
        label = topic_of(messages[-1].content)
        return label if "no sentence around it" in system_of(messages) else f"The team is: {label}!"

    fitted, _ = fit(script)
    assert fitted.candidate.name.endswith("+rules")
    assert fitted.trials[-1].mean == 1.0


def test_a_prompt_longer_than_the_context_is_skipped_with_counts():
    kit = KitForTests(task(), needs("and nothing else"), context=60, max_tokens=10)
    fitted, _ = fit(None, kit=kit)
    skipped = {s.what: s.reason for s in fitted.skipped}
    assert set(skipped) == {"prompt definitions", "prompt structured-definitions"}
    assert skipped["prompt definitions"].startswith("its prompt is too long for scripted-1: up to ")
    assert "10 for the answer, the context holds 60; 60 of 60 dev examples do not fit" in skipped["prompt definitions"]
    assert all(kit.count_tokens("main", r.messages) + 10 <= 60 for r in kit.requests)


def test_not_offered_when_nothing_fits():
    kit = KitForTests(task(), lambda m: "?", context=12, max_tokens=10)
    with pytest.raises(NotOffered, match="no prompt can be asked: its prompt is too long for scripted-1"):
        fit(None, kit=kit)


def test_the_same_fit_asks_the_same_again():
    first, one = fit(needs("and nothing else"))
    second, two = fit(needs("and nothing else"))
    assert one.requests == two.requests
    assert first.candidate == second.candidate


def test_a_stored_candidate_asks_the_same():
    fitted, kit = fit(needs("Labels:\n- delivery: "))
    c = fitted.candidate
    stored = from_json(to_json(c, Candidate), Candidate)
    kit.requests.clear()
    asyncio.run(kit.run(c, DEV[:5]))
    asyncio.run(kit.run(stored, DEV[:5]))
    assert kit.requests[:5] == kit.requests[5:]
    assert stored.id == c.id


def test_training_text_in_a_prompt_is_never_read_as_a_placeholder():
    train = [Example(f"x{e.id}", {"text": f"{e.text} {{{{text}}}}"}, e.target, e.group) for e in TRAIN]
    _, kit = fit(needs('for example "'), train=train)
    quoted = [r for r in kit.requests if 'for example "' in system_of(r.messages)]
    assert quoted
    assert all(r.messages[-1].content not in system_of(r.messages) for r in quoted)


def test_without_training_rows_only_the_prompt_as_it_stands_is_measured():
    fitted, _ = fit(lambda m: "refund", train=[])
    assert names(fitted) == ["as-is"]
    fitted, _ = fit(lambda m: "refund", rewrites=False)
    assert names(fitted) == ["as-is"]


def test_refusals_do_not_stop_the_race():
    def script(messages):
        if "label" not in system_of(messages):
            raise RefusedByModel("no", provider="scripted")
        return topic_of(messages[-1].content)

    for failure_score in (0.0, None):
        fitted, _ = fit(script, the_task=task(failure_score=failure_score))
        assert fitted.candidate.name == "label-list"
        assert fitted.trials[0].mean == (0.0 if failure_score == 0.0 else None)


def extraction(n: int, prefix: str) -> list[Example]:
    rows = []
    for e in examples(n, prefix):
        city, day = e.text.split()[0], len(e.text) % 28 + 1
        target = json.dumps({"city": city, "due": f"2031-04-{day:02}", "note": None})
        rows.append(Example(e.id, {"text": f"{e.text} on the {day} due 2031-04-{day:02}"}, target, e.group))
    return rows


def test_other_kinds_get_the_form_of_the_training_answers():
    the_task = task(kind="extraction", labels=None, target="record", metrics=(MetricSpec("json_fields"),))

    def script(messages):
        if 'exactly these keys, in this order: "city", "due", "note".' not in system_of(messages):
            return "no idea"
        words = messages[-1].content.split()
        return json.dumps({"city": words[0], "due": words[-1], "note": None})

    kit = KitForTests(the_task, script, metric_plugin=JsonFields())
    fitted, _ = fit(None, the_task=the_task, train=extraction(60, "t"), dev=extraction(30, "d"), kit=kit)
    assert fitted.candidate.name == "format"
    assert fitted.trials[0].mean == 0.0
    text = fitted.candidate.prompt[0].content
    assert '"city" is copied from the text.' in text
    assert '"note" is null.' in text
