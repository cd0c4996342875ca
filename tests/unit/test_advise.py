"""`rung advise`: from the file before a climb, from evidence after it, with answers by flag, file or keyboard."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from rung import cli
from rung.cli import advise as verb
from rung.errors import RungError
from tests.unit._run_folder import build
from tests.unit._worlds import rows


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["rung", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


@pytest.fixture
def config(tmp_path):
    made = rows(300)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    task = {"name": "routing", "instruction": "Which team?", "inputs": ["text"], "target": "team", "goal": 0.9}
    raw = {
        "task": {**task, "kind": "classification"},
        "data": {"path": "rows.jsonl", "id": "id"},
        "split": {"test": 0.4, "dev": 0.15},
        "models": {"main": {"provider": "fake"}},
        "volume": {"requests_per_month": 400_000},
    }
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))
    return tmp_path / "rung.yaml"


def held(data):
    return {r["fact"]["factor"]: (r["fact"]["holds"], r["fact"]["source"]) for r in data["rows"]}


def test_before_a_climb_it_works_from_the_file_and_the_rows(run, config):
    code, out, _ = run("advise", "--json")
    data = json.loads(out)
    assert code == 0
    assert held(data)["few_examples"] == (True, "data")
    assert held(data)["cost_must_fall"] == (True, "told")
    assert data["open"] == ["data_changes_often", "low_latency", "explainability"]
    assert data["measured"] == []
    assert data["sentence"].endswith("nothing was measured yet.")


def test_answers_come_by_flag_and_by_file(run, config, tmp_path):
    (tmp_path / "told.yaml").write_text("data_changes_often: yes\nexplainability: no\n")
    code, out, _ = run("advise", "--answers", "told.yaml", "--set", "explainability=yes", "--json")
    data = json.loads(out)
    assert code == 0
    assert held(data)["data_changes_often"] == held(data)["explainability"] == (True, "told")
    assert data["open"] == ["low_latency"]
    code, out, _ = run("advise", "--yes")
    assert "--set FACTOR=yes or --answers FILE: data_changes_often, low_latency, explainability" in " ".join(
        out.split()
    )
    assert "Fewer than 500" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "explain=yes"], "'explain' is no factor that can be answered; did you mean explainability?"),
        (["--set", "few_examples=no"], "(the number of examples is counted, not told)"),
        (["--set", "low_latency=perhaps"], "the answer to low_latency is 'perhaps'; write yes or no"),
        (["--answers", "nowhere.yaml"], "the answers in nowhere.yaml cannot be read"),
        (["--answers", "rows.jsonl"], "the answers in rows.jsonl cannot be read"),
    ],
)
def test_a_wrong_answer_is_named(run, config, words, message):
    code, _, err = run("advise", *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_questions_are_asked_only_of_what_nothing_tells(monkeypatch, capsys):
    from rung.decide.factors import Fact

    said = iter(["perhaps", "y", ""])
    monkeypatch.setattr(verb.typer, "prompt", lambda *a, **k: next(said))
    facts = [Fact("low_latency", None, "", "assumed"), Fact("explainability", None, "", "assumed")]
    assert verb._ask(facts) == {"low_latency": True}
    assert "Please answer y or n" in capsys.readouterr().out
    assert verb._ask([]) == {}


def test_after_a_climb_it_works_from_evidence_and_keeps_what_was_told(run, tmp_path):
    folder = build(tmp_path / "runs" / "routing")
    code, out, _ = run("advise", "runs/routing", "--set", "low_latency=yes", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["measured"] == ["baseline", "prompt", "fewshot"]
    assert data["by_evidence"] == "prompting"
    assert held(data)["low_latency"] == (True, "told")
    assert folder.told.need() == {"low_latency": True}
    run("advise", "runs/routing", "--set", "explainability=no")
    assert folder.told.need() == {"low_latency": True, "explainability": False}
    code, out, _ = run("advise", "runs/routing")
    assert "the evidence" in " ".join(out.split())


def test_a_folder_that_is_no_run_is_named(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run("advise", "empty")
    assert (code, "is not a run folder" in err) == (2, True)
    with pytest.raises(RungError, match="did you mean low_latency"):
        verb._factor("low_latensy")


def test_answers_that_the_gate_before_tuning_asks_for_are_told_as_lines_of_the_file(run, config):
    told = ("--set", "data_changes_often=yes", "--set", "task_is_general=yes", "--set", "explainability=yes")
    code, out, _ = run("advise", "--yes", *told)
    assert code == 0
    said = " ".join(out.split())
    assert "For the gate before tuning, write under `task:` of rung.yaml: facts_change: often, scope: general" in said
    assert json.loads(run("advise", *told, "--json")[1])["for_the_gate"] == {
        "facts_change": "often",
        "scope": "general",
    }
    raw = yaml.safe_load(config.read_text())
    raw["task"] |= {"facts_change": "often", "scope": "general"}
    config.write_text(yaml.safe_dump(raw))
    assert json.loads(run("advise", *told, "--json")[1])["for_the_gate"] == {}
    assert json.loads(run("advise", "--set", "task_is_narrow=no", "--json")[1])["for_the_gate"] == {}
