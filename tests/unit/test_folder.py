"""The run folder: atomic, locked, refusing what it does not know."""

import errno
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rung.errors import FolderBusy, IntegrityError, Interrupted, NewerFolder, RungError
from rung.store.folder import at_work, disk_errors, from_json, locked, to_json, write_atomic
from rung.store.run import SCHEMA, RunFolder
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
    with pytest.raises(IntegrityError, match=r"a\.json is damaged at mean"):
        folder.load("a.json", Estimate)


def test_no_run_and_newer_run_are_refused(tmp_path):
    with pytest.raises(RungError, match=r"is not a run folder \(no run\.json\)"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": SCHEMA + 1}))
    with pytest.raises(NewerFolder, match="was written by a newer rung"):
        RunFolder.open(tmp_path)


def test_a_run_of_an_older_version_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"schema": SCHEMA - 1, "planned": ["prompt"]}))
    with pytest.raises(
        RungError, match=r"was written by an older rung \(folder schema 1, this version reads 2\); climb again"
    ):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"schema": ', r"run\.json is damaged at line 1: .*; restore it from a copy, or move that one file away"),
        (b'{"schema": "\xff"}', r"run\.json is damaged at byte 12: it is no UTF-8; restore it from a copy"),
        (b"{}", r"run\.json is damaged: it names no schema of the folder; restore it from a copy"),
        (b'{"schema": "1"}', r"run\.json is damaged: it names no schema of the folder; restore it from a copy"),
        (b"[]", r"run\.json is damaged: it holds no object; restore it from a copy"),
    ],
    ids=["torn", "no UTF-8", "no schema", "a schema that is no number", "no object"],
)
def test_a_damaged_head_is_named(tmp_path, content, message):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=message):
        RunFolder.open(tmp_path)


def test_each_kept_thing_names_its_file_when_it_is_damaged_or_missing(tmp_path):
    run = RunFolder.create(tmp_path)
    run.note(schema=SCHEMA, planned=["prompt"], task={"name": 3})
    with pytest.raises(IntegrityError, match=r"run\.json, task, is damaged at name: .*valid string"):
        _ = run.task
    assert run.verdict.get() is None
    with pytest.raises(IntegrityError, match=r"verdict\.json is missing from the run; run `rung climb` again"):
        run.verdict.need()
    record = run.rung("prompt")
    record.path.mkdir(parents=True)
    record.dev.where.write_text('{"example_id": "a", "group": "a", "answer": null, "scores": null}\n')
    with pytest.raises(
        IntegrityError, match=r"rungs/prompt/dev\.jsonl, line 1 is damaged at its start: .*scores or a failure"
    ):
        record.dev.get()


@pytest.mark.slow
def test_two_climbs_in_one_folder(tmp_path):
    folder = RunFolder.create(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from rung.store.folder import locked; "
        "from rung.store.run import RunFolder\n"
        "with locked(RunFolder(Path(sys.argv[1]))):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        assert at_work(folder)
        with pytest.raises(FolderBusy, match="another run is at work"), locked(folder):
            pass
        other.kill()  # it has no time to give anything back
        other.communicate()
    assert (tmp_path / ".lock").exists()
    assert not at_work(folder)
    with locked(folder), pytest.raises(FolderBusy, match="another run is at work"), locked(folder):
        pass
    with locked(folder):  # the refused one took nothing away
        assert at_work(folder)


def test_a_datum_of_another_shape_is_written_as_it_is_and_refused_when_read():
    assert to_json("many", int) == b'"many"'  # a warning would end the test
    with pytest.raises(IntegrityError, match="stored data"):
        from_json(to_json("many", int), int)
    assert from_json(to_json(0.1 + 0.2, float), float) == 0.1 + 0.2


def test_a_folder_may_be_given_back_by_another_thread_than_took_it(tmp_path):
    folder, held = RunFolder.create(tmp_path), locked(RunFolder.create(tmp_path))
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        one.submit(held.__enter__).result()
        assert at_work(folder)
        other.submit(held.__exit__, None, None, None).result()
    assert not at_work(folder)


def test_a_lock_that_cannot_be_opened_is_held_by_nobody(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")  # a lock is never taken through a link
    assert not at_work(RunFolder(tmp_path))


def test_looking_at_a_folder_that_nobody_ever_held_leaves_nothing_in_it(tmp_path):
    assert not at_work(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_two_who_look_at_the_lock_do_not_take_each_other_for_a_climb(tmp_path):
    folder = RunFolder.create(tmp_path)
    with locked(folder):
        pass
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: at_work(folder), range(40)))


def test_events_are_appended_and_a_torn_line_is_left_out(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.event("one", rows=2)
    folder.event("two")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('null\n{"event": "thr')
    assert [e["event"] for e in folder.events()] == ["one", "two"]
    folder.event("four")
    assert [e["event"] for e in folder.events()] == ["one", "two", "four"]


def test_full_and_read_only_disks_say_what_to_do(tmp_path):
    with pytest.raises(Interrupted, match="the disk is full .* run the same command again"), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RungError, match="choose a run folder that you may write"), disk_errors(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_one_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("n" * 300)):
        with pytest.raises(RungError, match="cannot make .*; choose a run folder that you may write"):
            RunFolder.create(place)


def test_a_failed_write_leaves_the_old_content(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.write("a.json", {"old": 1})
    with pytest.raises(TypeError):
        folder.write("a.json", {"new": object()})
    assert folder.read("a.json") == {"old": 1}


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, Interrupted, "the disk is full while writing X; everything answered so far is kept"),
        (errno.EDQUOT, Interrupted, "the disk is full while writing X"),
        (errno.EIO, Interrupted, "the disk failed while writing X; everything answered so far is kept"),
        (errno.EACCES, RungError, "cannot write X: said so; choose a run folder that you may write"),
        (errno.EROFS, RungError, "cannot write X"),
        (errno.EPERM, RungError, "cannot write X"),
        (errno.EEXIST, RungError, "cannot make X: said so; choose a run folder that you may write"),
        (errno.ENOTDIR, RungError, "cannot make X"),
        (errno.EISDIR, RungError, "cannot make X"),
        (errno.ENAMETOOLONG, RungError, "cannot make X"),
        (errno.ELOOP, RungError, "cannot make X"),
    ],
)
def test_each_trouble_of_a_disk_has_its_meaning(number, kind, says):
    with pytest.raises(RungError) as caught, disk_errors(Path("X")):
        raise OSError(number, "said so")
    assert type(caught.value) is kind
    assert str(caught.value).startswith(says)
    if "choose" in says:
        with pytest.raises(RungError, match="said so; go elsewhere"), disk_errors(Path("X"), "go elsewhere"):
            raise OSError(number, "said so")


def test_other_trouble_is_left_as_it_is():
    with pytest.raises(BlockingIOError), disk_errors(Path("X")):
        raise OSError(errno.EAGAIN, "said so")


def test_a_write_that_fails_half_way_leaves_no_part_behind(tmp_path):
    (tmp_path / "a.json").mkdir()
    (tmp_path / "a.json" / "held").touch()
    with pytest.raises(RungError, match=r"cannot (make|write)|Directory not empty"):
        write_atomic(tmp_path / "a.json", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    write_atomic(tmp_path / "new" / "deep" / "b.json", b"first and longer")
    write_atomic(tmp_path / "new" / "deep" / "b.json", b"second")
    assert (tmp_path / "new" / "deep" / "b.json").read_bytes() == b"second"
    assert [p.name for p in (tmp_path / "new" / "deep").iterdir()] == ["b.json"]


def test_a_folder_in_use_keeps_its_mode_and_an_empty_one_becomes_private(tmp_path):
    for name, mode in (("used", 0o755), ("empty", 0o700)):
        place = tmp_path / name
        place.mkdir(mode=0o755)
        place.chmod(0o755)
        if name == "used":
            (place / "x").touch()
        assert RunFolder.create(place).path == place
        assert place.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(("schema", "wrote"), [(SCHEMA, None), (0, "older"), (SCHEMA + 1, "newer")])
def test_the_number_of_the_schema_says_whether_a_run_can_be_read(tmp_path, schema, wrote):
    (tmp_path / "run.json").write_text(json.dumps({"schema": schema}))
    if wrote is None:
        assert RunFolder.open(tmp_path) == RunFolder(tmp_path)
        return
    said = rf"written by an? {wrote} rung \(folder schema {schema}, this version reads {SCHEMA}\)"
    with pytest.raises(RungError, match=said) as caught:
        RunFolder.open(tmp_path)
    assert isinstance(caught.value, NewerFolder) is (wrote == "newer")


def test_files_are_plain_text_that_people_can_read(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.write("a.json", {"name": "Zürich", "rows": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "name": "Zürich",\n "rows": [\n  1\n ]\n}\n'
    assert folder.has("a.json")
    assert not folder.has("b.json")
    (tmp_path / "dir").mkdir()
    assert not folder.has("dir")
    folder.save("e.json", Estimate(0.5, 0.25, 0.75, 4, "wilson"), Estimate)
    assert (tmp_path / "e.json").read_bytes().endswith(b"}\n")
    assert folder.load("e.json", Estimate) == Estimate(0.5, 0.25, 0.75, 4, "wilson")


def test_a_missing_file_field_or_line_is_named_with_what_to_do(tmp_path):
    folder = RunFolder.create(tmp_path)
    for read in (folder.read, lambda n: folder.load(n, Estimate), lambda n: folder.load_rows(n, Estimate)):
        with pytest.raises(
            IntegrityError, match=r"gone\.json is missing from the run; run `rung climb` again to write it"
        ):
            read("gone.json")
    folder.write("run.json", {"planned": ["prompt"]})
    assert folder.planned == ("prompt",)
    with pytest.raises(IntegrityError, match=r"run\.json has no 'task'; run `rung climb` again"):
        _ = folder.task
    with pytest.raises(IntegrityError, match="stored data is damaged at its start"):
        from_json(b"[]", Estimate)
    folder.save_rows("r.jsonl", [Estimate(0.5, 0.25, 0.75, n, "m") for n in (1, 2)], Estimate)
    (tmp_path / "r.jsonl").write_text((tmp_path / "r.jsonl").read_text().replace("\n", "\n\n"))
    assert [e.n for e in folder.load_rows("r.jsonl", Estimate)] == [1, 2]  # empty lines are no rows


def test_events_hold_time_name_and_fields_one_a_line(tmp_path):
    folder = RunFolder.create(tmp_path)
    assert folder.events() == ()
    folder.event("test_opened", why="Prüfung", rows=2)
    folder.event("two")
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert "Prüfung" in lines[0]
    first = folder.events()[0]
    assert {k: v for k, v in first.items() if k != "at"} == {"event": "test_opened", "why": "Prüfung", "rows": 2}
    at = datetime.fromisoformat(first["at"])
    assert (at.utcoffset(), at.microsecond) == (timedelta(0), 0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_a_folder_is_free_again_after_trouble_and_held_only_once(tmp_path):
    folder = RunFolder.create(tmp_path / "run")

    def fail():
        with locked(folder):
            assert at_work(folder)
            with pytest.raises(FolderBusy, match=r"at work in .*run; wait for it or choose another run folder"):
                locked(folder).__enter__()
            raise ValueError("inside")

    assert not at_work(folder)
    with pytest.raises(ValueError, match="inside"):
        fail()
    assert not at_work(folder)
    with locked(folder):
        pass


def test_two_writers_of_one_file_do_not_take_each_others_part_away(tmp_path):
    together = threading.Barrier(2)

    def write() -> None:
        together.wait()
        for _ in range(50):
            write_atomic(tmp_path / "rows.jsonl", b"{}\n")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write) for _ in range(2)]:
            done.result()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("held", ["{}", '{"train": 1, "dev": {}, "test": {}}'])
def test_a_manifest_that_names_no_part_is_damaged(tmp_path, held):
    parts = RunFolder.create(tmp_path).parts
    parts.path.mkdir()
    (parts.path / "manifest.json").write_text(held)
    with pytest.raises(IntegrityError, match="manifest.json is damaged at train: "):
        parts.manifest.need()
