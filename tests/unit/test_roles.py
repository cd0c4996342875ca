"""Which models a climb asks."""

import pytest

from rung import plugins
from rung.config import Step, asked_roles, parse_config
from rung.config.roles import answering_role, roles_of
from rung.errors import PluginError

RAW = {
    "task": {"name": "t", "instruction": "Do.", "inputs": ["text"], "target": "label", "goal": 0.9},
    "models": {"main": {"provider": "fake", "name": "a"}, "small": {"provider": "fake", "name": "b"}},
}


def roles(tmp_path, ladder):
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    return asked_roles(parse_config({**RAW, "data": {"path": "rows.csv"}, "ladder": ladder}, tmp_path))


def test_a_rung_without_model_asks_none(tmp_path):
    assert roles(tmp_path, ["baseline"]) == {}


def test_roles_come_in_order_of_first_use_with_all_that_ask_them(tmp_path):
    found = roles(tmp_path, ["baseline", {"prompt": {"model": "small"}}, "prompt", {"fewshot": {"model": "small"}}])
    assert found == {
        "small": ("the approach prompt@small", "the approach fewshot@small"),
        "main": ("the approach prompt",),
    }


@pytest.mark.parametrize(
    ("rung", "settings", "role"),
    [("finetune", {}, "main"), ("finetune", {"model": "small"}, "small"), ("baseline", {}, None)],
)
def test_the_model_that_answers_at_a_step_is_named_by_its_settings_or_their_default(rung, settings, role):
    assert answering_role(Step(rung=rung, settings=settings)) == role


def test_a_judging_metric_that_names_no_roles_is_told_what_to_name(monkeypatch):
    judge = type("Sage", (), {"assess": None})
    monkeypatch.setattr(plugins, "find", lambda kind, name: judge)
    with pytest.raises(PluginError, match=r"metrics plugin Sage has `assess` and no `roles`: name the settings"):
        roles_of("metrics", "sage", {})
