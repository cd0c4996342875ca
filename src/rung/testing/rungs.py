"""The promises of `rung.protocols.Rung` as checks, for built-in rungs and a stranger's.

from rung.testing.rungs import check_rung
def test_my_rung():
    check_rung(MyRung)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from rung import plugins
from rung.errors import NotOffered
from rung.protocols import DocumentIndex
from rung.testing.climbs import trouble_in_a_climb
from rung.testing.conformance import Promises, check_settings, keeping_nothing, promises
from rung.testing.kit import BareKit, kit_with_fake, small_rows, small_task
from rung.types import (
    LEARNED_KINDS,
    Candidate,
    Example,
    FitInput,
    Fitted,
    Learned,
    RungPlan,
    canonical_json,
)


def check_rung(
    cls: type[Any],
    settings: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    documents: DocumentIndex | None = None,
) -> Fitted | None:
    """Check a rung in a small world with a fake model; `name` is its plugin name (default: module's last part).

    `documents`: what the rung's kit offers as the user's documents.

    Returns what its fit brought back, None where it was not offered for a three-label task of 60 training rows.
    """
    check_settings(cls, settings)
    rung = cls.model_validate(dict(settings or {}))
    name = name or cls.__module__.rpartition(".")[2]
    with promises(f"rung {cls.__name__}") as p, keeping_nothing(p, rung):
        missing = [name for name in (*plugins.RUNG_TRAITS, "fit", "plan", "revive") if not hasattr(rung, name)]
        if not p.that(not missing, f"it has all traits and methods of an approach; missing: {', '.join(missing)}"):
            return None
        _traits(p, cls, name)
        found = asyncio.run(_climbed(p, rung, name, documents))
        if not p.broken and found is not None:
            texts = {s.document: s.text for s in documents.documents()} if documents is not None else None
            trouble = trouble_in_a_climb("rungs", cls, settings or {}, name=name, documents=texts)
            p.that(trouble is None, f"a small climb with it ends in a verdict that verifies: {trouble}")
        return found


async def _climbed(p: Promises, rung: Any, name: str, documents: DocumentIndex | None) -> Fitted | None:
    task, train, dev, new = small_task(), small_rows(60, "train"), small_rows(30, "dev"), small_rows(9, "new")
    given = FitInput(task, train, dev)
    abilities = {"base": 0.5, "label_list": 0.2, "examples": {1: 0.1, 3: 0.15}}

    def kit() -> BareKit:
        made = kit_with_fake(task, (*train, *dev, *new), (name, rung), abilities=abilities)
        made.documents = documents
        return made

    asked = kit()
    try:
        plan = rung.plan(given, asked)
    except NotOffered as reason:
        p.that(bool(str(reason)), "NotOffered says why")
        return None
    p.that(isinstance(plan, RungPlan) and plan.candidates >= 0 and plan.dev_calls >= 0, "plan returns a RungPlan")
    p.that(not asked.requests, "plan asks no model")
    try:
        fitted = await rung.fit(given, asked)
    except NotOffered as reason:
        p.that(bool(str(reason)), "NotOffered says why")
        return None
    if not p.that(isinstance(fitted, Fitted), "fit returns a Fitted"):
        return None
    found: Fitted = fitted
    _fitted(p, found, name, train, dev)
    p.that(bool(asked.requests) == bool(rung.asks), "asks tells whether a language model is asked")
    again = await rung.fit(given, kit())
    p.that(again.candidate.id == found.candidate.id, "equal examples and seed give the same candidate")
    if not p.that(isinstance(found.candidate.learned, rung.learned), "the candidate holds what the approach learns"):
        return None
    restored = _restored(found.candidate, rung)
    p.that(restored.id == found.candidate.id, "a candidate survives JSON with the same id")
    system = type(rung).revive(restored, task, kit())
    for outcome, example in zip(found.dev, dev, strict=False):
        if outcome.answer is not None:
            answer = await system.answer(dict(example.inputs))
            p.that(
                answer.text == outcome.answer.text, "the candidate restored from JSON answers dev examples as measured"
            )
    answers = [(await system.answer(dict(e.inputs))).text for e in new]
    p.that(all(isinstance(text, str) for text in answers), "the system answers examples it has never seen")
    return found


def _traits(p: Promises, cls: Any, name: str) -> None:
    """Check what a rung says of itself: the ladder, the diagnosis, the matrix and the report go by it."""
    p.that(isinstance(cls.trains, bool), "trains is a bool")
    p.that(isinstance(cls.title, str) and bool(cls.title), "title is a word")
    known = isinstance(cls.asks, tuple) and all(key in cls.model_fields for key in cls.asks)
    p.that(known, "asks is a tuple of its settings that name model roles, empty where no model is asked")
    p.that(isinstance(cls.fixes, frozenset), "fixes is a frozenset of causes of failure")
    p.that(isinstance(cls.usual_cost, tuple) and len(cls.usual_cost) == 2, "usual_cost is (money, time) in words")
    p.that(cls.said_to_fix is None or 0.0 <= cls.said_to_fix <= 1.0, "said_to_fix is None or a share in [0, 1]")
    kind = isinstance(cls.learned, type) and issubclass(cls.learned, Learned) and cls.learned.kind
    if p.that(bool(kind), "learned is a class of rung.types.Learned with a kind of its own"):
        own = LEARNED_KINDS.get(str(kind), cls.learned)
        p.that(own is cls.learned, f"the kind {kind!r} is one of ours: {name} needs a kind of its own")


def _fitted(p: Promises, found: Fitted, name: str, train: Sequence[Example], dev: Sequence[Example]) -> None:
    candidate = found.candidate
    p.that(candidate.rung == name, "the candidate names its approach")
    p.that([o.example_id for o in found.dev] == [e.id for e in dev], "Fitted.dev holds every dev example, in order")
    p.that(set(candidate.trained_on) <= {e.id for e in train}, "trained_on names training examples only")
    try:
        learned = canonical_json(asdict(candidate.learned))
    except (TypeError, ValueError):
        p.that(False, "what a candidate learned is plain JSON")
        return
    p.that(not any(e.inputs["text"] in learned for e in dev), "nothing of a dev example is inside the candidate")
    used = {e.id for e in train if e.inputs["text"] in learned}
    p.that(used <= set(candidate.trained_on), "training examples inside the candidate are named in trained_on")
    names = [trial.candidate.name for trial in found.trials]
    p.that(len(names) == len(set(names)), "candidates tried have different names")


def _restored(candidate: Candidate, rung: Any) -> Candidate:
    """Return the candidate as it comes back from a run folder."""
    adapter: TypeAdapter[Candidate] = TypeAdapter(Candidate)
    found = {"learned": lambda kind: rung.learned if kind == rung.learned.kind else plugins.learned_type(kind)}
    return adapter.validate_json(adapter.dump_json(candidate), context=found)
