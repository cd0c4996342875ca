"""What a verdict rests on besides numbers: the configuration, the rows, the stored answers; also where nothing may be written."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

from rung.engine.verify import verify
from rung.ladder import climb
from rung.store.run import RunFolder
from tests.unit._worlds import NEEDS_EXAMPLES, world


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("archived")
    config = world(root, 120, model=NEEDS_EXAMPLES, stop_early=False, ladder=[{"prompt": {"rewrites": False}}])
    climb(config, root / "run")
    return config, root / "run"


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


def differing(folder):
    return {c.what: c.differs for c in verify(folder) if not c.passed}


CONFIG = "configuration as the run began with it"


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("path", "value", "noticed"),
    [
        (("volume", "requests_per_month"), 7, {CONFIG}),
        (("models", "main", "name"), "another", {CONFIG}),
        (("split", "seed"), 12345, {CONFIG}),
        (("task", "goal"), 0.1, {CONFIG, "task as the configuration tells it"}),
        (("task", "instruction"), "Another.", {CONFIG, "task as the configuration tells it"}),
        (("ladder",), ["baseline"], {CONFIG, "planned approaches"}),
    ],
)
def test_an_edited_configuration_is_noticed(folder, path, value, noticed):
    head = folder.facts
    place = head["config"]
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place
    place[path[-1]] = value
    folder.write("run.json", head)
    assert noticed <= set(differing(folder))


def test_an_edited_task_and_another_plan_are_noticed(folder):
    head = folder.facts
    folder.write("run.json", {**head, "task": {**head["task"], "goal": 0.2}})
    assert "task as the configuration tells it" in differing(folder)
    folder.write("run.json", {**head, "planned": ["baseline", *head["planned"]]})
    assert "planned approaches" in differing(folder)


@pytest.mark.parametrize("part", ["train", "dev"])
def test_an_edited_row_of_any_part_is_noticed(folder, part):
    place = folder.path / f"parts/{part}.jsonl"
    lines = place.read_text().splitlines()
    row = json.loads(lines[0])
    row["target"] = "returns"
    place.write_text(
        "\n".join([json.dumps(row | {"target": "returns" if "returns" not in lines[0] else "billing"}), *lines[1:]])
        + "\n"
    )
    said = differing(folder)["frozen training and dev examples against the manifest"]
    assert f"{part}.jsonl is not what was frozen" in said


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET text = 'billing' WHERE rowid = 3",
        "UPDATE answers SET cost_usd = 0 WHERE rowid = 3",
        "DELETE FROM answers WHERE rowid = 3",
        "UPDATE answers SET input_tokens = 1 WHERE rowid = 1",
    ],
)
def test_changed_answers_are_noticed(folder, change):
    with contextlib.closing(sqlite3.connect(folder.path / "ledger.sqlite")) as ledger:
        ledger.execute(change)
        ledger.commit()
    assert differing(folder) == {"stored answers": "they are not those of the verdict"}


def test_further_answers_change_nothing_and_missing_ones_do(folder):
    with contextlib.closing(sqlite3.connect(folder.path / "ledger.sqlite")) as ledger:
        names = [row[1] for row in ledger.execute("PRAGMA table_info(answers)")]
        others = ", ".join(n for n in names if n != "key")
        ledger.execute(f"INSERT INTO answers (key, {others}) SELECT x'00ff', {others} FROM answers WHERE rowid = 1")
        ledger.commit()
    assert differing(folder) == {}
    for file in folder.path.glob("ledger.sqlite*"):
        file.unlink()
    assert differing(folder) == {"stored answers": "they are not in the folder any more"}


@pytest.fixture
def archive(folder):
    """The folder where nobody can write: by its modes, or by a mount for root, whom modes do not stop."""
    if os.geteuid() == 0:
        for words in (["--bind", str(folder.path), str(folder.path)], ["-o", "remount,ro,bind", str(folder.path)]):
            if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
                pytest.skip("nothing can be mounted here")
    else:
        for place in (*folder.path.rglob("*"), folder.path):
            place.chmod(0o500 if place.is_dir() else 0o400)
    yield folder
    if os.geteuid() == 0:
        subprocess.run(["umount", str(folder.path)], check=True)
    else:
        for place in (folder.path, *folder.path.rglob("*")):
            place.chmod(0o700)


def test_an_archive_that_nobody_may_write_is_verified_and_stays_as_it_is(archive):
    before = {p: p.read_bytes() for p in archive.path.rglob("*") if p.is_file()}
    checks = verify(archive)
    assert all(c.passed for c in checks)
    assert "stored answers" in {c.what for c in checks}
    assert {p: p.read_bytes() for p in archive.path.rglob("*") if p.is_file()} == before


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["result.json", "outcomes.jsonl", "written.json"])
def test_a_resumed_climb_believes_no_edited_result(finished, tmp_path, name):
    config, first = finished
    shutil.copytree(first, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    place = run.path / "rungs/prompt" / name
    if name == "result.json":
        result = json.loads(place.read_text())
        result["quality"] |= {"status": "meets", "value": 0.99, "lower": 0.98}
        place.write_text(json.dumps(result))
    elif name == "outcomes.jsonl":
        lines = [json.loads(line) for line in place.read_text().splitlines()]
        for line in lines:
            line["scores"]["normalized_match"]["value"] = 1.0
        place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        place.unlink()
    again = climb(config, run.path)
    before = RunFolder.open(first)
    assert again.results["prompt"].quality == before.rung("prompt").result.need().quality
    assert again.verdict == before.verdict.need()
    assert run.spend.need()["calls"] == before.spend.need()["calls"]  # nothing was asked again
    assert all(c.passed for c in verify(run))
