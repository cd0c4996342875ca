"""Which models a climb asks."""

from rung.config import asked_roles, parse_config

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
    assert found == {"small": ("the rung prompt@small", "the rung fewshot@small"), "main": ("the rung prompt",)}
