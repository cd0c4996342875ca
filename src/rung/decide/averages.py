"""The deciding metric on outcomes as a sample; and what each example adds, where it is an average over labels (`MetricSpec.average`)."""

from __future__ import annotations

from collections.abc import Sequence

from rung.stats.aggregate import Contributions, aggregate_sample, contributions
from rung.stats.estimate import Sample, summarise
from rung.types import MetricSpec, Outcome, Result, Task, groups_of


def told(outcomes: Sequence[Outcome], task: Task) -> list[Outcome]:
    """Return the outcomes that an average counts: those with an expected label and a value."""
    name = task.metrics[0].name
    return [o for o in outcomes if o.label is not None and o.bounds(name, task.failure_score) is not None]


def unknown(outcome: Outcome) -> bool:
    """Whether it is not known which label the answer is: none came, or the metric could not judge it."""
    return outcome.unanswered or outcome.unjudged


def average_sample(spec: MetricSpec, rows: Sequence[Outcome], unknown_right: bool) -> Sample:
    """Return an average over the labels of these outcomes as a sample. Raises ValueError as `aggregate_sample` does."""
    expected, said = _labels(rows, unknown_right)
    return aggregate_sample(str(spec.average), expected, said, groups_of(rows), spec.label, spec.beta)


def contributed(spec: MetricSpec, rows: Sequence[Outcome], unknown_right: bool) -> Contributions:
    """Return what each of these outcomes adds to an average. Raises ValueError as `aggregate_sample` does."""
    expected, said = _labels(rows, unknown_right)
    return contributions(str(spec.average), expected, said, spec.label, spec.beta)


def deciding_sample(outcomes: Sequence[Outcome], task: Task) -> Sample | None:
    """Return the deciding metric as a sample, what got no answer counted as wrong; None where no example has a value."""
    spec = task.metrics[0]
    if spec.average is not None:
        rows = told(outcomes, task)
        return average_sample(spec, rows, False) if shows(spec, rows) else None
    bounded = [(o, b[0]) for o in outcomes if (b := o.bounds(spec.name, task.failure_score)) is not None]
    return summarise([low for _, low in bounded], groups_of([o for o, _ in bounded])) if bounded else None


def quality_sample(result: Result, task: Task) -> Sample | None:
    """Return the deciding metric of a measured approach as a sample: corrected by people's labels, where these decide."""
    if not result.labels:
        return deciding_sample(result.outcomes, task)
    found = result.estimates[task.metrics[0].name]
    n_eff = found.n if found.n_effective is None else found.n_effective
    return Sample(found.point, found.n, n_eff, n_eff, None, None, found.method)


def shows(spec: MetricSpec, rows: Sequence[Outcome]) -> bool:
    """Whether these outcomes have a label, and the one that is asked for."""
    return bool(rows) and (spec.label is None or any(spec.label in (o.label, o.said) for o in rows))


def _labels(rows: Sequence[Outcome], unknown_right: bool) -> tuple[list[str], list[str | None]]:
    blank = [unknown(o) for o in rows]
    said = [(o.label if unknown_right else None) if b else o.said for o, b in zip(rows, blank, strict=True)]
    return [str(o.label) for o in rows], said
