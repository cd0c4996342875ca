"""The fake model keeps its word: exact probabilities, stable and correlated draws, faults that retries mend."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter

import pytest

from rung import plugins
from rung.errors import ContextOverflow, DataError, ModelError, RefusedByModel, Retryable
from rung.models.fake import KnownRow
from rung.types import Message, Request

LABELS = ("billing", "card", "login", "refund")
ROWS = [
    {"inputs": {"text": f"ticket number {i:04d} about something"}, "answer": LABELS[i % 4], "group": f"g{i // 10}"}
    for i in range(2000)
]
KNOWN = tuple(KnownRow.model_validate(row) for row in ROWS)
AS_IS = "Sort the ticket."
LIST = f"Sort the ticket into one of: {', '.join(LABELS)}."
RULE = LIST + " Answer with the label only."


def fake(**settings):
    return plugins.make("models", "fake", answers=settings.pop("answers", KNOWN), **settings)


def chat(i, told=AS_IS, shots=(), rows=ROWS):
    turns = []
    for k in shots:
        turns += [Message("user", rows[k]["inputs"]["text"]), Message("assistant", rows[k]["answer"])]
    return (Message("system", told), *turns, Message("user", rows[i]["inputs"]["text"]))


def ask(model, messages, repeat=0, **params):
    return asyncio.run(model.complete(Request(tuple(messages), params, repeat)))


def right(model, told, shots=(), n=2000, repeat=0):
    async def run():
        answers = [await model.complete(Request(chat(i, told, shots), {}, repeat)) for i in range(n)]
        return [a.text == ROWS[i]["answer"] for i, a in enumerate(answers)]

    return asyncio.run(run())


@pytest.mark.slow
def test_abilities_are_met_and_rungs_are_correlated():
    abilities = {"base": 0.5, "label_list": 0.2, "format_rule": 0.05, "examples": {1: 0.05, 3: 0.15}}
    model = fake(abilities=abilities, seed=3).connect()
    as_is, listed, shown = right(model, AS_IS), right(model, LIST), right(model, RULE, (1990, 1991, 1992))
    for got, chance in ((as_is, 0.5), (listed, 0.7), (shown, 0.9)):
        assert abs(sum(got) / 2000 - chance) < 3.3 * math.sqrt(chance * (1 - chance) / 2000)
    lost = sum(a and not b for a, b in zip(as_is, listed, strict=True)) / 2000
    assert 0 < lost < 0.5 * 0.3 * 0.6  # independent rungs would lose 0.15


def test_full_correlation_nests_the_rungs():
    model = fake(abilities={"base": 0.5, "label_list": 0.2}, correlation=1.0).connect()
    as_is, listed = right(model, AS_IS, n=400), right(model, LIST, n=400)
    assert all(b for a, b in zip(as_is, listed, strict=True) if a)


@pytest.mark.slow
def test_groups_share_their_ease():
    def between_groups(share):
        got = right(fake(abilities={"base": 0.5}, correlation=1.0, group_share=share).connect(), AS_IS)
        rates = [sum(got[i : i + 10]) / 10 for i in range(0, 2000, 10)]
        return sum((r - 0.5) ** 2 for r in rates) / len(rates)

    assert between_groups(0.0) < 0.035  # independent rows: 0.025
    assert between_groups(0.9) > 0.1


def test_draws_are_stable_and_depend_on_the_seed():
    first, again = fake(abilities={"base": 0.5}), fake(abilities={"base": 0.5})
    assert right(first.connect(), AS_IS, n=200) == right(again.connect(), AS_IS, n=200)
    assert right(first.connect(), AS_IS, n=200) != right(fake(abilities={"base": 0.5}, seed=1).connect(), AS_IS, n=200)


@pytest.mark.slow
def test_noise_changes_repeats_and_only_repeats():
    steady, noisy = fake(abilities={"base": 0.5}).connect(), fake(abilities={"base": 0.5}, noise=0.5).connect()
    assert right(steady, AS_IS, n=300, repeat=1) == right(steady, AS_IS, n=300)
    assert right(noisy, AS_IS, n=300) == right(steady, AS_IS, n=300)
    assert right(noisy, AS_IS, n=300, repeat=1) not in (
        right(noisy, AS_IS, n=300),
        right(noisy, AS_IS, n=300, repeat=2),
    )


def test_what_a_prompt_offers():
    rows = [*ROWS[:50], {"inputs": {"text": "where is the blue card"}, "answer": "card", "passage": "Cards are blue."}]
    model = fake(answers=rows, abilities={"hints": {"step by step": 0.1}}).connect()
    row, offer = model.read(chat(50, RULE + " Think step by step.", (0, 1), rows))
    assert row.answer == "card"
    assert (offer.label_list, offer.format_rule, offer.examples, offer.hints) == (True, True, 2, ("step by step",))
    assert (offer.near_example, offer.passage) == (False, False)
    _, offer = model.read([Message("user", "Cards are blue.\n\nQuestion: where is the blue card")])
    assert offer.passage
    assert not offer.label_list


def test_demonstrations_inside_one_message_are_seen_and_the_last_row_is_asked():
    model = fake().connect()
    told = "\n\n".join(f"Ticket: {ROWS[k]['inputs']['text']}\nTeam: {ROWS[k]['answer']}" for k in (5, 6, 7))
    row, offer = model.read([Message("user", f"{told}\n\nTicket: {ROWS[9]['inputs']['text']}\nTeam:")])
    assert row.text == ROWS[9]["inputs"]["text"]
    assert offer.examples == 3
    assert offer.near_example  # the tickets differ in one word of five


def test_rows_quoted_without_their_answers_are_no_demonstrations():
    told = "\n".join(f'- {ROWS[k]["answer"]}: for example "{ROWS[k]["inputs"]["text"]}"' for k in (0, 1, 2, 3))
    _, offer = (
        fake()
        .connect()
        .read([Message("system", f"Sort it.\n{told}\nBe brief."), Message("user", ROWS[9]["inputs"]["text"])])
    )
    assert (offer.examples, offer.label_list) == (0, True)


def test_a_label_list_made_of_demonstrations_is_none():
    assert not fake().connect().read(chat(9, AS_IS, (0, 1, 2, 3)))[1].label_list


def test_several_columns_must_all_be_there():
    rows = [{"inputs": {"subject": "Hello there", "body": f"body {w}"}, "answer": w} for w in ("one", "two")]
    model = fake(answers=rows).connect()
    assert ask(model, [Message("user", "Subject: Hello there\nBody: body two")]).text == "two"
    assert ask(model, [Message("user", "Subject: Hello there")]).text == "I do not know."


def test_wrong_answers_are_other_labels_or_the_named_confusion():
    model = fake(abilities={"base": 0.0}, confusions={"card": "login"}).connect()
    said = Counter((ROWS[i]["answer"], ask(model, chat(i)).text) for i in range(200))
    assert all(truth != text and text in LABELS for truth, text in said)
    assert {text for truth, text in said if truth == "card"} == {"login"}
    assert len({text for truth, text in said if truth == "billing"}) == 3


def test_json_answers_are_right_field_by_field():
    rows = [
        {"inputs": {"text": f"order {i:05d} here"}, "answer": json.dumps({"a": f"x{i}", "n": i, "ok": i % 2 == 0})}
        for i in range(600)
    ]
    model = fake(answers=rows, abilities={"base": 0.7}).connect()
    got = [json.loads(ask(model, chat(i, rows=rows)).text) for i in range(600)]
    fields = [got[i][k] == v for i in range(600) for k, v in json.loads(rows[i]["answer"]).items()]
    assert abs(sum(fields) / 1800 - 0.7) < 0.05
    assert 0.0 < sum(all(fields[i : i + 3]) for i in range(0, 1800, 3)) / 600 < 0.7


def test_format_slips_stop_when_told():
    model = fake(format_slip=0.5, format_slip_when_told=0.0).connect()
    slipped = [ask(model, chat(i, AS_IS)).text for i in range(200)]
    assert 60 < sum(text not in LABELS for text in slipped) < 140
    assert all(ROWS[i]["answer"] in text for i, text in enumerate(slipped))
    assert all(ask(model, chat(i, RULE)).text in LABELS for i in range(200))


def test_refusal_truncation_and_length():
    with pytest.raises(RefusedByModel, match="declines"):
        ask(fake(refusal=1.0).connect(), chat(0))
    assert ask(fake(truncation=1.0).connect(), chat(0)).finish == "length"
    cut = ask(
        fake(answers={"long question": "word " * 100}).connect(), [Message("user", "long question")], max_tokens=5
    )
    assert (cut.finish, cut.output_tokens, len(cut.text)) == ("length", 5, 20)


def test_context_overflow_names_both_counts():
    with pytest.raises(ContextOverflow, match="more than the context of 10") as caught:
        ask(fake(context=10).connect(), chat(0))
    assert (caught.value.tokens, caught.value.context) == (fake().connect().count_tokens(chat(0)), 10)


def test_faults_strike_attempts_and_retries_mend_them():
    model = fake(
        faults={"rate_limit": 0.2, "server_error": 0.1, "drop": 0.1, "timeout": 0.1, "retry_after_s": 2}
    ).connect()
    seen = Counter()
    for i in range(300):
        for _ in range(40):
            try:
                assert ask(model, chat(i)).text == ROWS[i]["answer"]
                break
            except Retryable as error:
                seen[(error.status, error.timed_out, error.retry_after_s)] += 1
        else:
            pytest.fail("retries did not fix the fault")
    assert set(seen) == {(429, False, 2.0), (500, False, None), (None, False, None), (None, True, None)}


def test_a_status_that_no_retry_mends():
    with pytest.raises(ModelError, match="status 401") as caught:
        ask(fake(faults={"always": 401}).connect(), chat(0))
    assert not isinstance(caught.value, Retryable)
    assert caught.value.status == 401


def test_latency_is_reported_without_waiting_unless_asked():
    started = time.perf_counter()
    assert ask(fake(latency_s=5.0).connect(), chat(0)).latency_s == 5.0
    uneven = fake(latency_s=5.0, latency_spread=0.5).connect()
    spread = [ask(uneven, chat(i)).latency_s for i in range(20)]
    assert len(set(spread)) == 20
    assert time.perf_counter() - started < 4
    started = time.perf_counter()
    ask(fake(latency_s=0.05, wait=True).connect(), chat(0))
    assert time.perf_counter() - started >= 0.05


def test_answers_from_a_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"id": "1", "text": "what now", "team": "billing"}\n\n{"id": "2", "text": "who else", "team": "card"}\n'
    )
    model = plugins.make("models", "fake", answers=str(path), answer_column="team").connect()
    assert ask(model, [Message("user", "who else")]).text == "card"
    path.write_text('{"text": "what now"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 1: a row needs the column 'team'"):
        plugins.make("models", "fake", answers=str(path), answer_column="team").connect()
    with pytest.raises(ValueError, match=r"none\.jsonl is not there"):
        plugins.make("models", "fake", answers=str(tmp_path / "none.jsonl"))


def test_identity_knows_what_changes_answers_and_nothing_else():
    same = fake().identity()
    assert fake(input_usd_per_mtok=1, output_usd_per_mtok=2, concurrency=3, latency_s=1).identity() == same
    for changed in (fake(seed=1), fake(abilities={"base": 0.5}), fake(answers=ROWS[:10]), fake(format_slip=0.1)):
        assert changed.identity() != same
    json.dumps(same)


def test_a_request_is_cheap():
    model = fake().connect()
    started = time.process_time()
    right(model, RULE, (1990, 1991, 1992), n=500)
    assert time.process_time() - started < 2.0
