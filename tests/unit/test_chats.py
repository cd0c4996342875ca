"""A chat for models that take no system turn: one form, for answering, tuning and exports."""

import json
import subprocess
import sys

import pytest

from rung.chat_templates import Chats, takes_system
from rung.chats import folded
from rung.exports.prompt import put_program


def turn(role, content):
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("chat", "form"),
    [
        ([turn("user", "q")], [turn("user", "q")]),
        ([turn("system", "a"), turn("user", "q")], [turn("user", "a\n\nq")]),
        ([turn("system", "a"), turn("system", "b"), turn("user", "q")], [turn("user", "a\n\nb\n\nq")]),
        (
            [turn("system", "a"), turn("user", "q"), turn("assistant", "r"), turn("user", "s")],
            [turn("user", "a\n\nq"), turn("assistant", "r"), turn("user", "s")],
        ),
        ([turn("system", "a")], [turn("user", "a")]),
        ([turn("system", "a"), turn("assistant", "r"), turn("user", "q")],
         [turn("user", "a"), turn("assistant", "r"), turn("user", "q")]),
    ],
)  # fmt: skip
def test_system_turns_go_to_the_head_of_the_users_first(chat, form):
    before = json.dumps(chat)
    assert folded(chat) == form
    assert json.dumps(chat) == before


class Writing:
    """A tokenizer whose template keeps, drops or refuses system turns; a token is a character."""

    def __init__(self, manner):
        self.manner = manner

    def apply_chat_template(self, turns, *, add_generation_prompt, tokenize=True, **_):
        if self.manner == "refuses" and any(t["role"] == "system" for t in turns):
            raise ValueError("no system")
        kept = [t for t in turns if self.manner != "drops" or t["role"] != "system"]
        text = "".join(f"<{t['role'][0]}>{t['content']}" for t in kept) + ("<a>" if add_generation_prompt else "")
        return [ord(c) for c in text] if tokenize else text


@pytest.mark.parametrize(
    ("manner", "written"), [("keeps", "<s>rule<u>q<a>"), ("drops", "<u>rule\n\nq<a>"), ("refuses", "<u>rule\n\nq<a>")]
)
def test_a_template_that_leaves_system_turns_out_is_found_out_like_one_that_refuses_them(manner, written):
    assert takes_system(Writing(manner), {}) == (manner == "keeps")
    chats, chat = Chats(Writing(manner), {}), [turn("system", "rule"), turn("user", "q")]
    assert "".join(map(chr, chats.tokens(chat))) == written
    assert "".join(map(chr, chats.tokens(chat, "yes"))) == written + "yes"


def test_the_exported_prompt_folds_where_the_endpoint_takes_no_system_turn(tmp_path):
    content = {
        "columns": ["text"], "messages": [turn("system", "Rule."), turn("user", "{{text}}")], "turn": 1,
        "example": [turn("user", "{{text}}")], "examples": [],
        "model": {"name": "m", "base_url": "http://127.0.0.1:1/v1", "max_tokens": 5, "takes_no_system_turn": True},
    }  # fmt: skip
    (tmp_path / "prompt.json").write_text(json.dumps(content))
    put_program(tmp_path)
    code = "import ask, json; print(json.dumps(ask.request({'text': 'hello'})))"
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={}, capture_output=True, check=True)
    assert json.loads(said.stdout)["messages"] == [turn("user", "Rule.\n\nhello")]
