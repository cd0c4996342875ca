"""Placeholders, the place of demonstrations, and the user's prompt as it stands."""

from __future__ import annotations

import pytest

from rung.prompts.templates import (
    Template,
    as_it_stands,
    fill,
    literal,
    plain_row,
    prompt_notes,
)
from rung.types import Demonstration, Message
from tests.unit._kit import task


def test_values_are_never_read_again():
    filled = fill("{{ subject }} / {{body}}", {"subject": "{{body}}", "body": "{{subject}} \\1 $0"})
    assert filled == "{{body}} / {{subject}} \\1 $0"


def test_braces_that_name_no_column_stay():
    assert fill('{"a": {{other}}} {{text}}', {"text": "x"}) == '{"a": {{other}}} x'


def test_longer_column_names_win_over_their_beginnings():
    assert fill("{{a b}} {{a}}", {"a": "1", "a b": "2"}) == "2 1"


@pytest.mark.parametrize("text", ["{{text}}", "\\{{ text }}", "\\\\{{text}} {{other}}", "plain", "{{{{text}}}}"])
def test_literal_text_survives_rendering(text: str):
    assert fill(literal(text, ["text"]), {"text": "VALUE"}) == text


def test_plain_row_of_one_and_of_several_columns():
    assert plain_row(["text"]) == "{{text}}"
    assert plain_row(["subject", "order_id"]) == "Subject: {{subject}}\nOrder id: {{order_id}}"


def test_without_a_prompt_the_bare_instruction_is_used():
    template = as_it_stands(task(instruction="Say {{text}} aloud."))
    assert template.render({"text": "hi"}) == (Message("system", "Say {{text}} aloud."), Message("user", "hi"))


def test_a_prompt_with_placeholders_stands_as_it_is():
    prompt = (Message("user", "Route this: {{text}}\nTeam:"),)
    assert as_it_stands(task(prompt=prompt)).render({"text": "hi"}) == (Message("user", "Route this: hi\nTeam:"),)


@pytest.mark.parametrize("role", ["user", "system"])
def test_a_lone_text_without_placeholders_becomes_the_system_message(role):
    rendered = as_it_stands(task(prompt=(Message(role, "Route it."),))).render({"text": "hi"})
    assert rendered == (Message("system", "Route it."), Message("user", "hi"))


def test_a_chat_without_placeholders_is_followed_by_the_row():
    prompt = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"))
    assert as_it_stands(task(prompt=prompt)).render({"text": "hi"}) == (*prompt, Message("user", "hi"))


def test_notes_name_inputs_left_out():
    prompt = (Message("user", "{{subject}}"),)
    notes = prompt_notes(task(prompt=prompt, inputs=("subject", "body")))
    assert notes == ("your prompt has no {{body}}: the model will not see it",)
    assert prompt_notes(task(prompt=(Message("system", "no placeholder at all"),))) == ()


DEMO = Demonstration("d1", {"text": "demo {{text}}"}, "TARGET")


def test_demonstrations_stand_before_the_final_user_message_in_its_form():
    template = Template((Message("system", "s"), Message("user", "In: {{text}} Out:")), ("text",))
    assert template.render({"text": "row"}, [DEMO]) == (
        Message("system", "s"),
        Message("user", "In: demo {{text}} Out:"),
        Message("assistant", "TARGET"),
        Message("user", "In: row Out:"),
    )


def test_demonstrations_follow_turns_of_the_users_own_prompt():
    own = (
        Message("user", "old"),
        Message("assistant", "OLD"),
        Message("user", "{{text}}"),
        Message("assistant", "Team:"),
    )
    rendered = Template(own, ("text",)).render({"text": "row"}, [DEMO])
    assert [m.content for m in rendered] == ["old", "OLD", "demo {{text}}", "TARGET", "row", "Team:"]


def test_demonstrations_of_a_row_spread_over_messages_are_shown_whole():
    own = (Message("system", "From {{a}}"), Message("user", "{{b}}"))
    demo = Demonstration("d", {"a": "1", "b": "2"}, "T")
    rendered = Template(own, ("a", "b")).render({"a": "x", "b": "y"}, [demo])
    assert [m.content for m in rendered] == ["From x", "A: 1\nB: 2", "T", "y"]


def test_demonstrations_with_a_system_message_alone():
    rendered = Template((Message("system", "Route {{text}}"),), ("text",)).render({"text": "row"}, [DEMO])
    assert [(m.role, m.content) for m in rendered] == [
        ("user", "demo {{text}}"),
        ("assistant", "TARGET"),
        ("system", "Route row"),
    ]


def test_blocks_go_to_the_system_message_or_a_new_one():
    with_system = Template((Message("system", "s"), Message("user", "{{text}}")), ("text",)).with_block("Say {{text}}")
    assert [m.content for m in with_system.render({"text": "x"})] == ["s\n\nSay {{text}}", "x"]
    without = Template((Message("user", "{{text}}"),), ("text",)).with_block("b")
    assert without.messages[0] == Message("system", "b")
