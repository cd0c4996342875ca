"""A run folder that somebody else made: nothing in it leads a writer out of it, and what is written is for its owner."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rung.cli import app
from rung.engine.start import start
from rung.errors import IntegrityError, RungError
from rung.progress import Silent
from rung.report.load import load_report
from rung.report.page import write_page
from rung.run import Run
from rung.store.archive import readable_answers
from rung.store.cache import AnswerCache
from rung.store.folder import append_line, locked, open_to_others, part_of, write_atomic
from rung.store.given import keep_given, root_of
from rung.store.run import RunFolder
from rung.store.tuned import TunedRecord
from tests.unit._run_folder import LADDER, build
from tests.unit._worlds import world

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")

NAMES = (  # every kind of file that is read or written by its name
    "run.json", "events.jsonl", "report.html", ".report.html.part", ".lock", "ledger.sqlite", "ledger.sqlite-wal",
    "findings.json", "verdict.json", "spend.json", "told.json", "parts/test.jsonl", "rungs/prompt/result.json",
    "rungs/prompt/.result.json.part", "labels/labels.jsonl", "exports/prompt-prompt/ask.py", "given/0.jsonl", "tuned/x/w",
)  # fmt: skip
THINGS = ("link to a file", "link to nothing", "link to a folder", "pipe")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return build(tmp_path_factory.mktemp("first") / "run", LADDER[:1], sizes=(20, 10, 20)).path


@pytest.fixture
def made(first, tmp_path):
    return RunFolder(Path(shutil.copytree(first, tmp_path / "run")))


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def put(place: Path, thing: str, outside: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if thing == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to({"link to a file": outside / "mine", "link to nothing": outside / "new"}.get(thing, outside))


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_plain_file_is_refused_by_its_name_and_leads_nowhere(tmp_path, made, name, thing):
    outside = tmp_path / "home"
    outside.mkdir()
    (outside / "mine").write_text("precious")
    put(made.path / name, thing, outside)
    for opened in (RunFolder.open, RunFolder.create):
        with pytest.raises(IntegrityError, match="a run folder holds plain files and folders only") as told:
            opened(made.path)
        assert str(made.path / name) in str(told.value)
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"mine": "precious"}


def test_a_folder_that_is_a_link_inside_is_refused_too(tmp_path, made):
    outside = tmp_path / "home"
    outside.mkdir()
    (made.path / "exports").symlink_to(outside, target_is_directory=True)
    with pytest.raises(IntegrityError, match=r"exports is a link to .*home"):
        RunFolder.open(made.path)


def test_the_run_folder_itself_may_be_reached_by_a_link(tmp_path, made):
    (tmp_path / "runs").symlink_to(made.path, target_is_directory=True)
    assert RunFolder.open(tmp_path / "runs").planned == made.planned


def test_given_rows_and_their_root_are_not_read_through_links(tmp_path, made):
    (made.path / "given").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(IntegrityError, match="given is a link"):
        keep_given(made.path, "{}\n")
    with pytest.raises(IntegrityError, match="given is a link"):
        root_of(made.path)


def test_writers_follow_no_link_even_where_nobody_looked(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    for name in ("report.html", ".report.html.part", "events.jsonl"):
        (tmp_path / name).symlink_to(mine)
    write_atomic(tmp_path / "report.html", b"page")
    assert mine.read_text() == "precious"
    assert (tmp_path / "report.html").read_bytes() == b"page"
    assert not (tmp_path / "report.html").is_symlink()
    with pytest.raises(Exception, match=r"events\.jsonl"):
        append_line(tmp_path / "events.jsonl", {})
    assert mine.read_text() == "precious"


def test_no_name_of_a_half_written_file_is_used_twice(tmp_path):
    names = {part_of(tmp_path / "report.html") for _ in range(100)}
    assert len(names) == 100
    assert part_of(tmp_path / ("x" * 250)).name.endswith(".part")
    assert len(part_of(tmp_path / ("x" * 250)).name) < 60


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_report_has_the_mode_that_its_user_gives_to_what_he_shares(made, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        written = [write_page(made), Run(made.path).report(tmp_path / "r.md"), tmp_path / "r.csv"]
        app(["report", str(made.path), "--format", "csv", "--output", str(written[2])], standalone_mode=False)
    finally:
        os.umask(before)
    assert [p.stat().st_mode & 0o777 for p in written] == [mode] * 3


def test_everything_in_a_run_folder_is_its_owners_alone(made):
    write_page(made)
    made.event("tried")
    with locked(made):
        pass
    TunedRecord(made.path).write("tuned/a/step-1", lambda place: (place / "w").write_bytes(b"1"))
    open_files = [
        str(p)
        for p in made.path.rglob("*")
        if p.is_file() and p.stat().st_mode & 0o077 and p.name not in ("w", "report.html")
    ]
    assert open_files == []
    assert (made.path / "tuned/a/step-1").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("mode", "said"), [(0o755, "may look into"), (0o777, "may change"), (0o700, None)])
def test_a_folder_that_others_may_enter_is_told(tmp_path, mode, said):
    config, folder = world(tmp_path, 30), tmp_path / "run"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")  # an empty one is closed without a word
    folder.chmod(mode)
    progress = Told()
    start(folder, config, progress)
    assert [line for line in progress.lines if "chmod 700" in line] == ([open_to_others(folder)] if said else [])
    assert said is None or said in progress.lines[0]


def test_what_a_killed_process_left_is_swept_and_what_others_write_is_not(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    chance = f"{random.getrandbits(64):016x}"
    (run.path / "rungs").mkdir()
    left, alive = run.path / "rungs" / f".{gone.pid}-{chance}.part", run.path / f".{os.getppid()}-{chance}.part"
    left.write_text("half")
    alive.write_text("half")
    tree = run.path / f".{gone.pid}-{chance}.part"
    tree.mkdir()
    (tree / "weights").write_text("half")
    with locked(run):
        assert not left.exists()
        assert not tree.exists()
        assert alive.exists()


def test_a_long_list_of_events_is_appended_to_whatever_its_end(tmp_path):
    place = tmp_path / "events.jsonl"
    append_line(place, {"n": 1})
    with place.open("a") as file:
        file.write('{"torn')
    append_line(place, {"n": 2})
    lines = place.read_text().splitlines()
    assert [json.loads(lines[0]), json.loads(lines[2])] == [{"n": 1}, {"n": 2}]
    assert place.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_second_name_is_replaced_or_refused_and_never_written_through(tmp_path, made, name):
    mine = tmp_path / "mine"
    place = made.path / name
    place.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(place.read_bytes() if place.exists() else b"precious")
    before = mine.read_bytes()
    place.unlink(missing_ok=True)
    os.link(mine, place)
    run = RunFolder.create(made.path)
    for write in (
        lambda: run.event("x"),
        lambda: run.save("verdict.json", None, object),
        lambda: write_atomic(place, b"new"),
        lambda: AnswerCache.open_in(made.path).close(),
        lambda: locked(run).__enter__(),
    ):
        with contextlib.suppress(IntegrityError):
            write()
    assert mine.read_bytes() == before


def test_an_archive_made_of_second_names_can_be_looked_at(tmp_path, first):
    subprocess.run(["cp", "-al", str(first), str(tmp_path / "backup")], check=True)
    archive = tmp_path / "backup"
    assert load_report(RunFolder.open(archive)).task.name
    AnswerCache.open_in(first).close()
    os.link(first / "ledger.sqlite", archive / "ledger.sqlite")
    with readable_answers(archive) as place:
        assert place != archive
        AnswerCache.open_in(place).close()


def test_a_folder_that_is_no_run_is_not_looked_through(tmp_path, monkeypatch):
    """`rung report /` went over the whole disk, and then spoke of a link that it found there."""
    (tmp_path / "away").symlink_to(tmp_path)
    monkeypatch.setattr("rung.store.run.refuse_links", lambda folder: pytest.fail("looked through"))
    with pytest.raises(RungError, match="is not a run folder"):
        RunFolder.open(tmp_path)
