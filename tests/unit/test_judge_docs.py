"""docs/judge.md: its examples run, its rung.yaml is valid, and it counts what it claims."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import yaml

from rung.config import parse_config
from rung.testing.hostile import attacks

PAGE = Path(__file__).parents[2] / "docs" / "judge.md"


def test_the_examples_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted >= 10
    assert result.failed == 0


def test_the_configuration_is_valid(tmp_path):
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "rubric.md").write_text("Polite, and says what happens next.")
    (tmp_path / "letters.jsonl").write_text('{"letter": "a", "reply": "b"}\n')
    config = parse_config(yaml.safe_load(block), tmp_path)
    assert [m.name for m in config.task.metrics] == ["judge", "rouge_l"]


def test_the_number_of_attacks_is_right():
    said = re.search(r"`rung.testing.hostile` holds (\d+) attacks of (\w+) kinds", PAGE.read_text(encoding="utf-8"))
    assert said is not None
    assert int(said[1]) == len(list(attacks()))
    assert len({name.split()[0] for name, _ in attacks()}) == {"eight": 8}[said[2]]
