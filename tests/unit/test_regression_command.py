"""`rung regression`: any configured model is scored on the abilities and the kept tasks, by itself."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from rung import cli
from rung.config import parse_config
from rung.engine.regression_scores import keeping_scores
from rung.errors import RungError
from rung.progress import Silent
from rung.stats.estimate import wilson
from rung.tuning.abilities import suite
from tests.unit._worlds import FORMAT_ONLY, world
from tests.unit.test_forgetting import right_answer


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rung", "regression", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def config(tmp_path):
    """A task with another one to keep, and a model that knows every ability but arithmetic."""
    raw = world(tmp_path / "other", 120, model=FORMAT_ONLY).model_dump(mode="json", exclude={"root"})
    (tmp_path / "other" / "rung.yaml").write_text(yaml.safe_dump(raw))
    raw = world(tmp_path, 120, model=FORMAT_ONLY).model_dump(mode="json", exclude={"root"})
    known = {row.prompt: right_answer(row) for row in suite() if row.ability != "arithmetic"}
    raw["models"]["main"]["answers"] |= known
    raw["models"]["main"] |= {"labels": [], "format_slip": 0.0, "abilities": {"base": 1.0}}
    raw["regression_tasks"] = ["other/rung.yaml"]
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(raw))


def test_each_ability_and_each_kept_task_has_a_score_with_its_interval(run, config, tmp_path):
    code, out, err = run("--json")
    assert code == 0, err
    main = json.loads(out)["main"]
    assert {name: round(e["mean"], 2) for name, e in main.items()} == {
        "task routing": 1.0, "abilities, all": 0.8, "ability instructions": 1.0, "ability formats": 1.0,
        "ability reading": 1.0, "ability arithmetic": 0.0, "ability refusal": 1.0,
    }  # fmt: skip
    assert main["abilities, all"]["n"] == 120
    code, out, _ = run("--model", "main")
    assert code == 0
    assert "ability arithmetic           0.00 (95 % CI 0.00 to 0.14, n=24)" in out
    assert not (tmp_path / "runs").exists()


def test_a_role_that_nothing_asks_is_named(run, config):
    code, _, err = run("--model", "tiny")
    assert code == 2
    assert "the ladder asks no model in the role tiny; asked: main" in err


@pytest.mark.slow
def test_roles_are_scored_each_by_itself_with_the_usual_interval(config, tmp_path):
    raw = yaml.safe_load((tmp_path / "rung.yaml").read_text())
    raw["models"]["second"] = raw["models"]["main"] | {"abilities": {"base": 0.0}}
    raw["ladder"] = ["prompt", {"prompt": {"model": "second"}}]
    made = parse_config(raw, tmp_path)
    found = keeping_scores(made, (), Silent())
    assert list(found) == ["main", "second"]
    one = found["main"]["ability arithmetic"]
    at = wilson(0, 24)
    assert (one.mean, one.low, one.high, one.n, one.method) == (0.0, at.low, at.high, 24, "wilson")
    alone = keeping_scores(made, ("second",), Silent())
    assert alone == {"second": found["second"]}
    assert found["second"]["task routing"].mean < found["main"]["task routing"].mean == 1.0
    with pytest.raises(RungError, match="asks no model in the role a, b; asked: main, second"):
        keeping_scores(made, ("main", "b", "a"), Silent())
