"""One approach on the test set by label, by slice and by field of its answers: tables from outcomes alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rung.evaluate.averages import average_of
from rung.evaluate.estimating import estimate_of
from rung.types import (
    AVERAGES,
    MOST_VALUES,
    Confused,
    FieldScore,
    LabelScore,
    MetricSpec,
    Outcome,
    SliceScore,
    Tables,
    Task,
)

MOST_FIELDS = 50  # of an answer: beyond these a table tells nobody anything
OFTEN = 0.05  # share of the answers that must hold a field for it to be one


def tables_of(outcomes: Sequence[Outcome], task: Task, stopped_early: bool, fields: bool) -> Tables | None:
    """Return the tables; None where there is nothing to tell apart. `fields`: whether parts of a score are fields, not votes."""
    found = Tables(
        labels=tuple(_labels(outcomes, task, stopped_early)),
        confusion=tuple(_confusion(outcomes)),
        slices=tuple(_slices(outcomes, task, stopped_early)),
        fields=tuple(_fields(outcomes, task, stopped_early)) if fields else (),
        averages={
            kind: found.estimate
            for kind in AVERAGES
            if (found := average_of(MetricSpec(kind), outcomes, task, stopped_early)) is not None
        },
    )
    return None if found == Tables() else found


def _labels(outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Iterator[LabelScore]:
    metric = task.metrics[0].name
    names = {name for o in outcomes if o.label is not None for name in (o.label, o.said) if name is not None}
    for name in sorted(names):
        known = [(o, b) for o in outcomes if o.label == name and (b := o.bounds(metric, task.failure_score))]
        given = [(o, (float(o.label == name),) * 2) for o in outcomes if o.said == name]
        if not known:
            continue
        right = sum(o.label == name for o, _ in given)
        yield LabelScore(
            label=name,
            recall=estimate_of(known, stopped_early),
            said=len(given),
            precision=estimate_of([(o, (b[0], b[1])) for o, b in given], stopped_early) if given else None,
            f1=2 * right / (len(known) + len(given)),
        )


def _confusion(outcomes: Sequence[Outcome]) -> Iterator[Confused]:
    told = [o for o in outcomes if o.label is not None and not (o.unanswered or o.unjudged)]
    counts = Counter((str(o.label), o.said) for o in told)
    for expected, said in sorted(counts, key=lambda pair: (pair[0], pair[1] is None, pair[1] or "")):
        yield Confused(expected, said, counts[expected, said])


def _slices(outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Iterator[SliceScore]:
    metric = task.metrics[0].name
    for column in task.slices:
        sizes = Counter(o.slices[column] for o in outcomes if column in o.slices)
        for value in sorted(v for v, _ in sizes.most_common(MOST_VALUES)):
            there = [o for o in outcomes if o.slices.get(column) == value]
            rows = [(o, b) for o in there if (b := o.bounds(metric, task.failure_score)) is not None]
            if rows:
                yield SliceScore(column, value, estimate_of(rows, stopped_early))


def _fields(outcomes: Sequence[Outcome], task: Task, stopped_early: bool) -> Iterator[FieldScore]:
    """Yield the named parts of the deciding score. One that every score has is wrong where the model failed; of others, such
    examples do not say whether they have it."""
    metric = task.metrics[0].name
    scored = [(o, o.scores[metric].parts) for o in outcomes if o.scores is not None]
    counts = Counter(name for _, parts in scored for name in parts)
    names = [n for n in counts if counts[n] >= max(2.0, OFTEN * len(scored))][:MOST_FIELDS]
    failed = [(o, b) for o in outcomes if o.scores is None and (b := o.bounds(metric, task.failure_score)) is not None]
    for name in names:
        rows = [(o, (parts[name],) * 2) for o, parts in scored if name in parts]
        everywhere = failed if counts[name] == len(scored) else []
        yield FieldScore(name, estimate_of([*((o, (b[0], b[1])) for o, b in rows), *everywhere], stopped_early))
