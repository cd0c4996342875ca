"""How likely a second climb on as many fresh test examples comes to the same verdict, and the sentence that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rung.decide.averages import quality_sample
from rung.decide.current import chances_beside
from rung.decide.limits import held_back
from rung.stats.rerun import status_chances
from rung.types import Result, Task, Verdict


def same_again(
    task: Task, verdict: Verdict, results: Mapping[str, Result], test_rows: int, planned: int
) -> float | None:
    """Return the probability that a climb on as many fresh test examples of the same task ends in the same verdict.

    Each measured approach meets or misses the goal again by what its test examples leave open of its true rate, one independently
    of the other: with `objective: cheapest`, for tuned winners and for limits it says how likely the goal is met again, no more.
    None where the verdict is provisional, or the run ended before its time.
    """
    if verdict.provisional or verdict.decision == "stopped" or not results:
        return None
    current = results.get(task.as_good_as or "")
    if current is None and any(held_back(task, result) for result in results.values()):
        return None
    others = {label: result for label, result in results.items() if result is not current}
    chances = {label: _chances(task, result, planned, test_rows, current) for label, result in others.items()}
    if None in chances.values():
        return None
    meets = {label: c[0] for label, c in chances.items() if c is not None}
    misses = {label: c[1] for label, c in chances.items() if c is not None}
    none_meets = math.prod(1.0 - p for p in meets.values())
    all_miss = math.prod(misses.values())
    if verdict.winner is not None:
        first = list(meets)[: list(meets).index(verdict.winner)] if task.objective != "cheapest" else []
        return meets[verdict.winner] * math.prod(1.0 - meets[label] for label in first)
    return all_miss if verdict.decision == "misses" else max(0.0, none_meets - all_miss)


def _chances(
    task: Task, result: Result, planned: int, test_rows: int, current: Result | None
) -> tuple[float, float] | None:
    sample = quality_sample(result, task)
    if sample is None:
        return None
    rows = max(1, round(test_rows * sample.n_eff / sample.n))
    divisor = planned if result.level is None else task.alpha / result.level
    if current is not None:
        return (0.0, 1.0) if result.saves is False else chances_beside(task, current, result, divisor)
    return status_chances(sample.hits, sample.n_eff, rows, task.goal, task.tolerance, task.alpha, divisor)


def sentence(chance: float | None) -> str | None:
    """Say it; None where nothing is known."""
    if chance is None:
        return None
    return f"A second run on as many fresh test examples would end in the same verdict with a probability of about {chance:.0%}."
