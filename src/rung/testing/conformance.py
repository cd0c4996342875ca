"""The promises of `rung.protocols` as checks, the same for built-in plugins and for a stranger's.

    from rung.testing.conformance import check_metric
    def test_my_metric():
        check_metric(MyMetric, {"strict": True})

Each check raises Broken with every promise that was not kept.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from rung.errors import ContextOverflow, ModelError
from rung.models.settings import ProviderSettings
from rung.protocols import Judge, Metric, Model, Provider
from rung.testing.climbs import trouble_in_a_climb
from rung.testing.kit import BareKit, small_rows, small_task
from rung.types import (
    Answer,
    Completion,
    Example,
    Failure,
    Finish,
    Message,
    ModelCard,
    Request,
    Score,
    Task,
    canonical_json,
)

_ODD_ANSWERS = (
    "",
    " ",
    "?",
    "{",
    "[1, 2]",
    "null",
    "NaN",
    '{"a": NaN}',
    "\x00\ud800",
    "word " * 5000,
    "a\n" * 500,
    "```",
    "é\u202e東京",
)
_CHAT = (Message("system", "Answer with one word."), Message("user", "Where is my parcel?"))


class Broken(AssertionError):
    """A plugin broke promises; the message lists them."""


class Promises:
    """Collects broken promises of one plugin."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.broken: list[str] = []

    def that(self, kept: bool, promise: str) -> bool:
        """Note the promise as broken unless it was kept."""
        if not kept and promise not in self.broken:
            self.broken.append(promise)
        return kept


@contextmanager
def promises(what: str) -> Iterator[Promises]:
    """Raise Broken at the end if any promise was broken."""
    found = Promises(what)
    yield found
    if found.broken:
        raise Broken(
            f"{found.what} breaks {len(found.broken)} promise(s):\n" + "\n".join(f"  - {p}" for p in found.broken)
        )


def check_settings(cls: type[Any], settings: Mapping[str, Any] | None = None) -> None:
    """Check what holds for every plugin: a frozen pydantic model, without unknown settings, that survives JSON."""
    with promises(f"plugin {cls.__name__}") as p:
        if not p.that(issubclass(cls, BaseModel), "it is a pydantic model: its fields are its settings"):
            return
        p.that("__init__" not in vars(cls), "it has no __init__ of its own: it only holds settings")
        made = cls.model_validate(dict(settings or {}))
        p.that(bool(cls.model_config.get("frozen")), "it is frozen (model_config: frozen=True)")
        p.that(
            _refuses(cls, {**(settings or {}), "no_such_setting": 1}), "it refuses unknown settings (extra='forbid')"
        )
        dumped = made.model_dump(mode="json", by_alias=True)
        p.that(cls.model_validate(json.loads(json.dumps(dumped))) == made, "its settings survive JSON")


def check_metric(
    cls: type[Any],
    settings: Mapping[str, Any] | None = None,
    *,
    task: Task | None = None,
    examples: Sequence[Example] = (),
    answers: Sequence[str] = (),
    target_is_right: bool = True,
) -> None:
    """Check a metric on the given rows and answers beside odd ones (empty, huge, broken JSON, lone surrogates), then in a
    small climb over the rows' targets; one that asks a model is not climbed with.

    `target_is_right`: the target itself, given as answer, must score 1.
    """
    check_settings(cls, settings)
    metric = cls.model_validate(dict(settings or {}))
    task = task or small_task()
    rows = tuple(examples) or small_rows(6, "m")
    with promises(f"metric {cls.__name__}") as p, keeping_nothing(p, metric):
        if not p.that(isinstance(metric, Metric), "it has score, lenient and format_rule"):
            return
        rule = metric.format_rule(task)
        p.that(
            rule is None or (isinstance(rule, str) and bool(rule.strip())), "format_rule is None or words, not empty"
        )
        for row in rows:
            for answer in (row.target, f"```\n{row.target}\n```", *answers, *_ODD_ANSWERS):
                before = random.getstate()
                found = metric.score(answer, row, task)
                lenient = metric.lenient(answer, row, task)
                _judged(p, found, lenient)
                p.that(random.getstate() == before, "it draws nothing from the global random generator")
                again = cls.model_validate(dict(settings or {}))
                p.that(
                    again.score(answer, row, task) == found and again.lenient(answer, row, task) == lenient,
                    "equal arguments give equal results, in another instance too",
                )
            if isinstance(metric, Judge):
                asyncio.run(_assessed(p, metric, row, task, (row.target, *answers, *_ODD_ANSWERS)))
            if target_is_right:
                right = metric.score(row.target, row, task)
                p.that(isinstance(right, Score) and right.value == 1.0, "the target itself, given as answer, scores 1")
        if not p.broken and not isinstance(metric, Judge):
            _climbed(p, trouble_in_a_climb("metrics", cls, settings or {}, targets=[row.target for row in rows]))


def check_provider(
    cls: type[Any],
    settings: Mapping[str, Any] | None = None,
    *,
    deterministic: bool = True,
    context: int | None = None,
    parallel: int = 20,
    failing: Mapping[str, Any] | None = None,
) -> None:
    """Check a provider by asking it a few short questions, then in a small climb (about 100 requests in all).

    `deterministic`: temperature 0 gives the same answer twice. `context`: a longer prompt must raise ContextOverflow
    with both counts. `failing`: settings under which every request fails (a closed port, say), which must raise a
    ModelError of the provider's name.
    """
    check_settings(cls, settings)
    provider = cls.model_validate(dict(settings or {}))
    with promises(f"provider {cls.__name__}") as p, keeping_nothing(p, provider):
        if not p.that(isinstance(provider, Provider), "it has connect"):
            return
        if not p.that(
            isinstance(provider, ProviderSettings), "it inherits rung.plugins.Provider: name, limits and prices"
        ):
            return
        identity = getattr(provider, "identity", None)
        if p.that(callable(identity), "it has identity, which tells the cache what determines its answers"):
            same = cls.model_validate(dict(settings or {}))
            p.that(
                canonical_json(provider.identity()) == canonical_json(same.identity()), "equal settings, equal identity"
            )
        asyncio.run(_asked(p, provider, deterministic, context, parallel))
        if failing is not None:
            asyncio.run(_failed(p, cls.model_validate(dict(failing))))
        if not p.broken:
            _climbed(p, trouble_in_a_climb("models", cls, settings or {}))


def _climbed(p: Promises, trouble: str | None) -> None:
    p.that(trouble is None, f"a small climb with it ends in a verdict that verifies: {trouble}")


@contextmanager
def keeping_nothing(p: Promises, made: BaseModel) -> Iterator[None]:
    """Check that fields and private attributes of an instance are afterwards what they were."""

    def held() -> str:
        fields = {name: getattr(made, name) for name in type(made).model_fields}
        return repr([fields, made.__pydantic_private__])

    before = held()
    yield
    p.that(held() == before, "it keeps nothing of what it is given: its settings and private attributes never change")


def _refuses(cls: type[BaseModel], settings: Mapping[str, Any]) -> bool:
    try:
        cls.model_validate(dict(settings))
    except ValidationError:
        return True
    return False


def _in_range(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and 0.0 <= value <= 1.0


def _judged(p: Promises, found: object, lenient: object) -> None:
    p.that(lenient is None or _in_range(lenient), "lenient is None or lies in [0, 1]")
    if isinstance(found, Failure):
        p.that(found.cause in ("parse", "metric"), "a metric's failure is of cause parse or metric")
        p.that(bool(found.message), "a failure says why")
        return
    if not p.that(isinstance(found, Score), "score returns a Score or a Failure") or not isinstance(found, Score):
        return
    if p.that(_in_range(found.value), "a score lies in [0, 1]") and isinstance(lenient, (int, float)):
        p.that(lenient >= found.value - 1e-9, "forgiving the form never lowers the score")
    p.that(found.adheres in (True, False, None), "adheres is True, False or None")
    p.that(all(_in_range(v) for v in found.parts.values()), "parts lie in [0, 1]")


async def _assessed(p: Promises, metric: Judge, row: Example, task: Task, answers: Sequence[str]) -> None:
    """Check a metric that asks, with models that reply nonsense."""
    p.that(isinstance(metric.opinion, bool), "opinion tells whether scores are a model's opinion")
    named: tuple[str, ...] | None = getattr(metric, "roles", None)
    p.that(
        named is not None and all(hasattr(metric, name) for name in named), "roles names the settings that hold roles"
    )
    role = next((str(getattr(metric, name)) for name in named or ()), "judge")
    for answer, reply in itertools.product(answers, ("", "{}", "1.0", "yes " * 2000, '{"verdict": "pass"}')):
        twice = []
        for _ in range(2):
            kit = BareKit(task, _Parrot(reply), ModelCard(role, "fake", "parrot", None, 256))
            found = await metric.assess(Answer(answer), row, task, kit)
            twice.append((found, kit.requests))
            _judged(p, found, None)
        p.that(twice[0] == twice[1], "equal arguments ask the same and give equal results")
        planned = metric.asks(answer, row, task)
        again = [request for request in twice[0][1] if request not in planned]
        p.that(len(again) <= len(planned), "asks returns every chat that assess may ask; each may be asked once more")


@dataclass(frozen=True)
class _Parrot:
    """A model that always replies the same."""

    reply: str

    async def complete(self, request: Request) -> Completion:
        return Completion(self.reply, "parrot", 1, 1, 0.0, None)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 1

    async def close(self) -> None:
        """Nothing is held."""


async def _asked(p: Promises, provider: Any, deterministic: bool, context: int | None, parallel: int) -> None:
    model = provider.connect()
    try:
        if not p.that(isinstance(model, Model), "connect returns a model with complete, count_tokens and close"):
            return
        longer = (*_CHAT, Message("assistant", "In transit."), Message("user", "And the other one? " * 20))
        counts = [model.count_tokens(chat) for chat in (_CHAT, longer)]
        p.that(0 < counts[0] < counts[1], "count_tokens is above 0 and grows with the chat")
        first = await model.complete(Request(_CHAT, {"temperature": 0.0, "max_tokens": 8}))
        _completed(p, first)
        again = await model.complete(Request(_CHAT, {"temperature": 0.0, "max_tokens": 8}))
        p.that(not deterministic or again.text == first.text, "temperature 0 gives the same answer twice")
        cut = await model.complete(Request(_CHAT, {"max_tokens": 1}))
        p.that(cut.output_tokens is None or cut.output_tokens <= 1, "max_tokens is obeyed")
        chats = [(_CHAT[0], Message("user", f"Where is parcel {i}?")) for i in range(parallel)]
        together = await asyncio.gather(*(model.complete(Request(chat, {"max_tokens": 4})) for chat in chats))
        for completion in together:
            _completed(p, completion)
        await _refused(p, model, context)
    finally:
        await model.close()


async def _failed(p: Promises, provider: Any) -> None:
    model = provider.connect()
    results = await asyncio.gather(model.complete(Request(_CHAT)), return_exceptions=True)
    await model.close()
    error = results[0]
    if not isinstance(error, ModelError):
        p.that(False, f"foreign errors become ModelError, not {type(error).__name__}")
        return
    p.that(bool(error.provider) and bool(str(error)), "a ModelError names its provider and says what happened")


async def _refused(p: Promises, model: Model, context: int | None) -> None:
    if context is None:
        return
    long = Request((Message("user", "word " * 2 * context),))
    [found] = await asyncio.gather(model.complete(long), return_exceptions=True)
    if p.that(isinstance(found, ContextOverflow), "a prompt longer than the context raises ContextOverflow"):
        told = bool(getattr(found, "tokens", None) and getattr(found, "context", None))
        p.that(told, "ContextOverflow tells both counts where a context is known")


def _completed(p: Promises, found: object) -> None:
    if not p.that(isinstance(found, Completion), "complete returns a Completion") or not isinstance(found, Completion):
        return
    p.that(isinstance(found.text, str) and bool(found.model), "a completion has text and names its model")
    p.that(found.cost_usd is None, "a provider leaves the price to the client (cost_usd is None)")
    timed = found.latency_s is not None and math.isfinite(found.latency_s) and found.latency_s >= 0
    p.that(timed, "latency_s is 0 or more")
    p.that(found.finish in get_args(Finish), f"finish is one of {', '.join(get_args(Finish))}")
    p.that(not found.cached and found.attempts == 1, "one call is one attempt, and nothing is cached")
    tokens = (found.input_tokens, found.output_tokens)
    p.that(all(t is None or (isinstance(t, int) and t >= 0) for t in tokens), "token counts are None or 0 and more")
