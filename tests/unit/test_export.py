"""What is exported asks as it was measured, and weights are compared before they are called the same."""

import json
from dataclasses import replace

import pytest

from rung.cli import export as verb
from rung.errors import RungError
from rung.evaluate.exports import forms
from rung.evaluate.exports._parity import compared
from rung.evaluate.exports.prompt import ASK
from rung.ladder import climb
from rung.rungs._prompting import Demonstration, Template
from rung.store.folder import RunFolder
from rung.types import Answer, Message
from tests.unit._results import outcome, task
from tests.unit._worlds import FORMAT_ONLY, NEEDS_EXAMPLES, world


def test_every_form_is_a_file_with_a_name_and_says_what_it_writes():
    found = forms()
    assert {"prompt", "adapter", "merged"} <= set(found)
    assert all(name == form.name and form.about for name, form in found.items())


def test_the_winner_is_written_with_its_prompt_and_model_and_no_secret(tmp_path, capsys):
    climb(world(tmp_path, 400, model=FORMAT_ONLY, ladder=["prompt"]), tmp_path / "run")
    assert verb.export(tmp_path / "run", None, None, None, None, True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rung"], told["form"]) == ("prompt", "prompt")
    written = json.loads((tmp_path / "run/exports/prompt-prompt/prompt.json").read_text())
    candidate = RunFolder.open(tmp_path / "run").read("rungs/prompt/fit.json")["candidate"]
    assert written["messages"] == candidate["learned"]["messages"]
    assert written["model"]["provider"] == "fake"
    assert "its model runs inside rung" in told["said"]
    with pytest.raises(RungError, match="is not empty; name another folder with --out"):
        verb.export(tmp_path / "run", None, None, None, None, True)


def test_what_cannot_be_written_says_why(tmp_path):
    climb(world(tmp_path, 200, model=NEEDS_EXAMPLES, ladder=["baseline"]), tmp_path / "run")
    with pytest.raises(RungError, match="has no winner and leans to no rung; name one with --rung"):
        verb.export(tmp_path / "run", None, None, None, None, False)
    with pytest.raises(RungError, match=r"no rung 'prompt' was measured .* there are: baseline"):
        verb.export(tmp_path / "run", "prompt", None, None, None, False)
    with pytest.raises(RungError, match=r"baseline can be written in no form \(.*prompt: it asks no prompt"):
        verb.export(tmp_path / "run", "baseline", None, None, None, False)
    with pytest.raises(RungError, match="baseline cannot be written as 'merged': its model was not tuned"):
        verb.export(tmp_path / "run", "baseline", "merged", None, None, False)
    with pytest.raises(RungError, match="no form is called 'merge'; did you mean 'merged'"):
        verb.export(tmp_path / "run", "baseline", "merge", None, None, False)
    assert not list((tmp_path / "run").glob("exports/*"))


def test_the_exported_code_asks_what_the_rung_asked(tmp_path):
    columns = ("subject", "body text")
    rule = Message("system", "Route it. A literal \\{{subject}} stays, and {braces} too.")
    template = Template((rule, Message("user", "S: {{subject}}\nB: {{ body text }}")), columns)
    shown = [Demonstration(str(i), {"subject": f"s{i}", "body text": "{{subject}} {x}"}, f"t{i}") for i in range(2)]
    content = {
        "columns": list(columns), "messages": template.as_list(), "turn": template.turn,
        "example": [{"role": "user", "content": template.example}],
        "examples": [{"inputs": dict(d.inputs), "target": d.target} for d in shown],
        "model": {"name": "m", "base_url": "http://127.0.0.1:1/v1", "max_tokens": 5},
    }  # fmt: skip
    (tmp_path / "prompt.json").write_text(json.dumps(content))
    (tmp_path / "ask.py").write_text(ASK.format(column="subject"))
    names = {"__file__": str(tmp_path / "ask.py")}
    exec((tmp_path / "ask.py").read_text(), names)
    inputs = {"subject": "late {{body text}}", "body text": "a \\ b"}
    assert names["chat"](inputs) == [m.as_dict() for m in template.render(inputs, shown)]


def test_the_same_model_is_said_only_when_the_difference_is_shown_to_be_small():
    t = task(0.9)
    before = tuple(outcome(i, float(i % 10 > 0)) for i in range(600))
    equal = compared(before, before, t, "merged")
    assert (equal.same, equal.refused, equal.answers_changed, equal.gain) == (True, False, 0, 0.0)
    assert equal.sentence.startswith("the same model: on the 600 frozen test rows no answers changed")
    few = compared(before[:12], before[:12], t, "merged")
    assert (few.same, few.refused) == (False, False)  # nothing changed, and too few rows to show it
    assert few.sentence.startswith("not shown to be the same model")
    damaged = tuple(replace(outcome(i, 0.0), answer=Answer("y")) if i % 20 == 3 else o for i, o in enumerate(before))
    changed = compared(before, damaged, t, "merged")
    assert (changed.same, changed.refused, changed.answers_changed) == (False, True, 30)
    assert changed.gain == pytest.approx(-0.05)
    harmless = tuple(replace(o, answer=Answer("z")) if i % 20 == 3 else o for i, o in enumerate(before))
    assert (compared(before, harmless, t, "x").same, compared(before, harmless, t, "x").refused) == (True, False)
