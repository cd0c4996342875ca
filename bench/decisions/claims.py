"""8.5: more than one claim about quality. Payments of which one in ten is fraud, climbed with the product's own rules: a floor on the recall of
fraud, and a goal on macro F1. python -m bench.decisions.claims [--climbs 400] prints one line a cell.

Approaches, in order: one that calls nearly nothing fraud and is right in most examples all the same, one that finds three frauds in four, one that is
good enough: *right* is to name it. In a second world all are at the limit, and none may be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bench.decisions.kept import keep
from rung.evaluate.alpha import weight_of
from rung.evaluate.measure import summarise
from rung.stats.wealth import share
from rung.types import Answer, Candidate, Completion, Floor, MetricSpec, Outcome, PromptLearned, Score, Task

FRAUDS, GOAL = 0.1, 0.9
SIZES = ((100, 350), (200, 700))  # dev and test
GOOD = ((0.995, 0.32), (0.97, 0.75), (0.99, 0.98))  # recall of fine and of fraud, approach by approach
AT_RECALL, AT_MACRO = (
    ((0.99, 0.88),) * 3,
    ((0.97, 0.7594),) * 3,
)  # all at the least recall, and the least macro F1, that is not good enough
PLAIN = Task(
    "payments",
    "",
    ("text",),
    "kind",
    "classification",
    (MetricSpec("normalized_match"),),
    GOAL,
    labels=("fine", "fraud"),
)
FLOOR = Floor(0.9, 0.02, "recall", "fraud")
CANDIDATE = Candidate("prompt", "as-is", PromptLearned(columns=("text",), messages=()), "main")


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield the shares of climbs by world, rule and size."""
    floors, macro = replace(PLAIN, floors=(FLOOR,)), replace(PLAIN, metrics=(MetricSpec("macro_f1"),), goal=0.88)
    rules = (
        ("right answers alone", PLAIN, False, AT_RECALL),
        ("floor on recall, alpha by the goal", floors, False, AT_RECALL),
        ("floor on recall, alpha by all claims", floors, True, AT_RECALL),
        ("macro F1 at least 0.88", macro, True, AT_MACRO),
    )
    for rule, task, by_all, limit in rules:
        for dev, test in SIZES:
            named = [_named(task, GOOD, dev, test, by_all, seed) for seed in range(climbs)]
            wrong = [_named(task, limit, dev, test, by_all, seed) for seed in range(climbs)]
            yield {
                "rule": rule, "dev": dev, "test": test, "right": named.count(2) / climbs,
                "too early": (named.count(0) + named.count(1)) / climbs, "none": named.count(None) / climbs,
                "all at the limit: one is named": 1 - wrong.count(None) / climbs, "climbs": climbs,
            }  # fmt: skip


def _named(
    task: Task, ladder: Sequence[tuple[float, float]], dev: int, test: int, by_all: bool, seed: int
) -> int | None:
    """Return which approach one climb names, by its place; None: none."""
    draw, wealth = np.random.default_rng([seed, dev]), task.alpha
    labels = [np.where(draw.random(n) < FRAUDS, "fraud", "fine") for n in (dev, test)]
    for at, recalls in enumerate(ladder):
        on_dev, on_test = (_answered(task, drawn, recalls, draw) for drawn in labels)
        weighed = task if by_all else replace(task, floors=())
        level = share(wealth, weight_of(on_dev, weighed, task.goal - task.tolerance), len(ladder) - 1 - at)
        wealth -= level
        if summarise(CANDIDATE, on_test, task, len(ladder), level=level).status == "meets":
            return at
    return None


def _answered(
    task: Task, labels: np.ndarray, recalls: tuple[float, float], draw: np.random.Generator
) -> tuple[Outcome, ...]:
    found, metric = [], task.metrics[0].name
    for i, (label, luck) in enumerate(zip(labels.tolist(), draw.random(labels.size), strict=True)):
        right = bool(luck < recalls[label == "fraud"])
        said = label if right else "fine" if label == "fraud" else "fraud"
        answer = Answer(said, (Completion(said, "m", 10, 1, 0.1, 0.0),))
        found.append(Outcome(f"r{i}", f"r{i}", answer, {metric: Score(float(right))}, label=label, said=said))
    return tuple(found)


if __name__ == "__main__":
    keep("claims", __doc__, 300, cells)
