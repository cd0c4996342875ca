"""Every hostile file as examples and as a document: rows, or one sentence with its name; quick, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from rung.invisible import visible
from tests.hostile import _checks as held
from tests.hostile.files import _MADE, build, harmless

pytestmark = pytest.mark.slow


LONGEST_S = 15.0  # of computing for any file: the longest is read to the bound of what an archive may unpack to


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the command line said of each file: (file, what it did with it)."""
    root = tmp_path_factory.mktemp("files")
    files = build(root / "files")
    asked = json.dumps([(file.use, str(file.path)) for file in files])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile._reader", str(root / "work")], input=asked, capture_output=True, text=True, check=False
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(files), (
        f"the reader died at {files[len(answers)]} after {time.monotonic() - began:.0f} s: {done.stderr[-800:]}"
    )
    return root, {
        (file.use, file.path.name): (file, answer["did"]) for file, answer in zip(files, answers, strict=True)
    }


def test_there_are_as_many_as_it_is_said():
    assert len(_MADE) >= 60
    assert len({idea for idea, _, _ in _MADE.values()}) >= 60


@pytest.mark.parametrize(("use", "name"), _MADE, ids=[ascii(f"{use} {name}") for use, name in _MADE])
def test_a_hostile_file_is_read_or_refused_in_a_sentence(told, use, name):
    _, found = told
    if (use, name) not in found:
        pytest.skip(f"{_MADE[use, name][2]} is not installed")
    file, did = found[use, name]
    for step in did:
        said = step["said"]
        assert step["code"] in (0, 1, 2), (file.idea, step["code"], said[-600:])
        assert step["cpu_s"] < LONGEST_S * step["pace"], file.idea
        assert "Traceback" not in said
        assert "internal error" not in said
        assert held.obeyed(said) == set()
        assert "root:" not in said, "a file of the machine was read"
        if step["code"] == 2:
            last = said.strip().splitlines()[-1]
            assert len(last) < 2_000, "a sentence, no listing of the file"
            names = (visible(name, kept="")[:10], ascii(name)[1:9], file.path.parent.name)  # of documents: their folder
            assert any(said_name in said for said_name in names), last


def test_nothing_ran_and_nothing_was_written_beside_the_files(told):
    root, found = told
    assert not list(root.rglob("RAN"))
    for file, _ in found.values():
        assert [p.name for p in file.path.parent.iterdir()] == [file.path.name]


def test_what_is_no_plain_file_was_never_opened(told):
    _, found = told
    special = [(file, did) for file, did in found.values() if not harmless(file.path) and file.use == "rows"]
    assert len(special) > 8
    assert [file.path.name for file, did in special if did[0]["code"] == 0] == []
