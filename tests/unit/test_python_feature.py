"""The provider `python`: a user's own function is called, and whatever it does becomes an answer or one paragraph."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from rung import plugins
from rung.api import load_run
from rung.config.reading import parse_config
from rung.errors import ConfigError, ModelError, RefusedByModel, Retryable, RungError
from rung.exports.write import exported
from rung.ladder import climb
from rung.report.advice import advice_of
from rung.report.markdown import render_markdown
from rung.store.run import RunFolder
from rung.types import Comparison, Completion, Fitted, Message, Outcome, Request, Result, Skipped
from tests.unit._worlds import WORDS

CHAT = Request(
    (Message("system", "Sort it."), Message("user", "old"), Message("assistant", "a"), Message("user", "new row"))
)

CODE = """
import asyncio, dataclasses, sys, time, threading
import sibling
from rung.errors import RefusedByModel

class Web(Exception):
    def __init__(self, status): self.status_code = status
class APIConnectionError(Exception): pass

@dataclasses.dataclass
class Said:
    text: str
    input_tokens: int = 7
    output_tokens: int = 2
    def method(self, text): return self.text + text

def plain(text): return text.upper() + sibling.MARK
def chat(messages): return "|".join(f"{m['role']}:{m['content']}" for m in messages)
async def later(text):
    await asyncio.sleep(0)
    return {"text": text, "input_tokens": 3, "finish": "length"}
def record(text): return Said(text)
def lazily(text): return later(text)
def nothing(text): return None
def number(text): return 5
def undefined(text): return float("nan")
def odd_count(text): return {"text": "x", "input_tokens": "many"}
def odd_finish(text): return {"text": "x", "finish": "done"}
def broken(text): return {}["label"]
def leaves(text): sys.exit("bye sk-abcdefghij")
def busy(text): raise Web(429)
def forbidden(text): raise Web(403)
def unfinished(text): return later_on(text)
def offline(text): raise APIConnectionError("no route")
async def late(text): raise TimeoutError("upstream is slow")
def declines(text): raise RefusedByModel("not this one", provider="mine")
def hangs(text):
    time.sleep(0.6 if text == "new row" else 60)
    return "late"
async def waits(text): await asyncio.sleep(60)
def in_thread(text):
    time.sleep(0.05)
    return threading.current_thread().name
def needs_two(text, other): return text
thing = Said("hello ")
value = 5
"""


@pytest.fixture(autouse=True)
def feature(tmp_path, monkeypatch):
    (tmp_path / "feature.py").write_text(CODE)
    (tmp_path / "sibling.py").write_text("MARK = '!'\n")
    monkeypatch.chdir(tmp_path)
    others = [entry for entry in sys.path if (Path(entry) / "feature.py").exists()]  # left by tests before this one
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in others])
    sys.modules.pop("feature", None)  # of another test
    yield
    sys.modules.pop("sibling", None)
    sys.modules.pop("feature", None)


def made(name="plain", **settings):
    return plugins.make("models", "python", **{"function": f"feature.py:{name}", **settings})


def line_of(name):
    return next(i for i, line in enumerate(CODE.splitlines(), 1) if f"def {name}(" in line)


def ask(name="plain", *, request=CHAT, **settings):
    async def work():
        model = made(name, **settings).connect()
        try:
            return await model.complete(request)
        except ModelError as error:
            return error
        finally:
            await model.close()

    return asyncio.run(work())


def test_a_function_gets_the_last_user_message():
    found = ask(request=CHAT)
    assert isinstance(found, Completion)
    assert (found.text, found.model, found.cost_usd, found.finish) == ("NEW ROW!", "python", None, "stop")
    assert (found.input_tokens, found.output_tokens) == (None, None)
    assert ask(request=Request((Message("system", "only this"),))).text == "ONLY THIS!"


def test_a_function_with_messages_gets_the_chat():
    assert ask("chat").text == "system:Sort it.|user:old|assistant:a|user:new row"


def test_async_functions_records_methods_and_modules():
    found = ask("later")
    assert (found.text, found.input_tokens, found.output_tokens, found.finish) == ("new row", 3, None, "length")
    found = ask("record")
    assert (found.text, found.input_tokens, found.output_tokens) == ("new row", 7, 2)
    assert ask("lazily").text == "new row"
    assert ask("thing.method").text == "hello new row"
    assert ask(function="feature:plain").text == "NEW ROW!"


@pytest.mark.parametrize(
    ("name", "kind", "words", "attributes"),
    [
        ("nothing", Retryable, "feature.py:nothing returned None; return a str, or a dict or object with `text`", {}),
        ("number", Retryable, "feature.py:number returned int without a `text` that is a str; return a str", {}),
        ("undefined", Retryable, "feature.py:undefined returned float without a `text` that is a str; return a str", {}),
        ("odd_count", Retryable, "returned input_tokens 'many'; return a whole number, or leave it out", {}),
        ("odd_finish", Retryable, "returned finish 'done'; allowed: stop, length, refused, other", {}),
        ("broken", Retryable, "feature.py:broken raised KeyError: 'label' (feature.py, line LINE)", {"status": None}),
        ("leaves", Retryable, "raised SystemExit: bye *** (feature.py, line LINE)", {}),
        ("busy", Retryable, "feature.py:busy raised Web: 429", {"status": 429, "timed_out": False}),
        ("unfinished", ModelError, "raised NameError: name 'later_on' is not defined", {}),
        ("forbidden", ModelError, "raised Web: 403", {"status": 403}),
        ("offline", Retryable, "raised APIConnectionError: no route", {"timed_out": False}),
        ("late", Retryable, "raised TimeoutError: upstream is slow", {"timed_out": True}),
    ],
)  # fmt: skip
def test_what_a_function_does_wrong_has_its_meaning(name, kind, words, attributes):
    found = ask(name)
    words = words.replace("LINE", str(line_of(name)))
    assert type(found) is kind, found
    assert words in str(found)
    assert "\n" not in str(found)
    assert found.provider == "python"
    assert {key: getattr(found, key) for key in attributes} == attributes


def test_our_own_errors_pass_as_they_are():
    found = ask("declines")
    assert type(found) is RefusedByModel
    assert (str(found), found.provider) == ("not this one", "mine")


@pytest.mark.parametrize("name", ["hangs", "waits"])
def test_a_call_that_hangs_is_given_up(name):
    found = ask(name, timeout_s=0.05)
    assert isinstance(found, Retryable)
    assert (found.timed_out, found.billed) == (True, True)
    assert f"feature.py:{name} did not return within 0.05 s (timeout_s)" in str(found)


def test_threads_that_never_end_are_bounded_and_others_still_answer(monkeypatch):
    monkeypatch.setattr("rung.models.python._MOST_HUNG", 3)

    async def work():
        model = made("hangs", timeout_s=0.05, concurrency=2).connect()
        results = await asyncio.gather(*(model.complete(CHAT) for _ in range(6)), return_exceptions=True)
        await asyncio.sleep(1.0)
        return results, await asyncio.gather(model.complete(CHAT), return_exceptions=True)

    results, [after] = asyncio.run(work())
    hung = [type(r) for r in results].count(Retryable)
    assert 3 <= hung <= 4  # the limit, and one more that may have started beside the third
    told = [str(r) for r in results if type(r) is ModelError]
    assert len(told) == 6 - hung
    assert "calls of feature.py:hangs have not returned and hold a thread each; fix the function" in told[0]
    assert isinstance(after, Retryable)  # the threads ended meanwhile, so there is room for another try


@pytest.mark.slow
def test_a_hanging_call_does_not_keep_the_program_from_ending():
    code = """
import asyncio
from rung import plugins
from rung.errors import Retryable
from rung.types import Message, Request

async def work():
    model = plugins.make("models", "python", function="feature.py:hangs", timeout_s=0.05).connect()
    try:
        await model.complete(Request((Message("user", "x"),)))
    except Retryable:
        print("given up")

asyncio.run(work())
"""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("given up\n", "")
    assert time.perf_counter() - began < 20


def test_sync_functions_run_side_by_side_up_to_concurrency():
    async def work():
        model = made("in_thread", concurrency=3).connect()
        began = time.perf_counter()
        names = {c.text for c in await asyncio.gather(*(model.complete(CHAT) for _ in range(6)))}
        return names, time.perf_counter() - began

    names, took = asyncio.run(work())
    assert names == {"rung feature.py:in_thread"}
    assert took > 0.09  # two rounds of three
    assert threading.main_thread().name not in names


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("feature.py", "'feature.py' is not of the form file.py:function or module:function"),
        ("no/such.py:f", "no file 'no/such.py'; write file.py:function, relative to the folder of rung.yaml"),
        ("feature.py:plane", "'feature.py' defines no 'plane'; it has: plain, chat, later"),
        ("bad.py:f", "'bad.py' is not Python: "),
    ],
)
def test_a_wrong_name_is_told_before_anything_runs(function, message, tmp_path):
    (tmp_path / "bad.py").write_text("def f(:\n")
    with pytest.raises(ValidationError) as caught:
        made(function=function)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfdef f(text):\n    return text\n", b"# coding: latin-1\ndef f(text):\n    return '\xe9'\n"]
)
def test_a_file_is_read_as_python_reads_it(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "marked.py").write_bytes(content)
    assert isinstance(ask(function="marked.py:f"), Completion)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "value"}, "feature.py:value is of type int, which cannot be called; name a function"),
        ({"name": "needs_two"}, "and cannot be: missing a required argument: 'other'"),
        ({"function": "no_such_module:f"}, "no_such_module:f cannot be loaded: ModuleNotFoundError: No module named"),
        (
            {"function": "raises.py:f"},
            "raises.py:f cannot be loaded: ZeroDivisionError: division by zero (raises.py, line 2)",
        ),
    ],
)
def test_what_cannot_be_called_is_told_at_the_start(settings, message, tmp_path):
    (tmp_path / "raises.py").write_text("def f(text): ...\n1 / 0\n")
    with pytest.raises(ConfigError) as caught:
        made(**{**settings, "name": "mine"}).connect() if "function" in settings else made(settings["name"]).connect()
    assert message in str(caught.value)
    assert "the model's function has 1 problem:\n  - models: " in str(caught.value)


def test_the_identity_follows_the_source_and_the_version_and_no_folder(tmp_path):
    one = made().identity()
    assert one == made(concurrency=3, timeout_s=1, temperature=1).identity()
    assert one == made(function=str(tmp_path / "feature.py") + ":plain").identity()
    assert one["function"] == "feature.py:plain"
    assert made("chat").identity() != one
    assert made(version="2").identity() != one
    assert made(function="feature:plain").identity()["source"] == one["source"]
    (tmp_path / "feature.py").write_text(CODE + "\n# changed\n")
    assert made().identity() != one


def test_a_relative_file_starts_at_the_folder_of_the_configuration(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "b"}\n')
    raw = {
        "version": 1,
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "label", "goal": 0.9},
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "python", "function": "feature.py:plain"}},
    }
    assert parse_config(raw, tmp_path).models["main"]["function"] == "feature.py:plain"
    raw["models"]["main"]["function"] = "features.py:plain"
    with pytest.raises(ConfigError, match="no file .*features.py"):
        parse_config(raw, tmp_path)


def test_a_climb_counts_rows_on_which_the_function_raises(tmp_path):
    code = "def answer(text):\n    if 'seven' in text: raise ValueError('cannot read it')\n    return 'b'\n"
    (tmp_path / "feature.py").write_text(code)
    rows = [
        {"text": f"row {i} {'seven' if i % 7 == 0 else 'other'}", "label": "b" if i % 2 else "c"} for i in range(150)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    raw = {
        "version": 1,
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "label", "goal": 0.9},
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "python", "function": "feature.py:answer", "attempts": 1}},
        "ladder": [{"prompt": {"rewrites": False}}],
    }
    climb(parse_config(raw, tmp_path), tmp_path / "run")
    result = RunFolder.open(tmp_path / "run").load("rungs/prompt/result.json", Result)
    assert result.failures["model"] > 0
    assert set(result.failures) == {"model"}
    outcomes = RunFolder.open(tmp_path / "run").load_rows("rungs/prompt/dev.jsonl", Outcome)
    told = {o.failure.message for o in outcomes if o.failure}
    assert told == {
        "no answer after 1 attempt: feature.py:answer raised ValueError: cannot read it (feature.py, line 2)"
    }


@pytest.mark.parametrize(
    ("name", "reads"), [("plain", False), ("chat", True), ("thing.method", False), ("lazily", True), ("Absent.x", True)]
)
def test_whether_the_chat_reaches_a_function_is_seen_in_its_source(name, reads, tmp_path):
    code = (
        "import functools\ndef plain(text): return text\nasync def chat(messages, *, more=1): return 'x'\n"
        "lazily = functools.partial(plain)\nclass thing:\n    @staticmethod\n    def method(text): return text\n"
        "class Absent: pass\n"
    )
    (tmp_path / "own.py").write_text(code)
    settings = plugins.make("models", "python", function=f"{tmp_path / 'own.py'}:{name}")
    assert settings.reads_chat is reads
    assert settings.card("now").reads_chat is reads


@pytest.mark.parametrize(("arguments", "rewritten"), [("text", False), ("messages", False), ("messages", True)])
def test_a_winner_is_named_as_the_function_that_it_is(tmp_path, arguments, rewritten):
    """In headline, table, commands and export: as it stands it is no prompt, and nothing of it is to be written."""
    said = "text" if arguments == "text" else "messages[-1]['content']"
    code = f"    return {said}.split()[-1]\n"
    if rewritten:  # it answers well only where the prompt names the labels
        code = f"    return {said}.split()[-1] if len(messages[0]['content']) > 20 else 'x'\n"
    (tmp_path / "feature.py").write_text(f"def answer({arguments}):\n{code}")
    rows = [{"text": f"row {i} {('b', 'c')[i % 2]}", "label": ("b", "c")[i % 2]} for i in range(150)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    raw = {
        "version": 1,
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "label", "goal": 0.7},
        "data": {"path": "rows.jsonl"},
        "models": {"v2": {"provider": "python", "function": "feature.py:answer"}},
        "ladder": [{"prompt": {"model": "v2", "rewrites": rewritten}}],
    }
    run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    name = "a better prompt for your function `v2`" if rewritten else "your function `v2`"
    assert run.verdict.headline == f"No fine-tuning needed: {name} meets the goal."
    page = render_markdown(RunFolder.open(tmp_path / "run"))
    assert "prompt@v2, your function" in page.replace("\\", "")
    assert load_run(tmp_path / "run").frame()[0]["note"].startswith("your function; no price is known")
    advised = advice_of(tmp_path / "run", {"style_matters": True}).matrix
    assert (advised.by_evidence == "prompting") is rewritten  # the user's own function is no prompting
    assert advised.sentence.endswith(f"the goal was met by {name}, which is none of these.") is not rewritten
    assert ("rung export" in page, "rung serve" in page) == (rewritten, not rewritten)
    if rewritten:
        _, place, told = exported(tmp_path / "run", "prompt@v2", None, None, None)
        assert "what answers is your function: call it with this prompt" in told
        assert sorted(p.name for p in place.iterdir()) == ["README.md", "prompt.json"]
    else:
        with pytest.raises(
            RungError, match=r"^prompt@v2 cannot be exported: it is your function, measured as it stands"
        ):
            exported(tmp_path / "run", "prompt@v2", None, None, None)


@pytest.mark.slow
def test_the_present_feature_is_the_first_candidate_and_the_others_must_beat_it(tmp_path):
    """Untouched: no rewrite and no example is offered to it, and the climb goes on with the model."""
    code = "def answer(text):\n    word = text.split()[-1]\n    return word if int(text.split()[1]) % 5 else 'other'\n"
    (tmp_path / "feature.py").write_text(code)
    draw = random.Random(3)
    rows = [
        {"text": f"row {i} {' '.join(draw.sample(WORDS, 9))} {('b', 'c')[i % 2]}", "label": ("b", "c")[i % 2]}
        for i in range(400)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    raw = {
        "version": 1,
        "task": {"name": "t", "instruction": "Sort it.", "inputs": ["text"], "target": "label", "goal": 0.9},
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {
            "now": {"provider": "python", "name": "live", "function": "feature.py:answer"},
            "main": {"provider": "fake", "answers": {r["text"]: r["label"] for r in rows}, "usd_per_hour": 0.0},
        },
        "ladder": [{"prompt": {"model": "now"}}, {"fewshot": {"model": "now"}}, "prompt"],
    }
    run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    assert list(run.results) == ["prompt@now", "prompt"]
    assert run.verdict.winner == "prompt"
    assert run.results["prompt@now"].candidate.name == "as-is"
    folder = RunFolder.open(tmp_path / "run")
    fitted = folder.load("rungs/prompt@now/fit.json", Fitted)
    assert [t.candidate.name for t in fitted.trials] == ["as-is"]
    assert fitted.skipped[0].reason.startswith(
        "live is given the example alone, not the chat: instructions and examples"
    )
    [left_out] = folder.load("skipped.json", tuple[Skipped, ...])
    assert (left_out.what, left_out.reason) == ("fewshot@now", fitted.skipped[0].reason)
    [pair] = folder.load("comparisons.json", tuple[Comparison, ...])
    assert (pair.lower, pair.upper) == ("prompt@now", "prompt")
    assert pair.losses == 0 < pair.wins
