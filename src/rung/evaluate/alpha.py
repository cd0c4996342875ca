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
    its level anew, and the run is exploratory (`superseded`). A run that was begun with equal shares goes on with them. At a second
    look it is what both looks may err together (`_of_both_looks`).
    """
    spent = run.alpha.get() or ()
    known = next((s for s in spent if (s.label, s.candidate) == (label, candidate.id)), None)
    if known is not None:
        return _of_both_looks(known, run)
    if not spent and set(run.measured) - {task.as_good_as}:
        return task.alpha / len(planned)
    floor = max(task.goal - task.tolerance, 0.0)
    made = AlphaShare(label, candidate.id, floor, *_share(label, dev, floor, task, spent, planned))
    run.alpha.save((*spent, made))
    return _of_both_looks(made, run)


def first_hits(result: Result, task: Task) -> Mapping[str, Any] | None:
    """Return what a second look must know of an approach's first one, to decide by the exact boundary of both (`rung.stats.sequential`).

    None where that boundary is not exact: scores between 0 and 1, examples in groups or left out, averages over labels, opinions, floors,
    limits, and beside what runs now.
    """
    values = [o.value(task.metrics[0].name, task.failure_score) for o in result.outcomes]
    plain = not (
        task.floors
        or task.as_good_as is not None
        or task.metrics[0].average is not None
        or task.limits.cost_per_1k_usd is not None
        or task.limits.p95_latency_s is not None
        or result.quality.provisional is not None
        or result.stopped_early_at is not None
        or any(o.unanswered or o.unjudged for o in result.outcomes)
        or any(v not in (0.0, 1.0) for v in values)
        or len({o.group for o in result.outcomes}) < len(values)
    )
    if result.level is None or not plain:
        return None
    return {"candidate": result.candidate.id, "hits": round(sum(v or 0.0 for v in values)), "level": result.level}


def _of_both_looks(entry: AlphaShare, run: RunFolder) -> float:
    """Return the level of an approach: its share of alpha, or at a second look what the exact boundary of both looks gives."""
    first: Mapping[str, Any] = run.facts.get(FIRST_LOOK) or {}
    seen = first.get("hits", {}).get(entry.label)
    if seen is None or seen["candidate"] != entry.candidate or not 0.0 < entry.floor < 1.0:
        return entry.level
    test = run.parts.manifest.need()["test"]
    added = test["rows"] - first["rows"]
    if added < 1 or test["groups"] < test["rows"]:
        return entry.level
    both = seen["level"] + entry.level
    return second_level(seen["hits"], first["rows"], added, entry.floor, seen["level"], both)


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
        if found != (entry.weight, entry.level) or record.measured().level != _of_both_looks(entry, run):
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
