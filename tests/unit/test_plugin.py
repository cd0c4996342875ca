"""Plugins are found by kind and name; mistakes are answered with the nearest names."""

import sys
from importlib.metadata import EntryPoint

import pytest

from rung import plugin
from rung.errors import MissingExtra, PluginConflict, PluginError, UnknownPlugin


@pytest.fixture
def foreign(monkeypatch):
    """Offer entry points as an installed package would."""

    def offer(*points: EntryPoint) -> None:
        monkeypatch.setattr(plugin, "entry_points", lambda group: [p for p in points if p.group == group])
        plugin.available.cache_clear()

    yield offer
    plugin.available.cache_clear()


def test_built_ins_are_files_of_their_folder():
    assert {"baseline", "prompt", "fewshot"} <= set(plugin.available("rungs"))
    assert {"openai", "nano", "fake"} <= set(plugin.available("models"))
    assert "exact_match" in plugin.available("metrics")
    assert not [n for kind in plugin.KINDS for n in plugin.available(kind) if n.startswith("_")]


def test_every_built_in_loads_a_frozen_settings_model():
    for kind in plugin.KINDS:
        for found in plugin.available(kind).values():
            assert found.load().model_config.get("frozen"), f"{kind} {found.name} must be frozen"


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownPlugin, match="no metrics plugin is called 'exactmatch'; did you mean 'exact_match'"):
        plugin.find("metrics", "exactmatch")
    with pytest.raises(
        UnknownPlugin, match="no plugin kind 'metric'; kinds: models, metrics, retrievers, tuners, rungs"
    ):
        plugin.available("metric")


def test_two_plugins_with_one_name(foreign):
    foreign(EntryPoint("exact_match", "somewhere:Thing", "rung.metrics"))
    with pytest.raises(PluginConflict, match="two metrics plugins are called 'exact_match'"):
        plugin.available("metrics")


def test_strangers_use_the_same_door(foreign, monkeypatch):
    foreign(EntryPoint("mine", "strange_metric:Mine", "rung.metrics"))
    module = type(sys)("strange_metric")
    module.Mine = type("Mine", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "strange_metric", module)
    assert plugin.find("metrics", "mine") is module.Mine  # type: ignore[attr-defined]
    del module.Mine  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="strange_metric has no class 'Mine'"):
        plugin.find("metrics", "mine")


def test_missing_package_names_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rung\[local\]'"):
        plugin.require("torch")


def test_settings_may_be_called_like_the_finders_own_parameters():
    made = plugin.make("models", "fake", name="toy")
    assert made.name == "toy"
