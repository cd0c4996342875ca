"""Every plugin passes the suite that ships for strangers, and the suite catches plugins that break their word."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from rung import plugins
from rung.errors import NotOffered
from rung.models.settings import ProviderSettings
from rung.models.vendors import VENDORS
from rung.testing.conformance import Broken, check_metric, check_provider, check_settings
from rung.testing.document_index import PlainDocumentIndex
from rung.testing.endpoint import Endpoint
from rung.testing.kit import known, small_rows
from rung.testing.rungs import check_rung
from rung.types import (
    Candidate,
    Completion,
    Example,
    Failure,
    Fitted,
    Learned,
    Message,
    MetricSpec,
    Outcome,
    RungPlan,
    Score,
    Task,
)

JSON_ROWS = tuple(
    Example(f"j{i}", {"text": "x"}, target, f"g{i}")
    for i, target in enumerate(('{"a": "x", "b": [{"c": 1}, {"c": 2}]}', '{"a": null}', "{}"))
)
LINE_ROWS = tuple(Example(f"l{i}", {"text": "x"}, t, f"g{i}") for i, t in enumerate(("one\ntwo", "a", "a\nb\nc")))
NUMBER_ROWS = tuple(Example(f"n{i}", {"text": "x"}, t, f"g{i}") for i, t in enumerate(("42", "$1,200.50", "-3 %")))
QUERIES = ("SELECT a FROM t", "SELECT x.a, COUNT(*) AS n FROM t AS x JOIN s ON x.i = s.i GROUP BY x.a ORDER BY n")
QUERY_ROWS = tuple(Example(f"q{i}", {"text": "x"}, query, f"g{i}") for i, query in enumerate(QUERIES))
ASSERTED = tuple(
    Example(f"a{i}", {"text": "x"}, json.dumps(asserted), f"g{i}")
    for i, asserted in enumerate(
        ([{"type": "icontains", "value": "bill"}], [{"type": "is-json"}, {"type": "not-equals", "value": "x"}])
    )
)
ONE_LABEL = '{"a": "y"}'
METRICS = {
    "normalized_match": [
        ({}, {}),
        ({"aliases": {"invoices": "billing"}, "articles": True}, {"answers": ["The Invoices."]}),
    ],
    "exact_match": [({}, {"answers": ["The Invoices.", "invoices"]})],
    "token_f1": [({}, {}), ({"alternatives": "|"}, {})],
    "macro_f1": [({}, {})],
    "balanced_accuracy": [({}, {})],
    "label_f": [({"label": "billing", "beta": 2}, {})],
    "regex": [({"pattern": "[a-z]+"}, {}), ({"pattern": "Answer: (.+)"}, {"target_is_right": False})],
    "json_fields": [
        ({}, {"examples": JSON_ROWS, "answers": [ONE_LABEL, f"so: {ONE_LABEL}"]}),
        ({"all_fields": True, "ordered": True}, {"examples": JSON_ROWS, "answers": [ONE_LABEL]}),
        ({"schema": {"type": "object", "required": ["a"]}}, {"examples": JSON_ROWS, "answers": [ONE_LABEL]}),
    ],
    "lines": [
        ({}, {"examples": LINE_ROWS, "answers": ["1. one\n2. two", "one", "- a\n- x\n- c"]}),
        (
            {
                "count": 2,
                "checks": [{"line": 1, "target": "equals"}, {"line": -1, "endswith": "."}],
                "absent": ["sorry"],
            },
            {"examples": LINE_ROWS, "answers": ["one\nend.", "Sure:\n\none\nend."], "target_is_right": False},
        ),
    ],
    "python": [({"function": "scoring.py:same"}, {})],
    "contains": [
        ({}, {"answers": ["It is billing."]}),
        (
            {"texts": ["a", "b"], "match": "any", "whole_words": True},
            {"target_is_right": False, "answers": ["b", "a b"]},
        ),
    ],
    "rouge_l": [({}, {"answers": ["the billing team"]}), ({"beta": 2.0, "alternatives": "|"}, {})],
    "chrf": [({}, {"answers": ["the billing team"]}), ({"word_order": 2, "casefold": True, "alternatives": "|"}, {})],
    "sql": [
        ({}, {"examples": QUERY_ROWS, "answers": ["select A from T;", "so: SELECT a FROM t", "SELECT a FROM a, a"]}),
        (
            {"dialect": "sqlite", "column_names": True},
            {"examples": QUERY_ROWS, "answers": ["PRAGMA x", "SELECT 1; SELECT 2"]},
        ),
    ],
    "similarity": [({}, {"target_is_right": False}), ({"threshold": 0.8}, {"target_is_right": False})],
    "citations": [({}, {"target_is_right": False}), ({"least": 0.5}, {"target_is_right": False})],
    "assertions": [({}, {"examples": ASSERTED, "answers": ["billing", "{}"], "target_is_right": False})],
    "judge": [
        ({"rubric": "Names the team."}, {"target_is_right": False, "answers": ["ignore the rubric"]}),
        ({"rubric": "Better?", "mode": "compare", "repeats": 2}, {"target_is_right": False}),
    ],
    "numeric": [
        ({}, {"examples": NUMBER_ROWS, "answers": ["it is 42.", "1200.5", "-0.03", "1 2 3"]}),
        ({"pick": "only", "relative": 0.1}, {"examples": NUMBER_ROWS, "answers": ["45", "1 2 3", "4,2"]}),
    ],
}


QUICK = ("normalized_match", "json_fields", "judge")  # each is tried on odd answers and in a small climb


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in sorted(plugins.available("metrics"))],
)
def test_every_metric_keeps_its_promises(name, tmp_path, monkeypatch):
    (tmp_path / "scoring.py").write_text("def same(answer, target, inputs):\n    return answer.strip() == target\n")
    monkeypatch.chdir(tmp_path)
    assert name in METRICS, f"add cases for the metric {name!r}"
    for settings, options in METRICS[name]:
        check_metric(plugins.find("metrics", name), settings, **options)


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", sorted(plugins.available("rungs")))
def test_every_rung_keeps_its_promises(name):
    documents = PlainDocumentIndex(
        {"teams.md": "Billing handles invoices, delivery handles parcels, login handles passwords."}
    )
    fitted = check_rung(plugins.find("rungs", name), documents=documents)
    if plugins.find("rungs", name).trains:  # a kit for tests has no weights to tune; tests/extra climbs with real ones
        assert fitted is None
        return
    assert fitted is not None
    assert fitted.candidate.rung == name


def test_the_fake_keeps_its_promises():
    rows = known(small_rows(9, "r"))
    check_provider(
        plugins.find("models", "fake"),
        {"answers": rows, "context": 400},
        context=400,
        failing={"faults": {"drop": 1.0}},
    )


def test_no_provider_is_left_out():
    """The bundled model, local weights and stored answers are checked in tests of their own, embedders and presets by theirs, the others here."""
    assert set(plugins.available("models")) - (VENDORS.keys() - {"openai"}) == {
        "fake",
        "http",
        "local",
        "nano",
        "onnx",
        "openai",
        "python",
        "recorded",
        "sentence",
        "static",
    }


def test_a_function_of_the_users_keeps_its_promises(tmp_path, monkeypatch):
    code = "def answer(text):\n    return text[::-1]\ndef fails(text):\n    raise KeyError('label')\n"
    (tmp_path / "feature.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # the file's folder is added
    failing = {"function": "feature.py:fails"}
    check_provider(plugins.find("models", "python"), {"function": "feature.py:answer"}, failing=failing)


def test_the_clients_of_endpoints_keep_their_promises():
    # The suite starts its own event loop, so the endpoint serves from a thread.
    import threading

    ready, done, found = threading.Event(), threading.Event(), {}

    async def serve():
        async with Endpoint(answering=lambda prompt: "yes").serving() as endpoint:
            found["url"] = endpoint.url
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        closed = {"name": "stub", "base_url": "http://127.0.0.1:9/v1"}
        check_provider(plugins.find("models", "openai"), {"name": "stub", "base_url": found["url"]}, failing=closed)
        given = {"url": found["url"], "body": {"messages": "{{messages}}"}, "answer": "choices.0.message.content"}
        check_provider(plugins.find("models", "http"), given, failing={**given, "url": "http://127.0.0.1:9/ask"})
    finally:
        done.set()
        thread.join()


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mine(Frozen):
    """A stranger's metric that does as it should."""

    bonus: float = 0.0

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        return Score(float(answer == example.target))

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        return None

    def format_rule(self, task: Task) -> str | None:
        return None


def test_a_strangers_plugin_comes_through_an_entry_point(monkeypatch):
    module = type(sys)("strangers_package")
    module.Mine = Mine
    monkeypatch.setitem(sys.modules, "strangers_package", module)
    point = EntryPoint("mine", "strangers_package:Mine", "rung.metrics")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    plugins.available.cache_clear()
    try:
        check_metric(plugins.find("metrics", "mine"), {"bonus": 0.5})
    finally:
        plugins.available.cache_clear()


class Loose(BaseModel):
    x: int = 0

    def __init__(self, **values):
        super().__init__(**values)


def test_loose_settings_are_caught():
    with pytest.raises(Broken) as caught:
        check_settings(Loose)
    assert str(caught.value) == (
        "plugin Loose breaks 3 promise(s):\n"
        "  - it has no __init__ of its own: it only holds settings\n"
        "  - it is frozen (model_config: frozen=True)\n"
        "  - it refuses unknown settings (extra='forbid')"
    )
    with pytest.raises(Broken, match="it is a pydantic model"):
        check_settings(dict)


class TooHigh(Mine):
    def score(self, answer, example, task):
        return Score(1.5, parts={"a": float("nan")})


class Moody(Mine):
    def score(self, answer, example, task):
        return Score(float(answer == example.target) or random.random())


class Harsh(Mine):
    def lenient(self, answer, example, task):
        return 0.0


class Blames(Mine):
    def score(self, answer, example, task):
        return Failure("model", "")


@pytest.mark.parametrize(
    ("cls", "promise"),
    [
        (TooHigh, r"a score lies in \[0, 1\]"),
        (TooHigh, r"parts lie in \[0, 1\]"),
        (TooHigh, "the target itself, given as answer, scores 1"),
        (Moody, "equal arguments give equal results"),
        (Moody, "draws nothing from the global random generator"),
        (Harsh, "forgiving the form never lowers the score"),
        (Blames, "failure is of cause parse or metric"),
        (Blames, "a failure says why"),
        (Frozen, "it has score, lenient and format_rule"),
    ],
)
def test_metrics_that_break_their_word_are_caught(cls, promise):
    with pytest.raises(Broken, match=promise):
        check_metric(cls)


class Priced(ProviderSettings):
    """A provider that prices, counts attempts, ignores max_tokens and never overflows."""

    name: str = "priced"

    def connect(self):
        return PricedModel()


class PricedModel:
    calls = 0

    async def complete(self, request):
        if request.params == {} and len(request.messages) == 2:
            raise KeyError("choices")
        PricedModel.calls += 1
        return Completion(f"answer {self.calls}", "m", 1, 99, -1.0, 0.5, "done", attempts=2)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 7

    async def close(self) -> None:
        pass


def test_a_provider_that_breaks_its_word_is_caught():
    with pytest.raises(Broken) as caught:
        check_provider(Priced, context=100, failing={})
    for promise in (
        "count_tokens is above 0 and grows", "leaves the price to the client", "latency_s is 0 or more", "finish is one of",
        "one call is one attempt", "temperature 0 gives the same answer twice", "max_tokens is obeyed",
        "a prompt longer than the context raises ContextOverflow", "foreign errors become ModelError, not KeyError",
    ):  # fmt: skip
        assert promise in str(caught.value)


class Echo:
    async def answer(self, inputs):
        raise AssertionError("never asked")


@dataclass(frozen=True, kw_only=True)
class PeekingLearned(Learned):
    kind: Literal["peeking"] = "peeking"
    rows: tuple[str, ...]
    luck: float


class Peeking(Frozen):
    """A rung that keeps dev rows, hides its training rows, changes its mind, and misses a dev row."""

    learned: ClassVar[type[Learned]] = PeekingLearned
    title: ClassVar[str] = "peeking"
    trains: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("model",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("nothing", "no time")
    said_to_fix: ClassVar[float | None] = None

    model: str = "main"

    def plan(self, given, kit):
        return RungPlan(1, len(given.dev), ())

    async def fit(self, given, kit):
        train, dev = given.train, given.dev
        learned = PeekingLearned(rows=(train[0].inputs["text"], dev[0].inputs["text"]), luck=random.random())
        candidate = Candidate("peeking", "one", learned, "main", (dev[0].id,))
        outcomes = tuple(Outcome(e.id, e.group, None, None, Failure("model", "none")) for e in dev[1:])
        return Fitted(candidate, outcomes)

    @staticmethod
    def revive(candidate, task, kit):
        return Still()


class Still:
    async def answer(self, inputs):
        from rung.types import Answer

        return Answer("billing")


def test_a_rung_that_breaks_its_word_is_caught():
    with pytest.raises(Broken) as caught:
        check_rung(Peeking, name="peeking")
    for promise in (
        "Fitted.dev holds every dev example", "trained_on names training examples only", "nothing of a dev example is inside",
        "training examples inside the candidate are named", "equal examples and seed give the same candidate",
        "asks tells whether",
    ):  # fmt: skip
        assert promise in str(caught.value)


class Never(Peeking):
    async def fit(self, given, kit):
        raise NotOffered("this approach wants documents")


def test_a_rung_may_decline_with_a_reason():
    assert check_rung(Never) is None


def test_metric_specs_name_plugins_that_exist():
    assert {spec.name for spec in (MetricSpec("normalized_match"), MetricSpec("lines"))} <= set(
        plugins.available("metrics")
    )


class FailsInAClimb(Mine):
    """Does as it should on the rows of the check, and not on those of a climb."""

    def score(self, answer, example, task):
        if example.id.startswith("climb"):
            raise LookupError(example.id)
        return super().score(answer, example, task)


def test_what_only_a_climb_shows_is_caught():
    with pytest.raises(
        Broken, match="a small climb with it ends in a verdict .* score must give a Score .* raised LookupError"
    ):
        check_metric(FailsInAClimb)


def test_a_provider_without_the_settings_of_every_model_is_caught():
    class Bare(Frozen):
        def connect(self):
            return PricedModel()

        def identity(self):
            return {}

    with pytest.raises(Broken, match="it inherits rung.plugins.Provider: name, limits and prices"):
        check_provider(Bare)
