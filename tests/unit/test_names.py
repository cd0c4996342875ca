"""Two metrics of one plug-in, and two steps of one approach, are told apart by a name of their own."""

import pytest

import rung
from rung.config import Config, overridden, parse_config
from rung.errors import ConfigError
from rung.ladder import climb
from rung.store.run import RunFolder
from rung.types import MetricSpec
from tests.unit._worlds import rows, world

pytestmark = pytest.mark.slow
METRICS = [
    {"normalized_match": {"name": "loose"}},
    {"regex": {"name": "short", "pattern": "^.{1,7}$"}},
    {"regex": {"name": "wordy", "pattern": "^.{8,}$"}},
]
LADDER = [
    {"prompt": {"name": "small", "rewrites": False}},
    {"prompt": {"name": "large", "model": "big", "rewrites": False}},
]
PRICES = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
BIG = {"provider": "fake", "answers": {r["text"]: r["team"] for r in rows(300)}, "abilities": {"base": 0.97}, **PRICES}


def test_a_climb_tells_them_apart_everywhere(tmp_path):
    config = world(
        tmp_path,
        model={"abilities": {"base": 0.6}},
        task={"metrics": METRICS},
        ladder=LADDER,
        models={"big": BIG},
        diagnosis={"calls": 0},
    )
    assert config.planned == ("prompt@small", "prompt@large")
    run = climb(config, tmp_path / "run")
    assert run.verdict.winner == "prompt@large"
    found = rung.load_run(tmp_path / "run")
    small, large = found.frame()
    assert (small["approach"], large["approach"]) == ("prompt@small", "prompt@large")
    assert {"short", "wordy"} <= set(large)
    assert large["short"] + large["wordy"] == pytest.approx(1.0)
    assert {"loose", "short", "wordy"} <= set(found.examples()[0])
    assert all(check.passed for check in rung.verify(found))
    assert r"prompt\@large" in found.report(tmp_path / "r.md").read_text()
    stored = RunFolder(tmp_path / "run").read("run.json")["config"]
    assert Config.model_validate({**stored, "root": tmp_path}).sha256 == config.sha256
    assert climb(config, tmp_path / "run").verdict == run.verdict


def test_only_takes_the_name_and_the_label():
    raw = {"ladder": ["baseline", *LADDER]}
    for said in ("large", "prompt@large"):
        chosen = overridden(raw, {"only": [said]})["ladder"]
        assert chosen == [{"rung": "prompt", "settings": {"model": "big", "rewrites": False}, "name": "large"}]
    with pytest.raises(
        ConfigError, match="only: is not in the ladder .found prompt.; allowed: baseline, prompt@small, prompt@large"
    ):
        overridden(raw, {"only": ["prompt"]})


def test_a_spec_without_a_name_is_called_as_its_plugin():
    assert MetricSpec("judge") == MetricSpec("judge", {}, "judge")
    assert MetricSpec("tone", {}, "judge").plugin == "judge"


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("metrics", ["regex", "regex"], "a metric is named twice in regex, regex; give each a `name` of its own"),
        ("metrics", [{"regex": {"name": "a"}}, {"judge": {"name": "a"}}], "a metric is named twice in a, a"),
        ("metrics", [{"regex": {"name": "a/b"}}], "the name 'a/b' of regex must be text of at most 60 letters"),
        ("metrics", [{"regex": {"name": 3}}], "the name 3 of regex must be text"),
        ("metrics", [{"regex": {"name": "format"}}], "a metric may not be named 'format'"),
        ("ladder", ["prompt", {"prompt": {"rewrites": False}}], "is in the ladder twice .found prompt.; allowed: each once for each model"),
        ("ladder", [{"prompt": {"name": "a"}}, {"prompt": {"name": "a"}}], "is in the ladder twice .found prompt@a."),
        ("ladder", [{"prompt": {"name": "../a"}}], "the name '../a' of prompt must be text"),
    ],
)  # fmt: skip
def test_a_doubled_or_odd_name_is_an_error(tmp_path, section, value, said):
    task = {"name": "n", "instruction": "i", "inputs": ["text"], "target": "team", "goal": 0.9}
    raw = {"task": task, "data": {"path": "."}, "models": {"main": {"provider": "fake"}}}
    (task if section == "metrics" else raw)[section] = value
    with pytest.raises(ConfigError, match=said):
        parse_config(raw, tmp_path)
