"""A rung of the ladder asked to fit or plan: what it gives back is checked, so that a plug-in's fault is told as one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import cast

from rung import plugins
from rung.config import Step
from rung.errors import NotOffered
from rung.evaluate.first_answers import must_differ
from rung.evaluate.profile import is_stored
from rung.prompts.templates import as_it_stands
from rung.protocols import Kit, Refits, Rung
from rung.store.run import RunFolder
from rung.types import FEATURES, Candidate, Feature, FitInput, Fitted, RungPlan, Task

FITTED = "a Fitted whose candidate names its approach and holds what that learns, with the outcome of every dev example in order"
REFITTED = "the candidate as the approach chose it, learnt from more examples"
PLANNED = "a RungPlan"


def rung_of(step: Step) -> Rung:
    """Return a step's rung with its settings. Raises UnknownPlugin and PluginError."""
    plugins.rung_type(step.rung)
    return cast(Rung, plugins.make("rungs", step.rung, **step.settings))


async def fit(step: Step, given: FitInput, kit: Kit) -> Fitted:
    """Let a step's rung choose its candidate. Raises NotOffered, and PluginError for a plug-in that breaks its contract."""
    rung = rung_of(step)
    _needs_answers(rung, given)
    with plugins.kept(step.rung, "fit", FITTED):
        found = await rung.fit(_own(step, given), kit)
    if not isinstance(found, Fitted):
        raise plugins.broken(step.rung, "fit", FITTED, found)
    candidate = found.candidate
    if candidate.rung != step.rung or not isinstance(candidate.learned, rung.learned):
        raise plugins.broken(step.rung, "fit", FITTED, candidate)
    answered = [getattr(outcome, "example_id", outcome) for outcome in found.dev]
    if answered != [e.id for e in given.dev]:
        raise plugins.broken(step.rung, "fit", FITTED, answered)
    return replace(found, candidate=replace(candidate, feature=_feature(candidate, given.task, kit)))


def _feature(candidate: Candidate, task: Task, kit: Kit) -> Feature | None:
    """Return what a candidate asks where that is the user's own function or service."""
    chat = candidate.chat
    if chat is None or candidate.model is None:
        return None
    name = FEATURES.get(kit.card(candidate.model).provider)
    same = chat.messages == as_it_stands(task).messages and not chat.demonstrations and not chat.params
    return Feature(name, same) if name is not None else None


async def fit_usable(step: Step, given: FitInput, kit: Kit, to_be_tuned: Collection[str]) -> Fitted:
    """Fit a step as `fit` does, and raise EqualAnswers where what it chose gives one answer to everything.

    Passed over are stored answers, which are what they are, and models in `to_be_tuned`: they have yet to learn what to answer.
    """
    fitted = await fit(step, given, kit)
    if fitted.candidate.model not in to_be_tuned and not is_stored(fitted.candidate, kit):
        must_differ(fitted, given)
    return fitted


def measured_as(step: Step, chosen: Candidate, given: FitInput, kit: Kit, run: RunFolder) -> Candidate:
    """Return the candidate that answers the test examples: the chosen one `refitted`, but what was measured as chosen stays so."""
    record = run.rung(step.label)
    if record.unedited and record.result.need().candidate.id == chosen.id:
        return chosen
    return refitted(step, chosen, given, kit)


def refitted(step: Step, chosen: Candidate, given: FitInput, kit: Kit) -> Candidate:
    """Return what is measured on the test set: the chosen candidate, learnt from train and dev where its rung learns from rows."""
    rung = rung_of(step)
    if not isinstance(rung, Refits):
        return chosen
    with plugins.kept(step.rung, "refit", REFITTED):
        found = rung.refit(chosen, _own(step, given), kit)
    if not isinstance(found, Candidate) or (found.rung, found.name) != (chosen.rung, chosen.name):
        raise plugins.broken(step.rung, "refit", REFITTED, found)
    return found


def planned(step: Step, given: FitInput, kit: Kit) -> RungPlan:
    """Let a step's rung estimate what it would ask. Raises as `fit` does."""
    rung = rung_of(step)
    _needs_answers(rung, given)
    with plugins.kept(step.rung, "plan", PLANNED):
        found = rung.plan(_own(step, given), kit)
    if not isinstance(found, RungPlan):
        raise plugins.broken(step.rung, "plan", PLANNED, found)
    return found


def _needs_answers(rung: Rung, given: FitInput) -> None:
    """Raise NotOffered for a rung that learns from expected answers, or shows them, where the examples have none."""
    if not given.task.target and (rung.trains or getattr(rung, "shows_answers", False)):
        raise NotOffered(
            "the examples have no expected answers to learn from or to show (task.target names no column); what is left is to ask "
            "better, and to judge what comes back"
        )


def _own(step: Step, given: FitInput) -> FitInput:
    """Return what a rung may change without another seeing it: a plug-in's gets examples of its own."""
    if step.rung in plugins.BUILT_IN["rungs"]:
        return given
    train, dev = (tuple(replace(e, inputs=dict(e.inputs)) for e in part) for part in (given.train, given.dev))
    return replace(given, train=train, dev=dev)
