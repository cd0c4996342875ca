"""Each kind of plug-in tries to get at test examples: by its arguments, the kit, the kit's paths, imports, what it keeps.

In-process cheating (private names, closures, the frame stack) is outside the promise; public names are inside, and so is `..` of
what a tuner or a provider is handed.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr

from rung import plugins
from rung.config import parse_config
from rung.errors import NotOffered, TuningError
from rung.ladder import climb
from rung.models.fake import FakeConnection, FakeModel
from rung.retrievers.sqlite import SqliteDocumentStore, SqliteRetriever
from rung.testing.conformance import Broken, check_metric
from rung.types import (
    Answer,
    Candidate,
    Example,
    FitInput,
    Fitted,
    Learned,
    Message,
    Request,
    RungPlan,
    Score,
    TuningRow,
    Weights,
)

FROZEN = ConfigDict(frozen=True, extra="forbid")
ENDS = ("close", "drop", "shutdown", "clear", "fresh", "connect", "open")  # what opens, closes, removes or copies
FOUND: dict[str, set[str]] = {}  # who looked -> everything that it reached
OF_WEIGHTS = ("tuned provider", "tuner", "tuning run")  # who is handed a folder, and so looks at its parents
SEEN: dict[str, list[str]] = {}  # what reached a plug-in while it did its own work


def public(thing: Any) -> Iterator[Any]:
    """Yield what the public names of a thing lead to; a method that needs nothing is called."""
    for name in dir(thing):
        if (
            name.startswith(("_", "model_"))
            or name in ENDS
            or (isinstance(thing, BaseModel) and hasattr(BaseModel, name))
        ):
            continue
        value = getattr(thing, name, None)
        yield value
        if isinstance(value, types.MethodType) and not inspect.iscoroutinefunction(value) and not needed(value):
            yield value()


def needed(method: types.MethodType) -> list[str]:
    return [name for name, p in inspect.signature(method).parameters.items() if p.default is p.empty]


def look(who: str, *roots: Any) -> None:
    """Walk public names and containers from what a plug-in was handed, and read every file below every path found."""
    texts, seen, todo = FOUND.setdefault(who, set()), {}, list(roots)
    while todo and len(seen) < 50_000:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, types.ModuleType | type | types.BuiltinMethodType):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, str | Path):
            texts.add(str(thing))
            if Path(thing).is_absolute() and len(str(thing)) < 250:
                texts.update(below(Path(thing)))
        elif isinstance(thing, Mapping):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, tuple | list | set | frozenset):
            todo += list(thing)
        elif not isinstance(thing, bytes | int | float | types.FunctionType | types.MethodType | type(None)):
            todo += list(public(thing))
    assert len(seen) < 50_000, "the walk did not come to its end"


def below(path: Path) -> Iterator[str]:
    files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    for file in files:
        if file.is_file():
            yield file.read_bytes().decode("utf-8", "replace")


def upwards(folder: Path) -> list[Path]:
    """Return a folder and its parents, up to the one that the tests' cache and the project's folder share."""
    shared = Path(os.environ["XDG_CACHE_HOME"]).parent
    return [place for place in (folder, *folder.parents) if place != shared and place not in shared.parents]


class Keeper(BaseModel):
    """A metric that keeps every example that it ever scores."""

    model_config = FROZEN
    _kept: list[Example] = PrivateAttr(default_factory=list)

    @property
    def kept(self) -> list[Example]:
        return self._kept

    def score(self, answer: str, example: Example, task: Any) -> Score:
        self._kept.append(example)
        SEEN.setdefault("metric", []).append(example.inputs["text"])
        look("metric", self, task)
        return Score(float(answer == example.target))

    def lenient(self, answer: str, example: Example, task: Any) -> float | None:
        return None

    def format_rule(self, task: Any) -> str | None:
        return None


class KeepingModel(FakeModel):
    """A provider that keeps what it is asked, and can be tuned."""

    _kept: list[str] = PrivateAttr(default_factory=list)

    @property
    def kept(self) -> list[str]:
        return self._kept

    @property
    def weights(self) -> str:
        return "toy"

    def with_weights(self, folder: Path) -> KeepingModel:
        look("tuned provider", *upwards(folder))
        return self

    def connect(self) -> FakeConnection:
        connection = super().connect()
        complete, kept = connection.complete, self._kept

        async def keeping(request: Request) -> Any:
            kept.append(request.messages[-1].content)
            SEEN.setdefault("provider", []).append(request.messages[-1].content)
            return await complete(request)

        connection.complete = keeping  # type: ignore[method-assign]
        look("provider", self)
        return connection


class KeepingRetriever(SqliteRetriever):
    """A retriever that keeps every query."""

    def open(self) -> KeepingStore:
        return KeepingStore(Path(self.place), self.busy_s)


class KeepingStore(SqliteDocumentStore):
    def match(self, query: str, k: int, size: int) -> Any:
        self.kept = [*getattr(self, "kept", []), query]
        SEEN.setdefault("retriever", []).append(query)
        return super().match(query, k, size)


class LookingTuner(BaseModel):
    """A tuner that looks at what it is handed and below its folder, and tunes nothing."""

    model_config = FROZEN
    title: ClassVar[str] = "looking"
    form: ClassVar[str] = "adapter"

    def start(self, base: Any, rows: Any, folder: Path, seed: int) -> Any:
        folder.mkdir(parents=True, exist_ok=True)
        look("tuner", base, rows, *upwards(folder))
        raise TuningError("it only looked")

    def scale(self, base: Any, weights: Path, out: Path, scale: float) -> None:
        look("tuner", base, *upwards(weights), *upwards(out))


class Asks:
    """The system of the thief: what it is given of a test example is its inputs."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        index = self.kit.document_index()
        await index.search(inputs["text"], 1)
        completion = await self.kit.ask("main", Request((Message("user", inputs["text"]),)))
        return Answer(completion.text, (completion,))


@dataclass(frozen=True, kw_only=True)
class ThiefLearned(Learned):
    kind: Literal["thief"] = "thief"
    turn: int


class Thief(BaseModel):
    """A rung that looks around in everything that it is handed before it fits."""

    model_config = FROZEN
    trains: ClassVar[bool] = False
    learned: ClassVar[type[Learned]] = ThiefLearned
    title: ClassVar[str] = "thief"
    asks: ClassVar[tuple[str, ...]] = ("model",)
    fixes: ClassVar[frozenset[str]] = frozenset()
    usual_cost: ClassVar[tuple[str, str]] = ("nothing", "one night")
    said_to_fix: ClassVar[float | None] = None
    model: str = "main"
    turn: int = 0

    async def fit(self, given: FitInput, kit: Any) -> Fitted:
        space = kit.tuning_space("main")
        name = f"looked-{self.turn}"
        tuner = plugins.make("tuners", "looking")
        with pytest.raises(TuningError, match="it only looked"):
            space.start(tuner, (TuningRow("a", (Message("user", "x"),), "y"),), name, 1)
        space.note(name, {"rows": 1})
        with pytest.raises(Exception, match="are not there"):
            space.role(Weights(f"tuned/{name}/step-1", "0" * 64, "adapter"))
        weights = space.keep(_Run(), name, "adapter")
        space.scaled(tuner, weights, 0.5)
        await kit.ask(space.role(weights), Request((Message("user", "hello"),)))
        for path in ("parts", "../parts", "tuned/../parts"):
            with pytest.raises(Exception, match="do not lie in tuned/"):
                space.role(Weights(path, "0" * 64, "adapter"))
        found = await kit.document_index().search("parcel", 3)
        look(f"rung {self.turn}", self, given, kit, space, space.notes(name), found)
        look(f"rung {self.turn}", kit.metric(), kit.card("main"), kit.rng("x"), await _asked(kit))
        candidate = Candidate("thief", f"turn-{self.turn}", ThiefLearned(turn=self.turn), "main")
        return Fitted(candidate, await kit.run(candidate, given.dev))

    def plan(self, given: FitInput, kit: Any) -> RungPlan:
        look("plan", self, given, kit)
        raise NotOffered("a thief plans nothing")

    @staticmethod
    def revive(candidate: Candidate, task: Any, kit: Any) -> Asks:
        look("system", candidate, task, kit)
        return Asks(kit)


class _Run:
    """A tuning run of one step, whose weights are a word."""

    step = 1

    def write(self, folder: Path) -> None:
        look("tuning run", *upwards(folder))
        (folder / "weights.json").write_text('"weights"')


async def _asked(kit: Any) -> Any:
    return await kit.ask("main", Request((Message("user", "hello"),)))


MINE = {"rungs": ("thief", "Thief"), "metrics": ("keeper", "Keeper"), "models": ("keeping", "KeepingModel"),
        "retrievers": ("keeping", "KeepingRetriever"), "tuners": ("looking", "LookingTuner")}  # fmt: skip


@pytest.fixture
def strangers(monkeypatch):
    points = {
        f"rung.{kind}": [EntryPoint(name, f"{__name__}:{cls}", f"rung.{kind}")] for kind, (name, cls) in MINE.items()
    }
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.get(group, []))
    plugins.available.cache_clear()
    FOUND.clear()
    SEEN.clear()
    yield
    plugins.available.cache_clear()


@pytest.mark.slow
def test_no_plugin_gets_at_a_test_example(strangers, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("A parcel takes three days.\n")
    words = [f"{a}{b}" for a in "bdfgklmnprst" for b in "aeiou"]
    rows = [
        {"text": " ".join(words[(i * k + k) % 60] for k in (1, 7, 11, 13, 17, 19)) + f" q{i}", "team": "ab"[i % 2]}
        for i in range(120)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = {
        "task": {"name": "t", "instruction": "Answer.", "inputs": ["text"], "target": "team", "goal": 0.9,
                 "metrics": ["keeper"]},
        "data": {"path": "rows.jsonl"}, "split": {"test": 0.4, "dev": 0.15},
        "documents": {"path": "docs", "store": "keeping:index.sqlite"},
        "models": {role: {"provider": "keeping", "name": f"toy-{role}"} for role in ("main", "large")},
        "ladder": [{"thief": {"turn": 0}}, {"thief": {"turn": 1, "model": "large"}}],
    }  # fmt: skip
    run = climb(parse_config(raw, tmp_path), tmp_path / "run")
    assert set(run.results) == {"thief", "thief@large"}
    parts = {
        part: [json.loads(line) for line in (tmp_path / "run" / "parts" / f"{part}.jsonl").open()]
        for part in ("train", "test")
    }
    secret = {row["inputs"]["text"] for row in parts["test"]}
    shown = {row["inputs"]["text"] for row in parts["train"]}
    assert set(FOUND) == {
        "metric", "provider", "tuned provider", "tuner", "tuning run", "rung 0", "rung 1", "system",
    }  # fmt: skip
    for who in ("metric", "provider", "retriever"):
        assert secret & set(SEEN[who]), f"the {who} must see test inputs while it does its work"
    for who in ("rung 0", "rung 1"):
        assert shown & FOUND[who], "the walk must find what is there"
    assert any('"weights"' in text for text in FOUND["tuned provider"]), "the provider must be handed the weights"
    for who, texts in FOUND.items():
        if who == "metric":  # it holds what it scores while it scores
            continue
        sealed = {row["id"] for row in parts["test"]} | (
            secret if who != "provider" else set()
        )  # it is asked the inputs
        if who in OF_WEIGHTS:
            assert not [text for text in texts if text.startswith(str(tmp_path))], f"{who} was told where the run lies"
        reached = "\n".join(texts)
        assert not [text for text in sealed if text in reached], f"{who} reached test examples"


class Hoards(Keeper):
    def score(self, answer: str, example: Example, task: Any) -> Score:
        self._kept.append(example)
        return Score(float(answer.strip() == example.target))


def test_conformance_names_a_metric_that_keeps_examples():
    with pytest.raises(Broken, match="it keeps nothing of what it is given"):
        check_metric(Hoards)


def test_the_walk_finds_a_leak_by_attribute_method_and_path(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "test.jsonl").write_text("a sealed line")

    class Hole:
        attribute = ("by attribute",)

        def method(self) -> str:
            return "by method"

        @property
        def folder(self) -> Path:
            return tmp_path

    FOUND.clear()
    look("hole", [{"x": Hole()}])
    assert {"by attribute", "by method", "a sealed line"} <= FOUND["hole"]
    assert asyncio.iscoroutinefunction(Asks.answer)
