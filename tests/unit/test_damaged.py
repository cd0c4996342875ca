"""Run folders that were damaged: a sentence that names the file, a documented exit code, and no paid answer given up."""

import json
import random
import shutil
from pathlib import Path

import pytest

from rung.decide.across import across
from rung.engine.sides import side
from rung.engine.verify import verify
from rung.errors import RungError
from rung.ladder import climb
from rung.report.forms import Format, rendered
from rung.store.run import RunFolder
from tests.unit._worlds import world

WAYS = {
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "no UTF-8": lambda data: data[:20] + b"\xff\xfe" + data[20:],
    "a list": lambda data: b"[]\n",
    "a list of lists": lambda data: b"[[[]]]\n",
    "null": lambda data: b"null\n",
    "a number": lambda data: b"17\n",
    "text": lambda data: b'"text"\n',
    "another object": lambda data: b'{"a": 1}\n',
    "zeros": lambda data: bytes(len(data)),
    "thousand brackets": lambda data: b"[" * 100_000,
    "a long number": lambda data: b"9" * 10_000,
    "other types": lambda data: data.replace(b":", b":[[", 1).replace(b",", b"]],", 1),
    "one letter": lambda data: data.replace(b"e", b"\x00", 1),
    "a field less": lambda data: each_line(
        data, lambda found: dict(list(found.items())[1:]) if isinstance(found, dict) else found
    ),
    "texts for numbers": lambda data: each_line(data, numbers_as_texts),
}


def numbers_as_texts(value):
    if isinstance(value, dict):
        return {k: numbers_as_texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers_as_texts(v) for v in value]
    return f"x{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def each_line(data: bytes, change) -> bytes:
    try:
        return json.dumps(change(json.loads(data))).encode()
    except json.JSONDecodeError:
        return b"".join(json.dumps(change(json.loads(line))).encode() + b"\n" for line in data.splitlines())


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("climbed")
    config = world(root, 90, ladder=["baseline", "prompt"], diagnosis={"calls": 0}, task={"goal": 0.5})
    climb(config, root / "run")
    return config, root / "run"


def files(folder: Path) -> list[str]:
    kept = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(f for f in kept if f.endswith((".json", ".jsonl")))


def readers(run: Path):
    yield "report", lambda: [rendered(RunFolder.open(run), form) for form in Format]
    yield "verify", lambda: verify(RunFolder.open(run))
    yield "compare", lambda: across(side(f"{run}:baseline"), side(f"{run}:prompt"))


def heard(read, what: str) -> str | None:
    """Return the sentence with which reading ended, None where it went well; anything but a sentence fails the test."""
    try:
        read()
    except RungError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error
    return None


QUICK = ("torn",)  # each way is tried on each of some thirty files


@pytest.mark.slow
@pytest.mark.parametrize("way", [w if w in QUICK else pytest.param(w, marks=pytest.mark.slow) for w in WAYS])
def test_whatever_reads_a_damaged_file_says_so_in_a_sentence(climbed, tmp_path, way):
    _, first = climbed
    told = 0
    for name in files(first):
        run = tmp_path / name.replace("/", "_")
        shutil.copytree(first, run)
        (run / name).write_bytes(WAYS[way]((run / name).read_bytes()))
        for verb, read in readers(run):
            said = heard(read, f"{verb} of a run whose {name} is {way}")
            if said is not None:
                told += 1
                assert "run folder" not in said.split("; ")[-1], (name, verb)
                assert str(run) in said or "no example has a score" in said, (name, verb, said)
    assert told > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.json", "findings.json", "rungs/prompt/result.json", "rungs/prompt/outcomes.jsonl",
                                  "rungs/prompt/fit.json", "parts/manifest.json", "spend.json", "verdict.json"])  # fmt: skip
def test_a_damaged_file_that_is_moved_away_is_made_anew_and_nothing_is_paid_again(climbed, tmp_path, name):
    config, first = climbed
    run = tmp_path / "run"
    shutil.copytree(first, run)
    (run / name).unlink()
    again = climb(config, run)
    before = RunFolder.open(first)
    assert again.verdict == before.verdict.need()
    assert again.results["prompt"].quality == before.rung("prompt").result.need().quality
    assert RunFolder.open(run).spend.need()["calls"] == before.spend.need()["calls"]
    assert all(check.passed for check in verify(RunFolder.open(run)))


@pytest.mark.slow
def test_random_bytes_in_random_files_never_end_in_a_traceback(climbed, tmp_path):
    _, first = climbed
    draw = random.Random(5)
    names = files(first)
    for attempt in range(60):
        run = tmp_path / str(attempt)
        shutil.copytree(first, run)
        place = run / draw.choice(names)
        data = bytearray(place.read_bytes())
        for _ in range(draw.choice((1, 3, 30))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        place.write_bytes(bytes(data))
        for verb, read in readers(run):
            heard(read, f"{verb} after {attempt} in {place.name}")
