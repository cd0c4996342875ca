"""How steadily a rung keeps the asked-for form: exact intervals, and whether it agrees with itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rung.prompts.class_labels import denoted, labels_of
from rung.protocols import Metric
from rung.stats.estimate import clopper_pearson_lower, clopper_pearson_upper
from rung.store.records import Consistency, Form, Share
from rung.types import Example, Outcome, Task, by_id

FORMS: Mapping[Form, str] = {
    "exact": "exactly the form asked for",
    "extra": "right format with text around it",
    "wrong": "another form",
    "failed": "no usable answer",
}
MOST_IDS = 20  # rows named as examples of a deviation


def share(count: int, n: int, independent: int | None = None, alpha: float = 0.05) -> Share:
    """Return a count with its exact interval; `independent`: how many of the n are worth counting (None: all)."""
    size = n if independent is None else independent
    hits = count * size / n
    return Share(count, n, clopper_pearson_lower(hits, size, alpha / 2), clopper_pearson_upper(hits, size, alpha / 2))


def form_of(outcome: Outcome, example: Example, metric: Metric, task: Task) -> Form | None:
    """Return how an answer keeps the form; None where the metric knows no form.

    "extra": the form is broken, but a lenient reading finds the content: one of the labels, or a part of the target.
    """
    failure = outcome.failure
    if failure is not None and failure.cause != "parse":
        return "failed"
    adheres = outcome.adheres(task.metrics[0].name)
    if adheres is None:
        return None
    if adheres:
        return "exact"
    text = outcome.answer.text if outcome.answer is not None else ""
    labels = labels_of(task, ())
    if labels:
        return "extra" if denoted(text, labels) is not None else "wrong"
    return "extra" if (metric.lenient(text, example, task) or 0.0) > 0.0 else "wrong"


def consistency_of(
    label: str, rounds: Sequence[Sequence[Outcome]], examples: Sequence[Example], task: Task, metric: Metric
) -> Consistency | None:
    """Sum up rounds of answers to the same rows, judged by the task's first metric; None where that knows no form."""
    rows, name = by_id(examples), task.metrics[0].name
    forms = [[form_of(o, rows[o.example_id], metric, task) for o in answers] for answers in rounds]
    flat = [f for answers in forms for f in answers if f is not None]
    if all(f == "failed" for f in flat):
        return None
    inputs = len(rounds[0])
    independent = inputs if len(rounds) > 1 else None
    pairs = [(o, f) for answers, fs in zip(rounds, forms, strict=True) for o, f in zip(answers, fs, strict=True)]
    return Consistency(
        rung=label,
        metric=name,
        requests=len(flat),
        inputs=inputs,
        forms={form: share(flat.count(form), len(flat), independent) for form in FORMS},
        agreement=_agreement(rounds) if len(rounds) > 1 else None,
        deviating=tuple(dict.fromkeys(o.example_id for o, f in pairs if f not in ("exact", None)))[:MOST_IDS],
    )


def _agreement(rounds: Sequence[Sequence[Outcome]]) -> Share:
    said = [[o.answer.text.strip() if o.answer is not None else None for o in answers] for answers in rounds]
    same = sum(len(set(texts)) == 1 and texts[0] is not None for texts in zip(*said, strict=True))
    return share(same, len(said[0]))
