"""How rung.yaml states the goal: a number, or to be as good as the approach that runs now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import Discriminator, Field, Tag

from rung.config.approaches import stored_label
from rung.config.section import Section
from rung.errors import Problem
from rung.types import usual_tolerance


class Named(Protocol):
    """A step of the ladder."""

    @property
    def label(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


NUMBER, APPROACH = "=number", "=approach"  # tags of the two forms; no part of a key begins so


class AsGoodAs(Section):
    """`{as_good_as: current, margin: 0.02}`: at most so much worse than a step of the ladder, on the same test examples."""

    as_good_as: str = Field(min_length=1, description="the step of the ladder that runs now, by its name or its model")
    margin: float = Field(0.02, gt=0, le=0.5, description="how much worse is still as good")


def _form(value: Any) -> str:
    return APPROACH if isinstance(value, Mapping | AsGoodAs) else NUMBER


Goal = Annotated[
    Annotated[float, Field(gt=0, le=1), Tag(NUMBER)] | Annotated[AsGoodAs, Tag(APPROACH)], Discriminator(_form)
]


def named_steps(name: str, ladder: Sequence[Named]) -> list[str]:
    """Return the labels of the steps that a name may mean: the one so labelled or so named, else those of the model so called."""
    exact = [step.label for step in ladder if stored_label(name) == step.label or name == step.name]
    return exact or [step.label for step in ladder if name == step.settings.get("model")]


def current_of(goal: float | AsGoodAs, ladder: Sequence[Named]) -> str | None:
    """Return the label of the step that others are to be as good as; None where the goal is a number, or its name is not that of one step."""
    found = named_steps(goal.as_good_as, ladder) if isinstance(goal, AsGoodAs) else []
    return found[0] if len(found) == 1 else None


def numbers_of(goal: float | AsGoodAs, tolerance: float | None) -> tuple[float, float]:
    """Return goal and tolerance as a task has them: 1 and the margin, until what runs now is measured."""
    if isinstance(goal, AsGoodAs):
        return 1.0, goal.margin
    return goal, usual_tolerance(goal) if tolerance is None else tolerance


def problems_of_current(goal: float | AsGoodAs, ladder: Sequence[Named]) -> Iterator[Problem]:
    """Say what keeps a step from being what the others are held against."""
    if not isinstance(goal, AsGoodAs):
        return
    path, steps = "task.goal.as_good_as", ", ".join(step.label for step in ladder)
    found = named_steps(goal.as_good_as, ladder)
    if not found:
        yield Problem(path, "is no step of the ladder", goal.as_good_as, steps)
    elif found[1:]:
        yield Problem(path, "may mean several steps of the ladder: name one", goal.as_good_as, ", ".join(found))
    elif not ladder[1:]:
        yield Problem(
            path, "is the only step of the ladder: add the approaches that may take its place", goal.as_good_as
        )
