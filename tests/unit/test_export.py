"""What is exported asks as it was measured, and weights are compared before they are called the same."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung.cli import export as verb
from rung.errors import RungError
from rung.exports import FORMS, forms, parity
from rung.exports.parity import compared, on_disk
from rung.exports.prompt import put_program
from rung.ladder import climb
from rung.models.local import Local
from rung.prompts.templates import Template
from rung.store.run import RunFolder
from rung.types import Answer, Base, Demonstration, Message
from tests.unit._results import outcome, task
from tests.unit._worlds import FORMAT_ONLY, NEEDS_EXAMPLES, world


def test_base_weights_that_are_gone_are_told_in_a_sentence(tmp_path, monkeypatch):
    def absent(*words, **named):
        raise FileNotFoundError("no snapshot")

    monkeypatch.setattr(parity.plugins, "require", lambda *_: SimpleNamespace(snapshot_download=absent))
    base = Base("main", "tiny", "someone/tiny", "0" * 64, None, 20, None)
    with pytest.raises(RungError, match="the base weights of tiny are not on this machine any more .*put them back"):
        on_disk(base)
    with pytest.raises(
        ValueError, match="folder '.*gone' is not there; put the weights back, or name where they are now"
    ):
        Local(name="tiny", folder=str(tmp_path / "gone"))
    (tmp_path / "there").mkdir()
    assert on_disk(replace(base, weights=str(tmp_path / "there"))).weights == str(tmp_path / "there")


def test_every_form_is_a_file_with_a_name_and_says_what_it_writes():
    found = forms()
    assert {"prompt", "adapter", "baseline", "merged"} <= set(found)
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
    with pytest.raises(RungError, match="is not empty; write into another folder"):
        verb.export(tmp_path / "run", None, None, None, None, True)
    (tmp_path / "held").write_text("mine")
    with pytest.raises(RungError, match="held is a file; name a folder for the export, an empty or a new one"):
        verb.export(tmp_path / "run", None, None, tmp_path / "held", None, True)
    assert (tmp_path / "held").read_text() == "mine"


def without_baseline(monkeypatch):
    """Take away the one form in which a baseline can be written."""
    monkeypatch.setattr("rung.exports.FORMS", tuple(name for name in FORMS if name != "baseline"))


@pytest.mark.slow
def test_what_cannot_be_written_says_why(tmp_path, monkeypatch):
    without_baseline(monkeypatch)
    climb(world(tmp_path, 100, model=NEEDS_EXAMPLES, ladder=["baseline"]), tmp_path / "run")
    with pytest.raises(
        RungError, match="has no winner and no tentative pick; name one of its measured approaches: baseline"
    ):
        verb.export(tmp_path / "run", None, None, None, None, False)
    with pytest.raises(RungError, match=r"has no measured approach 'prompt'; measured: baseline"):
        verb.export(tmp_path / "run", "prompt", None, None, None, False)
    with pytest.raises(RungError, match=r"baseline can be written in no form \(.*prompt: it asks no prompt"):
        verb.export(tmp_path / "run", "baseline", None, None, None, False)
    with pytest.raises(RungError, match="baseline cannot be written as 'merged': its model was not tuned"):
        verb.export(tmp_path / "run", "baseline", "merged", None, None, False)
    with pytest.raises(RungError, match="no form is called 'merge'; did you mean 'merged'"):
        verb.export(tmp_path / "run", "baseline", "merge", None, None, False)
    with pytest.raises(RungError, match=r"\)\. Nothing else of this run can be\.$"):
        verb.export(tmp_path / "run", "baseline", None, None, None, False)
    assert not list((tmp_path / "run").glob("exports/*"))


@pytest.mark.slow
def test_what_cannot_be_written_names_what_can(tmp_path, monkeypatch):
    without_baseline(monkeypatch)
    climb(world(tmp_path, 100, model=FORMAT_ONLY, ladder=["baseline", "prompt"]), tmp_path / "run")
    with pytest.raises(
        RungError,
        match=r"baseline can be written in no form .*\. Of this run these can be written: prompt \(as prompt or rows\)\.",
    ):
        verb.export(tmp_path / "run", "baseline", None, None, None, False)
    with pytest.raises(RungError, match=r"baseline cannot be written as 'rows': .*: prompt \(as rows\)\."):
        verb.export(tmp_path / "run", "baseline", "rows", None, None, False)


def test_the_exported_code_asks_what_the_rung_asked(tmp_path):
    columns = ("subject", "body text")
    rule = Message("system", "Route it. A literal \\{{subject}} stays, and {braces} too.")
    template = Template((rule, Message("user", "S: {{subject}}\nB: {{ body text }}")), columns)
    shown = [Demonstration(str(i), {"subject": f"s{i}", "body text": "{{subject}} {x}"}, f"t{i}") for i in range(2)]
    content = {
        "columns": list(columns), "messages": [m.as_dict() for m in template.messages], "turn": template.turn,
        "example": [{"role": "user", "content": template.example}],
        "examples": [{"inputs": dict(d.inputs), "target": d.target} for d in shown],
        "model": {"name": "m", "base_url": "http://127.0.0.1:1/v1", "max_tokens": 5},
    }  # fmt: skip
    (tmp_path / "prompt.json").write_text(json.dumps(content))
    put_program(tmp_path)
    inputs = {"subject": "late {{body text}}", "body text": "a \\ b"}
    code = "import ask, json, sys; print(json.dumps(ask.turns(json.loads(sys.argv[1]))))"
    said = subprocess.run(
        [sys.executable, "-c", code, json.dumps(inputs)], cwd=tmp_path, env={}, capture_output=True, check=True
    )
    assert json.loads(said.stdout) == [m.as_dict() for m in template.render(inputs, shown)]


def test_the_same_model_is_said_only_when_the_difference_is_shown_to_be_small():
    t = task(0.9)
    before = tuple(outcome(i, float(i % 10 > 0)) for i in range(600))
    equal = compared(before, before, t, "merged")
    assert (equal.same, equal.refused, equal.answers_changed, equal.gain) == (True, False, 0, 0.0)
    assert equal.sentence.startswith("the same model: on the 600 frozen test examples no answers changed")
    few = compared(before[:12], before[:12], t, "merged")
    assert (few.same, few.refused) == (False, False)  # nothing changed, and too few rows to show it
    assert few.sentence.startswith("not confirmed to be the same model")
    damaged = tuple(replace(outcome(i, 0.0), answer=Answer("y")) if i % 20 == 3 else o for i, o in enumerate(before))
    changed = compared(before, damaged, t, "merged")
    assert (changed.same, changed.refused, changed.answers_changed) == (False, True, 30)
    assert changed.gain == pytest.approx(-0.05)
    harmless = tuple(replace(o, answer=Answer("z")) if i % 20 == 3 else o for i, o in enumerate(before))
    assert (compared(before, harmless, t, "x").same, compared(before, harmless, t, "x").refused) == (True, False)


def test_folders_may_be_named_from_where_one_is(tmp_path, monkeypatch):
    """The check of what was written runs elsewhere: a path that was meant from here led it to nothing."""
    climb(world(tmp_path, 60, ladder=["baseline"], diagnosis={"calls": 0}), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rung.cli.export.permit_run", lambda folder: None)
    for out in (None, Path("out")):
        assert verb.export(Path("run"), "baseline", None, out, None, False) == 0
    assert (tmp_path / "out" / "predict.py").is_file()
    assert (tmp_path / "run" / "exports" / "baseline-baseline" / "predict.py").is_file()
