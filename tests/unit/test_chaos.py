"""The short form of `make chaos`: ten kills of whole climbs and one trouble of each kind; and that the suite sees what it is for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and waits by pidfd")
WORLD = "tickets"


@pytest.mark.slow
def test_climbs_that_are_killed_starved_or_damaged_lose_nothing_and_find_the_same(tmp_path):
    words = [sys.executable, "-m", "bench.chaos", "--short", "--work", str(tmp_path)]
    done = subprocess.run(words, text=True, capture_output=True, timeout=3000, check=False)
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(r["case"], w) for r in results for w in r["wrong"]] == [], done.stdout
    assert done.returncode == 0, done.stderr
    assert sum(r["kills"] for r in results) >= 10
    assert sum(r["lost"] for r in results) == 0
    assert sum(r["tried"] for r in results) >= 8
    assert sum(r["refused"] for r in results) >= 4  # the troubles are met, and told


def test_what_is_not_as_documented_is_seen():
    from bench.chaos.case import Told, killed, said_well
    from bench.chaos.command import Ended, Point

    def wrong(ended, point=None):
        told = Told("x")
        if point is None:
            said_well(told, ended, "it")
        else:
            killed(told, ended, point)
        return [w.split(": ")[1] if point is None else w for w in told.wrong]

    fine = "rung: the disk is full: free some space"
    assert wrong(Ended(4, "", fine, True)) == []
    assert wrong(Ended(5, "", fine, True)) == ["exit code 5"]
    assert wrong(Ended(-11, "", "", True)) == ["exit code -11"]
    assert wrong(Ended(4, "", "", True)) == ["ends with 4 and says nothing"]
    assert wrong(Ended(4, "", "Traceback\n" + fine, True)) == ["a traceback"]
    assert wrong(Ended(2, "", "rung: the cache is damaged; delete it", True)) == ["an advice that may lose answers"]
    term = Point("asking", 1, signal.SIGTERM)
    assert wrong(Ended(4, "", "rung: interrupted; all is kept", True, 1.0), term) == []
    assert wrong(Ended(4, "", "rung: interrupted; all is kept", True, 4.0), term) == ["took 4.0 s to end after SIGTERM"]
    assert wrong(Ended(-9, "", "", True), Point("asking", 1)) == []
    assert len(wrong(Ended(2, "", fine, True), Point("asking", 1))) == 1


def test_every_signal_of_the_schedule_is_sent_however_early_a_climb_is_done(tmp_path, monkeypatch):
    """A climb that is done before its next point leaves the rest to a fresh one."""
    from bench.chaos import kills
    from bench.chaos.case import Base
    from bench.chaos.command import Ended

    base = Base(WORLD, tmp_path, 0, 0, {}, {"asking": 900})
    begun, sent, checked = [], [], []

    def run(words, root, point=None):
        met = point is not None and len(sent) < 2 * len(begun)  # each climb can be ended twice
        sent.extend([point.signal] if met else [])
        return Ended(-signal.SIGQUIT if met else 0, "", "", met)

    monkeypatch.setattr(kills, "run", run)
    monkeypatch.setattr(kills, "fresh", lambda *_: begun.append(1) or (None, tmp_path))
    monkeypatch.setattr(kills, "endpoint", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(kills, "equal_at_last", lambda *_: None)
    monkeypatch.setattr(kills, "paid_once", lambda told, root, stub, ends: checked.append(ends))
    told = kills.climbs_ended(tmp_path, base, "asking", [int(signal.SIGQUIT)] * 5, 1)
    assert (told.signals, told.wrong, len(begun), checked) == (5, [], 3, [2, 2, 1])
    monkeypatch.setattr(kills, "run", lambda *_: Ended(0, "", "", False))
    assert kills.climbs_ended(tmp_path, base, "asking", [3], 1).wrong == ["a fresh climb was not ended by signal 3"]


def test_the_schedule_sends_each_signal_and_ends_each_stage_ten_times(tmp_path, monkeypatch):
    from bench.chaos import kills
    from bench.chaos.__main__ import LONG, cases

    sent = Counter()
    monkeypatch.setattr(
        kills, "climbs_ended", lambda w, b, stage, signals, s: sent.update([stage] * len(signals) + signals)
    )
    monkeypatch.setattr(kills, "commands_ended", lambda w, b, stage, ends, s: sent.update([stage] * ends))
    for name, _, do in cases(tmp_path, 1, False):
        if name.startswith(("kill ", "SIG")):
            do(None)
    assert min(sent[int(each)] for each in kills.SIGNALS) >= 10
    assert min(sent[stage] for stage in LONG) >= 10


def test_numbers_are_held_against_each_other_without_times_and_money():
    from bench.chaos.case import _differ, plain

    one = {"mean": 0.5, "latency_s": 1, "calls": [{"text": "a", "cost_usd": 1, "attempts": 2}]}
    other = {"mean": 0.5, "latency_s": 2, "calls": [{"text": "a", "cost_usd": 2, "attempts": 1}]}
    assert plain(one) == plain(other) == {"mean": 0.5, "calls": [{"text": "a"}]}
    other["calls"][0]["text"] = "b"
    assert _differ(plain(one), plain(other)) == ".calls[0].text: a is b"


def test_every_way_of_damage_changes_the_file(tmp_path):
    import sqlite3

    from bench.chaos.damage import JSON, SQLITE

    for way, damage in SQLITE.items():
        if "its -wal" in way:
            continue
        folder = tmp_path / way
        folder.mkdir()
        with sqlite3.connect(folder / "x") as made:
            made.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, text BLOB, latency_s REAL, attempts INTEGER)")
            made.executemany(
                "INSERT INTO answers VALUES (?, ?, 1.0, 1)", [(os.urandom(32), b"x" * 900) for _ in range(60)]
            )
        made.close()
        before = (folder / "x").read_bytes()
        damage(folder / "x")
        now = (folder / "x").read_bytes() if (folder / "x").is_file() and not (folder / "x").is_symlink() else None
        assert now != before or len(list(folder.iterdir())) > 1, way
    for way, damage in JSON.items():
        path = tmp_path / "j.json"
        if path.is_dir():
            path.rmdir()
        path.write_text(json.dumps({"name": "eel", "n": [1, 2.5], "more": "x" * 40}))
        before = path.read_bytes()
        damage(path)
        assert not path.is_file() or path.read_bytes() != before, way
