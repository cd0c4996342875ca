"""A winner that answers from documents becomes a folder that runs alone: its index, a program with sources, and one for the documents."""

import csv
import json
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rung.config import parse_config
from rung.errors import RungError
from rung.exports import rag
from rung.exports.write import exported
from rung.ladder import climb
from tests.unit import _catalogue as world
from tests.unit.test_export_safety import KEY


@contextmanager
def reading(vector=None):
    """Serve a model that answers from the passages in its prompt, and vectors; yield the address and what came in."""
    seen = []

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers.get("Authorization"), body))
            if self.path.endswith("/embeddings"):
                said = {"data": [{"index": i, "embedding": vector(t)} for i, t in enumerate(body["input"])]}
            else:
                text = "\n".join(turn["content"] for turn in body["messages"])
                product = re.search(r"What do you ask for the ([A-Z][a-z]+ [a-z]+)\?", body["messages"][-1]["content"])
                price = re.search(rf"The {product[1]} costs (\d+) euros", text) if product else None
                answer = price[1] if price else "no idea"
                said = {"choices": [{"message": {"content": answer}, "finish_reason": "stop"}]}
            data = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words):
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()
    server.server_close()


def climbed(root, address, **models):
    (root / "sheets").mkdir(parents=True)
    for name, text in world.document_index().texts.items():
        (root / "sheets" / name).write_text(text)
    lines = [{"id": e.id, **e.inputs, "answer": e.target} for e in world.rows(60, "row")]
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {
        "name": "prices", "kind": "knowledge", "instruction": "Answer the question.", "inputs": ["question"],
        "target": "answer", "goal": 0.5, "tolerance": 0.2,
    }  # fmt: skip
    raw = {
        "task": task, "data": {"path": "rows.jsonl", "id": "id"}, "documents": {"path": "sheets"},
        "models": {"main": {"provider": "openai", "name": "m", "base_url": address, "api_key_env": "MY_KEY"}, **models},
        "ladder": ["prompt", {"rag": {"stuff_tokens": 0}}], "diagnosis": {"calls": 0},
    }  # fmt: skip
    climb(parse_config(raw, root), root / "run")
    return root


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A climb at a model that reads, and what its winner is exported as: made once, not to be changed."""
    root = tmp_path_factory.mktemp("rag")
    with pytest.MonkeyPatch.context() as patch, reading() as (address, seen):
        patch.setenv("MY_KEY", KEY)
        climbed(root, address)
        before = len(seen)
        name, _, said = exported(root / "run", "rag", None, root / "out", None)
        assert (name, len(seen)) == ("rag", before)  # no call
        yield root, said, address, seen


def run(place: Path, program: str, *words: str, **variables) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", str(place / program), *words]
    return subprocess.run(command, env=variables, cwd=place.parent, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_winner_answers_dev_examples_again_with_its_sources(once):
    root, said, _, _ = once
    dev = len((root / "run/rungs/rag/dev.jsonl").read_text().splitlines())
    assert said.endswith(f"made the measured answer of the reply for {dev} of {dev} dev examples")
    out = root / "out"
    assert {"rag.py", "documents.py", "documents.sqlite", "prompt.json", "README.md", "requirements.txt"} <= {
        p.name for p in out.iterdir()
    }
    assert [str(p) for p in out.rglob("*") if p.is_file() and p.stat().st_mode & 0o077] == []
    assert (out / "requirements.txt").read_text().splitlines() == [rag.NUMPY, rag.MARKDOWN]
    assert str(root) not in (out / "prompt.json").read_text()


@pytest.mark.slow
def test_one_text_and_a_batch_come_with_their_sources(once, tmp_path):
    root, _, _, seen = once
    row = world.rows(1, "new")[0]
    unset = run(root / "out", "rag.py", row.inputs["question"])
    assert (unset.returncode, unset.stderr) == (1, "set the environment variable MY_KEY\n")
    one = run(root / "out", "rag.py", row.inputs["question"], MY_KEY=KEY)
    document = f"{row.inputs['product'].lower().replace(' ', '-')}.md"
    assert one.stdout.startswith(f"{row.target}\n\nsources:\n- {document}, "), one
    assert {held for path, held, _ in seen} == {f"Bearer {KEY}"}
    (tmp_path / "a.csv").write_text(
        "question\n" + "".join(f'"{e.inputs["question"]}"\n' for e in world.rows(20, "more"))
    )
    done = run(root / "out", "rag.py", "--in", str(tmp_path / "a.csv"), "--out", str(tmp_path / "b.csv"), MY_KEY=KEY)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "b.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["answer"] for r in rows] == [e.target for e in world.rows(20, "more")]
    assert all(json.loads(r["answer_sources"])[0]["document"].endswith(".md") for r in rows)
    assert "--in FILE" in run(root / "out", "rag.py", "--help").stdout


@pytest.mark.slow
def test_the_next_answer_sees_documents_that_change(once, tmp_path):
    import shutil

    root, _, _, _ = once
    out = shutil.copytree(root / "out", tmp_path / "out")
    asked = "Hi. What do you ask for the Zinnia lamp?"
    assert run(out, "rag.py", asked, MY_KEY=KEY).stdout.startswith("no idea")
    (tmp_path / "zinnia.md").write_text("# Zinnia lamp\n\nThe Zinnia lamp costs 12345 euros.")
    added = run(out, "documents.py", "add", str(tmp_path / "zinnia.md"))
    assert (added.returncode, added.stdout) == (0, "1 files read\n"), added.stderr
    assert run(out, "rag.py", asked, MY_KEY=KEY).stdout.startswith("12345\n\nsources:\n- zinnia.md")
    assert "zinnia.md: 1 documents\n" in run(out, "documents.py", "list").stdout
    gone = run(out, "documents.py", "remove", "zinnia.md")
    assert (gone.returncode, gone.stdout) == (0, "1 removed\n")
    assert run(out, "rag.py", asked, MY_KEY=KEY).stdout.startswith("no idea")
    assert b"12345" not in (out / "documents.sqlite").read_bytes()
    strange = run(out, "documents.py", "remove", "zinnia.md")
    assert strange.returncode == 2
    assert "no document or file is called 'zinnia.md'" in strange.stderr
    sheets = shutil.copytree(root / "sheets", tmp_path / "sheets")
    name = sorted(p.name for p in sheets.iterdir())[0]
    (sheets / name).unlink()
    updated = run(out, "documents.py", "update", str(sheets))
    assert updated.stdout == f"0 added, 0 changed, 1 gone, {len(list(sheets.iterdir()))} unchanged\n", updated.stderr
    nowhere = run(out, "documents.py", "update", str(tmp_path / "no"))
    assert (nowhere.returncode, nowhere.stderr) == (2, f"{tmp_path / 'no'} is no folder; nothing was changed\n")
    assert not (out / "__pycache__").exists()


@pytest.mark.slow
def test_an_answer_or_a_source_that_differs_refuses_the_export(once, tmp_path, monkeypatch):
    root, _, _, _ = once
    monkeypatch.setenv("MY_KEY", KEY)
    real = rag.carry

    def spoilt(old, new, name):
        def carry(roots, out):
            real(roots, out)
            path = out / "from_rung" / name
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))

        return carry

    monkeypatch.setattr(rag, "carry", spoilt('TITLE = "Context:"', 'TITLE = "Contexts:"', "rag/layout.py"))
    with pytest.raises(RungError, match="export refused: what was written does not run alone .*not a request"):
        exported(root / "run", "rag", None, tmp_path / "a", None)
    monkeypatch.setattr(
        rag, "carry", spoilt("    if most < 1.0:", "    return ()\n    if most < 1.0:", "rag/system.py")
    )
    with pytest.raises(RungError, match="export refused: rag.py makes other answers .*sources"):
        exported(root / "run", "rag", None, tmp_path / "a", None)
    assert not (tmp_path / "a").exists()
