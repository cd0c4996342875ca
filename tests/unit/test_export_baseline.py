"""An exported baseline runs alone, gives the measured answers, and its batch goes on after a kill."""

import ast
import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung.cli import export as verb
from rung.errors import RungError
from rung.exports import alone, baseline
from rung.exports.baseline import form
from rung.ladder import climb
from rung.rungs.baseline import Baseline
from rung.types import Answer, BaselineLearned, Candidate, Example, Outcome, Score
from tests.unit._kit import KitForTests, task
from tests.unit._worlds import NEEDS_EXAMPLES, world
from tests.unit.test_export_safety import HOSTILE

ABOUT = {
    "billing": "the invoice is wrong, please charge less money",
    "delivery": "my parcel is late, where is the courier",
    "returns": "I send the shoes back, they don't fit",
}
TEXTS = [f"{said} No. {i}" for i in range(12) for said in ABOUT.values()]
TARGETS = list(ABOUT) * 12
ODD = [
    "",
    "   ",
    "a",
    "Ünïcode ŤEXT İ ß",
    "発送 が 遅い",
    "x\x1cy\u2028z\u0085!",
    "rung0empty invoice",
    "charge\r\nthe  parcel",
    "\0 late",
]
LEARNED = {
    "majority": BaselineLearned(method="majority", answer="returns"),
    "nearest": BaselineLearned(method="nearest", rows=tuple(zip(TEXTS, TARGETS, strict=True))),
    "linear": BaselineLearned(method="linear", rows=tuple(zip(TEXTS, TARGETS, strict=True)), penalty=1.0),
    "two labels": BaselineLearned(
        method="linear", rows=tuple((t, a) for t, a in zip(TEXTS, TARGETS, strict=True) if a != "returns"), penalty=1.0
    ),
}  # fmt: skip


async def written(kind: str, out: Path, columns=("text",), rows=(*ODD, *TEXTS), change=lambda text: text) -> list[str]:
    """Export a baseline whose dev examples are `rows`, and return the measured answers; `change` falsifies them."""
    examples = [
        Example(f"e{i}", {c: t + c[:1] * k for k, c in enumerate(columns)}, "x", f"e{i}") for i, t in enumerate(rows)
    ]
    candidate = Candidate("baseline", kind, LEARNED[kind], None, ())
    system = Baseline.revive(candidate, task(), KitForTests(task()))
    answers = [(await system.answer(e.inputs)).text for e in examples]
    outcomes = [
        Outcome(e.id, e.group, Answer(change(a)), {"m": Score(1.0)}) for e, a in zip(examples, answers, strict=True)
    ]
    record = SimpleNamespace(dev=SimpleNamespace(get=lambda: outcomes))
    folder = SimpleNamespace(rung=lambda _: record)
    run = SimpleNamespace(split=SimpleNamespace(dev=tuple(examples)), folder=folder, chosen=lambda _: candidate)
    out.mkdir(exist_ok=True)
    said = await form.write(run, "baseline", candidate, out, None)
    assert f"to {min(50, len(rows))} of {min(50, len(rows))} dev examples" in said
    return answers


def run(folder: Path, *words: str, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", str(folder / "predict.py"), *words]
    return subprocess.run(command, env={}, capture_output=True, text=True, encoding="utf-8", check=False, **more)


def exported(kind: str, out: Path, **more) -> list[str]:
    import asyncio

    return asyncio.run(written(kind, out, **more))


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEARNED)
def test_every_kind_answers_alone_as_measured(tmp_path, kind):
    answers = exported(kind, tmp_path / "out")
    if kind != "majority":
        assert len(set(answers)) > 1
    found = run(tmp_path / "out", TEXTS[0])
    assert (found.stdout, found.returncode) == (answers[len(ODD)] + "\n", 0), found.stderr
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"predict.py", "command_line.py", "model.json", "README.md", "requirements.txt"} | (
        {"model.npz"} if kind != "majority" else set()
    )
    assert [p.name for p in (tmp_path / "out").iterdir() if p.stat().st_mode & 0o077] == []


@pytest.mark.slow
@pytest.mark.parametrize("batch", [False, True])
def test_a_package_that_is_missing_is_named_with_what_installs_it(tmp_path, batch):
    exported("nearest", tmp_path / "out")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": TEXTS[0]}))
    words = ["--in", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "a.csv")] if batch else [TEXTS[0]]
    command = [sys.executable, "-I", "-S", str(tmp_path / "out/predict.py"), *words]  # -S: the standard library alone
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "No module named 'numpy': pip install -r requirements.txt\n")


@pytest.mark.slow
def test_an_answer_that_differs_refuses_the_export(tmp_path):
    with pytest.raises(RungError, match=r"answers 4 of 5 dev examples otherwise than was measured \(example 'e0': '"):
        exported("linear", tmp_path, rows=TEXTS[:5], change=lambda text: text if text == "returns" else text + "!")


def test_what_is_copied_needs_the_standard_library_numpy_and_what_lies_beside_it_alone():
    for name in ("predict.py", "command_line.py"):
        tree = ast.parse((Path(alone.__file__).parent / name).read_text())
        imports = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([ast.alias(node.module)] if isinstance(node, ast.ImportFrom) else node.names)
        }
        assert imports - set(sys.stdlib_module_names) <= {"numpy", "command_line", "endpoint", "from_rung"}
        assert not imports & {"pickle", "shelve", "marshal"}


@pytest.mark.slow
def test_a_column_is_data_whatever_its_name(tmp_path):
    exported("linear", tmp_path / "out", columns=HOSTILE, rows=TEXTS[:6])
    done = run(tmp_path / "out", *(["late parcel"] * len(HOSTILE)), cwd=tmp_path)
    assert done.stdout == "delivery\n", done.stderr
    shown = run(tmp_path / "out", "--help", cwd=tmp_path)
    assert (shown.returncode, "'%s'" in shown.stdout, "\u2028" in shown.stdout) == (0, True, False)
    assert not (tmp_path / "RAN").exists()
    for name in ("predict.py", "command_line.py"):
        assert (tmp_path / "out" / name).read_bytes() == (Path(alone.__file__).parent / name).read_bytes()


@pytest.mark.slow
def test_a_batch_of_csv_comes_back_with_its_answers_and_overwrites_nothing(tmp_path):
    exported("linear", tmp_path / "out", rows=TEXTS[:6])
    given, out = tmp_path / "rows.csv", tmp_path / "answers.csv"
    with given.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["no", "text"], ["1", 'my "parcel",\nis late'], ["2", "wrong invoice"]])
    done = run(tmp_path / "out", "--in", str(given), "--out", str(out))
    assert done.returncode == 0, done.stderr
    with out.open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [
            ["no", "text", "answer"], ["1", 'my "parcel",\nis late', "delivery"], ["2", "wrong invoice", "billing"],
        ]  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answers.csv", "out", "rows.csv"]
    again = run(tmp_path / "out", "--in", str(given), "--out", str(out))
    assert (again.returncode, again.stderr) == (2, f"{out} is there already; name a new file, or remove it\n")
    named = run(tmp_path / "out", "--in", str(out), "--out", str(tmp_path / "b.jsonl"))
    assert "has a column 'answer' already; give another name with --answer" in named.stderr
    assert run(tmp_path / "out", "--in", str(out), "--out", str(tmp_path / "b.jsonl"), "--answer", "b").returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [line["b"] for line in lines] == [line["answer"] for line in lines] == ["delivery", "billing"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("a.csv", b"txet\nx\n", "a.csv, line 2: no column 'text'; it has 'txet'"),
        ("a.csv", b"text,b\nx\n", "a.csv, line 2: 1 cells, and the header has 2"),
        ("a.csv", b"text,text\nx,y\n", "a.csv has two columns 'text'; rename one"),
        ("a.csv", b"text\n", "a.csv has no row"),
        ("a.csv", b"text\n\xff\n", "a.csv is not UTF-8 text (byte 6); save it as UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "a.jsonl, line 2: no JSON ("),
        ("a.jsonl", b"[1]\n", "a.jsonl, line 1: no JSON object; each line is one, with the columns as keys"),
        ("a.jsonl", b'{"text": NaN}\n', "the column 'text' of a row cannot be written as text: "),
        ("a.txt", b"x\n", "a.txt: name a file that ends in .csv, .tsv, .jsonl, .ndjson"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path, name, held, said):
    exported("majority", tmp_path / "out", rows=TEXTS[:2])
    (tmp_path / name).write_bytes(held)
    done = run(tmp_path / "out", "--in", name, "--out", "b.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert not (tmp_path / "b.csv").exists()


@pytest.mark.slow
def test_a_batch_that_was_killed_goes_on_where_it_was(tmp_path):
    exported("nearest", tmp_path / "out", rows=TEXTS[:6])
    given, out = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    given.write_text("".join(json.dumps({"i": i, "text": TEXTS[i % len(TEXTS)]}) + "\n" for i in range(20_000)))
    kept = tmp_path / "answers.jsonl.unfinished"
    words = ["--in", str(given), "--out", str(out)]
    first = subprocess.Popen([sys.executable, "-I", str(tmp_path / "out/predict.py"), *words], stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (kept.exists() and kept.stat().st_size > 5_000) and time.monotonic() < until:
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not out.exists()
    before = kept.read_bytes()
    answered = [json.loads(line)["row"] for line in before[: before.rfind(b"\n")].splitlines()[1:]]
    assert 0 < len(answered) < 20_000
    # what lies there is believed and not asked again; half a line is not
    marked = (
        before[: before.rfind(b"\n") + 1].replace(b'"row": 2, "answer": "', b'"row": 2, "answer": "kept ')
        + b'{"row": 20000, "ans'
    )
    kept.write_bytes(marked)
    done = run(tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["i"] for line in found] == list(range(20_000))
    assert found[1]["answer"] == "kept delivery"
    assert all(line["answer"] == TARGETS[line["i"] % len(TEXTS)] for line in found if line["i"] != 1)
    assert not kept.exists()


@pytest.mark.slow
def test_what_a_kill_left_is_used_for_the_same_rows_alone(tmp_path):
    exported("majority", tmp_path / "out", rows=TEXTS[:2])
    (tmp_path / "a.csv").write_text("text\nx\n")
    (tmp_path / "b.csv.unfinished").write_text('{"rows": "other", "model": "other"}\n')
    done = run(tmp_path / "out", "--in", "a.csv", "--out", "b.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "b.csv.unfinished is of other rows or another model; remove it, or name another --out\n",
    )  # fmt: skip


@pytest.mark.slow
def test_a_climbs_baseline_is_written_by_the_command(tmp_path, capsys):
    climb(world(tmp_path, 100, model=NEEDS_EXAMPLES, ladder=["baseline"]), tmp_path / "run")
    assert verb.export(tmp_path / "run", "baseline", None, None, None, True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["form"] == "baseline"
    assert "alone under `python -I`, gave the measured answer to" in told["said"]
    held = json.loads((Path(told["out"]) / "model.json").read_text())
    assert run(Path(told["out"]), "any text").stdout == held["answer"] + "\n"


def test_number_formats_belong_to_weights(tmp_path):
    import asyncio

    candidate = Candidate("baseline", "majority", LEARNED["majority"], None, ())
    with pytest.raises(RungError, match="a baseline is exported as it was measured, in float64"):
        asyncio.run(baseline.form.write(None, "baseline", candidate, tmp_path, "float16"))
