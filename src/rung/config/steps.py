"""How rung.yaml names the approaches of the ladder, and what is meant where it does not say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator

from rung.config.approaches import stored_name
from rung.config.section import Section

EMBEDDER = "embedder"  # the role whose model makes vectors, where no other is named


class Step(Section):
    """One planned approach: plugin name, settings, and the label it carries in reports: its own name, or that of its model."""

    rung: str
    settings: Mapping[str, Any] = Field(default_factory=dict)
    name: str | None = None

    @field_validator("rung")
    @classmethod
    def _one_spelling(cls, value: str) -> str:
        return stored_name(value)

    @property
    def tries_models(self) -> bool:
        """Whether it chooses among several models or reasoning efforts on dev."""
        listed = (self.settings.get(key) for key in ("models", "effort"))
        return any(isinstance(value, list | tuple) and len(value) > 1 for value in listed)

    @property
    def trained_elsewhere(self) -> bool:
        """Whether its model is tuned at a vendor or on another machine, and is measured here."""
        return self.settings.get("trained") == "elsewhere"

    @property
    def label(self) -> str:
        """The approach, and behind "@" its own name or the role of its model where that is not `main`."""
        apart = self.name or self.settings.get("model", "main")
        return self.rung if apart == "main" else f"{self.rung}@{apart}"


def as_meant(ladder: Sequence[Step], current: str | None, models: Collection[str]) -> tuple[Step, ...]:
    """Return the steps as they are climbed: the one that runs now before the others, which are held against it, and the baseline by
    meaning, too, where a model makes vectors."""
    steps = [_named(step, models) for step in sorted(ladder, key=lambda step: step.label != current)]
    if current is not None and steps[0].rung == "prompt":  # what runs now is measured as it is
        steps[0] = _with(steps[0], rewrites=False)
    return tuple(steps)


def _named(step: Step, models: Collection[str]) -> Step:
    return _with(step, embedder=EMBEDDER) if step.rung == "baseline" and EMBEDDER in models else step


def _with(step: Step, **unless_said: Any) -> Step:
    return step.model_copy(update={"settings": {**unless_said, **step.settings}})
