"""What tells test outcomes apart: the expected label, the label that the answer is, and the example's slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rung.protocols import Forgiving, Metric
from rung.types import Example, Outcome, Task

Form = Callable[[str], str]


def form_of(metric: Metric) -> Form:
    """Return how the deciding metric compares labels: as they stand, where it forgives nothing."""
    return metric.label_form if isinstance(metric, Forgiving) else str.strip


def told_apart(
    outcomes: Sequence[Outcome], examples: Mapping[str, Example], task: Task, form: Form
) -> tuple[Outcome, ...]:
    """Return the outcomes of a task with labels or slices as tables and floors need them; of other tasks as they are.

    An answer is a label if the metric compares it as equal to one: what stands in a sentence is no label here, as in the score. A
    right answer is the expected label, whichever of several right ones it gives.
    """
    labels = {form(label): label for label in task.labels or ()} if task.kind == "classification" else {}
    if not labels and not task.slices:
        return tuple(outcomes)
    deciding = task.metrics[0].name
    found = []
    for o in outcomes:
        example = examples[o.example_id]
        label = example.target if labels else None
        right = o.scores is not None and o.scores[deciding].value >= 1.0
        text = o.answer.text if o.answer is not None and not o.unanswered else None
        said = label if right else None if text is None else labels.get(form(text))
        found.append(replace(o, label=label, said=said if labels else None, slices=example.slices))
    return tuple(found)
