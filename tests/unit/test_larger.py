"""Which configured model is larger, and that a diagnosis can ask it in a climb."""

from __future__ import annotations

import pytest

from rung.ladder import climb
from rung.models.larger import larger_roles
from rung.store.run import RunFolder
from rung.types import Diagnosis
from tests.unit._worlds import world


def models(config, **roles):
    main = dict(config.models["main"])
    return config.model_copy(update={"models": {role: {**main, **settings} for role, settings in roles.items()}})


PRICED = {"input_usd_per_mtok": 5.0, "output_usd_per_mtok": 20.0}
FREE = {"input_usd_per_mtok": None, "output_usd_per_mtok": None}


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        ({"main": {}}, {}),
        ({"main": {}, "other": {}}, {}),  # of one price and size: not larger
        ({"main": {}, "large": {}}, {"main": "large"}),  # by its name
        ({"main": {}, "big": PRICED}, {"main": "big"}),  # by its price
        ({"main": {}, "big": PRICED, "large": {}}, {"main": "large"}),
        ({"main": {"name": "Q-0.6B", **FREE}, "b": {"name": "Q-4B", **FREE}, "c": {"name": "Q-8b-it", **FREE}}, {"main": "c"}),
        ({"main": {"name": "Q-4B", **FREE}, "small": {"name": "Q-0.6B", **FREE}}, {}),
        ({"main": {}, "embedder": PRICED}, {}),  # it does not chat
    ],
)  # fmt: skip
def test_larger_by_name_price_or_parameters(tmp_path, roles, found):
    assert larger_roles(models(world(tmp_path, 30), **roles)) == found


def test_under_a_budget_a_model_of_unknown_price_is_left_aside(tmp_path):
    limited = world(tmp_path, 30, limits={"budget_usd": 5})
    assert larger_roles(models(limited, main={}, large=FREE)) == {}
    assert larger_roles(models(limited, main={}, large={})) == {"main": "large"}


@pytest.mark.slow
def test_a_climb_asks_the_larger_model_about_failed_dev_rows_alone(tmp_path):
    weak, strong = {"abilities": {"base": 0.4}}, {"abilities": {"base": 1.0}, "name": "fake-large"}
    config = models(world(tmp_path, 200, model=weak, ladder=["prompt"]), main={}, large=strong)
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    diagnosis = folder.load("rungs/prompt/diagnosis.json", Diagnosis)
    capacity = next(c for c in diagnosis.experiments if c.name == "capacity")
    assert capacity.count == capacity.share.n > 10
    assert "fake-large (models.large)" in capacity.evidence
    assert folder.read("spend.json")["by_role"]["large"]["calls"] == capacity.share.n
    assert diagnosis.calls <= 120


@pytest.mark.slow
def test_without_experiments_no_further_model_is_opened(tmp_path):
    config = models(world(tmp_path, 200, ladder=["prompt"], diagnosis={"calls": 0}), main={}, large={})
    climb(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    assert set(folder.read("spend.json")["by_role"]) == {"main"}
    assert folder.load("rungs/prompt/diagnosis.json", Diagnosis).experiments == ()


@pytest.mark.slow
def test_a_larger_model_that_cannot_be_opened_is_left_out(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    config = world(tmp_path, 200, model={"abilities": {"base": 0.4}}, ladder=["prompt"])
    large = {"provider": "openai", "name": "x", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "NO_SUCH_KEY"}
    config = config.model_copy(update={"models": {**config.models, "large": large}})
    climb(config, tmp_path / "run")
    diagnosis = RunFolder.open(tmp_path / "run").load("rungs/prompt/diagnosis.json", Diagnosis)
    assert [s.what for s in diagnosis.untried] == ["capacity"]
    assert "models.large" in diagnosis.untried[0].reason
