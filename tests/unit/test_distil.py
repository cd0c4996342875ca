"""Distillation: which of a teacher's answers are learnt from."""

import asyncio

import pytest

from rung.errors import NotOffered
from rung.prompts.templates import instructed
from rung.testing.kit import small_rows, small_task
from rung.tuning.distillation import teach
from rung.types import Candidate, PromptLearned
from tests.unit._kit import KitForTests

TASK, ROWS = small_task(), small_rows(40, "train")
TEMPLATE = instructed(TASK.instruction, ("text",))
LEARNED = PromptLearned(messages=TEMPLATE.messages, columns=("text",))
TEACHER = Candidate("prompt", "as-is", LEARNED, "main")


def kit(wrong_every):
    truth = {row.inputs["text"]: row.target for row in ROWS}
    order = {row.inputs["text"]: i for i, row in enumerate(ROWS)}

    def script(messages):
        text = messages[-1].content
        return "no label" if order[text] % wrong_every == 0 else f" {truth[text]} "

    return KitForTests(TASK, script=script)


def test_passing_answers_are_learnt_and_others_dropped():
    lesson = asyncio.run(teach(kit(4), TEACHER, ROWS, TASK))
    assert (lesson.asked, lesson.passed, lesson.own_kept, len(lesson.rows)) == (40, 30, 0, 30)
    assert {row.id for row in lesson.rows} == {row.id for i, row in enumerate(ROWS) if i % 4}
    assert all(row.target in TASK.labels for row in lesson.rows)  # the teacher's answer, stripped
    assert lesson.sentence == "prompt (as-is) of models.main answered 40 training examples, 30 passed the metric"


def test_mixed_keeps_the_expected_answer_of_the_file():
    lesson = asyncio.run(teach(kit(4), TEACHER, ROWS, TASK, mixed=True))
    assert [row.target for row in lesson.rows] == [row.target for row in ROWS]
    assert lesson.own_kept == 10
    assert lesson.sentence.endswith("; 10 others keep the expected answer of the file")


def test_a_bad_teacher_is_refused():
    with pytest.raises(NotOffered, match="is right on 0 of 40 training examples: too few to learn from"):
        asyncio.run(teach(kit(1), TEACHER, ROWS, TASK))
