"""The form of answers before anything dearer: what keeps an approach from the goal by its form alone is mended first."""

from __future__ import annotations

from collections.abc import Iterable

from rung.types import Diagnosis, FormLoss, Task


def cheapest_fix(form: FormLoss, task: Task) -> str | None:
    """Return the fix that costs least, in words; None where the form is not what keeps the approach from the goal."""
    if form.untried is not None and form.mended is not None:
        return f"post-processing ({form.untried}) lifts the dev score from {form.strict:.3f} to {form.mended:.3f} at no cost"
    if form.reaches(task.goal):
        return (
            f"fix the form of {form.rows} right answers (post-processing, structured output, a stricter prompt): with it "
            f"forgiven the dev score is {form.lenient:.3f}, not {form.strict:.3f}"
        )
    return None


def right_but_for_form(task: Task, diagnoses: Iterable[Diagnosis]) -> int | None:
    """Return how many right answers fail by their form where that keeps an approach from the goal; None where it does not."""
    return next((d.form.rows for d in diagnoses if d.form is not None and cheapest_fix(d.form, task)), None)


def form_comes_first(task: Task, diagnoses: Iterable[Diagnosis]) -> str | None:
    """Return why a model may not be tuned yet: a fix of form is untried, or would reach the goal; None where neither is so."""
    for diagnosis in diagnoses:
        fix = cheapest_fix(diagnosis.form, task) if diagnosis.form is not None else None
        if fix is not None:
            return (
                f"at {diagnosis.rung} what is wrong with answers is their form, and tuning is the dearest way to fix that; the "
                f"cheaper way: {fix}"
            )
    return None
