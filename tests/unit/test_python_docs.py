"""docs/python.md does what it says: its blocks run one after the other."""

import csv
import re
from pathlib import Path

import yaml

import rung
from tests.unit._worlds import rows

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_blocks_of_the_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = rows(300)
    with (tmp_path / "tickets.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "team"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(made)
    answers = {row["text"]: row["team"] for row in made}
    prices = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    raw = {
        "task": {
            "name": "tickets",
            "instruction": "Route the ticket to one team.",
            "inputs": ["text"],
            "target": "team",
            "metrics": ["exact_match"],
            "goal": 0.9,
        },
        "data": {"path": "tickets.csv"},
        "models": {"main": {"provider": "fake", "answers": answers, "abilities": {"base": 0.97}, **prices}},
    }
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert "Yes, at the rung 'prompt'" in said
    assert "\nmet\nbaseline 0." in said
    assert "there is no such file; `rung init DATA` writes one" in said
    assert "warn 135 training rows" in said
    assert "## rung: tickets" in said
    assert (tmp_path / "runs/tickets/report.html").is_file()


def test_every_name_of_the_public_face_resolves():
    assert all(getattr(rung, name) is not None for name in rung.__all__)
