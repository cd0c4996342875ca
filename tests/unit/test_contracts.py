"""A plug-in of others that breaks its contract in a climb: the message names it, the method and what was expected."""

import sys
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import ClassVar, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, field_validator

import rung
from rung import cli, plugins
from rung.contracts import held_metric, held_store, held_tuner
from rung.errors import ConfigError, PluginError
from rung.ladder import climb
from rung.metrics.exact_match import ExactMatch
from rung.prompts.similar import chat_system
from rung.prompts.templates import as_it_stands
from rung.retrievers.sqlite import SqliteDocumentStore
from rung.store.run import RunFolder
from rung.types import Base, Candidate, ChatLearned, Completion, Failure, Fitted, Learned, Score
from tests.unit._worlds import world

pytestmark = pytest.mark.slow


@pytest.fixture
def install(monkeypatch):
    """Offer classes as an installed package would, by kind and name."""

    def offer(kind, **classes):
        module = type(sys)("strangers")
        for name, cls in classes.items():
            setattr(module, name, cls)
        monkeypatch.setitem(sys.modules, "strangers", module)
        points = [EntryPoint(name, f"strangers:{name}", f"rung.{kind}") for name in classes]
        monkeypatch.setattr(plugins, "entry_points", lambda group: [p for p in points if p.group == group])
        plugins.available.cache_clear()

    yield offer
    plugins.available.cache_clear()


def metric(score=None, lenient=None, rule=None):
    class Odd(plugins.Metric):
        def score(self, answer, example, task):
            return Score(float(answer == example.target)) if score is None else score(answer)

        def lenient(self, answer, example, task):
            return lenient

        def format_rule(self, task):
            return rule

    return Odd


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (metric(lambda a: {}["x"]), "score must give a Score .* and raised KeyError: 'x'; tell the maker of the plug-in"),
        (metric(lambda a: 1.0), "score must give a Score with a value in .0, 1., or a Failure with a reason, not float 1.0"),
        (metric(lambda a: Score(1.5)), "score must give a Score .*, not Score Score.value=1.5"),
        (metric(lambda a: Score(float("nan"))), "score must give a Score .*, not Score Score.value=nan"),
        (metric(lambda a: Failure("metric", "")), "score must give a Score .* or a Failure with a reason, not Failure"),
        (metric(lambda a: Failure("bad luck", "x")), "score must give a Failure whose cause is one of model, .* metric, not Failure"),
        (metric(rule=3), "format_rule must give None or text, not int 3"),
        (metric(lambda a: Score(0.0), lenient="much"), "lenient must give None or a number in .0, 1., not str 'much'"),
    ],
)  # fmt: skip
def test_a_metric_is_named(install, tmp_path, cls, said):
    install("metrics", odd=cls)
    with pytest.raises(PluginError, match=f"metrics plugin 'odd': {said}"):
        climb(world(tmp_path, 120, task={"metrics": ["odd"]}, ladder=["prompt"]), tmp_path / "run")


class Greedy(plugins.Metric):
    """Writes the answer into what it is given."""

    def score(self, answer, example, task):
        example.inputs["text"] = f"{example.inputs['text']} {example.target}"
        return Score(float(answer == example.target))


class HintSystem:
    """Writes into the inputs that it is asked about."""

    def __init__(self, own):
        self._own = own

    async def answer(self, inputs):
        answer = await self._own.answer(dict(inputs))
        inputs["text"] = answer.text
        return answer


@dataclass(frozen=True, kw_only=True)
class HintLearned(ChatLearned):
    kind: Literal["hint"] = "hint"


class Hint(plugins.Rung):
    """Writes the right answers into the examples that it is given."""

    learned: ClassVar[type[Learned]] = HintLearned
    title: ClassVar[str] = "hint"

    async def fit(self, given, kit):
        for example in (*given.train, *given.dev):
            example.inputs["text"] = example.target
        template = as_it_stands(given.task)
        candidate = Candidate(
            "hint", "as it is", HintLearned(messages=template.messages, columns=template.columns), self.model
        )
        return Fitted(candidate, await kit.run(candidate, given.dev))

    @staticmethod
    def revive(candidate, task, kit):
        return HintSystem(chat_system(candidate, kit))


def test_what_a_plug_in_writes_into_examples_reaches_nobody_else(install, tmp_path):
    weak = {"model": {"abilities": {"base": 0.6}}, "stop_early": False}

    def answers(folder, **changes):
        climb(world(tmp_path, 120, **weak, **changes), tmp_path / folder)
        kept = RunFolder.open(tmp_path / folder).rung("prompt")
        return [(o.example_id, o.answer.text) for o in (*kept.dev.need(), *kept.outcomes.need())]

    plain = answers("plain", ladder=["prompt"])
    install("metrics", greedy=Greedy)
    assert answers("greedy", task={"metrics": ["greedy"]}, ladder=["prompt"]) == plain
    install("rungs", hint=Hint)
    assert answers("hint", ladder=["hint", "prompt"]) == plain


def test_a_metric_without_its_methods_is_named(install, tmp_path):
    install("metrics", odd=type("Odd", (BaseModel,), {}))
    with pytest.raises(
        ConfigError, match="the class must give the methods score, lenient, format_rule .inherit rung.plugins.Metric"
    ):
        climb(world(tmp_path, 120, task={"metrics": ["odd"]}, ladder=["prompt"]), tmp_path / "run")


class Opinion(plugins.Metric):
    """A judge that fails while it asks."""

    opinion: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ()

    def score(self, answer, example, task):
        return Score(0.0)

    def asks(self, answer, example, task):
        return ()

    async def assess(self, answer, example, task, kit):
        raise LookupError("no word")


def test_a_judge_is_named(install, tmp_path):
    install("metrics", opinion=Opinion)
    with pytest.raises(
        PluginError, match="metrics plugin 'opinion': assess must give a Score .* raised LookupError: no word"
    ):
        climb(world(tmp_path, 120, task={"metrics": ["opinion"]}, ladder=["prompt"]), tmp_path / "run")


def model(complete, count=lambda chat: 3):
    class Live:
        async def complete(self, request):
            return complete(request)

        def count_tokens(self, messages):
            return count(messages)

        async def close(self):
            return None

    class Odd(plugins.Provider):
        name: str = "odd"

        def connect(self):
            return Live()

    return Odd


SAID = Completion("billing", "odd", 1, 1, 0.1, None)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (model(lambda r: {}["choices"]), "complete must give a Completion with text, tokens and seconds of 0 or more, or raise Retryable, .* raised KeyError: 'choices'"),
        (model(lambda r: "billing"), "complete must give a Completion .*, not str 'billing'"),
        (model(lambda r: replace(SAID, output_tokens=-9)), "complete must give a Completion .*output_tokens=-9"),
        (model(lambda r: replace(SAID, latency_s=float("nan"))), "complete must give a Completion .*latency_s=nan"),
        (model(lambda r: replace(SAID, finish="done")), "complete must give a Completion .*"),
        (model(lambda r: SAID, lambda chat: None), "count_tokens must give a whole number of tokens, 0 or more, not NoneType"),
    ],
)  # fmt: skip
def test_a_provider_is_named(install, tmp_path, cls, said):
    install("models", odd=cls)
    config = world(tmp_path, 120, models={"other": {"provider": "odd"}}, ladder=[{"prompt": {"model": "other"}}])
    with pytest.raises(PluginError, match=f"models plugin '.*Odd': {said}"):
        climb(config, tmp_path / "run")


def test_a_provider_must_have_the_settings_of_every_model(install, tmp_path):
    class Bare(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        def connect(self):
            return None

    install("models", bare=Bare)
    with pytest.raises(
        ConfigError, match="models.other: models plugin 'bare': Bare must inherit rung.plugins.Provider"
    ):
        world(tmp_path, 120, models={"other": {"provider": "bare"}})


def test_a_place_of_documents_is_named(install, tmp_path):
    class Torn(SqliteDocumentStore):
        def documents(self):
            raise OSError("the socket is closed")

    class Odd(plugins.Retriever):
        def open(self):
            return Torn(tmp_path / self.place, 1.0)

    class Empty(plugins.Retriever):
        def open(self):
            return object()

    with pytest.raises(
        PluginError, match="retrievers plugin 'empty': open must give a DocumentStore with version, documents"
    ):
        held_store("empty", Empty(place="x"))
    install("retrievers", odd=Odd)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("Billing handles invoices.")
    config = world(tmp_path, 120, documents={"path": "docs", "store": "odd:x"}, ladder=["prompt"])
    with pytest.raises(
        PluginError, match="retrievers plugin 'odd': documents must give SHA-256 by name, and raised OSError"
    ):
        climb(config, tmp_path / "run")


class Recipe(plugins.Tuner):
    """A recipe whose start forgets its run."""

    form: ClassVar[str] = "adapter"

    @property
    def title(self):
        return "mine"

    def need(self, base, rows, counted):
        raise ZeroDivisionError("division by zero")

    def preflight(self, base, rows, sent, seed):
        return None

    def start(self, base, rows, folder, seed):
        return None

    def scale(self, base, weights, out, scale):
        return None


def test_a_recipe_is_named(tmp_path):
    base = Base("main", "m", "m", "x", None, 256, None)
    [recipe] = held_tuner("mine", Recipe()).variants(base)
    assert (recipe.title, recipe.form, dict(recipe.settings()), recipe.gentler()) == ("mine", "adapter", {}, None)
    with pytest.raises(
        PluginError, match="tuners plugin 'mine': need must give a TuningNeed, and raised ZeroDivisionError"
    ):
        recipe.need(base, [], len)
    with pytest.raises(PluginError, match="tuners plugin 'mine': start must give a TuningRun, not NoneType None"):
        recipe.start(base, [], tmp_path, 1)
    with pytest.raises(PluginError, match="tuners plugin 'mine': the class must give what rung.protocols.Tuner names"):
        held_tuner("mine", object())


def test_ours_are_not_wrapped():
    own = ExactMatch()
    assert held_metric("exact_match", own) is own


def test_the_command_line_never_asks_to_report_an_error_of_others(install, tmp_path, monkeypatch, capsys):
    install("metrics", odd=metric(lambda a: {}["x"]))
    config = world(tmp_path, 120, task={"metrics": ["odd"]}, ladder=["prompt"])
    (tmp_path / "rung.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rung", "climb"])
    assert cli.run() == 2
    said = capsys.readouterr().err
    assert "metrics plugin 'odd': score must give" in said
    assert "please report" not in said


def test_bases_are_offered_lazily_and_others_are_answered():
    assert rung.plugins.Metric.__name__ == "Metric"
    with pytest.raises(
        AttributeError, match="has no attribute 'Metrics'; bases: Metric, Provider, Retriever, Rung, Tuner"
    ):
        plugins.Metrics  # noqa: B018


def test_settings_that_raise_and_an_identity_that_is_no_data_are_named(install, tmp_path):
    class Validated(plugins.Metric):
        word: str = "x"

        @field_validator("word")
        @classmethod
        def _known(cls, value):
            return {}[value]

        def score(self, answer, example, task):
            return Score(1.0)

    install("metrics", odd=Validated)
    with pytest.raises(
        ConfigError, match="metrics plugin 'odd': reading its settings raised KeyError: 'y'; a validator must raise"
    ):
        world(tmp_path, 120, task={"metrics": [{"odd": {"word": "y"}}]})

    class Unsaid(model(lambda r: SAID)):
        def identity(self):
            return {"opened": object()}

    install("models", unsaid=Unsaid)
    config = world(tmp_path, 120, models={"other": {"provider": "unsaid"}}, ladder=[{"prompt": {"model": "other"}}])
    with pytest.raises(
        PluginError, match="models plugin '.*Unsaid': identity must give plain data .* raised TypeError"
    ):
        climb(config, tmp_path / "run")


def test_a_package_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "torn_package.py").write_text("class Mine(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("torn", "torn_package:Mine", "rung.metrics")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    plugins.available.cache_clear()
    try:
        with pytest.raises(
            PluginError, match="metrics plugin 'torn' of .*: torn_package cannot be imported, SyntaxError"
        ):
            plugins.find("metrics", "torn")
    finally:
        plugins.available.cache_clear()
