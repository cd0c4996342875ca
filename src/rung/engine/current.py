"""What runs now is measured before the others, where the goal is to be as good as that."""

from __future__ import annotations

from dataclasses import replace

from rung.config import Config
from rung.config.roles import tuned_roles
from rung.decide.current import anchored, must_answer
from rung.engine.contract import fit_usable, measured_as, rung_of
from rung.engine.prepare import Prepared, note_task
from rung.evaluate.evaluator import Evaluator
from rung.types import Candidate, FitInput, Result


async def measured_first(
    config: Config, ready: Prepared, evaluator: Evaluator
) -> tuple[Prepared, Evaluator, dict[str, Result], Candidate | None]:
    """Measure the step that runs now; return what the others start from, its result by label, and its candidate where it asks a model.

    Their goal is its dev score, and its test answers are what they are held against. Where the goal is a number, nothing is done.
    Raises RungError where it fails on so many examples that being as good as that says little.
    """
    task, run, step = ready.task, evaluator.run, config.ladder[0]
    if task.as_good_as is None:
        return ready, evaluator, {}, None
    given = FitInput(task, ready.split.train, ready.split.dev)
    fitted = await fit_usable(step, given, evaluator.kit, tuned_roles(config))
    run.rung(step.label).save_fitted(fitted)
    must_answer(task, fitted.dev, "dev")
    ready.use.note(run, evaluator.progress)
    candidate = measured_as(step, fitted.candidate, given, evaluator.kit, run)
    result = await evaluator.measure(step.label, candidate, fitted.dev)
    must_answer(task, result.outcomes, "test")
    note_task(run, anchored(task, result.outcomes))
    evaluator.progress.say(f"{step.label}, which runs now: {result.estimates[task.metrics[0].name]}")
    seen = anchored(task, fitted.dev)
    below = fitted.candidate if rung_of(step).asks else None
    return replace(ready, task=seen), replace(evaluator, task=seen, current=result), {step.label: result}, below
