"""The level at which each approach may be said to meet the goal: fixed by its dev result before its test examples are read, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rung.decide.averages import deciding_sample
from rung.evaluate.floors import sample_of
from rung.stats.sequential import second_level
from rung.stats.wealth import share, weight
from rung.store.records import AlphaShare
from rung.store.run import RunFolder
from rung.types import Candidate, Outcome, Result, Task

FIRST_LOOK = "first_look"  # a fact of a run that is looked at once more: what the first look said, and saw


def level_of(
    label: str, candidate: Candidate, dev: Sequence[Outcome], task: Task, run: RunFolder, planned: Sequence[str]
) -> float:
    """Return the level for this very candidate, as it was kept, or found and kept now.

    The levels of a run's approaches sum to at most alpha. Another candidate of the same approach, measured later in this run, gets
    its level anew, and the run is exploratory (`superseded`). A run that was begun with equal shares goes on with them.
    """
    spent = run.alpha.get() or ()
    known = next((s.level for s in spent if (s.label, s.candidate) == (label, candidate.id)), None)
    if known is not None:
        return known
    if not spent and set(run.measured) - {task.as_good_as}:
        return task.alpha / len(planned)
    floor = max(task.goal - task.tolerance, 0.0)
    made = AlphaShare(label, candidate.id, floor, *_share(label, dev, floor, task, spent, planned))
    run.alpha.save((*spent, made))
    return made.level


def first_hits(result: Result, task: Task) -> Mapping[str, Any] | None:
    """Return what a second look must know of an approach's first one, to decide by the exact boundary of both; None where none is exact."""
    if result.level is None or result.quality.provisional is not None or not _plain(result.outcomes, task):
        return None
    hits = round(sum(o.value(task.metrics[0].name, task.failure_score) or 0.0 for o in result.outcomes))
    return {"candidate": result.candidate.id, "hits": hits, "level": result.level, "floor": task.goal - task.tolerance}


def of_both_looks(
    level: float, label: str, candidate: Candidate, outcomes: Sequence[Outcome], task: Task, run: RunFolder
) -> float:
    """Return the level at which these outcomes decide: an approach's share of alpha (`level`), or at a second look, where that is exact,
    what both looks may err together (`rung.stats.sequential`). A goal that was changed after the first look has its share alone."""
    first: Mapping[str, Any] = run.facts.get(FIRST_LOOK) or {}
    seen = first.get("hits", {}).get(label)
    if seen is None or seen["candidate"] != candidate.id or len(outcomes) != run.parts.manifest.need()["test"]["rows"]:
        return level
    added, floor = len(outcomes) - first["rows"], task.goal - task.tolerance
    if added < 1 or floor != seen["floor"] or not 0.0 < floor < 1.0 or not _plain(outcomes, task):
        return level
    return second_level(seen["hits"], first["rows"], added, floor, seen["level"], seen["level"] + level)


def _plain(outcomes: Sequence[Outcome], task: Task) -> bool:
    """Whether a binomial boundary is exact: not for scores between 0 and 1, examples in groups or left out, averages over labels, floors,
    limits, and beside what runs now."""
    values = [o.value(task.metrics[0].name, task.failure_score) for o in outcomes]
    return not (
        task.floors
        or task.as_good_as is not None
        or task.metrics[0].average is not None
        or task.limits.cost_per_1k_usd is not None
        or task.limits.p95_latency_s is not None
        or any(o.unanswered or o.unjudged for o in outcomes)
        or any(v not in (0.0, 1.0) for v in values)
        or len({o.group for o in outcomes}) < len(values)
    )


def superseded(run: RunFolder) -> bool:
    """Whether an approach of this run was measured on the test examples before, by another candidate."""
    labels = [entry.label for entry in run.alpha.get() or ()]
    return len(set(labels)) < len(labels)


def differing(run: RunFolder, task: Task) -> tuple[str, ...]:
    """Return the approaches whose kept level is not what their dev outcomes give, of those whose candidate is the stored one."""
    kept, wrong = run.alpha.get() or (), []
    for at, entry in enumerate(kept):
        record = run.rung(entry.label)
        if not record.result.exists or record.measured().candidate.id != entry.candidate or not record.dev.exists:
            continue
        found = _share(entry.label, record.dev.need(), entry.floor, task, kept[:at], run.planned)
        measured = record.measured()
        level = of_both_looks(entry.level, entry.label, measured.candidate, measured.outcomes, task, run)
        if found != (entry.weight, entry.level) or measured.level != level:
            wrong.append(entry.label)
    return tuple(wrong)


def weight_of(dev: Sequence[Outcome], task: Task, floor: float) -> float:
    """Return how likely an approach meets the least likely of its claims, by its dev result: the goal less the tolerance (`floor`), and
    each floor of the task. Outcomes from before dev was told apart say nothing of these."""
    claims = [(deciding_sample(dev, task), floor)]
    if any(o.label is not None or o.slices for o in dev):
        claims += [(sample_of(f, dev, task), f.at_least - f.tolerance) for f in task.floors]
    return min(weight(sample, max(least, 0.0)) for sample, least in claims)


def _share(
    label: str, dev: Sequence[Outcome], floor: float, task: Task, spent: Sequence[AlphaShare], planned: Sequence[str]
) -> tuple[float, float]:
    """Return the weight and the level of an approach, after what others have spent."""
    own = weight_of(dev, task, floor)
    others = {s.label: s.level for s in spent if s.label != label}  # of each the last candidate
    left = max(0.0, task.alpha - sum(others.values()))
    return own, share(left, own, len(planned) - 1 - list(planned).index(label))
