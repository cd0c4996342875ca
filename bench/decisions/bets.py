"""8.9: what to use now, where the test examples settle nothing. python -m bench.decisions.bets [--climbs 1000] prints one line a cell.

Four approaches whose true rates are drawn around the goal .90 (normal, standard deviation .04), judged by the product's rules; only runs that end
inconclusive count. *Lost*: by how many points the chosen one truly falls short of the goal more than the best of the four; *cost*: what 1,000 of
its requests cost. *Told* is what the report says, beside what is true: the shortfall of the pick, and what 100 more test examples bring to one who
takes the least expected shortfall before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.decisions.kept import keep
from bench.decisions.memory import remembering
from rung.decide.verdict import PICKED_FROM, Climbed, decide
from rung.evaluate.measure import summarise
from rung.stats.shortfall import Seen, expected_shortfall
from rung.types import Answer, Candidate, Completion, MetricSpec, Outcome, PromptLearned, Result, Score, Task

GOAL, SPREAD, MORE = 0.9, 0.04, 100
SIZES = (60, 100, 200, 400)
LADDERS = {"each dearer than the one below": (0.0, 1.0, 2.0, 3.0), "the second the dearest": (0.0, 3.0, 1.0, 2.0)}
TASK = Task("made", "Which team?", ("text",), "team", "classification", (MetricSpec("normalized_match"),), GOAL)
NAMES = ("baseline", "prompt", "fewshot", "rag")


@dataclass(frozen=True)
class Choice:
    """The truly lost points and the cost of one way to choose."""

    lost: float
    usd: float


@dataclass(frozen=True)
class Run:
    """One inconclusive run. `told` and `true`: the shortfall of the pick; `worth` and `came`: what more examples bring."""

    pick: Choice
    score: Choice  # the tentative pick as it was, else the highest score
    least: Choice
    told: float
    true: float
    worth: float
    came: float


def cells(climbs: int) -> Iterator[dict[str, object]]:
    """Yield the means over inconclusive runs, by order of cost and size."""
    for name, costs in LADDERS.items():
        for n in SIZES:
            with remembering():
                every = [climb(costs, n, seed) for seed in range(climbs)]
            found = [run for run in every if run is not None]
            mean = {
                f"{way} {what}": float(np.mean([getattr(getattr(run, way), what) for run in found]))
                for way in ("pick", "score", "least") for what in ("lost", "usd")
            }  # fmt: skip
            told = {k: float(np.mean([getattr(run, k) for run in found])) for k in ("told", "true", "worth", "came")}
            yield {"ladder": name, "test": n, "inconclusive": len(found) / climbs, **mean, **told, "climbs": climbs}


def climb(costs: tuple[float, ...], n: int, seed: int) -> Run | None:
    """Return what each way to choose costs; None where the run is decided."""
    rng = np.random.default_rng([seed, n])
    rates = np.clip(rng.normal(GOAL, SPREAD, len(NAMES)), 0.3, 0.999)
    hits = _hits(rates, n + MORE, rng)
    results = {
        name: summarise(_candidate(name), _outcomes(hit[:n], usd), TASK, len(NAMES))
        for name, hit, usd in zip(NAMES, hits, costs, strict=True)
    }
    verdict = decide(Climbed(TASK, NAMES, results, (), (), frozenset(), 7, n))
    if verdict.decision != "inconclusive" or verdict.bets is None:
        return None
    short = dict(zip(NAMES, 100 * np.maximum(0.0, GOAL - rates), strict=True))
    later = {
        name: expected_shortfall(Seen(float(hit.sum()), n + MORE), GOAL) for name, hit in zip(NAMES, hits, strict=True)
    }
    now, after = verdict.bets.each[0].label, min(NAMES, key=lambda k: later[k])

    def choice(name: str) -> Choice:
        return Choice(short[name] - min(short.values()), costs[NAMES.index(name)])

    return Run(
        choice(verdict.bets.pick), choice(_by_score(results)), choice(now),
        100 * verdict.bets.picked.shortfall, short[verdict.bets.pick], 100 * verdict.bets.worth, short[now] - short[after],
    )  # fmt: skip


def _by_score(results: dict[str, Result]) -> str:
    """The tentative pick as it was, else the highest score."""
    first = next((k for k, r in results.items() if r.probability_good >= PICKED_FROM), None)
    return first or max(results, key=lambda k: results[k].estimates["normalized_match"].point)


def _hits(rates: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return who is right where: (approaches, rows), rows of one difficulty for all."""
    hard = rng.standard_normal(n) * 0.7
    return hard + rng.standard_normal((rates.size, n)) * 0.51**0.5 < ndtri(rates)[:, None]


def _candidate(name: str) -> Candidate:
    return Candidate(name, "as-is", PromptLearned(columns=("text",), messages=()), "main")


def _outcomes(hits: np.ndarray, usd: float) -> tuple[Outcome, ...]:
    answer = Answer("x", (Completion("x", "m", 10, 1, 0.1, usd / 1000),))
    return tuple(
        Outcome(f"r{i}", f"r{i}", answer, {"normalized_match": Score(float(hit))}) for i, hit in enumerate(hits)
    )


if __name__ == "__main__":
    keep("bets", __doc__, 1000, cells)
