"""A model that was tuned at a vendor or on another machine, brought back: chosen on dev and held to what our own tuning is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rung.errors import Awaited, ConfigError
from rung.prompts.race import mean_score
from rung.prompts.templates import Template, as_it_stands
from rung.protocols import Kit
from rung.tuning.forgetting import compare_kept
from rung.types import (
    Candidate,
    Example,
    FitInput,
    Fitted,
    Forgetting,
    Outcome,
    Preflight,
    Remedy,
    Task,
    Trial,
    TunedLearned,
    Tuning,
    learned_as,
)

TUNED_UNDER, OWN = "exported", "own"  # the prompt of the exported rows; the feature's own, where that is another


def prompts_of(task: Task, exported: Template) -> tuple[tuple[str, Template], ...]:
    """Return the prompts under which a model tuned elsewhere may be asked: that of the exported rows first."""
    own = as_it_stands(task) if task.prompt is not None else exported
    return ((TUNED_UNDER, exported), *(((OWN, own),) if own.messages != exported.messages else ()))


def must_be_there(kit: Kit, role: str, exported: Template) -> str:
    """Return the name of the model in `role`. Raises Awaited, with the prompt to tune under, where there is none yet."""
    try:
        return kit.card(role).name
    except ConfigError:
        raise Awaited(role, exported.messages, exported.columns) from None


async def brought_back(
    given: FitInput,
    kit: Kit,
    asked: tuple[str, str | None],
    exported: Template,
    rows: Sequence[Example],
    *,
    reasons: Sequence[str],
    cost_usd: float | None,
) -> Fitted:
    """Ask the tuned model on dev under each prompt, keep the better, and compare it with its base on what must be kept.

    The prompt of the exported rows is kept unless another is better by `min_gain`. `asked`: the roles of the tuned
    model and of what it was before, None where nobody said; `rows`: the exported training rows; `reasons`: those against tuning that force overrode. Raises Awaited where the model is not there yet.
    """
    (role, base), task = asked, given.task
    name = must_be_there(kit, role, exported)
    tried: list[tuple[Candidate, tuple[Outcome, ...], float]] = []
    for prompt, template in prompts_of(task, exported):
        learned = TunedLearned(
            messages=template.messages,
            columns=template.columns,
            weights=None,
            base=role,
            tuner="elsewhere",
            under=prompt,
            rows=len(rows),
            forced=tuple(reasons),
        )
        candidate = Candidate("finetune", f"tuned elsewhere, {prompt} prompt", learned, role, tuple(e.id for e in rows))
        outcomes = await kit.run(candidate, given.dev)
        tried.append((candidate, outcomes, mean_score(outcomes, task) or 0.0))
    chosen = tried[0]
    for other in tried[1:]:
        if other[2] - chosen[2] >= task.min_gain:
            chosen = other
    winner, outcomes, dev = chosen
    found = await _kept(kit, task, base, role)
    if found is not None and found.vetoed:
        winner = replace(winner, learned=replace(learned_as(winner, TunedLearned), forgets=found.sentence))
    remedies = (Remedy("as tuned", dev, len(given.dev), found, None, chosen=True),) if found is not None else ()
    trials = [Trial(winner if c is chosen[0] else c, len(o), m, c is chosen[0], len(o)) for c, o, m in tried]
    tuning = Tuning(
        base=name,
        preflight=Preflight((), ""),
        trials=(),
        curve=(),
        forecast=None,
        forced=tuple(reasons),
        remedies=remedies,
        elsewhere=True,
        paid_usd=cost_usd,
    )
    return Fitted(winner, outcomes, tuple(trials), tuning=tuning)


async def _kept(kit: Kit, task: Task, base: str | None, role: str) -> Forgetting | None:
    """Compare the model with what it was before, on the regression tasks and the general abilities; None: nobody said what it was."""
    if base is None:
        kit.say(f"finetune: what models.{role} forgets is not looked at: `base` names no model as it was before tuning")
        return None
    suite = kit.regression_suite()
    before, after = await suite.scores(base), await suite.scores(role)
    seed = kit.rng("regression tasks").randrange(2**31)
    return compare_kept(before, after, alpha=task.alpha, margin=task.min_gain, seed=seed)
