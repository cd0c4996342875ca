"""Climb a world in memory: rung's own ladder, races, curtailment, comparisons and verdict, on outcomes that are given.

What is left out of a real climb: files, cache, clients, audit, and the diagnosis of dev failures (it decides nothing).
`rung.evaluate.estimating.judge_sample` and the power search behind the verdict's sentence are remembered: for 0/1 scores of ungrouped
rows they depend on the number of hits alone.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from bench.decisions.rungs import made_of
from bench.decisions.worlds import ALPHA, GOAL, TOLERANCE, Rung, World
from rung import ladder, plugins
from rung.config import Config, parse_config
from rung.decide import verdict as deciding
from rung.decide.current import anchored
from rung.decide.frontier import compared
from rung.diagnosis.experiments import ExperimentBudget
from rung.diagnosis.failed_examples import Subject
from rung.engine.current import measured_first
from rung.engine.first_use import TestUse
from rung.engine.prepare import Prepared
from rung.evaluate import estimating
from rung.evaluate import evaluator as run
from rung.evaluate.evaluator import Evaluator, Rules
from rung.metrics.normalized_match import NormalizedMatch
from rung.progress import Progress, Silent
from rung.prompts import race as _race
from rung.protocols import Metric
from rung.stats.sequential import Curtailment
from rung.store.records import AlphaShare
from rung.store.register import TestSet
from rung.store.run import RunFolder
from rung.types import (
    TWINS,
    Answer,
    Candidate,
    Completion,
    Diagnosis,
    Example,
    Failure,
    Fitted,
    ModelCard,
    Outcome,
    Result,
    Score,
    Split,
    Task,
    Verdict,
)

METRIC = "normalized_match"
PLUGIN_OF = {"baseline": "made-baseline", "now": "made-now", "prompt": "made-prompt", "examples": "made-examples",
             "passages": "made-passages", "tuned": "made-tuned"}  # fmt: skip
Rights = Mapping[
    tuple[str, str], Mapping[str, float | None]
]  # (rung's label, candidate) -> row id -> score, 1 or True where it is right; None: timed out


def let_in() -> None:
    """Let the rungs of these worlds in by the door of any stranger's plugin: an entry point on the path."""
    place = str(Path(__file__).parent / "plugins")
    if place not in sys.path:
        sys.path.append(place)
        plugins.available.cache_clear()


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
        "metrics": [METRIC], "goal": GOAL, "min_gain": TOLERANCE, "alpha": ALPHA, "objective": world.objective,
    }  # fmt: skip
    models = {"main": {"provider": "fake"}, "large": {"provider": "fake"}} if "models" not in more else {}
    raw = {"task": task, "data": {"path": "rows.jsonl", "id": "id"}, "models": models,
           "ladder": [step_of(r) for r in world.ladder], **more}  # fmt: skip
    return parse_config(raw, root) if root != Path() else Config.model_validate(raw)


@dataclass
class _Kit:
    """The kit of a climb in memory: outcomes are looked up, calls counted."""

    _task: Task
    rights: Rights
    tokens: Mapping[str, float]
    labels: Mapping[str, str]
    seed: int
    keeps_trials: ClassVar[bool] = False  # nobody reads them
    metrics: ClassVar[Mapping[str, Metric]] = {METRIC: NormalizedMatch()}
    asked: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    async def run(self, candidate: Candidate, examples: Sequence[Example]) -> tuple[Outcome, ...]:
        return await self.answer(candidate, examples)

    async def answer(
        self, candidate: Candidate, examples: Sequence[Example], on_row: Any = None
    ) -> tuple[Outcome, ...]:
        label = candidate.rung if candidate.model in (None, "main") else f"{candidate.rung}@{candidate.model}"
        right = self.rights[label, candidate.name]
        if candidate.model is not None:
            self.asked[label, candidate.name].update(e.id for e in examples)  # what is asked again comes from the cache
        tokens = self.tokens[label] * (1 + made_of(candidate).k / 10)
        return tuple(_outcome(e.id, e.group, tokens, right[e.id]) for e in examples)

    def free(self, candidate: Candidate) -> bool:
        return candidate.model is None

    def card(self, role: str) -> ModelCard:
        return ModelCard(role, "memory", "m", None, 16)

    def fresh(self) -> _Kit:
        return self

    def metric(self) -> NormalizedMatch:
        return NormalizedMatch()

    def rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{purpose}")

    def say(self, text: str) -> None:
        return None


@lru_cache(maxsize=64)
def _answers(tokens: float) -> tuple[Answer, Answer]:
    count = round(1000 * tokens)
    calls = (Completion("x", "m", count, 4, 0.001, tokens / 1000),) if tokens else ()
    return Answer("wrong", calls, latency_s=0.001), Answer("right", calls, latency_s=0.001)


@lru_cache(maxsize=1024)
def _scored(score: float) -> dict[str, Score]:
    return {METRIC: Score(score)}


@lru_cache(maxsize=200_000)
def _outcome(example_id: str, group: str, tokens: float, score: float | None) -> Outcome:
    if score is None:
        return Outcome(example_id, group, None, None, Failure("timeout", "no answer within 60 s"))
    return Outcome(example_id, group, _answers(tokens)[score >= 1.0], _scored(float(score)), None)


_CURTAILMENTS: dict[Any, Curtailment | None] = {}
_JUDGED: dict[Any, Any] = {}
_ORDERS: dict[Any, Any] = {}


@dataclass(frozen=True)
class _Evaluator(Evaluator):
    """Measures on rows in memory."""

    def _curtailment(self, candidate: Candidate, rows: Sequence[Example], level: float) -> Curtailment | None:
        key = (level, len(rows), len({r.group for r in rows}), self.kit.free(candidate), self.rules, self.task.goal)
        if key not in _CURTAILMENTS:  # its boundaries are searched for once
            _CURTAILMENTS[key] = super()._curtailment(candidate, rows, level)
        return _CURTAILMENTS[key]


@dataclass(frozen=True)
class _Held:
    """The test rows of a climb in memory."""

    rows: tuple[Example, ...]

    def read(self, purpose: str) -> tuple[Example, ...]:
        return self.rows


class _Unnoted(TestUse):
    """A use of a test set that no register hears of."""

    def __init__(self) -> None:
        super().__init__(Path(), TestSet("", 0, ()), "", 0.0)

    def note(self, run: RunFolder, progress: Progress) -> None:
        return None


class _Levels:
    """The levels by dev of one climb."""

    def __init__(self) -> None:
        self._kept: tuple[AlphaShare, ...] | None = None

    def get(self) -> tuple[AlphaShare, ...] | None:
        return self._kept

    def save(self, kept: tuple[AlphaShare, ...]) -> None:
        self._kept = kept


class _Nothing:
    """A run that keeps nothing but levels, and has no result."""

    unedited = False  # nothing is stored
    measured: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.alpha = _Levels()

    def rung(self, label: str) -> _Nothing:
        return self

    def save_fitted(self, fitted: Fitted) -> None:
        return None

    def save_measured(self, result: Result) -> None:
        return None

    def note(self, **facts: Any) -> None:
        return None


@contextmanager
def _undiagnosed() -> Iterator[None]:
    """Leave the diagnosis out: it decides nothing here."""

    async def nothing(subject: Subject, *given: Any) -> Diagnosis:
        return Diagnosis(subject.rung, 0, 0, (), None, "")

    examine, ladder.examine = ladder.examine, nothing
    try:
        yield
    finally:
        ladder.examine = examine


async def climb(
    world: World,
    config: Config,
    rights: Rights,
    parts: tuple[Sequence[Example], Sequence[Example]],
    train: int,
    *,
    by_time: bool = False,
) -> Climbed:
    """Climb with `parts` (dev and test rows) and as many training rows as said; mirrors `rung.ladder._climb`. `by_time`: test rows stand in order of time."""
    dev, test = parts
    rows = tuple(_row(f"train{i}") for i in range(train))
    manifest = {"settings": {"latest": [e.id for e in test[-round(len(test) / 3) :]]}} if by_time else {}
    task = config.as_task(kind="classification", labels=None)
    split = Split(rows, tuple(dev), config.split.seed, len(test), len(test), "", manifest)
    ready = Prepared(task, split, (), _Unnoted())
    kit = _Kit(
        task,
        rights,
        {label_of(r): r.tokens for r in world.ladder},
        {label_of(r): r.label for r in world.ladder},
        config.split.seed,
    )
    rules = Rules(config.planned, config.stop_early, config.split.seed, split.latest)
    made: Any = (task, kit, _Nothing(), _Held(tuple(test)), "", rules, Silent())
    evaluator, learned = _Evaluator(*made), ladder._Learned()
    with _undiagnosed():
        ready, evaluator, learned.current, learned.below = await measured_first(config, ready, evaluator)
        for step in config.ladder[len(learned.current) :]:
            if await ladder._rung(step, ready, evaluator, learned, ExperimentBudget()):
                break
    [current] = learned.current.values() or [None]
    told = task if current is None else anchored(task, current.outcomes)
    pairs = compared(told, {**learned.current, **learned.results}, len(config.planned), config.split.seed)
    verdict = deciding.decide(
        deciding.Climbed(
            task=told,
            planned=config.planned,
            results=learned.results,
            comparisons=pairs,
            current=current,
            skipped=tuple(learned.skipped),
            trained=frozenset(learned.trained),
            seed=config.split.seed,
            test_rows=len(test),
        )
    )
    chosen = {kit.labels[label]: result.candidate.name for label, result in learned.results.items()}
    return Climbed(verdict, chosen, sum(map(len, kit.asked.values())))


@lru_cache(maxsize=4096)
def _row(name: str) -> Example:
    return Example(name, {"text": name}, "x", name)


def named_rows(part: str, count: int, clusters: Sequence[int] = ()) -> tuple[Example, ...]:
    """Return rows with nothing but a name; the first of them in clusters of near-duplicates of these sizes."""
    names = [f"{TWINS}{part}{c}" for c, size in enumerate(clusters) for _ in range(size)]
    rows = tuple(_row(f"{part}{i}") for i in range(count))
    return (*(replace(row, group=name) for row, name in zip(rows, names, strict=False)), *rows[len(names) :])


def every_call(world: World, dev: int, test: int) -> int:
    """Return the calls of asking every candidate of every rung for every dev and test row."""
    return sum(len(r.rates) for r in world.ladder if r.kind != "no model") * (dev + test)


@contextmanager
def remembering() -> Any:
    """Remember what depends on the number of hits alone, and the order of rows that are the same in every climb of a cell;
    leave out the search for the smallest visible gain."""
    consistency = run.consistency_of
    judge, visible, racing, visiting = (
        estimating.judge_sample,
        deciding.minimum_detectable_effect,
        _race.racing_order,
        run.visiting_order,
    )

    def remembered(sample: Any, *rule: Any, best: Any) -> Any:
        key = (sample, *rule, best)
        if key not in _JUDGED:
            _JUDGED[key] = judge(sample, *rule, best=best)
        return _JUDGED[key]

    def raced(dev: Sequence[Example], kit: Any) -> tuple[Example, ...]:
        key = ("racing", tuple((e.id, e.group) for e in dev), kit.seed)
        if key not in _ORDERS:
            _ORDERS[key] = racing(dev, kit)
        return _ORDERS[key]

    def visited(test: Sequence[Example], seed: int) -> list[Example]:
        key = ("visiting", tuple((e.id, e.group) for e in test), seed)
        if key not in _ORDERS:
            _ORDERS[key] = visiting(test, seed)
        return _ORDERS[key]

    estimating.judge_sample, _race.racing_order, run.visiting_order = remembered, raced, visited
    run.consistency_of = lambda *given: None  # a measurement beside the verdict
    deciding.minimum_detectable_effect = lambda *given, **named: None
    try:
        yield
    finally:
        estimating.judge_sample, deciding.minimum_detectable_effect = judge, visible
        _race.racing_order, run.visiting_order = racing, visiting
        run.consistency_of = consistency
