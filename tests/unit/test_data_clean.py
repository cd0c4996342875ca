"""`rung data clean`: a new version beside the old one, test rows as they were, a reason for each changed row."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rung.cli import app
from rung.config import load_config
from rung.data.configured import part_rows, read_rows
from rung.data.parts import freeze
from rung.errors import IntegrityError, RungError

LABELS = ("billing", "login", "shipping")
KEY = "sk-" + "a1B2" * 8


def tickets(n=240):
    """Return rows with a repeated row, a conflict, odd spellings, a key and an e-mail."""
    rng = random.Random(4)
    words = [a + b for a in ("ka", "mo", "tir", "sul", "wen", "dra") for b in ("do", "pri", "xa", "lum", "fen")]
    rows = [
        {
            "text": f"{' '.join(rng.sample(words, 8))} about {LABELS[i % 3]} {rng.getrandbits(30):x}",
            "team": LABELS[i % 3],
            "extra": i,
        }
        for i in range(n)
    ]
    for i in range(0, 60, 3):
        rows[i]["team"] = "Billing "
    rows[100] = dict(rows[1])
    rows[101] = {**rows[2], "team": "login"}
    rows[103] = {**rows[2], "team": "shipping"}
    rows[110]["text"] += f" my key is {KEY}"
    rows[112]["text"] += " write to anna@mail.example.org"
    return rows


def write(folder, rows, name="tickets.jsonl", **data):
    path = folder / name
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    settings = {
        "task": {
            "name": "t",
            "instruction": "Route it.",
            "inputs": ["text"],
            "target": "team",
            "goal": 0.9,
            "kind": "classification",
        },
        "data": data or {"path": name},
        "ladder": ["baseline"],
    }
    (folder / "rung.yaml").write_text(yaml.safe_dump(settings))
    return folder / "rung.yaml"


def clean(config, accept, *more):
    result = CliRunner().invoke(
        app, ["data", "clean", str(config), "--accept", accept, "--json", *more], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def parts_of(config):
    loaded = load_config(config)
    return part_rows(loaded, read_rows(loaded))[1]


def adopt(config, told):
    """Put the settings that the verb prints into a rung.yaml beside the old one."""
    settings = yaml.safe_load(config.read_text())
    settings |= yaml.safe_load("\n".join(told["rung_yaml"]))
    new = config.with_name("new.yaml")
    new.write_text(yaml.safe_dump(settings))
    return new


def test_labels_are_corrected_and_rows_dropped_in_a_new_version(tmp_path):
    config = write(tmp_path, tickets())
    before = (tmp_path / "tickets.jsonl").read_bytes()
    parts = parts_of(config)
    told = clean(config, "label-spelling,duplicates, conflicts")
    assert (tmp_path / "tickets.jsonl").read_bytes() == before
    record = json.loads((Path(told["folder"]) / "version.json").read_text())
    assert record["accepted"] == ["conflicts", "duplicates", "label-spelling"]
    assert record["test_part"] == "as it was"
    sealed = {e.id for e in parts.test}
    assert record["changes"]
    for change in record["changes"]:
        assert change["reason"]
        assert change["id"] not in sealed
    fixed = [c for c in record["changes"] if c["action"] == "correct"]
    assert {(c["before"], c["after"], c["column"]) for c in fixed} == {("Billing ", "billing", "team")}
    rows = {r["id"]: r for r in lines(told["files"]["train"])}
    assert all(rows[c["id"]]["team"] == "billing" for c in fixed)
    dropped = {c["id"] for c in record["changes"] if c["action"] == "drop"}
    assert not dropped & set(rows)
    assert len(rows) + len(dropped) == len(parts.train) + len(parts.dev)
    assert all({"text", "team", "extra"} <= set(r) for r in rows.values())


def test_rows_without_an_expected_output_are_in_no_part_of_the_new_version(tmp_path):
    rows = tickets()
    for i, empty in ((5, ""), (60, None), (239, " ")):
        rows[i]["team"] = empty
    config = write(tmp_path, rows)
    parts = parts_of(config)
    told = clean(config, "label-spelling")
    held = {name: {r["id"]: r["extra"] for r in lines(told["files"][name])} for name in ("train", "test")}
    assert held["test"].keys() == {e.id for e in parts.test}
    assert {*held["train"].values(), *held["test"].values()} == {r["extra"] for r in rows if (r["team"] or "").strip()}


def test_the_new_version_is_measured_on_the_same_test_rows(tmp_path):
    config = write(tmp_path, tickets())
    parts = parts_of(config)
    told = clean(config, "label-spelling")
    assert told["test_rows_kept"]["label-spelling"] > 0
    new = parts_of(adopt(config, told))
    assert new.manifest["test"]["sha256"] == parts.manifest["test"]["sha256"]
    assert {e.id for e in (*new.train, *new.dev)} == {e.id for e in (*parts.train, *parts.dev)}
    assert "Billing " not in {e.target for e in (*new.train, *new.dev)}
    again = clean(adopt(config, told), "label-spelling")
    assert (again["changes"], again["folder"]) == ([], None)  # nothing left to do


def test_the_test_part_is_cleaned_when_asked_and_the_version_says_so(tmp_path):
    config = write(tmp_path, tickets())
    told = clean(config, "label-spelling", "--test-rows")
    record = json.loads((Path(told["folder"]) / "version.json").read_text())
    assert (record["test_part"], record["test_rows_kept"]) == ("cleaned", {})
    assert "test" in {c["part"] for c in record["changes"]}
    assert "Billing " not in {r["team"] for r in lines(told["files"]["test"])}


@pytest.mark.slow
def test_running_again_changes_nothing_and_a_cut_off_version_is_finished(tmp_path):
    config = write(tmp_path, tickets())
    first = clean(config, "label-spelling")
    folder = Path(first["folder"])
    bytes_of = {p.name: p.read_bytes() for p in folder.iterdir()}
    second = clean(config, "label-spelling")
    assert (first["fresh"], second["fresh"]) == (True, False)
    assert second["folder"] == first["folder"]
    (folder / "version.json").unlink()
    (folder / "test.jsonl").unlink()
    assert clean(config, "label-spelling")["fresh"] is True
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == bytes_of
    (folder / "train.jsonl").write_text("mine\n")
    with pytest.raises(IntegrityError, match=r"train\.jsonl is not what was written there; your changes are kept"):
        clean(config, "label-spelling")
    other = tmp_path / "other"
    clean(config, "label-spelling", "--out", str(other))
    with pytest.raises(RungError, match="holds another version of the data"):
        clean(config, "duplicates", "--out", str(other))
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "letter.txt").write_text("dear")
    with pytest.raises(RungError, match="holds other files; name a new folder"):
        clean(config, "duplicates", "--out", str(tmp_path / "busy"))


def test_secrets_are_masked_and_stand_in_no_file_of_the_version(tmp_path):
    config = write(tmp_path, tickets())
    told = clean(config, "secrets,personal-data", "--test-rows")
    held = "".join(p.read_text() for p in Path(told["folder"]).iterdir())
    assert KEY not in held
    assert "anna@" not in held
    assert "[key]" in held
    assert "[e-mail]" in held
    assert {(c["action"], c["before"]) for c in told["changes"]} == {("mask", None)}
    only = clean(config, "secrets", "--test-rows")
    assert "anna@" in "".join(Path(p).read_text() for p in only["files"].values())


def test_own_train_and_test_files(tmp_path):
    rows = tickets()
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[150:]))
    config = write(tmp_path, rows[:150], "train.jsonl", train="train.jsonl", test="test.jsonl")
    parts = parts_of(config)
    told = clean(config, "label-spelling,leakage")
    assert set(told["files"]) == {"train"}
    new = adopt(config, told)
    assert yaml.safe_load(new.read_text())["data"]["test"] == "test.jsonl"
    assert parts_of(new).manifest["test"]["sha256"] == parts.manifest["test"]["sha256"]


def test_a_file_with_an_id_column_that_is_an_input_keeps_its_made_ids(tmp_path):
    rows = [{"id": f"case {i % 7}", **r} for i, r in enumerate(tickets())]
    config = write(tmp_path, rows)
    settings = yaml.safe_load(config.read_text())
    settings["task"]["inputs"] = ["id", "text"]
    config.write_text(yaml.safe_dump(settings))
    told = clean(config, "label-spelling")
    assert "id: rung_id" in told["rung_yaml"][0]
    assert parts_of(adopt(config, told)).manifest["test"]["sha256"] == parts_of(config).manifest["test"]["sha256"]


def test_versions_remember_what_they_come_from(tmp_path):
    config = write(tmp_path, tickets())
    first = clean(config, "label-spelling")
    second = clean(adopt(config, first), "duplicates")
    record = json.loads((Path(second["folder"]) / "version.json").read_text())
    assert record["parent"]["accepted"] == ["label-spelling"]


def test_a_dry_run_writes_nothing_and_shows_the_changes(tmp_path):
    config = write(tmp_path, tickets())
    there = sorted(tmp_path.iterdir())
    result = CliRunner().invoke(
        app, ["data", "clean", str(config), "--accept", "label-spelling", "--dry-run"], standalone_mode=False
    )
    assert sorted(tmp_path.iterdir()) == there
    assert "label-spelling: " in result.stdout
    assert " team: 'Billing ' -> 'billing'  (the usual spelling of this label" in result.stdout
    assert "test examples concerned and kept as they are: " in result.stdout
    assert "nothing was written (--dry-run)" in result.stdout


def test_a_check_without_an_action_is_named(tmp_path):
    config = write(tmp_path, tickets())
    with pytest.raises(RungError, match="no action is offered for 'label-speling'; did you mean 'label-spelling'"):
        clean(config, "label-speling")
    with pytest.raises(RungError, match="no action is offered for 'balance'"):
        clean(config, "balance")


def test_conflicts_of_free_text_are_left_alone(tmp_path):
    rows = [
        {"text": f"question {i // 2} of the day", "team": f"some wording number {i} of a longer answer"}
        for i in range(80)
    ]
    config = write(tmp_path, rows)
    settings = yaml.safe_load(config.read_text())
    settings["task"]["kind"] = "generation"
    config.write_text(yaml.safe_dump(settings))
    assert clean(config, "conflicts,duplicates")["changes"] == []


def test_rows_that_a_run_has_frozen_as_test_rows_are_not_cleaned_away(tmp_path, monkeypatch):
    config = write(tmp_path, tickets())
    monkeypatch.chdir(tmp_path)
    loaded = load_config(config, {"seed": 99})
    freeze(part_rows(loaded, read_rows(loaded))[1], tmp_path / "runs" / "t")
    with pytest.raises(
        RungError, match=r"holds a test set that was frozen otherwise \(seed 99, \d+ examples; here seed 7"
    ):
        clean(config, "label-spelling")
    assert clean(config, "label-spelling", "--seed", "99")["changes"]
    assert clean(config, "label-spelling", "--folder", "runs/other")["changes"]
