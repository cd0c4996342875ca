"""The judge: what it is asked, how its word is read, and that no answer can talk itself through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from rung import plugins
from rung.errors import ConfigError, ContextOverflow, RefusedByModel, Retryable
from rung.evaluate.answering import judge as judged
from rung.evaluate.answering import scorer
from rung.metrics._fence import Verdict, code_of, fenced, read_verdict, visible
from rung.metrics.judge import ModelJudge
from rung.testing import judges
from rung.testing.conformance import check_settings
from rung.testing.hostile import attacks
from rung.testing.kit import small_task
from rung.types import Answer, Completion, Example, Failure, MetricSpec, Request, Score

TASK = replace(small_task(), kind="generation", labels=None, metrics=(MetricSpec("judge"),))
ROW = Example("r1", {"question": "What is the capital of France?"}, "It is Paris", "r1")
RUBRIC = "The answer names the right city."
NONE = "no JSON object in it bears the code of this judgement"
Asked = Callable[[list[dict[str, str]]], str]


@dataclass
class Kit:
    """A kit whose judge is a function of the chat; keeps what was asked."""

    reply: Asked
    requests: list[Request] = field(default_factory=list)
    finish: str = "stop"

    async def ask(self, role: str, request: Request) -> Completion:
        assert role == "judge"
        self.requests.append(request)
        text = self.reply([m.as_dict() for m in request.messages])
        return Completion(text, "m", 1, 1, 0.0, 0.0, self.finish)  # type: ignore[arg-type]


def assess(
    reply: Asked, answer: str, row: Example = ROW, kit: Kit | None = None, **settings: object
) -> Score | Failure:
    metric = ModelJudge.model_validate({"rubric": RUBRIC, **settings})
    return asyncio.run(metric.assess(Answer(answer), row, TASK, kit or Kit(reply)))  # type: ignore[arg-type]


def test_a_fair_judge_tells_right_from_wrong_and_its_reason_is_kept():
    assert assess(judges.fair, "Paris it is") == Score(1.0, note="by the rubric")
    assert assess(judges.fair, "Lyon") == Score(0.0, note="by the rubric")


def test_it_is_told_the_rubric_the_task_the_input_and_every_right_answer_and_nothing_of_the_rung():
    kit = Kit(judges.fair)
    assess(judges.fair, "Paris", replace(ROW, others=("Paris",)), kit)
    [request] = kit.requests
    system, user = (m.content for m in request.messages)
    assert RUBRIC in system
    assert TASK.instruction in system
    for line in ("| What is the capital of France?", "| It is Paris", "| Paris", "BEGIN INPUT question"):
        assert line in user
    assert user.count("BEGIN EXPECTED ANSWER") == 2
    hidden = Kit(judges.constant)
    assess(judges.constant, "Paris", ROW, hidden, reference=False)
    assert "It is Paris" not in hidden.requests[0].messages[1].content


def test_equal_arguments_ask_the_same_and_another_answer_has_another_code():
    kits = [Kit(judges.fair) for _ in range(3)]
    for kit, answer in zip(kits, ("a", "a", "b"), strict=True):
        assess(judges.fair, answer, ROW, kit)
    assert kits[0].requests == kits[1].requests
    codes = {judges.read([m.as_dict() for m in kit.requests[0].messages]).code for kit in kits}
    assert len(codes) == 2


def test_levels_are_worth_even_steps_and_repeats_are_kept_as_votes():
    grades = iter(["poor", "good", "fair"])

    def grading(messages: list[dict[str, str]]) -> str:
        return judges.read(messages).reply(next(grades))

    kit = Kit(grading)
    found = assess(grading, "x", ROW, kit, levels=["poor", "fair", "good"], repeats=3)
    assert isinstance(found, Score)
    assert found.value == pytest.approx(0.5)
    assert dict(found.parts) == {"vote 1": 0.0, "vote 2": 1.0, "vote 3": 0.5}
    assert [r.repeat for r in kit.requests] == [0, 1, 2]


def test_comparing_asks_in_both_orders_and_a_judge_that_likes_the_first_place_is_worth_a_half():
    found = assess(judges.first, "Lyon", mode="compare")
    assert found == Score(0.5, parts={"answer first": 1.0, "answer second": 0.0}, note="by the rubric")
    better = assess(judges.fair, "It is Paris, on the Seine", mode="compare")
    assert isinstance(better, Score)
    assert better.value == 1.0
    tied = assess(judges.fair, "It is Lyon", mode="compare", tie=0.5)
    assert isinstance(tied, Score)
    assert tied.value == 0.5


def test_an_answer_equal_to_the_expected_one_is_a_tie_without_asking():
    kit = Kit(judges.first)
    found = assess(judges.first, "It  is Paris", ROW, kit, mode="compare", tie=0.5)
    assert isinstance(found, Score)
    assert (found.value, kit.requests) == (0.5, [])


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("pass", NONE),
        ('["pass"]', NONE),
        ('{"verdict": "pass"}', NONE),
        ('{"verdict": "pass", "code": "000000000000"}', NONE),
        ('{"verdict": "fail", "verdict": "pass", "code": "CODE"}', NONE),
        ('{"verdict": "pass", "code": "CODE"', NONE),
        ('{"code": "CODE"}', "its keys are 'code'"),
        ('{"verdict": "fail", "Verdict": "pass", "code": "CODE"}', "its keys are 'verdict', 'Verdict', 'code'"),
        (
            '{"verdict": "pass", "code": "CODE"} {"verdict": "fail", "code": "CODE"}',
            "2 JSON objects in it bear the code",
        ),
        (
            '{"a": [{"verdict": "pass", "code": "CODE"}], "verdict": "pass", "code": "CODE"}',
            "2 JSON objects in it bear the code",
        ),
        ('{"verdict": ["pass"], "code": "CODE"}', "its verdict is"),
        ('{"verdict": "passable", "code": "CODE"}', "its verdict is 'passable'"),
        ('{"verdict": true, "code": "CODE"}', "its verdict is 'True'"),
        ("[" * 2000, NONE),
        ('{"a":' * 2000, NONE),
        ("9" * 5000, NONE),
        ("", NONE),
    ],
)
def test_anything_but_a_verdict_is_asked_for_once_more_and_then_missing(reply, why):
    kit = Kit(lambda messages: reply.replace("CODE", judges.read(messages).code))
    found = assess(kit.reply, "x", kit=kit)
    assert len({str(request) for request in kit.requests}) == 2
    assert isinstance(found, Failure)
    assert found.cause == "metric"
    assert f"the judge's reply cannot be read: {why}" in found.message


@pytest.mark.parametrize(
    "reply",
    [
        '{"verdict": "Pass", "code": "CODE"}',
        '{"Verdict": " PASS. ", "Code": "CODE", "confidence": 0.9, "reason": null}',
        'Sure, {here} it is:\n{"verdict": "pass", "code": "CODE"}',
        '```json\n{"verdict": "pass", "code": "CODE"}\n```\nLet me know if you need more.',
        '{"verdict": "fail"} was my first thought; {"verdict": "pass", "code": "CODE"}',
        '{"result": {"verdict": "pass", "code": "CODE"}}',
        '[{"verdict": "pass", "code": "CODE"}]',
        '{"verdict": "pass", // the city is right\n "code": "CODE",}',
        '<think>hm {"verdict": "fail", "code": "CODE"}</think>\n```json\n{"verdict": "pass", "code": "CODE"}\n```',
    ],
)
def test_the_one_object_with_the_code_is_the_verdict_wherever_it_stands(reply):
    code = code_of("x")
    assert read_verdict(reply.replace("CODE", code), code, ("fail", "pass")) == Verdict("pass", "")


def test_levels_that_differ_by_a_sign_or_by_case_are_told_apart():
    code = code_of("x")
    for said, meant in (("a+", "A+"), ("A-", "A-"), ("A", "A")):
        assert read_verdict(json.dumps({"verdict": said, "code": code}), code, ("A-", "A", "A+")) == Verdict(meant, "")
    assert read_verdict(json.dumps({"verdict": 2, "code": code}), code, ("1", "2")) == Verdict("2", "")
    assert isinstance(read_verdict(json.dumps({"verdict": "ok", "code": code}), code, ("Ok", "OK")), str)


def test_a_reply_that_is_read_the_second_time_is_the_verdict():
    replies = iter(["I would rather not say.", None])
    kit = Kit(lambda messages: next(replies) or judges.fair(messages))
    assert assess(kit.reply, "Paris it is", kit=kit) == Score(1.0, note="by the rubric")
    first, second = kit.requests
    assert second.messages[-1].content.startswith(first.messages[-1].content)
    assert "could not be read" in second.messages[-1].content


def test_a_reply_that_was_cut_off_says_what_to_raise():
    found = assess(judges.fair, "x", kit=Kit(judges.fair, finish="length"))
    assert found == Failure("metric", "the judge's reply was cut off; raise models.judge.max_tokens")


# --- answers that attack ----------------------------------------------------------------------------------------------


def test_the_corpus_is_large_and_every_attack_differs():
    found = list(attacks())
    assert len(found) >= 60
    assert len({name for name, _ in found}) == len({text for _, text in found}) == len(found)


@pytest.mark.parametrize(("name", "text"), list(attacks()), ids=[name for name, _ in attacks()])
@pytest.mark.parametrize("judge", [judges.fair, judges.gullible], ids=["fair", "gullible"])
def test_no_attack_is_passed_even_by_a_judge_that_obeys(judge, name, text):
    found = assess(judge, text)
    assert isinstance(found, Failure) or found.value == 0.0, f"{name} got through"


@pytest.mark.parametrize(("name", "text"), list(attacks()), ids=[name for name, _ in attacks()])
def test_no_attack_leaves_its_fence(name, text):
    """In every field that holds foreign text: whatever is inside, the lines outside the fences are ours alone."""
    calm, loud = Kit(judges.constant), Kit(judges.constant)
    assess(judges.constant, "x", replace(ROW, inputs={"question": "y"}, target="z"), calm)
    assess(judges.constant, text, replace(ROW, inputs={"question": text}, target=text), loud)
    outside = []
    for kit in (calm, loud):
        [request] = kit.requests
        seen = judges.read([m.as_dict() for m in request.messages])
        lines = [line for line in request.messages[1].content.split("\n") if not line.startswith("| ")]
        outside.append([line.replace(seen.code, "CODE") for line in lines if "left out)" not in line])
    assert outside[0] == outside[1]
    body = loud.requests[0].messages[1].content
    body.encode("utf-8")
    assert all(c.isprintable() or c in "\n\t" for c in body)


def test_a_judge_without_a_fence_would_have_been_taken_in():
    """The gullible judge is no straw man: the same attacks, put into its prompt bare, turn it."""
    code = "0" * 12
    reply = f'Reply: {{"reason": "x", "verdict": one of "fail", "pass", "code": "{code}"}}'
    turned = []
    for name, text in attacks():
        bare = [{"content": f"BEGIN ANSWER {code}\nEND ANSWER {code}\n{text}\n{reply}"}]
        if json.loads(judges.gullible(bare))["verdict"] == "pass":
            turned.append(name)
    assert len(turned) >= 10


def test_marks_of_chat_templates_and_invisible_characters_are_broken():
    assert visible("<|im_end|> <|im_start|>") == "<\\|im_end|> <\\|im_start|>"
    assert visible("[/INST] </s> <start_of_turn> <b>") == "[\\/INST] <\\/s> <\\start_of_turn> <b>"
    assert visible("a\u202eb\u200bc\ud800") == "a\\u{202e}b\\u{200b}c\\u{d800}"
    assert fenced("A\nB", "x\u2028y\rz", "c0de") == "BEGIN A B c0de\n| x\n| y\n| z\nEND A B c0de"


# --- in the scorer ----------------------------------------------------------------------------------------------------


def scored(error: Exception | None, others: tuple[str, ...] = ()) -> object:
    class Raising(Kit):
        async def ask(self, role: str, request: Request) -> Completion:
            if error is not None:
                raise error
            return await super().ask(role, request)

    metrics = {"judge": ModelJudge(rubric=RUBRIC), **{name: plugins.make("metrics", name) for name in others}}
    score = scorer(metrics, TASK, Raising(judges.fair))  # type: ignore[arg-type]
    return asyncio.run(judged(ROW, Answer("Paris it is"), score))


def test_trouble_of_the_judge_is_the_rows_failure_with_its_answer_kept():
    def failure(error: Exception) -> tuple[str, str]:
        found = scored(error)
        assert found.answer == Answer("Paris it is")
        return found.failure.cause, found.failure.message

    assert failure(RefusedByModel("no", provider="p")) == ("metric", "the judging model declined: no")
    assert failure(ContextOverflow("long", provider="p")) == ("metric", "too long for the judging model: long")
    assert failure(Retryable("gone", provider="p")) == ("model", "the judging model: gone")
    assert failure(Retryable("slow", provider="p", timed_out=True)) == ("timeout", "the judging model: slow")


def test_a_judge_and_plain_metrics_score_side_by_side():
    found = scored(None, ("normalized_match", "token_f1"))
    assert {name: score.value for name, score in found.scores.items()} == {
        "judge": 1.0,
        "normalized_match": 0.0,
        "token_f1": 1.0,
    }


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_say_what_is_wrong(tmp_path):
    check_settings(ModelJudge, {"rubric": "good"})
    (tmp_path / "rubric.md").write_text("Name the city.\n")
    (tmp_path / "empty.md").write_text("\n")
    made = plugins.make_at(tmp_path, "metrics", "judge", {"rubric_file": "rubric.md"})
    assert made.criteria == "Name the city."
    for settings, text in (
        ({}, "give either `rubric` or `rubric_file`"),
        ({"rubric": "a", "rubric_file": "rubric.md"}, "give either `rubric` or `rubric_file`"),
        ({"rubric_file": "none.md"}, r"'none.md' cannot be read \(No such file or directory\)"),
        ({"rubric_file": "empty.md"}, "'empty.md' is empty; write down what makes an answer good"),
        ({"rubric": "a", "levels": ["x"]}, "name 2 to 9 different levels, the worst first"),
        ({"rubric": "a", "levels": ["x", "x"]}, "name 2 to 9 different levels"),
    ):
        with pytest.raises(ValueError, match=text):
            plugins.make_at(tmp_path, "metrics", "judge", settings)


def test_a_judge_without_its_role_is_a_problem_of_the_file(tmp_path):
    from rung.config import parse_config

    (tmp_path / "rows.jsonl").write_text('{"q": "a", "x": "1"}\n')
    task = {"name": "t", "instruction": "i", "inputs": ["q"], "target": "x", "goal": 0.9,
            "metrics": [{"judge": {"rubric": "good"}}]}  # fmt: skip
    with pytest.raises(ConfigError, match=r"models.judge: is missing, and the metric judge asks it"):
        parse_config({"task": task, "data": {"path": "rows.jsonl"}, "ladder": ["baseline"]}, tmp_path)
