"""The bytes that reach a terminal: whatever a datum holds, only our own colours and bars move anything there."""

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pytest
import yaml

from rung.cli import _screen
from rung.report.escape import markdown, terminal
from rung.testing.endpoint import Endpoint, Reply
from tests.unit._commands import on_a_terminal
from tests.unit._run_folder import LADDER, build

pty = pytest.importorskip("pty")

IDEAS = {
    "clipboard": "\x1b]52;c;SGFja2Vk\x07",
    "title": "\x1b]0;owned\x1b\\",
    "screen": "\x1b[2J\x1b[H",
    "colour": "\x1b[31m",
    "link": "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "open sequence": "\x1b]0;",
    "open device string": "\x1bPq",
    "one byte CSI": "\x9b31m",
    "back and over": "abc\b\b\b\rxyz",
    "answer back": "\x05\x1b[c\x1b[6n",
    "reset": "\x1bc",
    "shift out": "\x0e",
    "right to left": "\u202egnp.exe",
    "tags": "\U000e0041",
}
ALL = "".join(IDEAS.values())
OURS = re.compile(r"\x1b\[(?:\?25[lh]|[0-9;]*m|2K|1A)|\r")  # what rich writes for colours, bars and the cursor


def foreign(text: str) -> set[str]:
    """Return what a terminal might obey or hide, our own sequences left out."""
    rest = OURS.sub("", text)
    return {hex(ord(c)) for c in rest if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"}


def said(words: list[str], folder: Path) -> tuple[int, str]:
    """Run `rung WORDS` on a pseudo-terminal; return the exit code and what reached the terminal."""
    done = on_a_terminal(*words, folder=folder)
    return done.returncode, done.stdout


def project(root: Path, label: str = "billing", model: dict | None = None, **task) -> Path:
    """Write an experiment of 60 rows whose every name is hostile."""
    held = [{f"text{ALL}": f"row {i} {ALL}", "team": (label, "delivery")[i % 2]} for i in range(60)]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in held))
    fake = {"provider": "fake", "name": f"m{ALL}", "answers": {}, **(model or {})}
    raw = {
        "task": {"name": "t", "kind": "classification", "instruction": f"Which? {ALL}", "inputs": [f"text{ALL}"],
                 "target": "team", "goal": 0.6, **task},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15}, "models": {"main": fake}, "ladder": ["prompt"], "diagnosis": {"calls": 0},
    }  # fmt: skip
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    return root


@pytest.fixture(scope="module")
def endpoint():
    """An endpoint that refuses every request with hostile words."""
    said = json.dumps({"error": {"message": f"no such model{ALL}, try again", "type": ALL}}).encode()
    served = Endpoint(script=lambda request, attempt: Reply(404, said))
    up, loop, end = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve():
        async with served.serving():
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait(10)
    yield served
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["climb", "--folder", "r"], ["climb", "--quick"], ["plan"], ["check"], ["advise", "--yes"],
     ["init", "rows.jsonl", "--out", "new.yaml", "--yes"], ["init", "rows.jsonl", "--out", "n.yaml", "--target", f"x{ALL}", "--yes"]],
    ids=["climb", "quick", "plan", "check", "advise", "init", "init of a missing column"],
)  # fmt: skip
def test_no_verb_lets_a_datum_speak_to_the_terminal(tmp_path, words):
    code, seen = said(words, project(tmp_path, f"bill{ALL}ing"))
    assert code in (0, 1, 2), seen
    assert foreign(seen) == set()


@pytest.mark.slow
@pytest.mark.parametrize("idea", IDEAS)
def test_an_error_shows_the_codes_of_what_it_names_and_every_word_after_it(tmp_path, idea):
    code, seen = said(["check"], project(tmp_path, target=f"team{IDEAS[idea]}"))
    assert code == 2, seen
    assert foreign(seen) == set()
    first = next(c for c in IDEAS[idea] if unicodedata.category(c) in ("Cc", "Cf"))
    assert (
        f"U+{ord(first):04X}" in seen
        or f"\\x{ord(first):02x}" in seen
        or f"\\u{ord(first):04x}" in seen
        or repr(first)[1:-1] in seen
    )
    assert "team" in seen.split("no column", 1)[-1], seen


@pytest.mark.slow
def test_the_endpoints_words_are_shown_and_obeyed_by_nobody(tmp_path, endpoint):
    root = project(tmp_path, model={"provider": "openai", "name": "m", "base_url": endpoint.url})
    raw = yaml.safe_load((root / "rung.yaml").read_text())
    del raw["models"]["main"]["answers"]
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    code, seen = said(["climb", "--folder", "r"], root)
    assert code == 2, seen
    assert "no such model" in seen
    assert "try again" in seen
    assert foreign(seen) == set()


@pytest.mark.slow
def test_a_run_folder_from_elsewhere_is_reported_without_obeying_it(tmp_path):
    run = build(tmp_path / "run", LADDER[:1], sizes=(20, 10, 20))
    for name in ("verdict.json", "findings.json", "run.json"):
        text = (run.path / name).read_text()
        (run.path / name).write_text(
            re.sub(
                r'("(?:headline|message|next_step|claim|instruction)": ?")',
                lambda m: m[1] + json.dumps(ALL)[1:-1],
                text,
            )
        )
    for words in (["report", "run", "--format", form] for form in ("text", "markdown", "csv", "json", "junit")):
        code, seen = said(words, tmp_path)
        assert code in (0, 2), seen
        assert foreign(seen) == set(), words


def test_titles_of_bars_and_what_stages_say_are_written_out(tmp_path):
    program = "from rung.cli._screen import Screen; s = Screen(); s.say({0!r} + ' after')\nwith s.stage({0!r} + ' title', 3) as b: b.advance(note={0!r})"
    words = [sys.executable, "-c", program.format(ALL)]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        words, env={**os.environ, "TERM": "xterm", "COLUMNS": "2000"}, stderr=follower, stdin=subprocess.DEVNULL
    )
    os.close(follower)
    found = b""
    while True:
        try:
            found += os.read(leader, 65536)
        except OSError:
            break
    process.wait()
    os.close(leader)
    seen = found.decode()
    assert foreign(seen) == set()
    assert " after" in seen
    assert " title" in seen


@pytest.mark.parametrize("idea", IDEAS.values(), ids=IDEAS)
def test_no_datum_takes_words_away(idea):
    for write in (terminal, markdown):
        said = write(f"the label {idea} is not known; put it into the data")
        assert "the label" in said
        assert "is not known; put it into the data" in said.replace("\\", "")


@pytest.mark.parametrize("idea", IDEAS.values(), ids=IDEAS)
def test_json_says_the_same_and_holds_nothing_a_terminal_obeys(idea):
    text = _screen.json_text({"a": [idea]})
    assert json.loads(text) == {"a": [idea]}
    assert foreign(text) == set()


def test_no_other_module_of_the_command_line_prints():
    for file in Path(_screen.__file__).parent.glob("*.py"):
        if file.name in ("_screen.py", "_console.py"):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in (node.func for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call)
            assert name not in ("print", "typer.echo", "typer.secho", "typer.prompt", "typer.confirm", "Console"), file
            assert not name.startswith(("sys.stdout.write", "sys.stderr.write")), file
