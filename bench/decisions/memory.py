"""Climb a world in memory: rung's own ladder, races, curtailment, comparisons and verdict, on outcomes that are given.

What is left out of a real climb: files, ledger, clients, audit, and the diagnosis of dev failures (it decides nothing).
`rung.evaluate.measure.judge` and the power search behind the verdict's sentence are remembered: for 0/1 scores of ungrouped
rows they depend on the number of hits alone.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from bench.decisions.worlds import ALPHA, GOAL, TOLERANCE, Rung, World
from rung import ladder, plugin
from rung.config import Config, parse_config
from rung.decide import verdict as deciding
from rung.evaluate import measure as measuring
from rung.evaluate import run
from rung.evaluate.diagnosis.case import Subject
from rung.evaluate.diagnosis.lab import Means
from rung.evaluate.prepare import Prepared
from rung.evaluate.progress import Silent
from rung.evaluate.run import Bench, Rules
from rung.metrics.exact_match import ExactMatch
from rung.rungs import _race
from rung.stats.sequential import Curtailment
from rung.types import Answer, Candidate, Completion, Diagnosis, Example, Outcome, Score, Split, Verdict

METRIC = "exact_match"
PLUGIN_OF = {"baseline": "made-baseline", "now": "made-now", "prompt": "made-prompt", "examples": "made-examples",
             "passages": "made-passages", "tuned": "made-tuned"}  # fmt: skip
Rights = Mapping[tuple[str, str], Mapping[str, bool]]  # (rung's label, candidate) -> row id -> right


def let_in() -> None:
    """Let the rungs of these worlds in by the door of any stranger's plugin: an entry point on the path."""
    place = str(Path(__file__).parent / "plugins")
    if place not in sys.path:
        sys.path.append(place)
        plugin.available.cache_clear()


@dataclass(frozen=True)
class Climbed:
    """A verdict, the candidates chosen by rung label, and the calls made on dev and test."""

    verdict: Verdict
    chosen: Mapping[str, str]
    calls: int


def label_of(rung: Rung) -> str:
    """Return the rung's label in the ladder: plugin name, and the model where it is not `main`."""
    name, _, role = rung.label.partition("@")
    return PLUGIN_OF[name] + (f"@{role}" if role else "")


def step_of(rung: Rung) -> dict[str, Any]:
    """Return the rung as an entry of rung.yaml's ladder."""
    name, _, role = rung.label.partition("@")
    settings: dict[str, Any] = {"named": PLUGIN_OF[name], "candidates": list(rung.rates)}
    if role:
        settings["model"] = role
    if rung.knee:
        settings["k"] = [int(candidate.removeprefix("k=")) for candidate in rung.rates]
    if rung.kind == "no model":
        settings["rates"] = list(rung.rates.values())
    if rung.fewest_rows:
        settings["fewest_rows"] = rung.fewest_rows
    return {PLUGIN_OF[name]: settings}


def config_of(world: World, root: Path = Path(), **more: Any) -> Config:
    """Return the world's climb as a configuration."""
    task = {
        "name": "world", "kind": "classification", "instruction": "Which team?", "inputs": ["text"], "target": "team",
        "metrics": [METRIC], "goal": GOAL, "worth_it": TOLERANCE, "alpha": ALPHA, "seek": world.seek,
    }  # fmt: skip
    models = {"main": {"provider": "fake"}, "large": {"provider": "fake"}} if "models" not in more else {}
    raw = {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "models": models,
           "ladder": [step_of(r) for r in world.ladder], **more}  # fmt: skip
    return parse_config(raw, root) if root != Path() else Config.model_validate(raw)


@dataclass
class _Kit:
    """The kit of a climb in memory: outcomes are looked up, calls counted."""

    rights: Rights
    tokens: Mapping[str, float]
    labels: Mapping[str, str]
    seed: int
    keeps_trials: ClassVar[bool] = False  # nobody reads them
    asked: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        return await self.answer(candidate, examples)

    async def answer(
        self, candidate: Candidate, examples: Sequence[Example], on_row: Any = None
    ) -> tuple[Outcome, ...]:
        label = candidate.rung if candidate.model in (None, "main") else f"{candidate.rung}@{candidate.model}"
        right = self.rights[label, candidate.name]
        if candidate.model is not None:
            self.asked[label, candidate.name].update(
                e.id for e in examples
            )  # what is asked again comes from the ledger
        tokens = self.tokens[label] * (1 + candidate.settings.get("k", 0) / 10)
        return tuple(_outcome(e.id, tokens, right[e.id]) for e in examples)

    def free(self, candidate: Candidate) -> bool:
        return candidate.model is None

    def metric(self) -> ExactMatch:
        return ExactMatch()

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}")

    def say(self, text: str) -> None:
        return None


@lru_cache(maxsize=64)
def _answers(tokens: float) -> tuple[Answer, Answer]:
    count = round(1000 * tokens)
    calls = (Completion("x", "m", count, 4, 0.001, tokens / 1000),) if tokens else ()
    return Answer("wrong", calls, latency_s=0.001), Answer("right", calls, latency_s=0.001)


_WRONG, _RIGHT = {METRIC: Score(0.0)}, {METRIC: Score(1.0)}


@lru_cache(maxsize=200_000)
def _outcome(example_id: str, tokens: float, right: bool) -> Outcome:
    return Outcome(example_id, example_id, _answers(tokens)[right], _RIGHT if right else _WRONG, None)


_CURTAILMENTS: dict[Any, Curtailment | None] = {}
_JUDGED: dict[Any, Any] = {}
_ORDERS: dict[Any, Any] = {}


@dataclass(frozen=True)
class _Bench(Bench):
    """Measures on rows in memory."""

    test: tuple[Example, ...] = ()

    def _test_rows(self, label: str) -> Sequence[Example]:
        return self.test

    def _curtailment(self, candidate: Candidate, rows: Sequence[Example]) -> Curtailment | None:
        key = (len(rows), self.kit.free(candidate), self.rules, self.task.goal)
        if key not in _CURTAILMENTS:  # its boundaries are searched for once
            _CURTAILMENTS[key] = super()._curtailment(candidate, rows)
        return _CURTAILMENTS[key]

    async def examine(self, subject: Subject, *, experiments: bool) -> Diagnosis:
        return Diagnosis(subject.rung, 0, 0, (), None, "")


class _Record:
    """Keeps nothing."""

    exploratory = False
    folder = SimpleNamespace(path=Path(), has=lambda name: False, save=lambda *given: None)

    def measured(self, label: str, candidate: Candidate) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: None


async def climb(
    world: World, config: Config, rights: Rights, parts: tuple[Sequence[Example], Sequence[Example]], train: int
) -> Climbed:
    """Climb with `parts` (dev and test rows) and as many training rows as said; mirrors `rung.ladder._climb`."""
    dev, test = parts
    rows = tuple(_row(f"train{i}") for i in range(train))
    task = config.as_task(kind="classification", labels=None)
    split = Split(rows, tuple(dev), config.split.seed, len(test), len(test), "", {})
    ready = Prepared(task, split, ())
    kit = _Kit(
        rights,
        {label_of(r): r.tokens for r in world.ladder},
        {label_of(r): r.label for r in world.ladder},
        config.split.seed,
    )
    rules = Rules(len(config.planned), config.stop_early, config.split.seed)
    made: Any = (task, kit, _Record(), "", rules, Silent(), Means())
    bench = _Bench(*made, test=tuple(test))
    learned = ladder._Learned()
    for step in config.ladder:
        if await ladder._rung(step, ready, bench, learned):
            break
    ended = ladder._conclude(config, ready, bench.record, learned, None)
    chosen = {kit.labels[label]: result.candidate.name for label, result in ended.results.items()}
    return Climbed(ended.verdict, chosen, sum(map(len, kit.asked.values())))


@lru_cache(maxsize=4096)
def _row(name: str) -> Example:
    return Example(name, {"text": name}, "x", name)


def named_rows(part: str, count: int) -> tuple[Example, ...]:
    """Return rows with nothing but a name."""
    return tuple(_row(f"{part}{i}") for i in range(count))


def every_call(world: World, dev: int, test: int) -> int:
    """Return the calls of asking every candidate of every rung for every dev and test row."""
    return sum(len(r.rates) for r in world.ladder if r.kind != "no model") * (dev + test)


@contextmanager
def remembering() -> Any:
    """Remember what depends on the number of hits alone, and the order of rows that are the same in every climb of a cell;
    leave out the search for the smallest visible gain."""
    consistency = run.consistency_of
    judge, visible, racing, visiting = (
        measuring.judge,
        deciding.smallest_visible_gain,
        _race.racing_order,
        run.visiting_order,
    )

    def remembered(scores: Any, groups: Any, *rule: Any) -> Any:
        if groups is not None or any(v not in (0.0, 1.0) for v in scores):
            return judge(scores, groups, *rule)
        key = (sum(scores), len(scores), *rule)
        if key not in _JUDGED:
            _JUDGED[key] = judge(scores, groups, *rule)
        return _JUDGED[key]

    def raced(dev: Sequence[Example], kit: Any) -> tuple[Example, ...]:
        key = ("racing", len(dev), dev[0].id, kit.seed)
        if key not in _ORDERS:
            _ORDERS[key] = racing(dev, kit)
        return _ORDERS[key]

    def visited(test: Sequence[Example], seed: int) -> list[Example]:
        key = ("visiting", len(test), test[0].id, seed)
        if key not in _ORDERS:
            _ORDERS[key] = visiting(test, seed)
        return _ORDERS[key]

    measuring.judge, _race.racing_order, run.visiting_order = remembered, raced, visited
    run.consistency_of = lambda *given: None  # a measurement beside the verdict
    deciding.smallest_visible_gain = lambda *given, **named: None
    try:
        yield
    finally:
        measuring.judge, deciding.smallest_visible_gain = judge, visible
        _race.racing_order, run.visiting_order, run.consistency_of = racing, visiting, consistency
