"""How often is a wrong generation promoted, and a better one kept out? `python -m bench.generations [RUNS]`.

Ten generations by the rule of `rung retrain` (`rung.decide.promotion`, `rung.stats.spending`; its tests alone, in the order that asks the
quickest first, and held against `contest` itself in the first runs) on simulated answers: examples of
different difficulty, which all models share in part, and costs that scatter by half from request to request. In "chosen by peeking" each
challenger is the one of five equal ones that does best on the earlier test examples. Beside it: the same tests, each at 5 %.
results/generations.json keeps the figures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rung.decide.across import Side
from rung.decide.promotion import FEWEST, contest
from rung.evaluate.measure import summarise
from rung.stats.estimate import clopper_pearson_upper
from rung.stats.paired import mcnemar_exact, non_inferior, sign_flip
from rung.stats.spending import next_level
from rung.types import Answer, BaselineLearned, Candidate, Completion, MetricSpec, Outcome, Result, Score, Task

GENERATIONS, OLD, ABILITY = 10, 400, 0.75
TASK = Task("bench", "Route.", ("text",), "team", "classification", (MetricSpec("normalized_match"),), 0.8)
CANDIDATE = Candidate("prompt", "as-is", BaselineLearned(method="majority", answer="a"), None)


@dataclass(frozen=True)
class World:
    """`gain`: how much better each challenger truly is than its champion, in ability; `cost`: of a request beside the champion's."""

    name: str
    gain: float = 0.0
    cost: float = 1.0
    fresh: int = 0
    peeks: int = 1
    every_second: float = 0.0  # how much better every second challenger is


WORLDS = (
    World("equal, no new test examples"),
    World("equal, 200 new ones each time", fresh=200),
    World("two points worse at half the cost, no new ones", gain=-0.015, cost=0.5),
    World("two points worse at half the cost, 200 new ones", gain=-0.015, cost=0.5, fresh=200),
    World("every second one 8 points better, the others equal, 200 new ones", fresh=200, every_second=0.06),
    World("equal, chosen by peeking, no new ones", peeks=5),
    World("equal, chosen by peeking, 200 new ones", peeks=5, fresh=200),
)
BETTER = tuple(World("better", gain, fresh=fresh) for gain in (0.04, 0.06, 0.08) for fresh in (0, 200, 400))


def side(right: np.ndarray[Any, Any], usd: np.ndarray[Any, Any]) -> Side:
    """Return a measured approach from its scores and costs, by example."""
    outcomes = tuple(
        Outcome(
            str(i),
            str(i),
            Answer("x", (Completion("x", "m", 10, 1, 0.1, float(c)),)),
            {"normalized_match": Score(float(r))},
        )
        for i, (r, c) in enumerate(zip(right, usd, strict=True))
    )
    return Side("m", replace(EMPTY, outcomes=outcomes), TASK, 1, False, 7)


EMPTY: Result = summarise(
    CANDIDATE, (Outcome("0", "0", Answer("x"), {"normalized_match": Score(1.0)}),), TASK, 1, test_sha256="0"
)


class Row:
    """Examples as they come, and the models that answer them."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        self.hard = self.rng.random(OLD)
        self.models: list[tuple[float, np.ndarray[Any, Any]]] = []

    def model(self, ability: float, cost: float) -> tuple[float, float, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return a model with its answers to the examples so far."""
        n = len(self.hard)
        right = 0.75 * self.hard + 0.25 * self.rng.random(n) < ability
        return ability, cost, right, 0.001 * cost * self.rng.gamma(4.0, 0.25, n)

    def later(self, model: Any) -> Any:
        """Return the model with answers to the examples that came since."""
        ability, cost, right, usd = model
        more = self.model(ability, cost)
        return ability, cost, np.r_[right, more[2][len(right) :]], np.r_[usd, more[3][len(usd) :]]

    def challenger(self, champion: Any, gain: float) -> Any:
        """Return what is tried next: of several equal ones that which did best on the examples so far."""
        tried = [self.model(champion[0] + gain, champion[1] * self.world.cost) for _ in range(self.world.peeks)]
        best = max(tried, key=lambda m: float(m[2].sum()))
        self.hard = np.r_[self.hard, self.rng.random(self.world.fresh)]
        return self.later(best)


def any_wrong(world: World, seed: int, level_of: Callable[[list[bool]], float]) -> bool:
    """Whether a wrong one is promoted within ten generations."""
    row, history = Row(world, seed), list[bool]()
    champion = row.model(ABILITY, 1.0)
    for number in range(GENERATIONS):
        before, better = len(row.hard), world.every_second and number % 2 == 0
        challenger = row.challenger(champion, world.every_second if better else world.gain)
        champion = row.later(champion)
        won = held(champion, challenger, before, level_of(history), whole=seed < 2)
        if won and not better:
            return True
        champion = challenger if won else champion
        history.append(won)
    return False


def held(champion: Any, challenger: Any, before: int, level: float, whole: bool = False) -> bool:
    """Whether the challenger wins. `before`: examples that have decided; `whole`: ask `contest` itself, too."""
    fresh = len(champion[2]) - before
    at = slice(before, None) if fresh >= FEWEST else slice(None)
    (old, old_usd), (new, new_usd) = ((m[2][at].astype(float), m[3][at]) for m in (champion, challenger))
    won = bool(
        new.mean() > old.mean() and mcnemar_exact(int(((new - old) > 0).sum()), int(((new - old) < 0).sum())) < level
    )
    if not won and old_usd.sum() > new_usd.sum() and non_inferior(old, new, None, TASK.min_gain, level).shown:
        won = sign_flip(old_usd - new_usd, seed=7) < level
    if whole:
        ids = [str(i) for i in range(before, len(champion[2]))]
        assert contest(side(*champion[2:]), side(*challenger[2:]), ids, level).won == won
    return won


def seen(world: World, seed: int, at: int) -> bool:
    """Whether a better challenger is promoted where it is the `at`-th generation and none was before it."""
    row = Row(world, seed)
    champion = row.model(ABILITY, 1.0)
    challenger = row.challenger(champion, world.gain)
    return held(row.later(champion), challenger, OLD, next_level(0.05, [False] * (at - 1)))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    began, found = time.perf_counter(), {"runs": runs, "generations": GENERATIONS, "wrong": [], "power": []}
    for world in WORLDS:
        line: dict[str, Any] = {"world": world.name}
        for rule, level_of in (("spent", lambda h: next_level(0.05, h)), ("each at 5 %", lambda _: 0.05)):
            hits = sum(any_wrong(world, seed, level_of) for seed in range(runs))
            line[rule] = {"wrong": hits, "at_most": round(clopper_pearson_upper(hits, runs, 0.05), 4)}
        found["wrong"].append(line)
        print(json.dumps(line), flush=True)
    for world in BETTER:
        line = {"gain_in_ability": world.gain, "fresh": world.fresh}
        line |= {
            f"generation {at}": sum(seen(world, s, at) for s in range(runs // 2)) / (runs // 2) for at in (1, 2, 5, 10)
        }
        rng = np.random.default_rng(1)
        hard, u = rng.random(1_000_000), rng.random(1_000_000)
        rates = [float((0.75 * hard + 0.25 * u < a).mean()) for a in (ABILITY, ABILITY + world.gain)]
        line["true_rates"] = [round(r, 3) for r in rates]
        found["power"].append(line)
        print(json.dumps(line), flush=True)
    found["seconds"] = round(time.perf_counter() - began)
    Path(__file__).with_name("results").joinpath("generations.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
