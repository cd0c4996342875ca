"""Placeholders of a user's prompt, whatever tool it is from: filled, or refused by name before anything is asked."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rung import plugins
from rung.config import parse_config
from rung.config.prompt import for_columns
from rung.errors import ConfigError
from rung.prompts.templates import fill
from rung.types import Message

ROW = {"text": "The {{text}} ${text} {order id}", "order id": "7", "price": "9.50"}


def sent(prompt: str) -> str:
    """Return what the model would read for the row."""
    [message] = for_columns((Message("user", prompt),), tuple(ROW))
    return fill(message.content, ROW)


@pytest.mark.parametrize(
    "form",
    [
        "{{text}}",
        "{{ text }}",
        "{{{text}}}",
        "{text}",
        "{ text }",
        "${text}",
        "${ text }",
        "$text",
        "%(text)s",
        "<%= text %>",
        "<%- text %>",
    ],
)
def test_a_placeholder_of_any_tool_is_filled(form):
    assert sent(f"Route this: {form}\nTeam:") == f"Route this: {ROW['text']}\nTeam:"


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ('As {"label": "..."}: {{price}}', 'As {"label": "..."}: 9.50'),
        ('As {"label": "..."}: {price}', 'As {"label": "..."}: 9.50'),
        ('As {{"label": "..."}}: {price}', 'As {"label": "..."}: 9.50'),  # str.format: doubled braces are single ones
        ('As {{"a": {{"b": 1}}}}: {price}', 'As {"a": {"b": 1}}: 9.50'),
        ('As {"a": {"b": {{price}}}}', 'As {"a": {"b": 9.50}}'),
        ('As {"price": {price}}', 'As {"price": 9.50}'),
        ("Costs ${price}, order {order id}", "Costs $9.50, order 7"),
        ("Costs ${price}, order ${order id}", "Costs 9.50, order 7"),
        ("Costs ${{price}}", "Costs $9.50"),
        (r"Put it in \boxed{answer}: {{price}}", r"Put it in \boxed{answer}: 9.50"),
        (r"x^{n} + \frac{a}{b} = x_{price}, {{price}}", r"x^{n} + \frac{a}{b} = x_{price}, 9.50"),
        (r"Say \frac{a}{b} and f{x}.", r"Say \frac{a}{b} and f{x}."),
        ("{price}{order id}{{price}}", "9.5079.50"),
        (r"\text{price} is {{price}}", r"\text{price} is 9.50"),
        ("f(x) { return x } $HOME 100% {{price}}", "f(x) { return x } $HOME 100% 9.50"),
        ("{{label: x}} {{price}}", "{{label: x}} 9.50"),
        (r"Write \{{price}} for {{price}}", "Write {{price}} for 9.50"),
        (r"Write \{label} for {price}", "Write {label} for 9.50"),
        (r"Write \{{label}} and \{% raw %} and \${x} for {{price}}", "Write {{label}} and {% raw %} and ${x} for 9.50"),
        ("Show {label} for {{price}}", "Show {label} for 9.50"),
        ('Nothing to fill: {"label": "x"}', 'Nothing to fill: {"label": "x"}'),
    ],
)
def test_what_stands_beside_a_placeholder_stays_as_the_user_means_it(prompt, read):
    assert sent(prompt) == read


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("{input}", "{input}"),
        ("{{input}}", "{{input}}"),
        ("{{ text | upper }}", "{{ text | upper }}"),
        ("{{text|trim}} {{text}}", "{{text|trim}}"),
        ("{% if text %}\n{{text}}{% endif %}", "{% if text %}, {% endif %}"),
        ("{# a comment #}{{text}}", "{# a comment #}"),
        ("Team of {{customer}}: {{text}}", "{{customer}}"),
        ("Team of ${customer}: {{text}}", "${customer}"),
        ("Team of {customer}: {text}", "{customer}"),
        ("{text!r}", "{text!r}"),
        ("{text:>10}", "{text:>10}"),
        ("{{text}} {text.upper()}", "{text.upper()}"),
        ("{{text}} {text|upper}", "{text|upper}"),
        ("{text[0]}", "{text[0]}"),
        ("{{text.body}}", "{{text.body}}"),
        ("{{inputs.text}}", "{{inputs.text}}"),
        ("{{ vars['text'] }}", "{{ vars['text'] }}"),
        ("{{ $json.text }}", "{{ $json.text }}"),
        ("{{#if text}}a{{/if}}", "{{#if text}}, {{/if}}"),
        ("{{> header}} {{text}}", "{{> header}}"),
        ("<% if (text) { %>", "<% if (text) { %>"),
        ("%(body)s", "%(body)s"),
    ],
)
def test_what_cannot_be_filled_is_refused_by_name(prompt, named):
    with pytest.raises(ConfigError) as raised:
        sent(prompt)
    assert (
        f"holds placeholders that no input column fills; a backslash before one sends it as it stands (found {named})"
        in str(raised.value)
    )
    assert "{{text}}, {{order id}}, {{price}}" in str(raised.value)


def test_a_chat_is_one_prompt():
    chat = (Message("system", "You know {{price}}."), Message("user", "{text}"))
    assert [m.content for m in for_columns(chat, ("text", "price"))] == ["You know {{price}}.", "{{text}}"]
    with pytest.raises(ConfigError, match=r"\{ticket\}"):
        for_columns((Message("system", "Be kind."), Message("user", "{ticket}")), ("text",))


@given(st.text(max_size=40))
def test_a_prompt_is_refused_or_filled_and_never_breaks(text):
    prompts = []
    with suppress(ConfigError):
        prompts = [m.content for m in for_columns((Message("user", text),), ("text", "a.b", "$x"))]
    assert prompts == [text] or re.search(r"[{%$<]", text)


def test_check_refuses_the_file(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"q": "a", "x": "1"}\n')
    (tmp_path / "p.txt").write_text("Answer {question}")
    task = {"name": "t", "instruction": "i", "inputs": ["q"], "target": "x", "goal": 0.9, "prompt": "p.txt"}
    with pytest.raises(ConfigError, match=r"task.prompt: holds placeholders .*\{question\}.*allowed: \{\{q\}\}"):
        parse_config({"task": task, "data": {"path": "rows.jsonl"}, "ladder": ["baseline"]}, tmp_path)


@pytest.mark.parametrize(
    "raw", ["{{text}}", "{text}", "{{ label | upper }}", "{% if text %}", "${text}", "$text", "<%= text %>", "%(text)s"]
)
def test_an_instruction_is_sent_as_it_stands_and_so_may_hold_no_placeholder(raw, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "b"}\n')

    def experiment(instruction):
        task = {"name": "t", "instruction": instruction, "inputs": ["text"], "target": "label", "goal": 0.9}
        return parse_config(
            {"task": task, "data": {"path": "rows.jsonl"}, "models": {"main": {"provider": "fake"}}}, tmp_path
        )

    with pytest.raises(ConfigError, match="the instruction holds placeholders, and is sent as it stands") as raised:
        experiment(f"Route this: {raw}")
    assert raw in str(raised.value)
    kept = 'Answer as {"label": "..."}, in {braces}; it costs $5 or 100 %.'
    assert experiment(kept).task.instruction == kept


@pytest.mark.parametrize(
    "raw",
    ["{{output}}", "{input}", "{{ reference | trim }}", "{% for a in answers %}", "${answer}", "{expected_output}"],
)
def test_a_rubric_of_a_judge_is_sent_as_it_stands_and_so_may_hold_no_placeholder(raw, tmp_path):
    with pytest.raises(ValidationError, match="the rubric holds placeholders") as raised:
        plugins.make("metrics", "judge", rubric=f"Is {raw} polite?")
    assert raw in str(raised.value)
    (tmp_path / "rubric.txt").write_text(f"Is it polite? {raw}")
    with pytest.raises(ValidationError, match="the judge is shown the input, the answer"):
        plugins.make_at(tmp_path, "metrics", "judge", {"rubric_file": "rubric.txt"})
    kept = 'Good is {"label": "x"}; {braces} are fine.'
    assert plugins.make("metrics", "judge", rubric=kept).criteria == kept


@pytest.mark.parametrize("raw", ["{{ prompt | trim }}", "{% if prompt %}", "${prompt}"])
def test_the_body_of_a_service_is_filled_or_refused(raw):
    with pytest.raises(ValidationError, match="holds placeholders that are not filled") as raised:
        plugins.make("models", "http", url="https://example.org/a", body={"q": "{{prompt}}", "more": [raw]})
    assert raw in str(raised.value)
    made = plugins.make(
        "models", "http", url="https://example.org/a", body={"q": "{{ prompt }} {x} $y", "m": "{{messages}}"}
    )
    assert made.reads_chat
