"""`rung demo`: examples and their further configurations by name, copied once and climbed where they lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rung import cli
from rung.cli.demo import shipped_examples
from rung.config import load_config
from rung_nano import EXAMPLES


@pytest.fixture
def climbs(monkeypatch, tmp_path):
    """Run the verb in an empty folder; return what would have been climbed."""
    seen: list[tuple[str, Path]] = []

    def instead(config, folder, as_json):
        seen.append((config.task.name, folder))
        return 1

    monkeypatch.setattr("rung.cli.demo.climb_and_report", instead)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, list[tuple[str, Path]]]:
        monkeypatch.setattr(sys, "argv", ["rung", "demo", *words])
        return cli.run(), seen

    return run


def test_an_example_is_copied_and_climbed_and_what_was_changed_stays(climbs, tmp_path):
    code, seen = climbs("house-records")
    assert (code, seen) == (0, [("house-records", Path("rung-demo/house-records/run"))])  # a "no" is no failure
    rows = tmp_path / "rung-demo" / "house-records" / "rows.jsonl"
    assert rows.read_bytes() == (EXAMPLES / "house-records" / "rows.jsonl").read_bytes()
    rows.write_text("changed")
    climbs("house-records")
    assert rows.read_text() == "changed"


def test_a_second_configuration_lies_beside_the_first_and_has_a_run_of_its_own(climbs, capsys):
    code, seen = climbs("house-records/small-model")
    assert (code, seen[-1]) == (0, ("house-records-small-model", Path("rung-demo/house-records/run-small-model")))
    assert "change small-model.yaml or the examples" in capsys.readouterr().out


def test_an_unknown_name_lists_what_ships(climbs, capsys):
    code, seen = climbs("house-records/../../etc")
    assert (code, seen) == (2, [])
    assert "no example is called 'house-records/../../etc'; shipped: brand-voice, catalogue" in " ".join(
        capsys.readouterr().err.split()
    )


def test_without_the_package_of_examples_one_sentence_says_what_to_install(climbs, monkeypatch, capsys):
    monkeypatch.setattr("rung.cli.demo.find_spec", lambda name: None)
    assert climbs("house-records") == (2, [])
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("come with the package rung-nano, which is not installed: pip install rung-nano")


@pytest.mark.parametrize("name", sorted(shipped_examples(EXAMPLES)))
def test_every_shipped_climb_is_a_sound_configuration(name):
    example, _, other = name.partition("/")
    config = load_config(EXAMPLES / example / f"{other or 'rung'}.yaml")
    assert config.ladder
    assert (EXAMPLES / example / str(config.data.path)).is_file()


def test_options_of_real_weights_are_refused_beside_another_example(climbs, capsys):
    code, seen = climbs("house-records", "--offline")
    assert (code, seen) == (2, [])
    assert "'house-records' is none of them" in capsys.readouterr().err
