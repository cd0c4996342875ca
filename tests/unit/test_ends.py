"""Models that are announced to end: what the table, rung.yaml and the endpoint say, and where it is told."""

from __future__ import annotations

import asyncio
import http.server
import json
import shutil
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import pytest

from rung import cli
from rung.engine.check import check
from rung.ladder import climb
from rung.models.ends import End, ends_of, ends_told, told_in
from rung.models.vendors import VENDORS
from rung.progress import Silent
from rung.report.load import load_report
from rung.store.run import RunFolder
from tests.unit._worlds import world

TODAY = datetime.now(UTC).date()
LINES = [json.loads(t) for t in files("rung.models").joinpath("ends.jsonl").read_text().splitlines()]
ELSEWHERE = {"provider": "openai", "name": "gpt-5", "base_url": "https://models.example.org/v1"}


def test_every_line_of_the_table_has_a_host_days_and_a_source_and_no_model_stands_twice():
    named = [(line["host"], model) for line in LINES for model in line["models"]]
    assert len(named) == len(set(named)) > 30
    for line in LINES:
        assert line.keys() == {"host", "models", "on", "source", "seen"}
        assert line["source"].startswith("https://")
        assert date.fromisoformat(line["seen"]) >= date(2026, 11, 30) > date(2020, 1, 1)
        assert date(2024, 1, 1) < date.fromisoformat(line["on"]) < date(2030, 1, 1)
    assert {h for h, _ in named} <= {host for v in VENDORS.values() for host in v.hosts} | {"api.mistral.ai"}


@pytest.mark.parametrize(
    ("entry", "on"),
    [
        ({"provider": "openai", "name": "gpt-5"}, "2026-12-11"),
        ({"provider": "openai", "name": "ft:gpt-4o-mini-2024-07-18:shop::a1"}, "2027-01-14"),
        ({"provider": "openai", "name": "gpt-6-luna"}, None),
        ({"provider": "anthropic", "name": "claude-sonnet-4-5-20250929"}, "2026-11-30"),
        ({"provider": "openai", "name": "claude-sonnet-4-5-20250929"}, None),  # another vendor's name
        ({"provider": "openai", "name": "mistral-large-2411", "base_url": "https://api.mistral.ai/v1"}, "2026-05-31"),
        (ELSEWHERE, None),  # a host that sets its own days
        ({"provider": "azure", "name": "gpt-5", "base_url": "https://shop.openai.azure.com"}, None),
        ({"provider": "fake", "name": "gpt-5"}, None),
        ({"provider": "openai", "name": "gpt-5", "retires": "2027-09-01"}, "2027-09-01"),  # the user's word wins
        ({"provider": "fake", "name": "own", "retires": date(2027, 9, 1)}, "2027-09-01"),
    ],
)
def test_a_model_is_known_by_its_name_at_its_own_host_alone(entry, on):
    found = ends_of({"main": entry})
    assert [end.on.isoformat() for end in found] == ([] if on is None else [on])
    for end in found:
        assert end.source == "rung.yaml" if "retires" in entry else ", seen on 2026-11-30" in end.source


@pytest.mark.parametrize(
    ("left", "soon", "words"), [(31, False, "in 31 days"), (30, True, "in 30 days"), (1, True, "tomorrow"), (0, True, "which has come"), (-9, True, "which has come")]
)  # fmt: skip
def test_days_are_counted_from_today(left, soon, words):
    end = End("main", "m", TODAY + timedelta(days=left), "rung.yaml")
    assert (end.soon(), end.today.endswith(words)) == (soon, True)


@pytest.mark.parametrize(
    ("entry", "on"),
    [
        ({"shutdown_date": "2026-12-11"}, date(2026, 12, 11)),
        ({"expiration_date": "2026-12-31"}, date(2026, 12, 31)),
        ({"deprecation": "2026-08-31T12:00:00Z"}, date(2026, 8, 31)),
        ({"shutdown_date": None, "deprecation": "soon"}, None),
        ({"expiration_date": 17, "deprecation": {"inference": 1}}, None),
        ({}, None),
    ],
)
def test_an_entry_of_a_list_of_models_tells_a_day_in_three_ways(entry, on):
    assert told_in(entry) == on


class Listing(http.server.BaseHTTPRequestHandler):
    body, asked = b"", []

    def do_GET(self):
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    server = http.server.HTTPServer(("127.0.0.1", 0), Listing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Listing.asked = []
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_the_endpoint_is_asked_with_its_key_and_what_it_does_not_tell_is_unknown(url, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "k-1")

    def told(**entry):
        main = {"provider": "openai", "name": "m", "base_url": url, "api_key_env": "KEY", **entry}
        return asyncio.run(ends_told(world(tmp_path, 60, models={"main": main}, ladder=["prompt"]), "main"))

    Listing.body = json.dumps({"data": [{"id": "m", "shutdown_date": "2027-03-01"}]}).encode()
    found = told()
    assert (found.on, found.source) == (date(2027, 3, 1), "told by 127.0.0.1")
    assert Listing.asked == [("/v1/models", "Bearer k-1")]
    assert told(name="other") is None
    assert told(retires="2027-09-01") is None  # the user's word wins, and nobody is asked
    assert len(Listing.asked) == 2
    Listing.body = b"<html>"
    assert told() is None
    assert told(base_url="http://127.0.0.1:1/v1") is None


# --- Where it is told


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("ends")
    climb(world(root, 200, ladder=["prompt"], diagnosis={"calls": 0}), root / "run")
    return root / "run"


def with_main(run, place, **entry):
    """Return a copy of the run whose stored model is another one."""
    copy = place / "run"
    shutil.copytree(run, copy)
    facts = json.loads((copy / "run.json").read_text())
    facts["config"]["models"]["main"] = entry
    (copy / "run.json").write_text(json.dumps(facts))
    return copy


def watched(folder, monkeypatch, capsys, *more):
    log = folder.parent / "log"
    line = {"at": "2026-01-05T10:00:00Z", "id": "1", "way": "/v1/predict", "approach": "prompt", "inputs": {"text": "a"}, "status": 200, "answer": "billing", "seconds": 0.1, "tokens": 3}  # fmt: skip
    log.write_text(json.dumps(line) + "\n")
    monkeypatch.setattr(sys, "argv", ["rung", "watch", str(folder), str(log), *more])
    capsys.readouterr()
    code = cli.run()
    return code, capsys.readouterr().out


def test_the_watch_alarms_so_many_days_ahead(run, tmp_path, monkeypatch, capsys):
    on = (TODAY + timedelta(days=20)).isoformat()
    folder = with_main(run, tmp_path, provider="fake", name="m", retires=on)
    code, out = watched(folder, monkeypatch, capsys)
    assert (code, f"ALARM: m (models.main) is announced to end on {on} (rung.yaml), in 20 days" in out) == (1, True), (
        out
    )
    code, out = watched(folder, monkeypatch, capsys, "--ahead", "19")
    assert (code, "ALARM" in out, "in 20 days" in out) == (0, False, True)
    code, out = watched(folder, monkeypatch, capsys, "--json")
    [end] = json.loads(out)["ends"]
    assert (code, end) == (1, {"model": "m", "role": "main", "on": on, "days": 20, "source": "rung.yaml", "soon": True})
    code, out = watched(run, monkeypatch, capsys, "--json")
    assert (code, json.loads(out)["ends"], json.loads(out)["list_price"]) == (0, [], None)


def test_a_list_price_that_moved_is_told_and_alarms_nobody(run, tmp_path, monkeypatch, capsys):
    folder = with_main(run, tmp_path, provider="openai", name="gpt-4o-mini")
    code, out = watched(folder, monkeypatch, capsys)
    assert (code, "1,000 of the measured requests cost $" in out, "(list price, genai-prices" in out) == (0, True, True)
    price = json.loads(watched(folder, monkeypatch, capsys, "--json")[1])["list_price"]
    calls = [o.answer.calls[0] for o in RunFolder.open(run).rung("prompt").measured().outcomes if o.answer]
    at = [
        1000 * sum(c.input_tokens * i + c.output_tokens * o for c in calls) / len(calls) / 1e6
        for i, o in ((1, 2), (0.15, 0.6))
    ]
    assert [price["measured_usd"], price["today_usd"]] == pytest.approx(at)


def test_check_warns_of_it_and_the_page_says_it_beside_what_would_change_the_answer(run, tmp_path):
    on = (TODAY + timedelta(days=20)).isoformat()
    config = world(tmp_path / "c", 200, ladder=["prompt"], model={"retires": on})
    [found] = [f for f in check(config, Silent()).findings if f.check == "model ends"]
    assert (found.severity, f"end on {on} (rung.yaml), in 20 days." in found.message) == ("warn", True)
    unasked = world(tmp_path / "d", 200, ladder=["baseline"], model={"retires": on})
    assert not [f for f in check(unasked, Silent()).findings if f.check == "model ends"]
    folder = with_main(run, tmp_path, provider="openai", name="gpt-5")
    said = load_report(RunFolder.open(folder), rows=False).counterfactuals
    assert said[-1].startswith("gpt-5 (models.main) is announced to end on 2026-12-11 (https://developers.openai.com/")
    assert "announced" not in " ".join(load_report(RunFolder.open(run), rows=False).counterfactuals)
