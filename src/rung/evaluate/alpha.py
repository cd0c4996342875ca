"""The level at which each approach may be said to meet the goal: fixed by its dev result before its test examples are read, and kept."""

from __future__ import annotations

from collections.abc import Sequence

from rung.decide.averages import deciding_sample
from rung.evaluate.floors import sample_of
from rung.stats.wealth import share, weight
from rung.store.records import AlphaShare
from rung.store.run import RunFolder
from rung.types import Candidate, Outcome, Task


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
        if found != (entry.weight, entry.level) or record.measured().level != entry.level:
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
