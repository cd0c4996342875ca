"""What the form of its answers costs a rung, and the cheapest fix of it: read off the answers that are there, nothing is asked."""

from __future__ import annotations

from rung.decide.form import cheapest_fix
from rung.diagnosis.failed_examples import FailedExamples
from rung.prompts.postprocessing import best_steps, in_words, raw_text
from rung.protocols import Judge
from rung.types import FormLoss, Task


def form_loss(case: FailedExamples) -> FormLoss | None:
    """Return what a lenient reading and every post-processing step would bring; None where no row fails by its form."""
    metric, task = case.metric, case.task
    outcomes = [o for o in case.subject.outcomes if not (o.unanswered or o.unjudged)]
    if not case.asks_model or isinstance(metric, Judge) or not outcomes:
        return None
    name, failed = task.metrics[0].name, task.failure_score or 0.0
    strict = [failed if (v := o.value(name, failed)) is None else v for o in outcomes]
    lenient = [
        max(value, metric.lenient(raw_text(o), case.examples[o.example_id], task) or 0.0)
        if o.answer is not None and not o.answer.truncated
        else value
        for o, value in zip(outcomes, strict, strict=True)
    ]
    now = sum(strict) / len(strict)
    found = best_steps(outcomes, case.examples, metric, task)
    untried = found if found is not None and found.mean > now else None
    rows = sum(case.only_form(o) for o in case.failed)
    if not rows and untried is None:
        return None
    return FormLoss(
        rows=rows,
        strict=now,
        lenient=sum(lenient) / len(lenient),
        untried=untried.steps if untried is not None else None,
        mended=untried.mean if untried is not None else None,
    )


def cheapest_first(form: FormLoss, task: Task) -> list[str]:
    """Return the fix of the form that costs least, where there is one to name."""
    fix = cheapest_fix(form, task)
    if fix is None:
        return []
    return [f"first: {fix.replace(form.untried, in_words(form.untried)) if form.untried else fix}"]
