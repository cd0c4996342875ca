"""Hostile labels of a classification, and a model that is code and says what no UTF-8 can hold."""

from __future__ import annotations

import json

import pytest

from rung.config import parse_config
from rung.ladder import climb
from rung.report.forms import Format, rendered
from rung.store.run import RunFolder
from tests.hostile import _checks as held
from tests.hostile.strings import IDEAS, SHORT

pytestmark = pytest.mark.slow
LABELS = tuple(
    dict.fromkeys(text for found in IDEAS.values() for text in found[:1] if text.strip() == text and text in SHORT)
)[:10]
FUNCTION = r"""
import re

SAID = {said!r}

def answer(prompt):
    number = int(re.findall(r"row (\d+)", prompt)[-1])
    return SAID[number % len(SAID)]
"""


def climbed(root, labels, said, **task):
    """Climb with a function that answers one of `said` to each of 120 rows labelled by turns."""
    rows = [{"text": f"row {i}", "label": labels[i % len(labels)]} for i in range(120)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "feature.py").write_text(FUNCTION.format(said=list(said)))
    raw = {
        "task": {"name": "t", "kind": "classification", "instruction": "Which?", "inputs": ["text"], "target": "label", "goal": 0.9, **task},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "python", "function": "feature.py:answer"}},
        "ladder": ["baseline", {"prompt": {"rewrites": False}}],
        "diagnosis": {"calls": 4},
    }  # fmt: skip
    climb(parse_config(raw, root), root / "run")
    return RunFolder.open(root / "run")


@pytest.mark.parametrize("turn", range(0, len(LABELS), 5))
def test_labels_are_shown_and_kept_as_they_are(tmp_path, turn):
    labels = LABELS[turn : turn + 5]
    run = climbed(tmp_path, labels, labels)
    assert set(run.task.labels or ()) == set(labels)
    forms = {form: rendered(run, form) for form in Format}
    assert held.foreign_attributes(forms[Format.html]) == []
    assert held.markdown_foreign(forms[Format.markdown]) == set()
    assert held.formulas(forms[Format.csv]) == []
    assert held.xml_elements(forms[Format.junit])["testcase"] == 1
    for form in (Format.html, Format.text, Format.markdown, Format.junit):
        assert held.obeyed(forms[form], ours=False) == set(), form
    kept = {o.answer.text for o in run.rung("prompt").outcomes.need() if o.answer}
    assert kept == set(labels)


def test_what_no_file_can_hold_is_replaced_in_an_answer(tmp_path):
    run = climbed(tmp_path, ("a", "b"), ("\ud800", "x\udfff", "a\x00b", "b"))
    for form in Format:
        rendered(run, form).encode("utf-8")
    assert "\ud800" not in "".join(o.answer.text for o in run.rung("prompt").outcomes.need() if o.answer)
