"""A run stops before the test set where the first answers say nothing: cut off, empty, refused, or all equal."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from rung import plugins
from rung.config import load_config
from rung.errors import UnusableAnswers
from rung.evaluate.first_answers import mostly_one
from rung.exports.write import exported
from rung.store.run import RunFolder
from rung.testing.endpoint import Endpoint, Reply, answer_body
from rung.testing.kit import small_rows, small_task
from rung.types import Answer, Candidate, Message, Outcome, PromptLearned, Request, Score

ROWS = [{"text": row.inputs["text"], "team": row.target} for row in small_rows(150, "ticket")]
ANSWERS = {row["text"]: row["team"] for row in ROWS}
LABELS = sorted(set(ANSWERS.values()))


def right(prompt):
    return next((label for text, label in ANSWERS.items() if text in prompt), "unknown")


def cut(text="", **message):
    data = json.loads(answer_body(text, "m-1", 11, 256, **message))
    data["choices"][0]["finish_reason"] = "length"
    return Reply(body=json.dumps(data).encode())


def refused():
    return Reply(400, json.dumps({"error": {"message": "against our rules", "code": "content_filter"}}).encode())


@pytest.fixture
def project(tmp_path):
    """Climb on a stub that replies as a script says; returns the run's folder, what was raised, and the endpoint."""
    import asyncio

    from rung.ladder import climb_in_loop

    def run(script=None, answering=right, rows=ROWS, ladder=("prompt",), task=None, **main):
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        endpoint = Endpoint(script=script, answering=answering)

        async def work():
            async with endpoint.serving():
                raw = {
                    "task": {
                        "name": "t",
                        "instruction": "Name the team.",
                        "inputs": ["text"],
                        "target": "team",
                        "goal": 0.9,
                        **(task or {}),
                    },
                    "data": {"path": "rows.jsonl"},
                    "split": {"test": 0.4, "dev": 0.15},
                    "models": {"main": {"provider": "openai", "name": "m-1", "base_url": endpoint.url, **main}},
                    "ladder": list(ladder),
                    "diagnosis": {"calls": 0},
                }
                (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
                return await climb_in_loop(load_config(tmp_path / "rung.yaml"), tmp_path / "run")

        try:
            found = asyncio.run(work())
        except UnusableAnswers as error:
            found = error
        return found, RunFolder(tmp_path / "run"), endpoint

    return run


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("script", "said", "key"),
    [
        (lambda d, n: cut("The team that"), "cut off", "raise models.main.max_tokens (256)"),
        (lambda d, n: cut("I am sorry to hear that. " * 9), "cut off", "so that no limit would be long enough"),
        (lambda d, n: cut(reasoning_content="hmm " * 200), "cut off", "the model thinks before it answers"),
        (lambda d, n: cut(""), "cut off", "the model thinks before it answers"),
        (lambda d, n: cut("<think>hmm hmm"), "cut off", "leave room for that in models.main.max_tokens (256)"),
        (lambda d, n: Reply(body=answer_body(" ", "m-1", 11, 3)), "empty", "look at task.prompt"),
        (
            lambda d, n: Reply(body=answer_body("", "m-1", 11, 90, reasoning_content="hmm " * 20)),
            "empty",
            "the model thinks before it answers",
        ),
    ],
)
def test_a_dozen_useless_answers_stop_the_run_before_the_test_set(project, script, said, key):
    found, folder, endpoint = project(script)
    assert isinstance(found, UnusableAnswers)
    assert f"each of the first 12 answers of models.main was {said}: " in str(found)
    assert key in str(found)
    assert found.exit_code == 2
    assert folder.times_opened == 0
    assert endpoint.counts.requests <= 12 + 1  # and one that asks whether the endpoint works at all
    assert folder.read("spend.json")["calls"] == 12  # what was paid is kept


def test_refusals_of_everything_stop_the_run(project):
    found, folder, _ = project(lambda d, n: refused())
    assert isinstance(found, UnusableAnswers)
    assert (
        "was refused: look at task.prompt and task.instruction, or name another model in models.main (m-1 declined"
        in str(found)
    )
    assert folder.times_opened == 0


@pytest.mark.slow
def test_eleven_of_twelve_do_not_stop_it(project):
    seen = []

    def script(data, attempt):
        seen.append(data)
        return None if len(seen) == 1 else cut("The team")

    found, folder, _ = project(script)
    assert not isinstance(found, UnusableAnswers)
    assert folder.times_opened > 0


@pytest.mark.slow
def test_the_same_command_goes_on_once_the_key_is_changed(project):
    def thinks(data, attempt):
        return cut(reasoning_content="hmm " * 200) if data["max_tokens"] < 2000 else None

    first, folder, _ = project(thinks)
    assert isinstance(first, UnusableAnswers)
    paid = folder.read("spend.json")["calls"]
    second, folder, _ = project(thinks, max_tokens=4096)
    assert second.exit_code == 0
    assert folder.read("spend.json")["calls"] > paid


def test_one_answer_to_everything_is_not_measured_and_names_the_prompt(project):
    found, folder, _ = project(answering=lambda prompt: LABELS[0])
    assert isinstance(found, UnusableAnswers)
    assert f"prompt: each of its 22 answers on dev is {LABELS[0]!r}, although the expected ones differ" in str(found)
    assert "look at task.prompt and task.instruction, and at models.main" in str(found)
    assert folder.times_opened == 0


@pytest.mark.slow
def test_an_approach_with_one_answer_is_left_out_and_the_next_one_is_measured(project):
    """A weak model says one label until it is shown examples: its run goes on."""

    def answering(prompt):
        return LABELS[0]

    def script(data, attempt):
        shown = len([m for m in data["messages"] if m["role"] == "assistant"])
        if not shown:
            return None
        return Reply(body=answer_body(right(data["messages"][-1]["content"]), "m-1", 11, 3))

    found, _, _ = project(script, answering, ladder=("prompt", "fewshot"))
    assert list(found.results) == ["fewshot"]
    assert (found.verdict.decision, found.verdict.winner) == ("meets", "fewshot")
    [left_out] = [r for r in found.verdict.reasons if r.claim == "prompt was not run"]
    assert "although the expected ones differ" in left_out.rule


def skewed(share):
    """Rows of which so many have the first label."""
    return [{**row, "team": LABELS[0] if i % 10 < share * 10 else row["team"]} for i, row in enumerate(ROWS)]


@pytest.mark.slow
def test_one_answer_that_makes_up_most_is_told_unless_it_is_expected_so_often():
    the_task = small_task()
    rows = small_rows(40, "ticket")
    rare = rows[0].target

    def told(answers, dev=rows, model="main", right=str.__eq__, abstained=None):
        outcomes = tuple(
            Outcome(
                e.id,
                e.group,
                Answer(a, ()),
                {the_task.metrics[0].name: Score(float(right(a, e.target)))},
                abstained=abstained,
            )
            for e, a in zip(rows, answers, strict=True)
        )
        candidate = Candidate("fewshot", "k=1", PromptLearned(messages=(), columns=()), model)
        return mostly_one(candidate, outcomes, dev, the_task)

    often = [rare if i % 10 else e.target for i, e in enumerate(rows)]
    assert told([e.target for e in rows]) is None
    said = told(often)
    assert said is not None
    assert re.search(rf"of its 40 answers on dev are {rare!r}, which is expected in 3[235]% of the examples", said)
    assert told(often, model=None) is None
    assert told([f"{a}." for a in often]) is not None
    assert told([f"{a}." for a in often], right=lambda a, target: True) is None, "right in other words"
    assert told(often, abstained="correct") is None
    assert told(often, [replace(e, target=rare) for e in rows]) is None


def test_one_answer_that_makes_up_most_stands_in_the_run_and_on_its_page(project):
    from rung.report.load import load_report
    from rung.report.page import render_page

    spared = {text for k, text in enumerate(ANSWERS) if k % 5 == 0}
    _, folder, _ = project(
        answering=lambda p: right(p) if any(t in p for t in spared) else LABELS[0], task={"goal": 0.95}
    )
    said = folder.rung("prompt").diagnosis.need().mostly
    assert re.fullmatch(
        r"\d+ of its 22 answers on dev are .*, which is expected in \d+% of the examples: look at .*", said
    )
    assert said.split(" are ")[0] in render_page(load_report(folder))


def test_the_label_of_a_majority_is_an_answer_and_is_measured(project):
    found, folder, _ = project(answering=lambda prompt: LABELS[0], rows=skewed(0.6))
    assert list(found.results) == ["prompt"]
    assert folder.times_opened > 0


@pytest.mark.slow
def test_answers_that_decline_are_measured(project):
    found, _, _ = project(answering=lambda prompt: "I do not know.", task={"kind": "knowledge"})
    assert list(found.results) == ["prompt"]


def test_equal_answers_are_right_where_equal_ones_are_expected(project):
    rows = [{**row, "team": "yes"} for row in ROWS]
    found, _, _ = project(answering=lambda prompt: "yes", rows=rows, task={"kind": "generation"})
    assert list(found.results) == ["prompt"]


HELLO = Request((Message("user", "Hello"),))


def sent(request=HELLO, **settings):
    model = plugins.make("models", "openai", name="m-1", **settings)
    body = model.body(request)
    assert model.bound(request).output_tokens >= body.get("max_tokens", body.get("max_completion_tokens"))
    return body


@pytest.mark.parametrize(
    ("settings", "longest"),
    [
        ({}, 256),
        ({"extra_body": {"reasoning_effort": "none"}}, 256),
        ({"extra_body": {"reasoning_effort": "low"}}, 256 + 2048),
        ({"extra_body": {"reasoning": {"effort": "high"}}}, 256 + 16384),
        ({"extra_body": {"reasoning_effort": "xhigh"}}, 256 + 32768),
        ({"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}, 256 + 2000),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, 256 + 4096),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, 256),
        ({"extra_body": {"reasoning_effort": "high"}, "max_tokens": 500}, 500),  # the user's own word
        ({"extra_body": {"reasoning_effort": "high", "max_tokens": 700}}, 700),
    ],
)
def test_the_longest_answer_leaves_room_for_a_thought_that_is_asked_for(settings, longest):
    assert sent(**settings)["max_tokens"] == longest


def test_a_thought_that_a_request_asks_for_has_room_too():
    request = Request((Message("user", "Hello"),), {"reasoning_effort": "medium"})
    assert sent(request)["max_tokens"] == 256 + 4096
    assert sent(Request(request.messages, {**request.params, "max_tokens": 9}))["max_tokens"] == 9


@pytest.mark.sample(1)
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_what_is_exported_asks_with_the_room_that_was_measured(project, tmp_path, field):
    given = {"extra_body": {"reasoning_effort": "low"}, "max_tokens_field": field}
    seen = set()
    found, folder, _ = project(lambda data, attempt: seen.add(data[field]), **given)
    assert (found.exit_code, seen) == (0, {256 + 2048})
    exported(folder.path, "prompt", None, tmp_path / "out", None)
    assert json.loads((tmp_path / "out" / "prompt.json").read_text())["model"]["max_tokens"] == 256 + 2048
