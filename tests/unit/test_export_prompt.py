"""An exported prompt has a command line: one input, or a batch that keeps 64 requests under way and goes on after a kill."""

import csv
import json
import random
import signal
import subprocess
import sys
import threading
import time
import tomllib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung.cli import export as verb
from rung.errors import RungError
from rung.exports import prompt
from rung.exports.alone import command_line
from rung.exports.bare import DOCUMENTS, JINJA, MARKDOWN, NUMPY, PEFT, SCIPY, TORCH, copied
from rung.exports.endpoint import fitted, sent
from rung.exports.prompt import put_program
from rung.models.tokens import estimated_tokens
from rung.prompts.similar import chooser
from rung.prompts.templates import ChatSystem, Template
from rung.types import Demonstration, FewShotLearned, Message, ModelCard
from tests.unit.test_export_safety import HOSTILE, climbed  # noqa: F401  the fixture


@contextmanager
def serving(reply):
    """Serve `reply(text, n)` -> (status, headers, answer) to the n-th request; yield the address and all texts asked."""
    asked, lock = [], threading.Lock()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
            with lock:
                asked.append(text)
                n = len(asked)
            status, headers, answer = reply(text, n)
            said = json.dumps({"choices": [{"message": {"content": answer}, "finish_reason": "stop"}]}).encode()
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                return  # the caller was killed

        def log_message(self, *words):
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, request, client_address):
            return

    server = Server(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def folder(place: Path, address: str, columns=("text",), **model) -> Path:
    """Write what `Prompt.write` writes."""
    place.mkdir()
    content = {
        "columns": list(columns), "messages": [{"role": "user", "content": "{{" + columns[0] + "}}"}], "turn": 0,
        "example": [{"role": "user", "content": "x"}], "examples": [],
        "model": {"name": "m", "base_url": address, "max_tokens": 3, **model},
    }  # fmt: skip
    (place / "prompt.json").write_text(json.dumps(content))
    put_program(place)
    return place


def ask(place: Path, *words: str, **variables) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", str(place / "ask.py"), *words]
    return subprocess.run(command, env=variables, cwd=place.parent, capture_output=True, text=True, check=False)


def table(path: Path, n: int) -> Path:
    path.write_text("i,text\n" + "".join(f"{i},text {i}\n" for i in range(n)))
    return path


def answers(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_batch_keeps_64_requests_under_way(tmp_path):
    together, most = threading.Barrier(64, timeout=30), []

    def reply(text, n):
        most.append(together.wait())  # nobody is answered before 64 are here
        return 200, {}, text.upper()

    with serving(reply) as (address, asked):
        place = folder(tmp_path / "out", address)
        done = ask(place, "--in", str(table(tmp_path / "a.csv", 128)), "--out", "b.csv")
    assert done.returncode == 0, done.stderr
    assert [row["answer"] for row in answers(tmp_path / "b.csv")] == [f"TEXT {i}" for i in range(128)]
    assert len(asked) == 128
    assert not (place / "__pycache__").exists()


@pytest.mark.slow
def test_a_batch_that_was_killed_asks_only_for_what_is_left(tmp_path):
    hold = threading.Event()

    def reply(text, n):
        if n > 200:
            hold.wait(30)
        return 200, {}, text.upper()

    with serving(reply) as (address, asked):
        place = folder(tmp_path / "out", address)
        words = ["--in", str(table(tmp_path / "a.csv", 400)), "--out", str(tmp_path / "b.csv")]
        first = subprocess.Popen([sys.executable, "-I", str(place / "ask.py"), *words], stderr=subprocess.DEVNULL)
        kept, until = tmp_path / "b.csv.unfinished", time.monotonic() + 30
        while not (kept.exists() and kept.read_bytes().count(b"\n") == 201) and time.monotonic() < until:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.wait()
        known = [json.loads(line)["row"] for line in kept.read_bytes().splitlines()[1:]]
        hold.set()
        done = ask(place, *words)
    assert done.returncode == 0, done.stderr
    assert len(known) == 200
    assert [asked.count(f"text {row - 1}") for row in known] == [1] * 200
    assert [row["answer"] for row in answers(tmp_path / "b.csv")] == [f"TEXT {i}" for i in range(400)]
    assert not kept.exists()


@pytest.mark.slow
def test_a_busy_server_is_asked_again_and_a_row_that_fails_is_told(tmp_path):
    broken = [True]

    def reply(text, n):
        if text == "text 1" and broken[0]:
            return 400, {}, "no"
        return (429, {"Retry-After": "0"}, "") if n == 1 else (200, {}, text)

    with serving(reply) as (address, asked):
        place = folder(tmp_path / "out", address)
        words = ["--in", str(table(tmp_path / "a.csv", 3)), "--out", "b.csv"]
        first = ask(place, *words)
        held = answers(tmp_path / "b.csv")
        broken[0] = False
        before = len(asked)
        second = ask(place, *words)
    assert first.returncode == 1
    assert first.stderr.splitlines()[-1] == (
        "1 of 3 rows have no answer (row 2: HTTP Error 400: Bad Request). The same command asks for them again; "
        "b.csv.unfinished keeps the others."
    )
    assert [(row["answer"], row["answer_error"]) for row in held] == [
        ("text 0", ""), ("", "HTTP Error 400: Bad Request"), ("text 2", ""),
    ]  # fmt: skip
    assert (second.returncode, asked[before:]) == (0, ["text 1"])
    assert list(answers(tmp_path / "b.csv")[1].items()) == [("i", "1"), ("text", "text 1"), ("answer", "text 1")]


@pytest.mark.slow
def test_what_every_row_would_meet_ends_the_batch(tmp_path):
    with serving(lambda text, n: (401, {}, "")) as (address, asked):
        place = folder(tmp_path / "out", address, api_key_env="MY")
        words = ["--in", str(table(tmp_path / "a.csv", 1_000)), "--out", "b.csv"]
        unset = ask(place, *words)
        assert (unset.returncode, unset.stderr, asked) == (1, "set the environment variable MY\n", [])
        done = ask(place, *words, MY="wrong")
        one = ask(place, "late", MY="wrong")
        shown = ask(place, "--help")
    assert done.returncode == 2
    assert "HTTP Error 401: Unauthorized. b.csv.unfinished keeps what was answered." in done.stderr
    assert len(asked) <= 1 + 2 * 64
    assert not (tmp_path / "b.csv").exists()
    assert (one.returncode, one.stderr) == (1, "no answer: HTTP Error 401: Unauthorized\n")
    assert (shown.returncode, "--in FILE" in shown.stdout) == (0, True)


@pytest.mark.slow
def test_one_input_is_answered_without_its_thought_and_up_to_the_stop_word(tmp_path):
    with serving(lambda text, n: (200, {}, "<think>hm</think>\nbilling END more")) as (address, asked):
        whole = ask(folder(tmp_path / "a", address), "late")
        cut = ask(folder(tmp_path / "b", address, without_thought=True, ends_at=[" END"]), "late")
        odd = ask(folder(tmp_path / "c", address, HOSTILE), *["late"] * len(HOSTILE))
    assert whole.stdout == "<think>hm</think>\nbilling END more\n"
    assert cut.stdout == "billing\n"
    assert (odd.returncode, asked) == (0, ["late"] * 3)
    assert not (tmp_path / "RAN").exists()


@pytest.mark.slow
def test_the_nearest_examples_are_those_that_were_measured(tmp_path):
    words = "late parcel refund courier login password locked account invoice charged blue garden".split()
    draw = random.Random(5)
    rows = [{HOSTILE[0]: " ".join(draw.choices(words, k=6)), "b": draw.choice(words)} for _ in range(60)]
    shown = [Demonstration(str(n), row, f"t{n}") for n, row in enumerate(rows[:40])]
    messages = (Message("user", "{{b}}: {{" + HOSTILE[0] + "}}"),)
    learned = FewShotLearned(messages=messages, columns=tuple(rows[0]), demonstrations=tuple(shown), nearest=3, k=3)
    system = ChatSystem(Template(messages, learned.columns), "main", chooser(learned), Roomy())
    content = {
        "columns": list(learned.columns), "messages": [m.as_dict() for m in messages], "nearest": 3,
        "examples": [{"id": d.id, "inputs": dict(d.inputs), "target": d.target} for d in shown],
        "model": {"name": "m", "max_tokens": 3, "room_for_answer": 3, "context": 80},
    }  # fmt: skip
    (tmp_path / "prompt.json").write_text(json.dumps(content))
    put_program(tmp_path, nearest=True)
    assert (tmp_path / "requirements.txt").read_text().split() == [NUMPY, SCIPY]
    code = "import ask, json, sys; print(json.dumps([ask.turns(row) for row in json.load(sys.stdin)]))"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={},
        input=json.dumps(rows).encode(),
        capture_output=True,
        check=True,
    )
    asked = json.loads(said.stdout)
    assert asked == [[m.as_dict() for m in system.request(row).messages] for row in rows]
    assert {len(turns) for turns in asked} >= {3, 5}  # where the context is short, the least similar is left out


class Roomy:
    """A kit whose model has a context of 80 tokens."""

    def card(self, role):
        return ModelCard(role, "openai", "m", 80, 3)

    def count_tokens(self, role, messages):
        return estimated_tokens(messages)


def test_the_packages_that_exports_name_are_those_of_the_project():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {NUMPY, SCIPY, MARKDOWN} <= set(project["dependencies"])
    extras = project["optional-dependencies"]
    assert list(DOCUMENTS) == extras["docs"]
    assert {*TORCH, JINJA, PEFT} <= {*extras["local"], *extras["tune"], *project["dependencies"]}


def test_what_the_endpoint_does_not_take_is_not_sent():
    model = {"extra_body": {"seed": 1, "stop": "END", "top_k": 3}}
    fitted(model, ("seed", "stop"))
    assert model == {"extra_body": {"top_k": 3}, "ends_at": ["END"]}
    body = {
        "max_tokens": 3,
        "seed": 1,
        "messages": [{"role": "system", "content": "r"}, {"role": "user", "content": "q"}],
    }
    assert sent(body, ("length", "seed", "system")) == {
        "max_completion_tokens": 3, "messages": [{"role": "user", "content": "r\n\nq"}],
    }  # fmt: skip


@pytest.mark.slow
def test_stored_dev_examples_are_answered_again_and_a_difference_refuses(climbed, capsys, monkeypatch, tmp_path):  # noqa: F811
    def spoil(old, new):
        def spoilt(name, out):
            copied(name, out)
            if name == "endpoint.py":
                assert old in (out / name).read_text()
                (out / name).write_text((out / name).read_text().replace(old, new))

        monkeypatch.setattr(prompt, "copied", spoilt)

    verb.export(climbed / "run", "prompt", "prompt", tmp_path / "good", None, True)
    said = json.loads(capsys.readouterr().out)["said"]
    dev = len((climbed / "run/rungs/prompt/dev.jsonl").read_text().splitlines())
    assert f"it sent the measured request and made the measured answer of the reply for {min(dev, 50)} of" in said
    names = {
        "ask.py",
        "endpoint.py",
        "command_line.py",
        "from_rung",
        "others",
        "prompt.json",
        "README.md",
        "requirements.txt",
    }
    assert {p.name for p in (tmp_path / "good").iterdir()} == names
    assert (tmp_path / "good/requirements.txt").read_bytes() == b""
    spoil("return text[: min(ends)] if ends else text", "return text + '!'")
    with pytest.raises(RungError, match="export refused: ask.py makes other answers of the stored replies to"):
        verb.export(climbed / "run", "prompt", "prompt", tmp_path / "other", None, True)
    spoil('"max_tokens": model["max_tokens"]', '"max_tokens": 7')
    with pytest.raises(
        RungError, match=r"export refused: what was written does not run alone \(stopped at row .*not a request"
    ):
        verb.export(climbed / "run", "prompt", "prompt", tmp_path / "other", None, True)
    assert not (tmp_path / "other").exists()


def test_a_fault_of_the_program_ends_the_batch_and_is_told():
    def faulty(inputs):
        raise AttributeError("no such thing")

    journal = SimpleNamespace(answers={}, keep=lambda number, answered: None, path="answers.jsonl.unfinished")
    jobs = iter([(n, {"text": str(n)}) for n in range(9)])
    with pytest.raises(AttributeError, match="no such thing"):
        command_line._answer_all(jobs, faulty, 4, journal, 9)


def test_an_answer_without_sources_has_no_heading_of_them(capsys):
    command_line.show(command_line.Answered("no idea", {"sources": []}))
    command_line.show(command_line.Answered("12", {"sources": [{"document": "a.md", "position": "line 1"}]}))
    assert capsys.readouterr().out == "no idea\n12\n\nsources:\n- a.md, line 1\n"
