"""The run folder: atomic, locked, refusing what it does not know."""

import errno
import json
import subprocess
import sys

import pytest

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.store.folder import SCHEMA, RunFolder, disk_errors, locked
from rung.types import Estimate


def test_data_survive_a_round_trip_exactly(tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    rows = (Estimate(0.1 + 0.2, 1 / 3, 0.9, 7, "wilson"), Estimate(None, 0.0, 1.0, 3, "wilson"))
    folder.save_rows("x/rows.jsonl", rows, Estimate)
    assert folder.load_rows("x/rows.jsonl", Estimate) == rows
    assert ((tmp_path / "run").stat().st_mode & 0o777) == 0o700
    assert ((tmp_path / "run/x/rows.jsonl").stat().st_mode & 0o777) == 0o600


def test_damaged_or_missing_files_are_named(tmp_path):
    folder = RunFolder.create(tmp_path)
    (tmp_path / "a.json").write_text('{"mean": ')
    with pytest.raises(IntegrityError, match=r"a\.json is damaged at line 1"):
        folder.read("a.json")
    with pytest.raises(IntegrityError, match=r"b\.json is missing from the run"):
        folder.load("b.json", Estimate)
    (tmp_path / "a.json").write_text('{"mean": "high"}')
    with pytest.raises(IntegrityError, match="stored data is damaged at mean"):
        folder.load("a.json", Estimate)


def test_no_run_and_newer_run_are_refused(tmp_path):
    with pytest.raises(RungError, match=r"is not a run folder \(no run\.json\)"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": SCHEMA + 1}))
    with pytest.raises(NewerFolder, match="was written by a newer rung"):
        RunFolder.open(tmp_path)


def test_two_climbs_in_one_folder(tmp_path):
    folder = RunFolder.create(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from rung.store.folder import RunFolder, locked\n"
        "with locked(RunFolder(Path(sys.argv[1]))):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FolderBusy, match="another climb is at work"), locked(folder):
            pass
        other.stdin.close()
    with locked(folder):
        pass


def test_events_are_appended_and_a_torn_line_is_left_out(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.event("one", rows=2)
    folder.event("two")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "thr')
    assert [e["event"] for e in folder.events()] == ["one", "two"]
    folder.event("four")
    assert [e["event"] for e in folder.events()] == ["one", "two", "four"]


def test_full_and_read_only_disks_say_what_to_do(tmp_path):
    with pytest.raises(Interrupted, match="the disk is full .* run the same command again"), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RungError, match="choose a folder you may write"), disk_errors(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_one_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("n" * 300)):
        with pytest.raises(RungError, match="cannot make .*; choose a folder you may write with --folder"):
            RunFolder.create(place)


def test_a_failed_write_leaves_the_old_content(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.write("a.json", {"old": 1})
    with pytest.raises(TypeError):
        folder.write("a.json", {"new": object()})
    assert folder.read("a.json") == {"old": 1}
