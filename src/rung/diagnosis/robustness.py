"""What an approach loses on changed dev examples: the paired drop of its deciding score with a 95 % interval, by change and over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from rung.stats.paired import compare_paired
from rung.store.records import Changed, Drop, Robustness
from rung.types import Outcome, Skipped, Task, groups_of

TOGETHER = "all changes"
_Pair = tuple[Outcome, float, float]


def robustness_of(
    label: str,
    as_given: Sequence[Outcome],
    answered: Sequence[Changed],
    untried: Sequence[Skipped],
    task: Task,
    seed: int,
) -> Robustness:
    """Sum up an approach's outcomes on changed examples beside those on the same examples `as_given`.

    What got no answer, or no judgement, either way is left out of the pair and counted. Over all changes each example counts
    once, by the mean of its scores.
    """
    before = {o.example_id: score for o in as_given if (score := _score(o, task)) is not None}
    by_change: dict[str, list[Outcome]] = {}
    scores: dict[str, list[float]] = {}
    for one in answered:
        by_change.setdefault(one.change, []).append(one.outcome)
        if (score := _score(one.outcome, task)) is not None and one.outcome.example_id in before:
            scores.setdefault(one.outcome.example_id, []).append(score)
    drops = [
        _drop(change, _pairs(before, outcomes, task), len(outcomes), seed) for change, outcomes in by_change.items()
    ]
    first = {one.outcome.example_id: one.outcome for one in reversed(answered)}
    means = [(first[i], before[i], fmean(after)) for i, after in scores.items()]
    together = _drop(TOGETHER, means, len(first), seed)
    # An average over labels has no score by example; what is compared are right answers.
    metric = task.metrics[0].name if task.metrics[0].average is None else "right answers"
    return Robustness(label, metric, together, tuple(d for d in drops if d is not None), tuple(untried))


def _score(outcome: Outcome, task: Task) -> float | None:
    return None if outcome.unanswered else outcome.value(task.metrics[0].name, task.failure_score)


def _pairs(before: Mapping[str, float], after: Sequence[Outcome], task: Task) -> list[_Pair]:
    found = [(o, before.get(o.example_id), _score(o, task)) for o in after]
    return [(o, a, b) for o, a, b in found if a is not None and b is not None]


def _drop(change: str, pairs: Sequence[_Pair], asked: int, seed: int) -> Drop | None:
    """Return the mean loss of the pairs; None where there is none. `asked`: examples that should have been pairs."""
    if not pairs:
        return None
    a, b = [x for _, x, _ in pairs], [y for _, _, y in pairs]
    found = compare_paired(a, b, groups_of([o for o, _, _ in pairs]), seed=seed)
    return Drop(
        change=change,
        n=found.n,
        before=fmean(a),
        after=fmean(b),
        drop=0.0 - found.gain,
        low=0.0 - found.high,
        high=0.0 - found.low,
        worse=found.losses,
        better=found.wins,
        unanswered=asked - found.n,
    )
