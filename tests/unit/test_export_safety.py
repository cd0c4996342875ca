"""What is exported holds no data in its source, is its owner's alone, and sends a key to one address only."""

import ast
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rung.cli import export as verb
from rung.exports import alone
from rung.exports.alone import command_line
from rung.exports.prompt import put_program
from rung.ladder import climb
from rung.testing.endpoint import Endpoint
from rung.tuning.trl import script
from tests.unit._worlds import rows

RAN = "import pathlib; pathlib.Path('RAN').touch()"
HOSTILE = (
    f'x"""\n{RAN}\n"""', f"x'''\n{RAN}\n'''", f"{{{RAN}}}", "{0.__class__}", f"\\\n{RAN}", f"x\n{RAN}  #", "{{text}}", "%s",
    "text\u2028two", "back\\slash",
)  # fmt: skip
KEY = "sk-secret-0123456789"
ALONE = Path(alone.__file__).parent


@contextmanager
def listening(target=None):
    """Serve chat completions, or send everybody on to `target`; yield the address and what came in."""
    seen = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(
                (self.path, {name.lower(): value for name, value in self.headers.items()}, json.loads(body or b"{}"))
            )
            self.send_response(307 if target else 200)
            if target:
                self.send_header("Location", target)
            said = json.dumps({"choices": [{"message": {"role": "assistant", "content": "billing"}}]}).encode()
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST

        def log_message(self, *words):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


def exported(folder: Path, model: dict, columns=("text",)):
    """Write the program beside a prompt.json as `Prompt.write` does, and return a function that runs it."""
    content = {
        "columns": list(columns), "messages": [{"role": "user", "content": "{{" + columns[0] + "}}"}], "turn": 0,
        "example": [{"role": "user", "content": "x"}], "examples": [], "model": model,
    }  # fmt: skip
    (folder / "prompt.json").write_text(json.dumps(content))
    put_program(folder)

    def ask(**environment):
        words = f"import ask; print(ask.answer(dict.fromkeys({list(columns)!r}, 'late')))"
        return subprocess.run(
            [sys.executable, "-c", words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return ask


@pytest.mark.sample(2)
@pytest.mark.parametrize("column", HOSTILE)
def test_a_column_is_data_whatever_its_name(tmp_path, column):
    with listening() as (address, seen):
        done = exported(tmp_path, {"name": "m", "base_url": address, "max_tokens": 3}, (column,))()
    assert done.stdout == "billing\n", done.stderr
    assert seen[0][2]["messages"] == [{"role": "user", "content": "late"}]
    assert not (tmp_path / "RAN").exists()


def test_written_source_is_the_same_for_any_data():
    """A form that put data into source would have to change one of these texts."""
    for source in (*(path.read_text() for path in ALONE.glob("*.py")), script()):
        ast.parse(source)
        assert "{{{{" not in source


def test_no_key_is_sent_where_none_was_named(tmp_path):
    with listening() as (address, seen):
        done = exported(tmp_path, {"name": "m", "base_url": address, "max_tokens": 3})(OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert "authorization" not in seen[0][1]
    assert KEY not in str(seen)


def test_a_named_key_goes_to_its_address_and_along_no_redirect(tmp_path):
    with listening() as (elsewhere, stolen), listening(elsewhere) as (address, seen):
        model = {
            "name": "m",
            "base_url": address + "/v1?v=2",
            "max_tokens": 3,
            "api_key_env": "MY",
            "headers_env": {"x-team": "TEAM"},
        }
        ask = exported(tmp_path, model)
        done = ask(MY=KEY, TEAM="blue")
        unset = ask(MY=KEY)
    assert "307" in done.stderr
    assert stolen == []
    path, headers, _ = seen[0]
    assert path == "/v1/chat/completions?v=2"
    assert (headers["authorization"], headers["x-team"]) == (f"Bearer {KEY}", "blue")
    assert unset.stderr == "set the environment variable TEAM\n"
    assert len(seen) == 1


def test_the_length_is_asked_for_under_the_name_that_was_measured(tmp_path):
    model = {
        "name": "m", "max_tokens": 9, "max_tokens_field": "max_completion_tokens", "temperature": 0.5, "extra_body": {"top_k": 1},
    }  # fmt: skip
    with listening() as (address, seen):
        exported(tmp_path, {**model, "base_url": address})()
    body = {key: value for key, value in seen[0][2].items() if key != "messages"}
    assert body == {"model": "m", "max_completion_tokens": 9, "temperature": 0.5, "top_k": 1}


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    """A climb at an endpoint on this machine, whose column has a hostile name."""
    import asyncio

    import yaml

    root = tmp_path_factory.mktemp("climbed")
    column = 'x"""\nimport os\n"""'
    held = [{column: r["text"], "team": r["team"]} for r in rows(60)]
    (root / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in held))
    endpoint, up, loop, end = Endpoint(), threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve():
        async with endpoint.serving():
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait(10)
    main = {"provider": "openai", "name": "stub", "base_url": endpoint.url, "max_tokens_field": "max_completion_tokens"}
    task = {
        "name": "t",
        "kind": "classification",
        "instruction": "Which?",
        "inputs": [column],
        "target": "team",
        "goal": 0.6,
    }
    raw = {
        "task": task,
        "data": {"path": "rows.jsonl"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": main},
        "ladder": ["prompt"],
        "diagnosis": {"calls": 0},
    }
    (root / "rung.yaml").write_text(yaml.safe_dump(raw))
    from rung.config import load_config

    climb(load_config(root / "rung.yaml"), root / "run")
    yield root
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


@pytest.mark.slow
@pytest.mark.parametrize(("umask", "folder", "file"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600)])
def test_an_export_has_the_modes_of_the_umask_and_says_how_it_was_measured(climbed, capsys, umask, folder, file):
    before = os.umask(umask)
    try:
        verb.export(climbed / "run", "prompt", "prompt", climbed / f"out{umask}", None, True)
        verb.export(climbed / "run", "prompt", "rows", climbed / f"rows{umask}", None, True)
    finally:
        os.umask(before)
    out = climbed / f"out{umask}"
    capsys.readouterr()
    written = [p for place in (out, climbed / f"rows{umask}") for p in (place, *place.rglob("*"))]
    assert {p.name for p in written} >= {"ask.py", "prompt.json", "chat-train.jsonl", "trl-dev.jsonl", "train_trl.py"}
    assert {p.stat().st_mode & 0o777 for p in written if p.is_dir()} == {folder}
    assert {p.stat().st_mode & 0o777 for p in written if p.is_file()} == {file}
    assert (out / "ask.py").read_bytes() == (ALONE / "ask.py").read_bytes()
    model = json.loads((out / "prompt.json").read_text())["model"]
    assert model["max_tokens_field"] == "max_completion_tokens"
    assert "api_key_env" not in model
    done = subprocess.run(
        [sys.executable, "-c", "import ask, endpoint; print(ask.answer(dict.fromkeys(endpoint.prompt()['columns'], 'x')))"],
        cwd=out, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_wrong_file_is_told_before_a_model_is_loaded(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("other\nx\n")
    monkeypatch.setattr(sys, "argv", ["x", "--in", str(tmp_path / "a.csv"), "--out", str(tmp_path / "b.csv")])
    assert command_line.main(str, ["text"], "", ready=lambda: pytest.fail("loaded")) == 2
    assert "line 2: no column 'text'; it has 'other'" in capsys.readouterr().err
