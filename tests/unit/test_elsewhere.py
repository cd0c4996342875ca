"""Rows for those who tune elsewhere."""

import json

import pytest

from rung.ladder import climb
from rung.prompts.templates import Template, instructed
from rung.tuning.elsewhere import SERVICES, as_lines, chat_line, problems, prompt_and_completion
from rung.types import Example, Message
from tests.unit._worlds import IMPOSSIBLE, rows, world

ROWS = [Example(f"r{i}", {"text": f"Where is parcel {i}?"}, "delivery", f"r{i}") for i in range(12)]
SHORT = instructed("Route the ticket.", ("text",))


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_our_rows_are_taken_by_every_service(service):
    lines = as_lines([chat_line(SHORT, row) for row in ROWS])
    assert list(problems(lines, service)) == []
    assert json.loads(lines.splitlines()[3]) == {
        "messages": [
            {"role": "system", "content": "Route the ticket."},
            {"role": "user", "content": "Where is parcel 3?"},
            {"role": "assistant", "content": "delivery"},
        ]
    }


def test_examples_in_the_prompt_are_not_trained_on():
    turns = (Message("user", "Hello?"), Message("assistant", "other"), Message("user", "{{text}}"))
    row = chat_line(Template(turns, ("text",)), ROWS[0])
    assert [m.get("weight") for m in row["messages"]] == [None, 0, None, None]
    assert not list(problems(as_lines([row] * 10), SERVICES["openai"]))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": []}, "must be"),
        ({"messages": [{"role": "user", "content": "a"}], "id": 1}, "no other key"),
        ({"messages": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}]}, "role 'human'"),
        (
            {"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "b"}]},
            "message 0 has no text",
        ),
        ({"messages": [{"role": "user", "content": "a"}]}, "last message must be the assistant's"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "user", "content": "b"},
                    {"role": "assistant", "content": "c"},
                ]
            },
            "must take turns",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "system", "content": "b"},
                    {"role": "assistant", "content": "c"},
                ]
            },
            "system message must be the first",
        ),
        (
            {"messages": [{"role": "user", "content": "a", "weight": 1}, {"role": "assistant", "content": "c"}]},
            "has a weight",
        ),
    ],
)
def test_what_a_service_would_reject_is_named_by_line(row, said):
    found = list(problems(as_lines([row]), SERVICES["together"]))
    assert any(p.startswith("line 1") and said in p for p in found), found


def test_too_few_rows():
    lines = as_lines([chat_line(SHORT, row) for row in ROWS[:4]])
    assert list(problems(lines, SERVICES["openai"])) == ["OpenAI wants at least 10 examples; there are 4"]
    assert next(iter(problems(lines + "{", SERVICES["fireworks"]))).startswith("line 5 is not JSON")


def test_trl_rows_keep_prompt_and_completion_apart():
    row = prompt_and_completion(SHORT, ROWS[0])
    assert [m["role"] for m in row["prompt"]] == ["system", "user"]
    assert row["completion"] == [{"role": "assistant", "content": "delivery"}]


@pytest.mark.slow
def test_a_model_tuned_elsewhere_is_one_more_rung_on_the_same_frozen_rows(tmp_path):
    config = world(
        tmp_path,
        400,
        model=IMPOSSIBLE,
        models={
            "tuned": {
                "provider": "fake",
                "answers": {r["text"]: r["team"] for r in rows(400)},
                "abilities": {"base": 0.97},
            }
        },
        ladder=["prompt", {"prompt": {"model": "tuned", "rewrites": False}}],
    )
    run = climb(config, tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "prompt@tuned")
    assert run.results["prompt"].test_sha256 == run.results["prompt@tuned"].test_sha256
    assert run.results["prompt@tuned"].candidate.name == "as-is"
