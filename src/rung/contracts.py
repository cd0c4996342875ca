"""Plug-ins of others, held to their contracts while they work: what they raise or return amiss is said to be theirs.

Our own are handed back as they are: an error of theirs is an error of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast, get_args

from rung.plugins import broken, kept, revive
from rung.protocols import (
    AnsweringKit,
    DocumentStore,
    Judge,
    Metric,
    Model,
    Retriever,
    System,
    TokenModel,
    Tuner,
    TuningRun,
)
from rung.types import (
    Answer,
    Candidate,
    Completion,
    Example,
    Failure,
    FailureCause,
    Finish,
    Message,
    Request,
    Score,
    Task,
)

SCORED = "a Score with a value in [0, 1], or a Failure with a reason"
CAUSE = f"a Failure whose cause is one of {', '.join(get_args(FailureCause))}"
FORGIVEN = "None or a number in [0, 1]"
RULE = "None or text"
COMPLETED = "a Completion with text, tokens and seconds of 0 or more, or raise Retryable, RefusedByModel, ContextOverflow or ModelError"
COUNTED = "a whole number of tokens, 0 or more"
CONNECTED = "a Model with complete, count_tokens and close"
OPENED = "a DocumentStore"
ANSWERED = "an Answer with text, and calls whose tokens, seconds and dollars are 0 or more"


def _ours(plugin: object) -> bool:
    return type(plugin).__module__.split(".")[0] == "rung"


def held_metric(name: str, metric: Metric) -> Metric:
    """Return a metric whose calls are checked. Raises PluginError for one that lacks a method."""
    if _ours(metric):
        return metric
    lacks = [m for m in ("score", "lenient", "format_rule") if not callable(getattr(metric, m, None))]
    if lacks:
        raise broken(
            name, "the class", f"the methods {', '.join(lacks)} (inherit rung.plugins.Metric)", metric, "metrics"
        )
    return _HeldJudge(name, metric) if isinstance(metric, Judge) else _HeldMetric(name, metric)


class _HeldMetric:
    def __init__(self, name: str, metric: Metric) -> None:
        self._name, self._metric = name, metric

    def score(self, answer: str, example: Example, task: Task) -> Score | Failure:
        with kept(self._name, "score", SCORED, "metrics"):
            found = self._metric.score(answer, _copy(example), task)
        return self._judged("score", found)

    def lenient(self, answer: str, example: Example, task: Task) -> float | None:
        with kept(self._name, "lenient", FORGIVEN, "metrics"):
            found = self._metric.lenient(answer, _copy(example), task)
        if found is not None and not _is_share(found):
            raise broken(self._name, "lenient", FORGIVEN, found, "metrics")
        return found

    def format_rule(self, task: Task) -> str | None:
        with kept(self._name, "format_rule", RULE, "metrics"):
            found = self._metric.format_rule(task)
        if found is not None and not isinstance(found, str):
            raise broken(self._name, "format_rule", RULE, found, "metrics")
        return found

    def _judged(self, method: str, found: Score | Failure) -> Score | Failure:
        right = isinstance(found, Failure) and bool(found.message)
        if not right and not (isinstance(found, Score) and _is_share(found.value)):
            raise broken(self._name, method, SCORED, found, "metrics")
        if isinstance(found, Failure) and found.cause not in get_args(FailureCause):
            raise broken(self._name, method, CAUSE, found, "metrics")
        return found


class _HeldJudge(_HeldMetric):
    opinion: ClassVar[bool]

    def __init__(self, name: str, metric: Judge) -> None:
        super().__init__(name, metric)
        self._judge = metric
        self.__dict__.update(opinion=metric.opinion)

    def asks(self, answer: str, example: Example, task: Task) -> tuple[Request, ...]:
        with kept(self._name, "asks", "a tuple of Requests", "metrics"):
            return tuple(self._judge.asks(answer, _copy(example), task))

    async def assess(self, answer: Answer, example: Example, task: Task, kit: AnsweringKit) -> Score | Failure:
        with kept(self._name, "assess", SCORED, "metrics"):
            found = await self._judge.assess(answer, _copy(example), task, kit)
        return self._judged("assess", found)


def held_model(name: str, connect: Callable[[], Model]) -> Model:
    """Open a model and return it with its calls checked. Raises what `connect` raises, PluginError for what is no Model."""
    with kept(name, "connect", CONNECTED, "models"):
        model = connect()
    if _ours(model):
        return model
    if not isinstance(model, Model):
        raise broken(name, "connect", CONNECTED, model, "models")
    return _HeldTokenModel(name, model) if isinstance(model, TokenModel) else _HeldModel(name, model)


class _HeldModel:
    def __init__(self, name: str, model: Model) -> None:
        self._name, self._model = name, model

    async def complete(self, request: Request) -> Completion:
        with kept(self._name, "complete", COMPLETED, "models"):
            found = await self._model.complete(request)
        if not isinstance(found, Completion) or not _is_whole(found) or found.cost_usd is not None:
            raise broken(self._name, "complete", f"{COMPLETED} (cost_usd None: rung prices it)", found, "models")
        return found

    def count_tokens(self, messages: Sequence[Message]) -> int:
        with kept(self._name, "count_tokens", COUNTED, "models"):
            found = self._model.count_tokens(messages)
        if not isinstance(found, int) or found < 0:
            raise broken(self._name, "count_tokens", COUNTED, found, "models")
        return found

    async def close(self) -> None:
        with kept(self._name, "close", "nothing", "models"):
            await self._model.close()


class _HeldTokenModel(_HeldModel):
    def __init__(self, name: str, model: Model) -> None:
        super().__init__(name, model)
        self._tokens = cast(TokenModel, model)

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        with kept(self._name, "prompt_tokens", "a tuple of token numbers", "models"):
            return tuple(self._tokens.prompt_tokens(messages))


def revived(candidate: Candidate, task: Task, kit: AnsweringKit) -> System:
    """Bring a candidate to life as `plugins.revive` does, with its answers checked: a cost below 0 would win every ladder."""
    system = revive(candidate, task, kit)
    return system if _ours(system) else _HeldSystem(candidate.rung, system)


class _HeldSystem:
    def __init__(self, name: str, system: System) -> None:
        self._name, self._system = name, system

    async def answer(self, inputs: Mapping[str, str]) -> Answer:
        with kept(self._name, "answer", ANSWERED):
            found = await self._system.answer(inputs)
        if not isinstance(found, Answer) or not isinstance(found.text, str):
            raise broken(self._name, "answer", ANSWERED, found)
        calls = all(isinstance(c, Completion) and _is_whole(c, untimed=True) for c in found.calls)
        if not calls or not (found.latency_s is None or _is_amount(found.latency_s)):
            raise broken(self._name, "answer", ANSWERED, found)
        return found


class _Held:
    """Any object whose methods are checked for what they raise; `gives` names what each should give."""

    def __init__(self, kind: str, name: str, held: object, gives: Mapping[str, str]) -> None:
        self._kind, self._name, self._held, self._gives = kind, name, held, gives

    def __getattr__(self, method: str) -> Any:
        with kept(self._name, method, self._gives.get(method, "what rung.protocols says"), self._kind):
            found = getattr(self._held, method)
        return self._called(method, found) if callable(found) else found

    def _called(self, method: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any, **kwargs: Any) -> Any:
            with kept(self._name, method, self._gives.get(method, "what rung.protocols says"), self._kind):
                return call(*args, **kwargs)

        return checked


_STORE_METHODS = {
    "version": "something that differs after a write",
    "documents": "SHA-256 by name",
    "read": "a tuple of Documents",
    "facts": "facts by name",
    "sizes": "numbers of passages by size",
    "write": "nothing",
    "match": "a list of (key, score)",
    "nearest": "a list of (key, score)",
    "without_vector": "texts by key",
    "passages": "Passages by key",
    "close": "nothing",
}


def held_store(name: str, retriever: Retriever) -> DocumentStore:
    """Open a place of documents and return it with its calls checked. Raises PluginError for what is no DocumentStore."""
    with kept(name, "open", OPENED, "retrievers"):
        store = retriever.open()
    if _ours(store):
        return store
    lacks = [m for m in _STORE_METHODS if not callable(getattr(store, m, None))]
    if lacks:
        raise broken(name, "open", f"{OPENED} with {', '.join(lacks)}", store, "retrievers")
    return cast(DocumentStore, _Held("retrievers", name, store, _STORE_METHODS))


_RUN_METHODS = {"train": "the mean loss", "save": "nothing", "write": "nothing", "close": "nothing"}


def held_tuner(name: str, tuner: Tuner) -> Tuner:
    """Return a recipe whose calls are checked. Raises PluginError for what lacks a method."""
    if _ours(tuner):
        return tuner
    if not isinstance(tuner, Tuner):
        raise broken(name, "the class", "what rung.protocols.Tuner names (inherit rung.plugins.Tuner)", tuner, "tuners")
    return cast(Tuner, _HeldTuner("tuners", name, tuner, {"settings": "plain data", "need": "a TuningNeed"}))


class _HeldTuner(_Held):
    def variants(self, *args: Any) -> tuple[Tuner, ...]:
        with kept(self._name, "variants", "a tuple of recipes, this one first", "tuners"):
            found = tuple(cast(Tuner, self._held).variants(*args))
        if not found:
            raise broken(self._name, "variants", "a tuple of recipes, this one first", found, "tuners")
        return tuple(held_tuner(self._name, tuner) for tuner in found)

    def gentler(self) -> Tuner | None:
        with kept(self._name, "gentler", "a recipe, or None", "tuners"):
            found = cast(Tuner, self._held).gentler()
        return None if found is None else held_tuner(self._name, found)

    def start(self, base: Any, rows: Any, folder: Path, seed: int) -> TuningRun:
        with kept(self._name, "start", "a TuningRun", "tuners"):
            run = cast(Tuner, self._held).start(base, rows, folder, seed)
        if not isinstance(run, TuningRun):
            raise broken(self._name, "start", "a TuningRun", run, "tuners")
        return cast(TuningRun, run if _ours(run) else _Held("tuners", self._name, run, _RUN_METHODS))


def _is_whole(said: Completion, untimed: bool = False) -> bool:
    """Whether what a model says of itself can be counted: a negative number of tokens would pay money back.

    `untimed`: its seconds may be unknown, as those of stored answers are.
    """
    tokens = all(n is None or (isinstance(n, int) and n >= 0) for n in (said.input_tokens, said.output_tokens))
    money = said.cost_usd is None or _is_amount(said.cost_usd)
    return (
        isinstance(said.text, str)
        and said.finish in get_args(Finish)
        and tokens
        and money
        and (_is_amount(said.latency_s) or (untimed and said.latency_s is None))
    )


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _copy(example: Example) -> Example:
    """Return an example whose inputs may be changed without anybody else seeing it."""
    return replace(example, inputs=dict(example.inputs))


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value <= 1.0
