"""Plugins are found by kind and name; mistakes are answered with the nearest names."""

import sys
from importlib.metadata import EntryPoint

import pytest

from rung import plugins
from rung.errors import MissingExtra, PluginConflict, PluginError, UnknownPlugin


@pytest.fixture
def foreign(monkeypatch):
    """Offer entry points as an installed package would."""

    def offer(*points: EntryPoint) -> None:
        monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])
        plugins.available.cache_clear()

    yield offer
    plugins.available.cache_clear()


def test_built_ins_are_files_of_their_folder():
    assert {"baseline", "prompt", "fewshot"} <= set(plugins.available("rungs"))
    assert {"openai", "local", "fake"} <= set(plugins.available("models"))
    assert "normalized_match" in plugins.available("metrics")
    assert not [n for kind in plugins.KINDS for n in plugins.available(kind) if n.startswith("_")]


@pytest.mark.slow
def test_every_built_in_loads_a_frozen_settings_model():
    for kind in plugins.KINDS:
        for found in plugins.available(kind).values():
            assert found.load().model_config.get("frozen"), f"{kind} {found.name} must be frozen"


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownPlugin, match="no metric is called 'exactmatch'; did you mean 'exact_match'"):
        plugins.find("metrics", "exactmatch")
    with pytest.raises(
        UnknownPlugin, match="no plugin kind 'metric'; kinds: models, metrics, retrievers, tuners, rungs"
    ):
        plugins.available("metric")


def test_two_plugins_with_one_name(foreign):
    foreign(EntryPoint("normalized_match", "somewhere:Thing", "rung.metrics"))
    with pytest.raises(PluginConflict, match="two metrics plugins are called 'normalized_match'"):
        plugins.available("metrics")


def test_strangers_use_the_same_door(foreign, monkeypatch):
    foreign(EntryPoint("mine", "strange_metric:Mine", "rung.metrics"))
    module = type(sys)("strange_metric")
    module.Mine = type("Mine", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "strange_metric", module)
    assert plugins.find("metrics", "mine") is module.Mine  # type: ignore[attr-defined]
    with pytest.raises(
        PluginError, match="metrics plugin 'mine': Mine must be a pydantic model whose fields are its settings"
    ):
        plugins.make("metrics", "mine")
    del module.Mine  # type: ignore[attr-defined]
    with pytest.raises(
        PluginError, match="strange_metric:Mine' names no class; an entry point names the settings model"
    ):
        plugins.find("metrics", "mine")


@pytest.mark.parametrize(("kind", "name"), [("models", "nano"), ("tuners", "scratch")])
def test_what_the_package_of_the_bundled_model_offers_is_named_without_it(foreign, kind, name):
    assert plugins.available(kind)[name].origin == "rung-nano"
    foreign()
    with pytest.raises(MissingExtra, match=f"'{name}' comes with the package rung-nano, .*: pip install rung-nano$"):
        plugins.find(kind, name)


def test_missing_package_names_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rung\[local\]'"):
        plugins.require("torch")


def test_settings_may_be_called_like_the_finders_own_parameters():
    made = plugins.make("models", "fake", name="toy")
    assert made.name == "toy"
