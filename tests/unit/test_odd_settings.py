"""Settings that no climb can be made with are refused in a sentence by whatever reads them; odd ones that can be hold."""

import pytest
import yaml

from rung.config import load_config
from rung.data.load import load
from rung.errors import ConfigError, DataError
from rung.ladder import climb
from rung.stats.power import check_rule
from rung.types import usual_tolerance, widest_tolerance
from tests.unit._worlds import world
from tests.unit.test_config import changed, problems, root  # noqa: F401 - fixture

HOST = {"provider": "openai", "name": "m", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize("goal", [1e-320, 1e-9, 0.001, 0.01, 0.02, 0.03, 0.04, 0.5, 0.999999, 1.0])
def test_every_goal_has_a_tolerance_that_leaves_something_of_it(goal):
    for tolerance in (usual_tolerance(goal), widest_tolerance(goal)):
        check_rule(goal, tolerance, 0.05, 3)


def test_the_usual_tolerance_stays_what_it_was_for_usual_goals():
    assert [usual_tolerance(g) for g in (0.04, 0.5, 0.9, 0.95, 0.99)] == [0.02, 0.02, 0.02, 0.01, 0.002]


def test_a_low_goal_is_climbed(tmp_path):
    """A goal of 0.01 was an internal error, from `check` on. The floor: always the commonest label reaches such a goal."""
    changes = {"goal": 0.01, "floors": [{"label": "billing", "recall": 0.01}]}
    run = climb(world(tmp_path, 240, task=changes, ladder=["baseline"], diagnosis={"calls": 0}), tmp_path / "run")
    assert (run.verdict.decision, run.verdict.winner) == ("meets", "baseline")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"base_url": " https://h/v1"}, "is no web address"), ({"base_url": "ht\ntps://h/v1"}, "is no web address"),
        ({"base_url": "http://h:99999/v1"}, "Port out of range"), ({"base_url": "http://h /v1"}, "is no web address"),
        ({"base_url": "http://h/v1\u202e"}, "is no web address"), ({"base_url": "http://h\x7f/v1"}, "is no web address"),
        ({"headers_env": {"x\r\ny": "A"}}, r"names 'x\r\ny', which no header can be called"), ({"headers_env": {"": "A"}}, "which no header"),
        ({"headers_env": {"x y": "A"}}, "which no header"), ({"extra_body": {"a": [{"b": float("nan")}]}}, "cannot be sent as JSON"),
        ({"extra_body": {"a": float("inf")}}, "cannot be sent as JSON"), ({"extra_body": {"a": object()}}, "cannot be sent as JSON"),
    ],
)  # fmt: skip
def test_what_could_never_be_sent_is_refused_before_anything_is(root, setting, said):  # noqa: F811
    assert said in problems(changed(models={"main": {**HOST, **setting}}), root)


def test_headers_and_bodies_as_they_are_in_use_are_taken(root):  # noqa: F811
    fine = {"headers_env": {"x-team_1": "A", "HTTP-Referer": "B"}, "extra_body": {"a": [1.5, None, {"b": "\u2028"}]}}
    assert "models.main" not in problems(changed(models={"main": {**HOST, **fine}}, version=2), root)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"inputs": ["subject", "subject"]}, "names an input column twice: 'subject', 'subject'"),
        ({"inputs": []}, "task.inputs: must hold at least 1 item"), ({"name": "x" * 101}, "task.name: must hold at most 100 characters"),
        ({5: 1}, "a key must be text"),
    ],
)  # fmt: skip
def test_problems_are_said_in_the_words_of_the_file(root, part, said):  # noqa: F811
    found = problems(changed(task=part), root)
    assert said in found
    assert "should" not in found
    assert "Tuple" not in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("task: {name: a}\ntask: {name: b}\n", 2), ("limits:\n  budget_usd: 1\n  budget_usd: 100\n", 3), ("limits: {budget_usd: 1, budget_usd: 9}", 1),
        ("a: 1\n'a': 2\n", 2), ("x: [{a: 1, b: 2}, {a: 1, a: 1}]", 1),
    ],
)  # fmt: skip
def test_a_key_that_is_given_twice_is_named_and_neither_value_is_taken(tmp_path, text, line):
    (tmp_path / "rung.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"twice in one place, again in line {line}; keep one"):
        load_config(tmp_path / "rung.yaml")


def test_the_same_key_in_several_places_and_merged_ones_are_no_key_twice(tmp_path):
    config = world(tmp_path, 60)
    raw = config.model_dump(mode="json", exclude={"root"}, exclude_unset=True)
    text = yaml.safe_dump(raw).replace("data:\n", "data: &d\n", 1)
    (tmp_path / "rung.yaml").write_text(text.replace("split:\n", "split:\n  <<: {}\n  <<: {}\n"))
    assert load_config(tmp_path / "rung.yaml").data == config.data


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("9" * 5_000, "a number has thousands of digits"),
        ("[" * 50_000 + "]" * 50_000, "lists and objects lie too deep"),
    ],
)
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_json_that_python_cannot_read_is_told_in_our_words(tmp_path, value, said, ending):
    row = f'{{"text": {value}}}\n'
    (tmp_path / f"rows.{ending}").write_text(row if ending == "jsonl" else f"[{row}]")
    with pytest.raises(DataError, match=said) as caught:
        load(tmp_path / f"rows.{ending}", inputs=["text"], target="text")
    assert "sys." not in str(caught.value)
