"""The rewrites as texts: what they say of labels, lines, keys and length, and that training rows bear it out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.metrics.json_fields import JsonFields
from rung.metrics.lines import LineCheck, Lines
from rung.metrics.normalized_match import NormalizedMatch
from rung.metrics.token_f1 import TokenF1
from rung.prompts.class_labels import labels_of
from rung.prompts.forms import observed_rules
from rung.prompts.frames import choices, frame_of
from rung.prompts.rewrites import Writer, label_list, part_key
from rung.prompts.similar import apart_from
from rung.prompts.templates import as_it_stands
from rung.types import Answer, Example, Message, MetricSpec, Outcome, Score
from tests.unit._kit import TOPICS, examples, task, topic_of

NAMES = ("Anna", "Ben", "Cleo", "Dirk", "Ella")


def rows(write, n: int = 40) -> list[Example]:
    """Return rows whose message names a customer and an order; `write` makes the answer of (name, order, topic)."""
    out = []
    for i, e in enumerate(examples(n, "t")):
        name, order = NAMES[i % 5], str(1000 + 37 * i)
        message = f"I am {name}. {e.text}, order {order}"
        out.append(Example(e.id, {"message": message}, write(name, order, topic_of(e.text)), e.id))
    return out


def writer(train, metric, **changes) -> Writer:
    the_task = task(**{"inputs": ("message",), "labels": None, "kind": "style", "target": "reply", **changes})
    return Writer(the_task, as_it_stands(the_task), labels_of(the_task, train), train, apart_from(train, []), metric)


def texts(w: Writer) -> dict[str, str]:
    return {d.name: d.template.messages[0].content for d in w.drafts()}


def reply(name: str, order: str, topic: str) -> str:
    return f"Hello {name},\nWe look into the {topic} of order {order} today.\nCall us on 0800 123.\nBest wishes, North"


LINES = """Line 1: "Hello NAME," with the name from the message
Line 2: "We look into the ... today."
Line 3: exactly "Call us on 0800 123."
Line 4: exactly "Best wishes, North\""""


def test_replies_of_one_form():
    found = texts(writer(rows(reply), Lines(), instruction="Reply to the customer."))
    assert found["exact"] == "Reply to the customer.\n\nWrite only the reply. No explanation."
    assert found["format"] == (
        f"Reply to the customer.\n\nWrite only the reply. No explanation.\nWrite exactly 4 lines.\n{LINES}"
    )
    bulleted = "\n".join(f"- {line}" for line in LINES.splitlines())
    assert found["structured"] == (
        f"# Instruction\nReply to the customer.\n\n# Rules\n- Write exactly 4 lines.\n{bulleted}\n\n"
        "# Output format\nWrite only the reply. No explanation."
    )
    head, shown = found["model-answer"].split("A right answer, to another message:\n")
    assert head == "Reply to the customer.\n\nWrite only the reply. No explanation.\n\n"
    assert shown in {e.target for e in rows(reply)}


def test_what_the_metric_says_is_not_said_twice():
    metric = Lines(count=4, checks=(LineCheck(line=1, target="equals"),))
    text = texts(writer(rows(reply), metric))["format"]
    assert text.count("Write exactly 4 lines") == 1
    assert text.endswith(LINES)


def test_the_users_prompt_comes_first_and_stays_as_it_is():
    prompt = (Message("system", "House rules."), Message("user", "{{message}} ->"))
    found = writer(rows(reply), Lines(), prompt=prompt).drafts()
    for draft in found:
        assert draft.template.messages[0].content.startswith("House rules.\n\n")
        assert draft.template.messages[1:] == prompt[1:]
        assert "Route the message" not in draft.template.messages[0].content


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (lambda n, o, t: f"[{t}]\nFine.", 'Line 1: "[...]" with one of: delivery, login, refund'),
        (lambda n, o, t: f"Team: {t}\nFine.", 'Line 1: "Team: ..." with one of: delivery, login, refund'),
        (lambda n, o, t: f"{t}\nFine.", "Line 1: one of: delivery, login, refund"),
        (lambda n, o, t: f"Order #{o}\nFine.", 'Line 1: "Order #NUMBER"'),
        (lambda n, o, t: f"{o}\nFine.", "Line 1: copied from the message"),
        (lambda n, o, t: f"{n} wrote of {t} {o}.\nFine.", "Line 1: one sentence with the answer"),
        (lambda n, o, t: f"{n} {t} {o}\nFine.", "Line 1: about 3 words"),
        (lambda n, o, t: f"{n} {t}\n\nFine.", "Line 2: empty"),
    ],
)
def test_what_a_line_looks_like(write, rule):
    assert rule in observed_rules(rows(write))


@pytest.mark.parametrize("odd", ["We cannot help.", "Sorry\nWe cannot help\nyou with this\ntoday"])
def test_a_few_odd_answers_do_not_hide_the_form(odd):
    train = [*rows(reply, 38), Example("odd", {"message": "?"}, odd, "odd")]
    assert "\n".join(observed_rules(train)[1:]) == LINES
    half = [*rows(reply, 20), *[Example(f"o{i}", {"message": "?"}, f"No {i}.", f"o{i}") for i in range(20)]]
    assert not any(rule.startswith(("Line", "Write exactly")) for rule in observed_rules(half))


def test_what_stands_between_the_shared_words():
    assert str(frame_of(["Hello Anna,", "Hello Ben,", "Hello Cleo Day,"])) == "Hello NAME,"
    assert str(frame_of(["Hello Anna,", "Hello Ben,"] * 3)) == "Hello ...,"
    assert str(frame_of(["Hello Anna,", "Hello you,", "Hello Cleo,"])) == "Hello ...,"
    assert str(frame_of(["No. 12/3.", "No. 4.", "No. A-55."])) == "No. NUMBER"
    assert str(frame_of(["Dear all"] * 3)) == "Dear all"
    assert str(frame_of([])) == ""


def test_answers_of_varying_length_keep_their_first_and_last_line():
    train = rows(lambda n, o, t: f"Hello {n},\n" + "More.\n" * (int(o) % 3) + "Best wishes, North")
    assert observed_rules(train) == (
        'The first line is "Hello NAME,".',
        'The last line is "Best wishes, North".',
        "Write 5 to 7 words.",
    )


def record(name: str, order: str, topic: str) -> str:
    fields = {
        "customer": name.upper(),
        "order": None if order.endswith("1") else order,
        "ref": f"#{order}",
        "topic": topic,
        "day": f"2031-04-{int(order) % 28 + 1:02}",
        "paid": int(order) % 2 == 0,
        "v": 1,
        "nothing": None,
        "items": [{"order": order}],
        "note": "x" * 50 + order,
    }
    return json.dumps(fields | ({"gift": "yes"} if int(order) % 3 == 0 else {}))


def test_records():
    found = texts(writer(rows(record), JsonFields(), kind="extraction", target="record", instruction="Extract it."))
    assert found["format"] == (
        "Extract it.\n\nAnswer with one JSON object and nothing else. No code fence and no explanation.\n"
        'Write one JSON object with these keys, in this order: "customer", "order", "ref", "topic", "day", "paid", "v", '
        '"nothing", "items", "note".\n'
        'Add these keys only where they apply: "gift".\n'
        '"customer" is copied from the message in capital letters.\n'
        '"order" is copied from the message, or null if it is missing.\n'
        '"ref" is "#" with a text copied from the message behind it.\n'
        '"topic" is "delivery", "login" or "refund".\n'
        '"day" looks like "2031-04-01".\n'
        '"paid" is false or true.\n'
        '"v" is 1.\n'
        '"nothing" is null.\n'
        '"items" looks like [{"order": "1000"}].\n'
        '"gift" is "yes".'
    )


def test_a_null_is_not_shown_as_the_model_answer_where_another_can_be():
    train = rows(lambda n, o, t: json.dumps({"order": None if o.endswith("1") else o}))
    assert "null" not in texts(writer(train, JsonFields()))["model-answer"].split("right answer")[1]


def test_free_text():
    train = rows(lambda n, o, t: " ".join(["The", t, "of", n, "is", *["very"] * (int(o) % 5), "late"]))
    found = texts(writer(train, TokenF1(), kind="generation", target="expected_output"))
    assert found["exact"].endswith("\n\nWrite only the answer. No explanation.")
    assert "Answer on one line.\n" in found["format"]
    assert 'Answer in the form "The ... late"' in found["format"]
    assert found["format"].endswith("Write 6 to 10 words.")
    assert "as few words" not in found["format"]


def test_labels_few_and_many():
    assert label_list(["a", "b", "c"]) == "Use one of these labels: a, b or c."
    assert label_list(["only"]) == "Use one of these labels: only."
    for labels in (["a, b", "c"], ["this or that", "c"], [f"a long label number {i}" for i in range(9)]):
        assert label_list(labels) == "Use one of these labels:\n" + "\n".join(f"- {x}" for x in labels)


def test_definitions_hold_telling_words_and_a_training_text():
    train = examples(120, "t")
    w = writer(train, NormalizedMatch(), kind="classification", target="team", inputs=("text",), labels=tuple(TOPICS))
    line = next(x for x in texts(w)["definitions"].splitlines() if x.startswith("- refund: "))
    words, shown = line.removeprefix("- refund: ").split("; for example ")
    assert set(words.split(", ")) <= {"money", "back", "refund", "charged", "twice"}
    assert json.loads(shown) in {e.text for e in train if e.target == "refund"}
    assert texts(w)["definitions"].endswith(
        "\n\nAnswer with the label only. Write exactly one label, spelled as given, and nothing else."
    )


def wrong(example: Example, parts: dict[str, float], metric: str) -> Outcome:
    return Outcome(example.id, example.id, Answer("x"), {metric: Score(0.0, True, parts)})


def test_weak_lines_and_keys_get_their_own_rule():
    train = rows(reply)
    w = writer(train, Lines(), metrics=(MetricSpec("lines"),))
    best = w.drafts()[0]
    parts = {"count": 0.0, "line 4 equals target": 0.0, "line 3 equals target": 1.0, "line 1 equals target": 0.5}
    harder = w.edge_rules(best, [wrong(e, parts, "lines") for e in train], train)
    assert harder.name == "exact+rules"
    assert harder.template.messages[0].content.endswith(
        'Rules:\n- Take care with line 4: exactly "Best wishes, North"\n'
        '- Take care with line 1: "Hello NAME," with the name from the message'
    )
    train = rows(lambda n, o, t: json.dumps({"order": o, "topic": t}))
    w = writer(train, JsonFields(), metrics=(MetricSpec("json_fields"),))
    harder = w.edge_rules(best, [wrong(e, {"topic": 0.0, "order": 1.0}, "json_fields") for e in train], train)
    assert harder.template.messages[0].content.endswith(
        'Rules:\n- Take care: "topic" is "delivery", "login" or "refund".'
    )


@pytest.mark.parametrize(
    ("part", "key"), [("line 2 equals target", "line 2"), ("line each regex", "line each regex"), ("due", "due"), ("line 12", "line 12")]
)  # fmt: skip
def test_parts_are_told_by_their_key(part, key):
    assert part_key(part) == key


TEXT = st.text(alphabet='ab .,#{}\n"é漢', max_size=12)


@given(st.lists(TEXT, max_size=12))
def test_a_frame_holds_for_nearly_all_texts(found):
    frame = frame_of(found)
    holding = [t for t in found if t.startswith(frame.prefix) and t.endswith(frame.suffix)]
    assert len(holding) >= 0.95 * 0.95 * len(found)
    assert len(frame.between) >= 0.95 * len(found) - 1
    assert all(frame.prefix + b + frame.suffix in found for b in frame.between)
    assert set(choices(found)) <= set(found)


@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=0, max_size=12), st.sampled_from(["style", "extraction", "classification"])
)
def test_any_training_answers_give_drafts_that_show_them_as_they_are(pairs, kind):
    train = [Example(f"r{i}", {"message": text}, target, f"r{i}") for i, (text, target) in enumerate(pairs)]
    w = writer(train, Lines(), kind=kind)
    for draft in w.drafts():
        rendered = draft.template.render({"message": "THE ROW"})
        assert "\\{{" not in rendered[0].content
        assert rendered[-1].content == "THE ROW"
    assert len({d.name for d in w.drafts()}) == len(w.drafts())
