"""Columns of public formats: what is asked, what is right, what a model said; and every column that is left out is told."""

from __future__ import annotations

import json

import pytest
import yaml

from rung.cli._draft import render
from rung.cli.init import Wishes, propose
from rung.config import parse_config

N = 12


def of(folder, **columns):
    made = {k: [v.format(i) if isinstance(v, str) else v(i) for i in range(N)] for k, v in columns.items()}
    rows = [dict(zip(made, values, strict=True)) for values in zip(*made.values(), strict=True)]
    (folder / "d.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return propose(Wishes(folder / "d.jsonl", folder / "rung.yaml"))


QUESTION, ANSWER, SAID = "what is the price of lamp {}?", "it is {} euros today", "I think that it is about {} dollars"


@pytest.mark.parametrize(
    ("columns", "inputs", "target"),
    [
        ({"instruction": QUESTION, "input": lambda i: "in Paris" if i == 3 else "", "output": ANSWER}, ("instruction", "input"), "output"),
        ({"instruction": QUESTION, "context": "lamp {} costs {}".replace("{}", "{0}"), "response": ANSWER, "category": "qa"}, ("instruction", "context"), "response"),
        ({"user_input": QUESTION, "retrieved_contexts": lambda i: ["a", "b"], "response": SAID, "reference": ANSWER}, ("user_input",), "reference"),
        ({"question": QUESTION, "contexts": lambda i: ["a"], "answer": SAID, "ground_truth": ANSWER}, ("question",), "ground_truth"),
        ({"question": QUESTION, "answer": SAID, "ground_truths": lambda i: [f"it is {i}"]}, ("question",), "ground_truths"),
        ({"input": QUESTION, "actual_output": SAID, "expected_output": ANSWER}, ("input",), "expected_output"),
        ({"input": QUESTION, "output": SAID, "expected": ANSWER}, ("input",), "expected"),
        ({"input": QUESTION, "expectedOutput": ANSWER, "output": SAID}, ("input",), "expectedOutput"),
        ({"question": QUESTION, "best_answer": ANSWER, "incorrect_answers": lambda i: [f"no {i}"]}, ("question",), "best_answer"),
        ({"question": QUESTION, "answer": ANSWER, "reference": "https://shop.example/{}"}, ("question",), "answer"),
        ({"question": QUESTION, "answer": ANSWER, "reference": "price list {}.pdf"}, ("question",), "answer"),
        ({"prompt": QUESTION, "chosen": ANSWER, "rejected": SAID}, ("prompt",), "chosen"),
        ({"system_prompt": "you are clerk {}", "question": QUESTION, "response": ANSWER}, ("system_prompt", "question"), "response"),
        ({"premise": QUESTION, "hypothesis": SAID, "label": lambda i: "yes" if i % 2 else "no"}, ("premise", "hypothesis"), "label"),
        ({"text": QUESTION, "label": lambda i: i % 2, "label_text": lambda i: ("bad", "good")[i % 2]}, ("text",), "label_text"),
        ({"context": "lamp {} is green and large", "question": QUESTION, "answers": lambda i: {"text": [f"g{i}"], "answer_start": [1]}}, ("context", "question"), "answers.text"),
        ({"article": "a long story about lamp {}", "highlights": ANSWER}, ("article",), "highlights"),
        ({"inputs": QUESTION, "targets": ANSWER}, ("inputs",), "targets"),
        ({"question": QUESTION, "answer": ANSWER}, ("question",), "answer"),
    ],
)  # fmt: skip
def test_public_formats_are_known(tmp_path, columns, inputs, target):
    draft = of(tmp_path, **columns).draft
    assert (draft.inputs, draft.target) == (inputs, target)


def test_every_column_that_is_left_out_is_told(tmp_path):
    found = of(
        tmp_path, question=QUESTION, answer=SAID, ground_truth=ANSWER, price=lambda i: i * 3.5, contexts=lambda i: ["a"]
    )
    [told] = [note for note in found.notes if note.startswith("left out")]
    assert told.startswith("left out, the model does not see them: 'price', 'contexts'; add one to task.inputs")
    assert [(s.role, s.column) for s in found.draft.stored] == [("v1", "answer")]
    assert any("v1 ('answer')" in note and "never taken for the expected answer" in note for note in found.notes)
    assert any("'answer' beside it holds what a model said" in reason for reason in found.reasons)
    assert not any(note.startswith("left out") for note in of(tmp_path, question=QUESTION, answer=ANSWER).notes)


def test_stored_answers_are_offered_as_what_others_are_to_be_as_good_as(tmp_path):
    text = render(of(tmp_path, question=QUESTION, answer=SAID, ground_truth=ANSWER).draft)
    [line] = [line for line in text.splitlines() if "as_good_as" in line]
    assert line.startswith("  # goal: {as_good_as: v1, margin: 0.03}   # instead: ")
    taken = [line.replace("# goal:", "goal:") if "as_good_as" in line else line for line in text.splitlines()]
    config = parse_config(yaml.safe_load("\n".join(one for one in taken if not one.startswith("  goal: 0"))), tmp_path)
    assert config.current == "prompt@v1"
    assert "as_good_as" not in render(of(tmp_path, question=QUESTION, answer=ANSWER).draft)
