"""A winner that answers from documents becomes a folder that runs alone: its index, a program with sources, and one for the documents."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung.config import parse_config
from rung.errors import RungError
from rung.exports import rag
from rung.exports.write import exported
from rung.ladder import climb
from rung.models.openai import OpenAI
from rung.rag import search, turned
from tests.unit import _catalogue as world
from tests.unit.test_export_safety import KEY


def price_in(body):
    """Answer with the price of the product that the last turn asks for, where a passage tells it."""
    text = "\n".join(turn["content"] for turn in body["messages"])
    product = re.search(r"What do you ask for the ([A-Z][a-z]+ [a-z]+)\?", body["messages"][-1]["content"])
    price = re.search(rf"The {product[1]} costs (\d+) euros", text) if product else None
    return price[1] if price else "no idea"


@contextmanager
def reading(vector=None, answering=None):
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
                answer = (answering or price_in)(body)
                said = {"choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]}
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
        "task": task, "data": {"path": "rows.jsonl", "id": "id"}, "split": {"test": 0.4, "dev": 0.15}, "documents": {"path": "sheets"},
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
def test_other_tools_ask_with_the_passages_that_rag_finds(once):
    root, said, _, seen = once
    assert "others" not in said  # nothing was left out
    question = world.rows(1, "new")[0]
    before = len(seen)
    assert json.loads((root / "out/others/langchain.json").read_text())["prompt"] is None
    script = (
        "import asyncio, sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/others']; import rag, with_promptfoo as p\n"
        "context = {'vars': {'row': 0}}\n"
        "chat = p.chat(context); back = p.json.dumps(chat).replace(\"{{ '{' }}\", '{').replace(\"{{ '}' }}\", '}')\n"
        "said = p.call_api(back, {}, context)['output']\n"
        "print(p.as_measured(said, context), said == p.rows()[0]['measured'])\n"
        "async def inside(): return rag.answer({'question': sys.argv[2]})\n"
        "print(asyncio.run(inside()).text)\n"
    )
    words = [sys.executable, "-B", "-c", script, str(root / "out"), question.inputs["question"]]
    done = subprocess.run(words, env={"MY_KEY": KEY}, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["True True", question.target], done.stderr
    asked = seen[before][2]["messages"]
    assert any("costs" in turn["content"] for turn in asked)  # the passages are in it
    pytest.importorskip("openai")
    by_sdk = run(root / "out/others", "with_openai.py", question.inputs["question"], MY_KEY=KEY)
    assert by_sdk.stdout.startswith(f"{question.target}\n\nsources:\n- "), by_sdk
    assert seen[-1][2] == seen[-2][2]  # the same request as that of rag.py


def test_what_needs_rung_for_its_vectors_is_said():
    told = SimpleNamespace(
        clients={"main": SimpleNamespace(settings=OpenAI(name="m", base_url="http://127.0.0.1:1/v1"))}
    )
    candidate = SimpleNamespace(model="main")
    assert rag._why_not_alone(told, candidate, "sqlite", False) is None
    assert "with `provider: onnx`, `static`, or `openai` at an address" in rag._why_not_alone(
        told, candidate, "sqlite", True
    )
    assert "kept by 'lance'" in rag._why_not_alone(told, candidate, "lance", False)


@pytest.mark.slow
def test_the_next_answer_sees_documents_that_change(once, tmp_path):
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


# --- documents that are found by their meaning

PAIRS = """sofa couch|automobile car|film movie|forest woods|physician doctor|infant baby|spectacles glasses|bicycle bike|rubbish trash|
lorry truck|autumn fall|trousers pants|biscuit cookie|aeroplane plane|shop store|attorney lawyer|gift present|stone rock|
road street|cup mug|hog pig|rabbit bunny|vessel ship|jewel gem""".replace("\n", "").split("|")
WORDS = [tuple(pair.split()) for pair in PAIRS]  # what the documents say, and what is asked


def place_of(text):
    """The one pair that a text speaks of; None for no or another text."""
    found = set(re.findall(r"[a-z]+", text.lower()))
    return next((n for n, (told, asked) in enumerate(WORDS) if {told, asked} & found), None)


def one_hot(text):
    place = place_of(text)
    return [float(n == place) for n in range(len(WORDS))] + [0.01]


def static_model(folder, vector_of):
    """Write a static model of these words into a folder, with the vectors that a function gives them; return the folder."""
    np, tokenizers = pytest.importorskip("numpy"), pytest.importorskip("tokenizers")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    vocabulary = {"[UNK]": 0, **{word: n for n, word in enumerate((w for pair in WORDS for w in pair), 1)}}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    table = np.array([vector_of(word) for word in vocabulary], dtype=np.float32)
    save_file({"embeddings": table}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def static_folder(tmp_path_factory):
    """A static model in which each pair of words has one vector."""
    return static_model(tmp_path_factory.mktemp("static"), one_hot)


@pytest.fixture(scope="module")
def potion():
    folder = (
        Path(os.environ.get("RUNG_SHARED") or Path(__file__).resolve().parents[3] / "shared")
        / "models/potion-base-4m-int8"
    )
    if not folder.is_dir():
        pytest.skip(f"no shared model at {folder}; set RUNG_SHARED")
    pytest.importorskip("tokenizers")
    return folder


def answering_pairs(body):
    """Answer with the price beside the word that the documents have for the asked one."""
    text = "\n".join(turn["content"] for turn in body["messages"])
    place = place_of(re.search(r"fee for an? (\w+)", body["messages"][-1]["content"])[1])
    price = re.search(rf"\b(?:{'|'.join(WORDS[place])})\b costs (\d+) euros", text)
    return price[1] if price else "no idea"


HELLOS = ["Hi.", "Good day.", "Dear team,"] * 16
MANNERS = [
    "Could somebody please tell me this before noon?", "My neighbour wants to know, and so do I.",
    "Sorry to bother you again on a Sunday!", "We are moving house next week, therefore:", "Urgent, my train leaves soon.",
]  # fmt: skip


def by_meaning(root, address, embedder, halves, hellos=HELLOS, **more):
    """A climb over documents that other words are asked of. `halves`: every second question has the document's own word."""
    (root / "sheets").mkdir(parents=True)
    for n, (told, _) in enumerate(WORDS):
        (root / "sheets" / f"{told}.md").write_text(f"{told} costs {100 + n} euros")
    lines = [
        {"id": f"r{i}", "question": f"{hello} Case {i}: the fee for a {word}", "answer": str(100 + i % len(WORDS))}
        for i, hello in enumerate(hellos)
        if (word := WORDS[i % len(WORDS)][0 if halves and i % 2 else 1])
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = "".join(f"r{i}\t{WORDS[i % len(WORDS)][0]}.md\n" for i in range(len(lines)))
    (root / "told.tsv").write_text(told)
    task = {
        "name": "fees", "kind": "knowledge", "instruction": "Answer the question.", "inputs": ["question"],
        "target": "answer", "goal": 0.5, "tolerance": 0.2,
    }  # fmt: skip
    raw = {
        "task": task, "data": {"path": "rows.jsonl", "id": "id"}, 
        "documents": {"path": "sheets", "embedder": "near", "relevant": "told.tsv"},
        "models": {"main": {"provider": "openai", "name": "m", "base_url": address, "api_key_env": "MY_KEY"}, "near": embedder},
        "ladder": [{"rag": {"stuff_tokens": 0, "k": [3], "chunk_words": [], "canaries": 0}}], "diagnosis": {"calls": 0}, **more,
    }  # fmt: skip
    climb(parse_config(raw, root), root / "run")
    return root


def strangers(text):
    """Vectors in which nothing that is asked is near to what the documents say, until somebody learns which goes with which."""
    found = set(re.findall(r"[a-z]+", text.lower()))
    return [float(word in found) for pair in WORDS for word in pair] + [0.01]


@pytest.mark.slow
def test_questions_teach_which_passages_they_mean_and_the_folder_knows_it_too(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(search, "FEWEST_GOLD", 5)
    monkeypatch.setattr(turned, "FEWEST_QUESTIONS", 10)
    folder = static_model(tmp_path, strangers)
    with reading(None, answering_pairs) as (address, _):
        embedder, shares = {"provider": "static", "folder": str(folder)}, {"test": 0.3, "dev": 0.25}
        root = by_meaning(tmp_path / "p", address, embedder, False, MANNERS * 24, split=shares)
        _, out, said = exported(root / "run", "rag", "rag", root / "out", None)
        choice = json.loads((out / "prompt.json").read_text())["choice"]
        assert choice["mode"] == "dense"
        assert len(choice["turn"]) > 1000
        dev = len((root / "run/rungs/rag/dev.jsonl").read_text().splitlines())
        assert f"made the measured answer of the reply for {dev} of {dev} dev examples" in said
        assert run(out, "rag.py", "the fee for a couch", MY_KEY=KEY).stdout.startswith("100\n\nsources:\n- sofa.md, ")
        report = json.loads((root / "run/verdict.json").read_text())
        assert report["winner"] == "rag"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openai", "static", "potion"])
def test_documents_found_by_meaning_are_found_alone(tmp_path, monkeypatch, request, kind):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("NEAR_KEY", "sk-near-0123456789")
    monkeypatch.setattr(search, "FEWEST_GOLD", 5)  # few examples tell the searches apart

    def vector(text):  # half of the pairs are unknown to it: there words alone find the document
        place = place_of(text)
        return [float(n == place and n % 2 == 0) for n in range(len(WORDS))] + [0.01]

    with reading(vector, answering_pairs) as (address, seen):
        embedder = {
            "openai": {"provider": "openai", "name": "e", "base_url": address, "api_key_env": "NEAR_KEY"},
        }.get(kind) or {
            "provider": "static",
            "folder": str(request.getfixturevalue("static_folder" if kind == "static" else kind)),
        }
        root = by_meaning(tmp_path, address, embedder, kind == "openai")
        before = len(seen)
        _, out, said = exported(root / "run", "rag", "rag", root / "out", None)
        assert len(seen) == before
        held = json.loads((out / "prompt.json").read_text())
        assert held["choice"]["mode"] == ("hybrid" if kind == "openai" else "dense")
        dev = len((root / "run/rungs/rag/dev.jsonl").read_text().splitlines())
        assert f"made the measured answer of the reply for {dev} of {dev} dev examples" in said
        assert ("tokenizers>=0.22,<1" in (out / "requirements.txt").read_text()) == (kind != "openai")
        assert (out / "embedder/model.safetensors").exists() == (kind != "openai")
        keys = {"MY_KEY": KEY, **({"NEAR_KEY": "sk-near-0123456789"} if kind == "openai" else {})}
        for sheet in (root / "sheets").iterdir():
            sheet.unlink()  # nothing but the folder is needed
        one = run(out, "rag.py", "the fee for a couch", **keys)
        assert one.stdout.startswith("100\n\nsources:\n- sofa.md, "), one
        if kind == "openai":
            assert {held for path, held, _ in seen if path.endswith("/embeddings")} == {"Bearer sk-near-0123456789"}
            unset = run(out, "rag.py", "the fee for a couch", MY_KEY=KEY)
            assert unset.stderr == "set the environment variable NEAR_KEY\n"
        if kind == "static":  # a new document gets its vector from the table in the folder
            (tmp_path / "film.md").write_text("film costs 777 euros")
            assert run(out, "documents.py", "add", str(tmp_path / "film.md")).stdout == "1 files read\n"
            assert run(out, "rag.py", "the fee for a movie", **keys).stdout.startswith("777\n\nsources:\n- film.md, ")
