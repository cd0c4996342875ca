"""Answering, tuning and export put a chat into one form, whatever the model's template makes of system turns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rung import plugins
from rung.errors import ModelError, TuningError
from rung.tuning.trl import script
from rung.types import Base, Message, TuningRow
from rung_nano import WEIGHTS

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs rung[tune]")
pytest.importorskip("peft", reason="needs rung[tune]")

REFUSES = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
DROPS = "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"
LATE = "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('first') }}{% endif %}{% endfor %}"
RULE, ASKED, ANSWER = "Answer with the code only.", "invoice 7", "K1"
PLAIN = (Message("system", RULE), Message("user", ASKED))
SHOWN = (PLAIN[0], Message("user", "refund 8"), Message("assistant", "K2"), PLAIN[1])
TWICE = (PLAIN[0], Message("user", "refund 8"), Message("assistant", "K2"), Message("system", "Be brief."), PLAIN[1])


def of_a_model(tmp_path: Path, head: str):
    """Return what answers, what tunes, and the tokenizer's own writing, for the bundled model with another template."""
    shutil.copytree(WEIGHTS / "nano-s", tmp_path / "base")
    template = tmp_path / "base/chat_template.jinja"
    template.write_text(head + template.read_text())
    weights = str(tmp_path / "base")
    model = plugins.make("models", "local", name="mine", folder=weights, threads=1, max_tokens=4).connect()
    reader = plugins.require("rung.tuners._encode", "tune").Reader.of(Base("main", "mine", weights, "x", None, 64, 0.0))
    return model._engine.tokens, reader


@pytest.mark.parametrize("chat", [PLAIN, SHOWN, TWICE], ids=["plain", "shown", "twice"])
@pytest.mark.parametrize("head", ["", REFUSES, DROPS, LATE], ids=["takes", "refuses", "drops", "late"])
def test_what_is_learnt_is_what_is_asked_and_holds_every_word_of_the_prompt(tmp_path, head, chat):
    asked, reader = of_a_model(tmp_path, head)
    row = reader.encode(TuningRow("r", chat, ANSWER))
    assert row.tokens[: row.prompt] == reader.prompt(chat) == asked(chat)
    assert reader.learned_text(row) == ANSWER
    written = reader.tokenizer.decode(asked(chat))
    assert [m.content for m in chat if m.content not in written] == []
    if head in (REFUSES, DROPS):
        first = Message("user", "\n\n".join([*(m.content for m in chat if m.role == "system"), chat[1].content]))
        assert asked(chat) == asked((first, *(m for m in chat[2:] if m.role != "system")))


def test_a_template_that_takes_no_chat_at_all_is_told_on_both_ways(tmp_path):
    asked, reader = of_a_model(tmp_path, "{{ raise_exception('only poems') }}")
    with pytest.raises(ModelError, match="the chat template of mine refuses a chat .only poems"):
        asked(PLAIN)
    with pytest.raises(TuningError, match="the chat template refuses an example .only poems"):
        reader.encode(TuningRow("r", PLAIN, ANSWER))


@pytest.mark.parametrize("head", ["", REFUSES, DROPS], ids=["takes", "refuses", "drops"])
def test_the_exported_script_asks_as_rung_does(tmp_path, head):
    pytest.importorskip("trl", reason="needs rung[tune]")
    asked, reader = of_a_model(tmp_path, head)
    (tmp_path / "train_trl.py").write_text(script())
    line = '{"prompt": [{"role": "system", "content": "%s"}, {"role": "user", "content": "%s"}], "completion": []}\n'
    (tmp_path / "trl-train.jsonl").write_text(line % (RULE, ASKED))
    names = {"__file__": str(tmp_path / "train_trl.py"), "__name__": "script"}
    exec(compile(script(), "train_trl.py", "exec"), names)
    [row] = names["rows"]("trl-train.jsonl", reader.tokenizer, {"enable_thinking": False})
    assert row["chat_template_kwargs"] == {"enable_thinking": False}
    tokens = reader.tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
    assert tuple(tokens) == asked(PLAIN)
